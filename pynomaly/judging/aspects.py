"""Summary of a window: every check that was made, as one of four statuses, with an effect size.

Called by the monitoring step, for people and events. The verdict itself comes from
:mod:`pynomaly.judging.degradation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pynomaly.judging.degradation import Observation
from pynomaly.judging.drift import ColumnDrift, DriftReport, Status
from pynomaly.judging.plain import plain
from pynomaly.judging.unlabelled import Unlabelled

__all__ = ["Aspect", "aspects"]

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
class Aspect:
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
        return dict(plain(self))


def aspects(seen: Observation, drift: DriftReport, checked: Unlabelled) -> tuple[Aspect, ...]:
    """Return every aspect of one window, in a fixed order."""
    columns = [column for column in drift.columns if math.isfinite(column.effect)]
    worst = max(columns, key=lambda column: column.effect, default=None)
    data: Status = drift.status
    if drift.joint is not None and drift.joint.drifted:  # drift.status also includes the joint test
        statuses = {column.status for column in drift.columns}
        data = "drift" if "drift" in statuses else "warning" if "warning" in statuses else "ok"
    rate = None
    if seen.alert_rate is not None and seen.expected_rate:
        rate = max(0.0, 1 - seen.expected_rate / seen.alert_rate) if seen.alert_rate else 0.0
    drop = None
    if seen.performance is not None and seen.baseline:
        drop = min(1.0, max(0.0, (seen.baseline - seen.performance) / seen.baseline))
    return (
        Aspect("data", data, worst.effect if worst else None),
        _of(drift.joint, "features"),
        _of(drift.score, "scores"),
        Aspect("alert_rate", _status(seen.alert_status), rate),
        Aspect("performance", _status(seen.performance_status), drop),
        Aspect("agreement", _status(checked.agreement_status), checked.agreement_effect),
        Aspect("injected", _status(checked.injected_status), checked.injected_effect),
    )


def _of(column: ColumnDrift | None, name: str) -> Aspect:
    if column is None:
        return Aspect(name, "insufficient_data", None)
    return Aspect(name, column.status, column.effect if math.isfinite(column.effect) else None)


def _status(word: str) -> Status:
    return _STATUS.get(word, "insufficient_data")
