import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly import config
from pynomaly.errors import ConfigError
from pynomaly.model.calibration.alert_policy import (
    POLICY_MAKERS,
    AlertPolicy,
)
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.calibration.false_discoveries import benjamini_hochberg
from pynomaly.model.calibration.policy_thresholds import cost_threshold, single_row_threshold
from pynomaly.steps.promotion.preview_policy import parse_policy
from tests import naive

shares = st.floats(0.0, 1.0)


def test_every_policy_of_the_settings_is_made_and_no_other() -> None:
    assert set(POLICY_MAKERS) == set(config.ALERT_POLICIES)
    for name, form in config.ALERT_POLICIES.items():
        assert set(form.figures) <= set(config.Alerts.model_fields)
        assert parse_policy(form.example, config.Alerts()).policy == name


def test_a_policy_is_one_function_and_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = ", ".join(map(repr, sorted(config.ALERT_POLICIES)))
    with pytest.raises(ConfigError, match=f"no policy 'halved'; allowed: {allowed}"):
        parse_policy("halved:0.1", config.Alerts())

    def make_halved_policy(alerts: config.Alerts, rows_per_day: float | None) -> AlertPolicy:
        return AlertPolicy("halved", alerts.quantile / 2, rows_per_day)

    monkeypatch.setitem(config.ALERT_POLICIES, "halved", config.PolicyForm(("quantile",), "halved:0.1"))
    monkeypatch.setitem(POLICY_MAKERS, "halved", make_halved_policy)
    alerts = parse_policy("halved:0.1", config.Alerts())
    policy = AlertPolicy.from_config(alerts, 24.0)
    assert policy.threshold == 0.05
    assert AlertPolicy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy
    assert "halved" in config.Alerts.model_json_schema()["properties"]["policy"]["enum"]


@pytest.mark.slow
def test_quantile_policy_is_its_share() -> None:
    policy = AlertPolicy.from_config(config.Alerts(policy="quantile", quantile=0.02), None)
    assert policy.threshold == 0.02
    assert policy.alerts([0.02, 0.0201, 0.001]).tolist() == [True, False, True]


def test_budget_policy_is_alerts_over_rows() -> None:
    policy = AlertPolicy.from_config(config.Alerts(policy="budget", per_day=20), 400.0)
    assert policy.threshold == pytest.approx(0.05)
    assert policy.rows_per_day == 400.0


@pytest.mark.parametrize("rows", [None, 0.0, float("nan")])
def test_budget_needs_rows_per_day(rows: float | None) -> None:
    with pytest.raises(ConfigError, match="needs rows per day"):
        AlertPolicy.from_config(config.Alerts(policy="budget"), rows)


def test_budget_of_half_the_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be under 12, half of the rows"):
        AlertPolicy.from_config(config.Alerts(policy="budget", per_day=20), 24.0)


# False discovery rate.


@settings(max_examples=200, deadline=None)
@given(
    p=st.lists(st.one_of(shares, st.sampled_from([0.01, 0.02, 0.05])), max_size=40),
    level=st.floats(0.01, 0.4),
)
def test_benjamini_hochberg_is_the_naive_step_up(p: list[float], level: float) -> None:
    assert benjamini_hochberg(p, level).tolist() == naive.benjamini_hochberg(p, level)


@settings(max_examples=100, deadline=None)
@given(p=st.lists(shares, min_size=2, max_size=30), seed=st.integers(0, 99))
def test_a_window_is_a_set(p: list[float], seed: int) -> None:
    policy = AlertPolicy.from_config(config.Alerts(policy="fdr"), None)
    order = np.random.default_rng(seed).permutation(len(p))
    alerts = policy.flag_window(p, 0.001)
    assert policy.flag_window(np.array(p)[order], 0.001).tolist() == alerts[order].tolist()
    chosen, rest = np.array(p)[alerts], np.array(p)[~alerts]
    assert not len(chosen) or not len(rest) or chosen.max() < rest.min()


def test_only_fdr_looks_at_other_rows() -> None:
    p = np.concatenate([np.full(9, 0.004), np.linspace(0.02, 1, 91)])
    fdr = AlertPolicy.from_config(config.Alerts(policy="fdr", fdr=0.1, prevalence=0.01), None)
    assert fdr.flag_window(p, 0.004).sum() == 9
    assert fdr.flag_window(p[8:], 0.004).sum() == 0
    assert not fdr.alerts(p).any()  # each alone: above 0.1 / 0.9 * 0.01 / 0.99
    assert fdr.flag_window(p[:1], 0.004).tolist() == fdr.alerts(p[:1]).tolist() == [False]
    assert fdr.flag_window([], 0.004).tolist() == []
    for alerts in (config.Alerts(), config.Alerts(policy="cost"), config.Alerts(policy="budget", per_day=2)):
        policy = AlertPolicy.from_config(alerts, 100.0)
        assert policy.flag_window(p, 0.004).tolist() == policy.alerts(p).tolist()


def test_a_row_alone_is_judged_by_the_assumed_prevalence() -> None:
    t = single_row_threshold(0.1, 0.01)
    assert t * 0.99 / (t * 0.99 + 0.01) == pytest.approx(0.1)
    assert single_row_threshold(0.1, 0.49) <= 0.1


def test_a_silent_calibration_stays_silent_under_fdr() -> None:
    policy = AlertPolicy.from_config(config.Alerts(policy="fdr", fdr=0.4), None)
    silent = Calibration.fit([3.0] * 50)
    assert not policy.flag_window(silent.p_values([9.0] * 20), silent.resolution).any()


def test_fdr_trusts_the_tail_only_when_asked() -> None:
    calibration = Calibration.fit(np.random.default_rng(0).normal(size=500))
    scores = np.concatenate([np.linspace(-2, 2, 99), [12.0]])
    decided = {}
    for extrapolate in (False, True):
        alerts = config.Alerts(policy="fdr", extrapolate=extrapolate)
        policy = AlertPolicy.from_config(alerts, None)
        decided[extrapolate] = policy.flag_window(calibration.p_values(scores), calibration.resolution)
        counted = naive.benjamini_hochberg(calibration.conformal_p_values(scores).tolist(), 0.1)
        assert extrapolate or decided[extrapolate].tolist() == counted
    assert (decided[False].sum(), decided[True].sum()) == (0, 1)


@pytest.mark.parametrize("extrapolate", [True, False])
@pytest.mark.parametrize("level", [0.05, 0.1])
def test_realised_false_discoveries_stay_at_the_level(extrapolate: bool, level: float) -> None:
    rng, windows = np.random.default_rng(3), 400
    alerts_of = config.Alerts(policy="fdr", fdr=level, extrapolate=extrapolate)
    policy = AlertPolicy.from_config(alerts_of, None)
    false, recalls, null = [], [], []
    for _ in range(windows):
        calibration = Calibration.fit(rng.normal(size=500))
        p = calibration.p_values(np.concatenate([rng.normal(size=190), rng.normal(4.5, 1, size=10)]))
        alerts = policy.flag_window(p, calibration.resolution)
        false.append(alerts[:190].sum() / max(alerts.sum(), 1))
        recalls.append(alerts[190:].mean())
        null.append(policy.flag_window(p[:190], calibration.resolution).any())
    error = 2 * np.sqrt(level * (1 - level) / windows)
    assert np.mean(false) <= level + error
    assert np.mean(null) <= level + error
    assert np.mean(recalls) > (0.5 if extrapolate else 0.3)


# Cost.


@settings(max_examples=100, deadline=None)
@given(missed=st.floats(0.01, 1000), false=st.floats(0.1, 100), prevalence=st.floats(1e-5, 0.4))
def test_cost_threshold_is_where_both_cost_the_same(missed: float, false: float, prevalence: float) -> None:
    alerts = config.Alerts(policy="cost", cost_missed=missed, cost_false_alarm=false, prevalence=prevalence)
    if prevalence * missed / ((1 - prevalence) * false) >= 1:
        with pytest.raises(ConfigError, match="every row would be an alert"):
            cost_threshold(alerts)
        return
    twin = naive.cost_threshold(missed, false, prevalence)
    assert cost_threshold(alerts) == pytest.approx(twin, rel=1e-6)
    assert 0 < cost_threshold(alerts) < 0.37


def test_dearer_misses_alert_earlier() -> None:
    thresholds = [
        AlertPolicy.from_config(config.Alerts(policy="cost", cost_missed=cost), None).threshold
        for cost in (1, 5, 20, 90)
    ]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]


# What can be said of a policy and a calibration.


def test_threshold_below_the_resolution_is_said() -> None:
    calibration = Calibration.fit(range(50))
    policy = AlertPolicy("quantile", 0.01)
    assert "cannot alert" in policy.describe_resolution(calibration)
    assert "99 are needed" in policy.describe_resolution(calibration)
    assert not policy.alerts(calibration.p_values([1e9])).any()
    assert policy.describe_resolution(Calibration.fit(range(99), tail=False)) == ""
    assert policy.alerts(Calibration.fit(range(99)).p_values([1e9])).all()


def test_alerts_by_extrapolation_are_said() -> None:
    calibration = Calibration.fit(np.random.default_rng(0).normal(size=500))
    assert "rest on extrapolation" in AlertPolicy("quantile", 0.001).describe_resolution(calibration)
    assert "cannot alert" in AlertPolicy("quantile", 1e-6).describe_resolution(calibration)
    fdr = AlertPolicy("fdr", 1e-6, None, 0.1)
    assert "a share of 0.02 of its rows" in fdr.describe_resolution(calibration)
    assert "not guaranteed" in replace(fdr, extrapolate=True).describe_resolution(calibration)
    assert AlertPolicy("quantile", 0.01).describe_resolution(calibration) == ""


def test_steps_that_cut_a_budget_are_said() -> None:
    note = AlertPolicy("budget", 0.019, 1000.0).describe_resolution(Calibration.fit(range(70)))
    assert note.startswith("alerts on about 0.014 of normal rows instead of 0.019")


@pytest.mark.parametrize("kind", ["budget", "cost", "fdr", "quantile"])
def test_policy_reads_back(kind: str) -> None:
    policy = AlertPolicy.from_config(config.Alerts.model_validate({"policy": kind, "per_day": 1}), 384.0)
    assert AlertPolicy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy


def test_a_budget_is_kept() -> None:
    rng = np.random.default_rng(1)
    policy = AlertPolicy.from_config(config.Alerts(policy="budget", per_day=20), 1000.0)
    flagged = [
        policy.alerts(Calibration.fit(rng.normal(size=1000)).p_values(rng.normal(size=1000))).sum()
        for _ in range(60)
    ]
    assert np.mean(flagged) == pytest.approx(20, rel=0.2)


@pytest.mark.parametrize(
    ("policy", "setting"),
    [
        (AlertPolicy("quantile", 0.01), "set alerts.quantile to 0.02 or more"),
        (AlertPolicy("budget", 0.01, 144.0), "set alerts.per_day to 2.9 or more"),
        (AlertPolicy("cost", 0.01), "set alerts.cost_missed higher"),
        (AlertPolicy("fdr", 1e-4, None, 0.01), "set alerts.fdr to 0.02 or more"),
    ],
    ids=lambda item: item.kind if isinstance(item, AlertPolicy) else "",
)
def test_a_policy_under_which_nothing_can_alert_names_the_setting(policy: AlertPolicy, setting: str) -> None:
    calibration = Calibration.fit(range(49), tail=False)
    assert not policy.can_alert(calibration)
    note = policy.describe_resolution(calibration)
    assert note.startswith("cannot alert: the threshold 0.01 is below 0.02")
    assert setting in note
    assert policy.can_alert(Calibration.fit(range(99), tail=False))


@pytest.mark.parametrize(
    ("scores", "setting"), [(range(5), "windows.reference"), ([1.0] * 50, "data.columns")]
)
def test_scores_that_calibrate_nothing_name_the_setting(scores: list[float], setting: str) -> None:
    note = AlertPolicy("quantile", 0.4).describe_resolution(Calibration.fit(scores))
    assert note.startswith("cannot alert: p-values are not computable")
    assert f"set {setting}" in note
