"""When new p-values are all that a champion needs: every check that speaks for its ranking, or against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pynomaly import config
from pynomaly.judging.drift.degradation import judge_degradation
from pynomaly.judging.drift.observation import Observation
from pynomaly.judging.drift.ranking import find_bad_run, judge_ranking, judge_thresholds

GOOD = Observation("w", 1000, "ok", "ok", 0.01, 0.01, "ok", None, None, "insufficient_data", (), 0)
MOVED = replace(GOOD, alert_rate=0.04, alert_status="violated")
CHECKED = {"agreement_status": "ok", "injected_status": "none"}
SETTINGS = config.Degradation()


def windows(*changes: dict[str, Any]) -> list[Observation]:
    return [replace(MOVED, **{"window": f"w{number}", **item}) for number, item in enumerate(changes)]


@pytest.mark.parametrize(
    ("changes", "state", "part"),
    [
        (CHECKED, "intact", "a fresh refit ranks rows alike"),
        ({**CHECKED, "data": "warning", "score": "drift"}, "intact", "injected anomalies are found"),
        ({"performance_status": "none", "positives": 30}, "intact", "30 labelled anomalies"),
        ({"performance_status": "none", "injected_status": "minor"}, "intact", "performance"),
        ({"performance_status": "waiting", **CHECKED}, "intact", "refit"),
        ({}, "unknown", "nothing says"),
        ({"agreement_status": "ok"}, "unknown", "nothing says"),
        ({"injected_status": "none"}, "unknown", "nothing says"),
        ({**CHECKED, "data": "drift"}, "lost", "data drift in w0"),
        ({**CHECKED, "data": "insufficient_data"}, "lost", "data insufficient_data"),
        ({**CHECKED, "data": "not_computable"}, "lost", "data not_computable"),
        ({**CHECKED, "score": "not_computable"}, "lost", "not computable"),
        ({**CHECKED, "alert_status": "not_computable"}, "lost", "not computable"),
        ({**CHECKED, "agreement_status": "warning"}, "lost", "agreement with a refit warning"),
        ({"performance_status": "none", "agreement_status": "drift"}, "lost", "refit drift"),
        ({**CHECKED, "agreement_status": "insufficient_data"}, "lost", "refit insufficient_data"),
        ({**CHECKED, "injected_status": "minor"}, "lost", "injected anomalies minor"),
        ({**CHECKED, "injected_status": "not_computable"}, "lost", "injected anomalies not_computable"),
        ({**CHECKED, "performance_status": "minor"}, "lost", "performance minor"),
        ({**CHECKED, "performance_status": "not_computable"}, "lost", "performance not_computable"),
    ],
)
def test_what_speaks_for_a_ranking_and_against_it(changes: dict[str, Any], state: str, part: str) -> None:
    verdict = judge_ranking(windows(changes))
    assert verdict.state == state
    assert part in verdict.reasons[0]


def test_one_window_may_speak_for_all_and_each_against() -> None:
    assert judge_ranking(windows(CHECKED, {})).state == "intact"
    assert judge_ranking(windows(CHECKED, {"data": "drift"})).state == "lost"
    assert judge_ranking(windows({"data": "drift"}, CHECKED)).state == "lost"
    assert judge_ranking([]).state == "unknown"


def test_the_run_of_bad_windows_ends_with_the_newest_that_says_something() -> None:
    waits = replace(GOOD, performance_status="waiting", window="waits")
    bad = windows({}, {}, {})
    assert find_bad_run([GOOD]) == []
    assert find_bad_run([bad[0], GOOD]) == []
    assert find_bad_run([bad[0], GOOD, *bad[1:]]) == bad[1:]
    assert find_bad_run([*bad, waits]) == bad
    assert find_bad_run([]) == []


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ([CHECKED, {}], "recalibrate"),
        ([{}, CHECKED], "recalibrate"),
        ([{"score": "drift", **CHECKED}] * 2, "recalibrate"),
        ([{}, {}], "watch"),
        ([{"score": "drift"}] * 2, "retrain"),
        ([{"data": "drift", **CHECKED}] * 2, "retrain"),
        ([{**CHECKED, "agreement_status": "drift"}] * 2, "watch"),
        ([{**CHECKED, "performance_status": "major"}] * 2, "retrain"),
        ([{**CHECKED, "performance_status": "critical"}] * 2, "page"),
        ([CHECKED], "watch"),
    ],
)
def test_windows_whose_thresholds_alone_moved_ask_for_a_recalibration(
    changes: list[dict[str, Any]], action: str
) -> None:
    verdict = judge_degradation(windows(*changes), SETTINGS)
    assert verdict.action == action
    assert verdict.asks_for_training == (action in ("recalibrate", "retrain", "page"))
    assert any("ranking is intact" in reason for reason in verdict.reasons) == (action == "recalibrate")


@pytest.mark.parametrize(
    ("newest", "withdrawn", "state", "action"),
    [
        (CHECKED, ("exchangeability",), "warning", "recalibrate"),
        (CHECKED, ("alert_rate", "bake"), "warning", "recalibrate"),
        (CHECKED, ("bake", "incidents"), "normal", "none"),
        (CHECKED, (), "normal", "none"),
        ({}, ("exchangeability",), "normal", "none"),
        ({**CHECKED, "data": "drift"}, ("exchangeability",), "warning", "watch"),
        ({**CHECKED, "rows": 10}, ("exchangeability",), "insufficient_data", "none"),
    ],
)
def test_a_withdrawn_promise_asks_for_a_recalibration_where_the_ranking_is_intact(
    newest: dict[str, Any], withdrawn: tuple[str, ...], state: str, action: str
) -> None:
    observations = [GOOD, replace(GOOD, **newest)]
    verdict = judge_degradation(observations, SETTINGS, withdrawn)
    assert (verdict.state, verdict.action) == (state, action)


def test_a_check_in_the_last_windows_is_enough_and_a_problem_in_them_too_much() -> None:
    checked, drifted = replace(GOOD, **CHECKED), replace(GOOD, data="drift", **CHECKED)
    promise = ("exchangeability",)
    assert judge_thresholds([checked, *[GOOD] * 4], promise, SETTINGS).state == "intact"
    assert judge_thresholds([checked, *[GOOD] * 5], promise, SETTINGS).state == "unknown"
    assert judge_thresholds([drifted, checked, GOOD], promise, SETTINGS).state == "lost"
    assert judge_thresholds([checked, GOOD], (), SETTINGS).state == "unknown"
