"""Two of the last five windows and the newest; what is not computable counts as bad."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from pynomaly import config
from pynomaly.judging.drift.degradation import Observation, binomial_tail, judge_degradation, observe_window
from pynomaly.judging.drift.drift_report import ColumnDrift, DriftReport
from pynomaly.judging.drift.observation import renew_performance
from tests import naive

SETTINGS = config.Degradation()


def report(status: Any = "ok", score: Any = "ok") -> DriftReport:
    return DriftReport(
        status, (), ColumnDrift("score", "score", score, 0.0, 1.0, 1.0, "score: said"), 0.0, ()
    )


def observe(window: str = "w", **changes: Any) -> Observation:
    arguments: dict[str, Any] = {"rows": 1000, "drift": report(), "alerts": 10, "expected_rate": 0.01}
    arguments |= {"performance": 0.8, "baseline": 0.8, "positives": 50} | changes
    return observe_window(window, settings=SETTINGS, **arguments)


GOOD = {}
BAD = {"drift": report("drift")}


def verdict(*windows: dict[str, Any], settings: config.Degradation = SETTINGS):  # type: ignore[no-untyped-def]
    return judge_degradation([observe(f"w{i}", **changes) for i, changes in enumerate(windows)], settings)


@pytest.mark.parametrize(
    ("windows", "state", "action"),
    [
        ([GOOD], "normal", "none"),
        ([BAD], "warning", "watch"),
        ([BAD, BAD], "degraded", "retrain"),
        ([BAD, GOOD, GOOD, GOOD, BAD], "degraded", "retrain"),
        ([BAD, GOOD, GOOD, GOOD, GOOD, BAD], "warning", "watch"),
        ([BAD, BAD, GOOD], "recovering", "watch"),
        ([BAD, GOOD], "normal", "none"),
        ([BAD, BAD, GOOD, GOOD, GOOD, GOOD], "normal", "none"),
        ([{"performance": 0.75}] * 2, "warning", "alert"),
        ([{"performance": 0.71}] * 2, "degraded", "watch"),
        ([{"performance": 0.67}] * 2, "degraded", "retrain"),
        ([{"performance": 0.50}] * 2, "critical", "page"),
        ([{"performance": 0.75}, {"performance": 0.50}], "warning", "alert"),
        ([{"performance": 0.50}, {"performance": 0.75}], "warning", "alert"),
        ([BAD, {"performance": 0.50}], "degraded", "retrain"),
        ([{"alerts": 60}] * 2, "degraded", "recalibrate"),
        ([{"alerts": 60, "positives": 0}] * 2, "degraded", "watch"),
        ([{"drift": report(score="drift")}] * 2, "degraded", "recalibrate"),
        ([{"drift": report(score="drift"), "positives": 0}] * 2, "degraded", "retrain"),
        ([{"drift": report("warning", "warning")}] * 3, "normal", "none"),
    ],
)
def test_states(windows: list[dict[str, Any]], state: str, action: str) -> None:
    degradation = verdict(*windows)
    assert (degradation.state, degradation.action) == (state, action)
    assert degradation.reasons
    json.dumps(degradation.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"alerts": None},
        {"expected_rate": None},
        {"expected_rate": float("nan")},
        {"expected_rate": 0.0},
        {"drift": None},
        {"performance": None},
        {"performance": float("nan")},
        {"baseline": 0.0},
    ],
)
def test_what_is_not_computable_is_violated_and_says_so(changes: dict[str, Any]) -> None:
    observation = observe(**changes)
    assert observation.violated
    assert any("not computable, which counts as violated" in reason for reason in observation.reasons)
    assert verdict(changes, changes).state == "degraded"
    json.dumps(observation.to_dict(), allow_nan=False)


def test_no_labels_are_no_verdict_on_performance() -> None:
    observation = observe(performance=None, baseline=None, positives=0)
    assert observation.performance_status == "insufficient_data"
    assert not observation.violated


def test_too_few_rows_are_insufficient_data_and_earlier_short_windows_are_passed_over() -> None:
    short = {"rows": 99, "alerts": 50, **BAD}
    assert verdict(BAD, short).state == "insufficient_data"
    degradation = verdict(BAD, short, BAD)
    assert degradation.state == "degraded"
    assert degradation.considered == ("w0", "w2")
    assert judge_degradation([], SETTINGS).state == "insufficient_data"


@pytest.mark.parametrize(
    ("rows", "alerts", "status"),
    [
        (1000, 10, "ok"),
        (1000, 29, "ok"),  # certain (p < 1e-6), but below three times
        (1000, 30, "violated"),
        (100, 3, "ok"),  # three times, but p = 0.08
        (100, 4, "violated"),
        (99, 99, "insufficient_data"),
        (1000, 0, "ok"),
    ],
)
def test_alert_rate_needs_size_and_certainty(rows: int, alerts: int, status: str) -> None:
    observation = observe(rows=rows, alerts=alerts)
    assert observation.alert_status == status
    assert observation.alert_rate == pytest.approx(alerts / rows)
    if (rows, alerts) == (1000, 0):
        assert "silent" in observation.reasons[0]


@pytest.mark.parametrize(
    ("now", "step"),
    [(0.9, "none"), (0.77, "none"), (0.76, "minor"), (0.72, "moderate"), (0.68, "major"), (0.6, "critical")],
)
def test_the_ladder_includes_its_limits(now: float, step: str) -> None:
    assert observe(performance=now).performance_status == step


@given(st.integers(1, 60), st.floats(0.001, 0.999), st.data())
def test_binomial_tails_are_exact(rows: int, rate: float, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, rows))
    assert binomial_tail(hits, rows, rate) == pytest.approx(float(binom.sf(hits - 1, rows, rate)), abs=1e-12)
    assert binomial_tail(hits, rows, rate) == pytest.approx(naive.binomial_upper(hits, rows, rate), abs=1e-9)
    lower = binomial_tail(hits, rows, rate, upper=False)
    assert lower == pytest.approx(float(binom.cdf(hits, rows, rate)), abs=1e-12)


def test_rows_that_alert_together_are_no_sign_of_more_alerts() -> None:
    rng, rows, expected = np.random.default_rng(0), 500, 0.01
    alone, together = [], []
    for _ in range(400):  # events of 5 rows on average, as often as ever
        alerts = int(rng.geometric(1 / 5, size=rng.poisson(rows * expected / 5)).sum())
        alone.append(observe(rows=rows, alerts=alerts).alert_status)
        together.append(observe(rows=rows, alerts=alerts, rows_per_event=5.0).alert_status)
    assert together.count("violated") < 400 * (1 - SETTINGS.confidence)
    assert alone.count("violated") > 400 * (1 - SETTINGS.confidence)
    assert observe(rows=rows, alerts=100, rows_per_event=5.0).alert_status == "violated"


def test_one_violated_window_can_be_enough() -> None:
    assert verdict(BAD, settings=config.Degradation(windows=1, violated=1)).state == "degraded"


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_a_good_newest_window_never_asks_for_a_training(history: list[bool]) -> None:
    degradation = verdict(*[BAD if bad else GOOD for bad in history], GOOD)
    assert degradation.state in ("normal", "recovering")
    assert degradation.action in ("none", "watch")


def test_an_observation_survives_json() -> None:
    observation = observe(**BAD)
    content = json.loads(json.dumps(observation.to_dict())) | {"report": "file:///r.html"}
    assert Observation.from_dict(content) == observation


def test_a_drop_that_chance_explains_is_said_and_not_counted() -> None:
    measures = {"performance": 0.7, "baseline": 0.9, "positives": 25}
    certain = observe(**measures, performance_high=0.85)
    assert certain.performance_status == "major"
    likely = observe(**measures, performance_high=0.92)
    assert likely.performance_status == "none"
    assert "chance explains" in " ".join(likely.reasons)


def test_an_observation_has_what_it_was_made_from() -> None:
    score = ColumnDrift("score", "score", "warning", 0.1, 0.0, 0.0, "moved a little")
    drift = DriftReport("warning", (), score, 0.0, ("a moved", "b moved"))
    observation = observe("w7", drift=drift, alerts=60, performance=0.7, baseline=0.8, positives=33)
    assert observation.to_dict() == {
        "window": "w7",
        "rows": 1000,
        "data": "warning",
        "score": "warning",
        "alert_rate": 0.06,
        "expected_rate": 0.01,
        "alert_status": "violated",
        "performance": 0.7,
        "baseline": 0.8,
        "performance_status": "moderate",
        "reasons": [
            "data warning: a moved",
            "data warning: b moved",
            "score warning: moved a little",
            "60 alerts in 1000 rows (6.00%) where 1.00% are expected: 6.0 times as many, "
            f"p = {binom.sf(59, 1000, 0.01):.2g}",
            "performance 0.800 -> 0.700 on 33 anomalies: a moderate drop of 12.5%",
        ],
        "positives": 33,
        "agreement_status": "not_due",
        "injected_status": "not_due",
        "labels_due": None,
        "kept": None,
        "bets": [],
        "levels": {},
        "normal": None,
    }


def test_what_is_missing_is_said_in_words() -> None:
    nothing = observe(drift=None, alerts=None, performance=None, baseline=None)
    assert nothing.reasons == (
        "drift is not computable, which counts as violated",
        "the alert rate is not computable, which counts as violated: no usable alerts",
        "performance is not computable, which counts as violated: None now, None at promotion",
    )
    assert nothing.alert_rate is None
    no_score = observe(drift=DriftReport("ok", (), None, 0.0, ()), expected_rate=2.0)
    assert no_score.reasons == (
        "score drift is not computable, which counts as violated",
        "the alert rate is not computable, which counts as violated: no usable expected rate (2.0)",
    )
    assert (no_score.score, no_score.alert_rate) == ("not_computable", 0.01)
    few = observe(rows=20, alerts=5)
    assert (few.alert_rate, few.alert_status) == (0.25, "insufficient_data")
    assert few.reasons == ("20 rows are fewer than the 100 that an alert rate needs",)
    assert observe(rows=0, alerts=0).alert_rate is None
    assert observe(rows=20, alerts=None).alert_rate is None


def test_a_verdict_names_its_windows_and_its_reasons_in_every_state() -> None:
    rule = "(2 of 5 make a verdict)"
    none = judge_degradation([], SETTINGS)
    assert (none.violated, none.considered, none.reasons) == ((), (), ("no window has been monitored yet",))
    short = verdict(BAD, {"rows": 99, "alerts": 1})
    assert (short.violated, short.considered, short.action) == (("w0",), ("w0",), "none")
    assert short.reasons == ("window w1 has 99 rows; 100 are needed",)
    warned = verdict(GOOD, BAD)
    assert (warned.violated, warned.considered) == (("w1",), ("w0", "w1"))
    assert warned.reasons == (
        f"the newest window is bad (major), but only 1 of the last 2 windows are bad {rule}",
    )
    recovering = verdict(BAD, BAD, GOOD)
    assert recovering.reasons == (f"the newest window is good; 2 of the last 3 windows are bad {rule}",)
    assert (recovering.violated, recovering.considered) == (("w0", "w1"), ("w0", "w1", "w2"))
    normal = verdict(GOOD, {"alerts": 0})
    assert normal.reasons[0] == f"0 of the last 2 windows are bad {rule}"
    assert "unusually silent" in normal.reasons[1]
    degraded = verdict(BAD, GOOD, BAD)
    assert degraded.reasons == (
        f"2 of the last 3 windows are bad {rule}, the newest among them; level major",
    )
    assert (degraded.violated, degraded.considered) == (("w0", "w2"), ("w0", "w1", "w2"))


@pytest.mark.parametrize(("performance", "action"), [(0.75, "alert"), (0.71, "watch"), (0.5, "watch")])
def test_one_bad_window_asks_for_no_more_than_a_look(performance: float, action: str) -> None:
    first = verdict({"performance": performance})
    assert (first.state, first.action) == ("warning", action)
    assert verdict({"rows": 100, "alerts": 1, "performance": performance}).considered == ("w0",)


def test_too_many_alerts_and_silence_are_told_from_chance_at_the_stated_confidence() -> None:
    for confidence in (0.95, 0.999):
        settings = config.Degradation(confidence=confidence, alert_rate_factor=1.01)
        for alerts in range(10, 30):
            one = observe_window("w", 1000, report(), alerts, 0.01, settings)
            chance = binom.sf(alerts - 1, 1000, 0.01)
            assert (one.alert_status == "violated") == (alerts > 10 and chance < 1 - confidence)
        for rows in range(200, 800, 20):
            quiet = observe_window("w", rows, report(), 0, 0.01, settings)
            assert any("silent" in line for line in quiet.reasons) == (0.99**rows < 1 - confidence)


DUE = datetime(2026, 1, 19, tzinfo=UTC)
WAITS = {"performance": None, "positives": 3, "labels_due": DUE}


def test_performance_that_waits_for_labels_says_until_when_and_is_not_bad() -> None:
    observation = observe(**WAITS)
    assert observation.performance_status == "waiting"
    assert observation.performance_waits
    assert not observation.violated
    assert observation.labels_due == DUE.isoformat()
    assert "performance waits for labels until 2026-01-19T00:00+00:00: 3 of 20" in observation.reasons[-1]
    assert Observation.from_dict(json.loads(json.dumps(observation.to_dict()))) == observation


@pytest.mark.parametrize(
    ("windows", "state", "action"),
    [
        ([{"performance": 0.6}, {"performance": 0.6}, WAITS, WAITS], "critical", "page"),
        ([{"performance": 0.67}, {"performance": 0.67}, WAITS], "degraded", "retrain"),
        ([{"performance": 0.6}, GOOD, WAITS, WAITS], "normal", "none"),
        ([{"performance": 0.6}, {"performance": 0.6}, GOOD, WAITS], "recovering", "watch"),
        ([WAITS, WAITS], "normal", "none"),
        ([{"performance": 0.71}, {"performance": 0.71}, BAD, {**WAITS, **BAD}], "degraded", "retrain"),
    ],
)
def test_while_labels_wait_the_newest_performance_that_is_known_decides(
    windows: list[dict[str, Any]], state: str, action: str
) -> None:
    degradation = verdict(*windows)
    assert (degradation.state, degradation.action) == (state, action)


def test_labels_that_came_later_change_the_performance_and_nothing_else() -> None:
    before = observe(**WAITS, **BAD)
    after = renew_performance(
        before, SETTINGS, performance=0.5, performance_high=0.6, baseline=0.8, positives=40, notes=("at 5 %",)
    )
    assert (after.performance_status, after.labels_due, after.positives) == ("critical", None, 40)
    assert (after.data, after.alert_rate, after.rows) == (before.data, before.alert_rate, before.rows)
    assert after.reasons == (
        *before.reasons[:-1],
        "performance 0.800 -> 0.500 on 40 anomalies: a critical drop of 37.5%",
        "at 5 %",
    )
    few = renew_performance(
        before, SETTINGS, performance=None, performance_high=None, baseline=0.8, positives=7
    )
    assert (few.performance_status, few.labels_due) == ("insufficient_data", None)
