"""Every check of a window in one of four words, each with its own effect and none hidden by another."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from pynomaly import config
from pynomaly.judging.drift.drift_report import ColumnDrift, DriftReport
from pynomaly.judging.drift.label_free_checks import UnlabelledVerdict
from pynomaly.judging.drift.window_drift import compare_sketches
from pynomaly.judging.drift.window_summary import WindowAspect, summarize_window
from pynomaly.model.sketch.sketch import Sketch
from tests.judging.drift.columns.test_seasonal_tests import reference, week
from tests.judging.drift.test_degradation import observe, report

NOTHING = UnlabelledVerdict()


def summarize(drift: DriftReport | None = None, **changes: Any) -> dict[str, WindowAspect]:
    drift = drift or report()
    return {one.name: one for one in summarize_window(observe(drift=drift, **changes), drift, NOTHING)}


def column(effect: float, status: Any = "ok", kind: Any = "numeric") -> ColumnDrift:
    return ColumnDrift("a", kind, status, effect, 0.5, 0.5, "")


def test_the_data_have_the_status_of_the_columns_and_the_largest_effect_among_them() -> None:
    columns = (column(0.1), column(math.nan, "insufficient_data"), column(0.4, "drift"), column(0.2))
    drift = DriftReport("drift", columns, None, 0.0, (), columns_status="drift")
    assert summarize(drift)["data"] == WindowAspect("data", "drift", 0.4)
    assert summarize(replace(drift, columns=columns[1:2], columns_status="insufficient_data"))["data"] == (
        WindowAspect("data", "insufficient_data", None)
    )


def test_columns_and_scores_are_judged_apart() -> None:
    aspects = summarize(replace(report(), joint=column(0.5, "drift", "joint"), columns_status="ok"))
    assert aspects["data"] == WindowAspect("data", "ok", None)
    assert aspects["features"] == WindowAspect("features", "drift", 0.5)
    assert aspects["scores"] == WindowAspect("scores", "ok", 0.0)
    none = summarize(DriftReport("ok", (), column(math.nan, "drift", "score"), 0.0, (), columns_status="ok"))
    assert none["scores"] == WindowAspect("scores", "drift", None)
    assert none["features"] == WindowAspect("features", "insufficient_data", None)


def test_a_joint_test_that_drifts_does_not_hide_how_many_columns_did() -> None:
    """Three columns of four drift a little, which is drift by their share; a relation breaks as well."""
    known = reference(week(0, 35))
    frame = week(1, 1, 36, load=0.8, broken=1.0)
    frame[["still", "pair"]] += 0.8
    settings = config.Drift(strong_effect=1.0, share=0.5)
    judged = compare_sketches(
        known, Sketch.of(frame.drop(columns="time"), times=frame["time"], like=known), settings
    )
    assert judged.joint is not None
    assert judged.joint.status == "warning"
    assert {one.status for one in judged.columns} == {"ok", "warning"}
    assert (judged.columns_status, judged.status) == ("drift", "drift")
    assert "columns drifted" in judged.reasons[0]
    assert summarize(judged)["data"].status == "drift"


@pytest.mark.parametrize(
    ("alerts", "expected", "effect"),
    [
        (60, 0.01, 1 - 0.01 / 0.06),
        (10, 0.01, 0.0),
        (5, 0.01, 0.0),
        (0, 0.01, 0.0),
        (None, 0.01, None),
        (60, None, None),
    ],
)
def test_the_effect_of_alerts_is_the_share_that_is_too_many(
    alerts: int | None, expected: float | None, effect: float | None
) -> None:
    aspect = summarize(alerts=alerts, expected_rate=expected)["alert_rate"]
    assert aspect.effect == (None if effect is None else pytest.approx(effect))


@pytest.mark.parametrize(
    ("now", "before", "status", "effect"),
    [
        (0.6, 0.8, "drift", 0.25),
        (0.75, 0.8, "warning", 0.0625),
        (0.9, 0.8, "ok", 0.0),
        (-0.1, 0.8, "drift", 1.0),
        (None, 0.8, "insufficient_data", None),
        (0.6, None, "insufficient_data", None),
    ],
)
def test_the_effect_of_performance_is_the_relative_drop(
    now: float | None, before: float | None, status: str, effect: float | None
) -> None:
    aspect = summarize(performance=now, baseline=before)["performance"]
    assert aspect.status == status
    assert aspect.effect == (None if effect is None else pytest.approx(effect))
    assert aspect.to_dict()["effect"] == aspect.effect


@pytest.mark.parametrize(
    ("agreement", "injected", "statuses"),
    [
        ("ok", "none", ("ok", "ok")),
        ("warning", "minor", ("warning", "warning")),
        ("drift", "moderate", ("drift", "drift")),
        ("not_due", "critical", ("insufficient_data", "drift")),
    ],
)
def test_checks_without_labels_keep_their_effects(
    agreement: str, injected: str, statuses: tuple[str, str]
) -> None:
    checked = UnlabelledVerdict(agreement, injected, 0.3, 0.2)
    *_, first, second = summarize_window(observe(), report(), checked)
    assert (first, second) == (
        WindowAspect("agreement", statuses[0], 0.3),  # type: ignore[arg-type]
        WindowAspect("injected", statuses[1], 0.2),  # type: ignore[arg-type]
    )
