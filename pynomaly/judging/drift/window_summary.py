"""Summary of a window: every check that was made, as one of four statuses, with an effect size.

Called by the monitoring step, for people and events. The verdict itself comes from
:mod:`pynomaly.judging.drift.degradation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pynomaly.judging.drift.degradation import Observation
from pynomaly.judging.drift.drift_report import ColumnDrift, DriftReport, Status
from pynomaly.judging.drift.label_free_checks import UnlabelledVerdict
from pynomaly.judging.jsonable import to_jsonable

__all__ = ["WindowAspect", "summarize_performance", "summarize_window"]

_STATUS: dict[str, Status] = {
    "ok": "ok",
    "none": "ok",
    "warning": "warning",
    "minor": "warning",
    "drift": "drift",
    "violated": "drift",
    "moderate": "drift",
    "major": "drift",
    "critical": "drift",
}


@dataclass(frozen=True)
class WindowAspect:
    """The result of one check.

    Attributes
    ----------
    name : {"data", "features", "scores", "alert_rate", "performance", "agreement", "injected"}
        In this order: each column alone; all number columns jointly; scores; alerts; labels; agreement with
        a refit; injected anomalies.
    status : {"ok", "warning", "drift", "insufficient_data"}
        A check that could not be computed is ``insufficient_data`` here, never ``ok``.
    effect : float or None
        Effect size from 0 to 1; None where there is none.
    """

    name: str
    status: Status
    effect: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def summarize_window(
    observation: Observation, drift: DriftReport, checked: UnlabelledVerdict
) -> tuple[WindowAspect, ...]:
    """Return every aspect of one window, in a fixed order."""
    columns = [column for column in drift.columns if math.isfinite(column.effect)]
    worst = max(columns, key=lambda column: column.effect, default=None)
    rate = None
    if observation.alert_rate is not None and observation.expected_rate:
        rate = (
            max(0.0, 1 - observation.expected_rate / observation.alert_rate)
            if observation.alert_rate
            else 0.0
        )
    return (
        WindowAspect("data", drift.columns_status, worst.effect if worst else None),
        _summarize_column(drift.joint, "features"),
        _summarize_column(drift.score, "scores"),
        WindowAspect("alert_rate", _map_status(observation.alert_status), rate),
        summarize_performance(observation),
        WindowAspect("agreement", _map_status(checked.agreement_status), checked.agreement_effect),
        WindowAspect("injected", _map_status(checked.injected_status), checked.injected_effect),
    )


def summarize_performance(observation: Observation) -> WindowAspect:
    """Return the aspect of the labelled rows."""
    drop = None
    if observation.performance is not None and observation.baseline:
        drop = min(1.0, max(0.0, (observation.baseline - observation.performance) / observation.baseline))
    return WindowAspect("performance", _map_status(observation.performance_status), drop)


def _summarize_column(column: ColumnDrift | None, name: str) -> WindowAspect:
    if column is None:
        return WindowAspect(name, "insufficient_data", None)
    return WindowAspect(name, column.status, column.effect if math.isfinite(column.effect) else None)


def _map_status(word: str) -> Status:
    return _STATUS.get(word, "insufficient_data")
