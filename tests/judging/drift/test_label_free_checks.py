"""Checks without labels: held against training, never normal where they cannot be made."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t

from pynomaly import config
from pynomaly.judging.drift.drift_report import ColumnDrift, DriftReport
from pynomaly.judging.drift.label_free_checks import UnlabelledProbe, UnlabelledVerdict, judge_probe
from pynomaly.judging.drift.window_summary import summarize_window
from tests.judging.drift.test_degradation import observe

SETTINGS, ALPHA = config.Degradation(), config.Drift().alpha
GOOD = UnlabelledProbe(1000, 0.9, (0.9, 0.88, 0.92), (0.7, 0.62, 0.78))


def probed(**changes: Any) -> UnlabelledProbe:
    return UnlabelledProbe.from_dict(GOOD.to_dict() | changes)


@pytest.mark.parametrize(
    ("changes", "agreement", "injected"),
    [
        ({}, "ok", "none"),
        ({"agreement": 0.78}, "warning", "none"),
        ({"agreement": 0.5}, "drift", "none"),
        ({"agreement": 0.97}, "ok", "none"),
        ({"agreement": 0.5, "rows": 20}, "ok", "none"),  # 10 ranks say little
        ({"agreement": None}, "not_computable", "none"),
        ({"roc_auc": [0.84, 0.80, 0.87], "average_precision": [0.5, 0.4, 0.6]}, "ok", "minor"),
        ({"roc_auc": [0.60, 0.50, 0.70], "average_precision": [0.5, 0.4, 0.6]}, "ok", "critical"),
        # Intervals overlap: nothing is shown.
        ({"roc_auc": [0.60, 0.30, 0.89], "average_precision": [0.5, 0.4, 0.7]}, "ok", "none"),
        ({"average_precision": None}, "ok", "not_computable"),
    ],
)
def test_a_window_is_held_against_training(changes: dict[str, Any], agreement: str, injected: str) -> None:
    checked = judge_probe(probed(**changes), GOOD, SETTINGS, ALPHA)
    assert (checked.agreement_status, checked.injected_status) == (agreement, injected)
    is_silent = (agreement, injected) == ("ok", "none") and changes.get("agreement", 1.0) > 0.8
    assert bool(checked.reasons) != is_silent


@pytest.mark.parametrize(
    "one", [{"average_precision": [0.3, 0.2, 0.4]}, {"roc_auc": [0.60, 0.50, 0.70]}], ids=["ap", "auc"]
)
def test_a_drop_of_one_metric_alone_is_said_and_does_not_count(one: dict[str, Any]) -> None:
    checked = judge_probe(probed(**one), GOOD, SETTINGS, ALPHA)
    assert checked.injected_status == "none"
    assert "only one of the two" in checked.reasons[-1]


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (GOOD, None),
        (GOOD, UnlabelledProbe(10, None, None, None, ("too few",))),
        (UnlabelledProbe(10, None, None, None), GOOD),
    ],
)
def test_what_is_not_computable_is_bad_and_never_normal(
    now: UnlabelledProbe, then: UnlabelledProbe | None
) -> None:
    checked = judge_probe(now, then, SETTINGS, ALPHA)
    assert (checked.agreement_status, checked.injected_status) == ("not_computable", "not_computable")
    assert checked.reasons
    assert observe(unlabelled=checked).violated


@pytest.mark.parametrize(
    ("status", "level"),
    [
        ({"agreement_status": "warning"}, "none"),
        ({"agreement_status": "drift"}, "moderate"),
        ({"injected_status": "minor"}, "minor"),
        ({"injected_status": "major"}, "major"),
        ({}, "none"),
    ],
)
def test_checks_count_in_the_level_of_a_window(status: dict[str, str], level: str) -> None:
    assert observe(unlabelled=UnlabelledVerdict(**status), positives=0).level == level


def test_labels_outrank_injected_anomalies() -> None:
    bad = UnlabelledVerdict(injected_status="critical")
    judged = {"performance": 0.9, "performance_high": 0.95, "baseline": 0.9, "positives": 50}
    assert observe(unlabelled=bad, **judged).level == "none"
    assert observe(unlabelled=bad, positives=0).level == "critical"


def test_a_probe_survives_json() -> None:
    assert UnlabelledProbe.from_dict(json.loads(json.dumps(GOOD.to_dict()))) == GOOD


def test_every_aspect_has_one_of_four_words() -> None:
    score = ColumnDrift("score", "score", "warning", 0.12, 0.0, 0.0, "score moved")
    report = DriftReport("ok", (), score, 0.0, (), columns_status="ok")
    checked = UnlabelledVerdict("not_computable", "major", None, 0.2)
    aspects = {
        item.name: item for item in summarize_window(observe(alerts=60, unlabelled=checked), report, checked)
    }
    assert {name: item.status for name, item in aspects.items()} == {
        "data": "ok",
        "features": "insufficient_data",
        "scores": "warning",
        "alert_rate": "drift",
        "performance": "ok",
        "agreement": "insufficient_data",
        "injected": "drift",
    }
    assert aspects["alert_rate"].effect == pytest.approx(1 - 0.01 / 0.06)
    json.dumps([item.to_dict() for item in aspects.values()], allow_nan=False)


@pytest.mark.parametrize(
    ("agreement", "status"),
    [(0.5, "drift"), (0.501, "warning"), (0.75, "warning"), (0.751, "ok"), (1.0, "ok")],
)
def test_the_limits_of_agreement_belong_to_what_they_limit(agreement: float, status: str) -> None:
    """Of 0.875: a loss of 0.375 is bad, of a third of it a warning; all exact in binary."""
    now, then = (UnlabelledProbe(10**6, side, None, None) for side in (agreement, 0.875))
    checked = judge_probe(now, then, config.Degradation(disagreement=0.375), ALPHA)
    assert checked.agreement_status == status
    assert checked.agreement_effect == max(0.0, 0.875 - agreement)


@pytest.mark.parametrize(("rows", "status"), [(1000, "drift"), (0, "ok"), (1, "ok")])
def test_a_loss_counts_only_beyond_what_chance_gives(rows: int, status: str) -> None:
    for now in (0.2, 0.3, 0.4, 0.5):
        probe, then = UnlabelledProbe(rows, now, None, None), UnlabelledProbe(rows, 0.9, None, None)
        half = max(1, rows // 2)
        error = math.sqrt(sum((1 - side**2) ** 2 / half for side in (now, 0.9)))
        assert (0.9 - now > norm.isf(ALPHA) * error) == (status == "drift")
        assert judge_probe(probe, then, SETTINGS, ALPHA).agreement_status == status


def test_the_standard_error_is_that_of_the_rows_that_were_ranked() -> None:
    then = UnlabelledProbe(10**9, 0.875, None, None)
    for rows in range(2, 60):
        probe = UnlabelledProbe(rows, 0.5, None, None)
        verdict = judge_probe(probe, then, config.Degradation(disagreement=0.25), ALPHA)
        error = math.hypot(0.75 / math.sqrt(rows // 2), (1 - 0.875**2) / math.sqrt(5 * 10**8))
        beyond = norm.isf(ALPHA) * error < 0.375
        assert (verdict.agreement_status == "drift") == beyond


@pytest.mark.parametrize("worth", [12.0, 6.0])
def test_agreement_is_held_against_windows_of_the_reference(worth: float) -> None:
    own = tuple(np.random.default_rng(0).normal(0.7, 0.1, size=12))
    then = replace(GOOD, own=own, worth=worth)
    values = np.arctanh(own)
    spread = values.std(ddof=1) * math.sqrt(1 + 1 / worth)
    for now in (0.65, 0.55, 0.45, 0.35, 0.2, -0.2):
        checked = judge_probe(probed(agreement=now), then, SETTINGS, ALPHA)
        loss = np.median(own) - now
        certain = t.sf((values.mean() - math.atanh(now)) / spread, worth - 1) <= ALPHA
        steps = {True: "drift", False: "warning"}
        expected = steps[loss >= SETTINGS.disagreement] if certain and loss >= 0.1 else "ok"
        assert checked.agreement_status == expected
        assert bool(checked.reasons) == (loss >= 0.1), "what is not called lost says why"
    assert judge_probe(probed(agreement=-0.9), then, SETTINGS, ALPHA).agreement_status == "drift"
    assert UnlabelledProbe.from_dict(json.loads(json.dumps(then.to_dict()))) == then


def test_windows_worth_too_few_say_so_and_give_no_verdict() -> None:
    then = replace(GOOD, own=(0.8, 0.7, 0.75), worth=2.0)
    checked = judge_probe(probed(agreement=0.1), then, SETTINGS, ALPHA)
    assert checked.agreement_status == "insufficient_data"
    assert "worth 2.0 independent ones" in checked.reasons[0]
    assert "windows.reference" in checked.reasons[0]
    assert observe(unlabelled=replace(checked, injected_status="none"), positives=0).level == "none"


def test_each_verdict_has_its_figures() -> None:
    worse = probed(agreement=0.5, roc_auc=[0.60, 0.50, 0.70], average_precision=[0.35, 0.3, 0.4])
    checked = judge_probe(worse, GOOD, SETTINGS, ALPHA)
    assert checked.agreement_effect == pytest.approx(0.4)
    assert checked.injected_effect == pytest.approx(1 / 3)  # the smaller of both drops
    assert checked.reasons == (
        "rank agreement with a fresh refit 0.90 -> 0.50: the champion ranks rows as a new model would not",
        "roc_auc on injected anomalies 0.900 -> 0.600: a critical drop",
        "average_precision on injected anomalies 0.700 -> 0.350: a critical drop",
    )
    better = judge_probe(
        probed(roc_auc=[0.95, 0.9, 0.99], average_precision=[0.8, 0.7, 0.9]), GOOD, SETTINGS, ALPHA
    )
    assert (better.injected_effect, better.reasons) == (0.0, ())
    one = judge_probe(probed(roc_auc=[0.60, 0.50, 0.70]), GOOD, SETTINGS, ALPHA)
    assert one.reasons[-1] == "only one of the two metrics dropped, which counts as chance"
    assert judge_probe(probed(agreement=0.78), GOOD, SETTINGS, ALPHA).reasons == (
        "rank agreement with a fresh refit 0.90 -> 0.78",
    )


def test_what_was_missing_is_said_with_its_side() -> None:
    now = UnlabelledProbe(10, None, None, (0.5, 0.4, 0.6), ("too few rows",))
    then = UnlabelledProbe(10, 0.9, (0.9, 0.8, 1.0), (0.5, 0.4, 0.6), ("a note",))
    checked = judge_probe(now, then, SETTINGS, ALPHA)
    assert checked.reasons == (
        "agreement with a refit is not computable",
        "too few rows",
        "at training: a note",
        "roc_auc on injected anomalies is not computable",
        "too few rows",
        "at training: a note",
    )
    assert (checked.agreement_effect, checked.injected_effect) == (None, None)
    assert judge_probe(GOOD, None, SETTINGS, ALPHA).reasons == (
        "no measurement at training to compare with: a training makes one",
    )


@pytest.mark.parametrize(
    ("now", "injected"),
    [
        # Limits of 1/16 and 1/8 (exact in binary), of a value of 0.5.
        ((0.46875, 0.4, 0.4375), "minor"),
        ((0.469, 0.4, 0.4375), "none"),
        ((0.4375, 0.4, 0.4375), "moderate"),
        ((0.438, 0.4, 0.4375), "minor"),
        ((0.4375, 0.4, 0.45), "none"),  # its upper end touches the lower end at training
    ],
)
def test_the_ladder_of_injected_anomalies_includes_its_limits(now: tuple[float, ...], injected: str) -> None:
    settings = config.Degradation(minor=0.0625, moderate=0.125, major=0.25, critical=0.5)
    before = (0.5, 0.45, 0.55)
    probe, then = (UnlabelledProbe(1000, 0.9, each, each) for each in (now, before))  # type: ignore[arg-type]
    assert judge_probe(probe, then, settings, ALPHA).injected_status == injected
    never = UnlabelledProbe(1000, 0.9, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert judge_probe(probe, never, settings, ALPHA).injected_status == "not_computable"


def test_agreement_lost_on_rows_worth_few_independent_ones_is_chance_and_says_so() -> None:
    then = UnlabelledProbe(1000, 0.9, (0.9, 0.8, 1.0), (0.9, 0.8, 1.0), effective=40.0)
    now = replace(then, agreement=0.4, effective=4.0)
    verdict = judge_probe(now, then, config.Degradation(), ALPHA)
    assert verdict.agreement_status == "ok"
    assert (
        "chance explains it, as the rows of the window are worth 4.0 independent ones" in verdict.reasons[0]
    )
    plenty = judge_probe(replace(now, effective=400.0), then, config.Degradation(), ALPHA)
    assert plenty.agreement_status == "drift"
    assert UnlabelledProbe.from_dict(now.to_dict()) == now
    older = {name: value for name, value in now.to_dict().items() if name != "effective"}
    assert UnlabelledProbe.from_dict(older).effective is None


def test_all_kinds_are_compared_where_both_sides_were_asked_for_the_same() -> None:
    high, low = (0.9, 0.88, 0.92), (0.5, 0.45, 0.55)
    kinds = {"kinds": ["stuck", "wrong hour"]}
    then = probed(**kinds, in_context=[high, high])
    settings = config.Degradation()
    assert (
        judge_probe(probed(**kinds, in_context=[low, low]), then, settings, ALPHA).injected_status
        == "critical"
    )
    fewer = probed(kinds=["stuck"], in_context=[low, low])
    assert judge_probe(fewer, then, settings, ALPHA).injected_status == "none", (
        "those that a row shows by itself"
    )
    assert judge_probe(GOOD, then, settings, ALPHA).injected_status == "none"
    assert UnlabelledProbe.from_dict(then.to_dict()) == then
