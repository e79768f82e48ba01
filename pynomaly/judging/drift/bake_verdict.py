"""Decide whether a new champion behaves worse on a window than the champion that it replaced.

Pure: called by :mod:`pynomaly.steps.promotion.bake` for each window after a promotion. The previous champion
scores the same rows, so a change in the data, which affects both, is no breach. A breach is a result that is
bad for the new champion, not bad for the old one, and clearly worse. Fail closed: a result that could not be
computed for the new champion, but was computed for the old one, is a breach.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from pynomaly import config
from pynomaly.judging.drift.degradation import Observation, binomial_tail
from pynomaly.judging.drift.window_drift import DriftReport
from pynomaly.judging.jsonable import to_jsonable

__all__ = ["BakeObservation", "BakeVerdict", "judge_bake", "observe_bake"]


@dataclass(frozen=True)
class BakeObservation:
    """Results of one version on one window.

    Attributes
    ----------
    version, rows, alerts : int
    alert_status, score_status : str
        As in an :class:`~pynomaly.judging.drift.degradation.Observation`.
    score_effect : float
        Distance of the scores from the version's own reference, 0 to 1; NaN without a test.
    latency_ms : float
        Time to score one row with a warm model, measured on this machine.
    """

    version: int
    rows: int
    alerts: int
    alert_status: str
    score_status: str
    score_effect: float
    latency_ms: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


@dataclass(frozen=True)
class BakeVerdict:
    """Verdict of one window on a promotion: ``ok``, ``breach`` or ``insufficient_data``."""

    outcome: Literal["ok", "breach", "insufficient_data"]
    reasons: tuple[str, ...]


def observe_bake(
    version: int, drift: DriftReport, observation: Observation, alerts: int, latency_ms: float
) -> BakeObservation:
    """Summarise a version on a window, from its drift report and its observation."""
    effect = drift.score.effect if drift.score else math.nan
    return BakeObservation(
        version, observation.rows, alerts, observation.alert_status, observation.score, effect, latency_ms
    )


def judge_bake(
    new: BakeObservation,
    old: BakeObservation,
    drift: config.Drift,
    degradation: config.Degradation,
    max_latency_ms: float,
) -> BakeVerdict:
    """Judge the new champion on one window against the champion that it replaced.

    Parameters
    ----------
    new, old : BakeObservation
        Results on the same rows.
    drift, degradation : settings
        ``drift.effect`` is how much larger the distance must be; ``degradation.confidence`` is the confidence
        required to say that alerts are more frequent than with the old champion.
    max_latency_ms : float
        Largest time that the gate allows for one row.
    """
    if new.rows < degradation.min_rows:
        reason = f"{new.rows} rows say nothing; {degradation.min_rows} are needed"
        return BakeVerdict("insufficient_data", (reason,))
    breaches = (
        *_compare_alerts(new, old, 1 - degradation.confidence),
        *_compare_scores(new, old, drift.effect),
        *_compare_latency(new, old, max_latency_ms),
    )
    if breaches:
        return BakeVerdict("breach", breaches)
    shared = [
        what
        for what, new_bad, old_bad in (
            ("alert rate", new.alert_status != "ok", old.alert_status != "ok"),
            ("score drift", new.score_status == "drift", old.score_status == "drift"),
        )
        if new_bad and old_bad
    ]
    summary = (f"v{new.version} keeps what it promised, or breaks it no more than v{old.version} would",)
    notes = tuple(f"{what}: bad under v{new.version}, and under v{old.version} too" for what in shared)
    return BakeVerdict("ok", (*summary, *notes))


def _compare_alerts(new: BakeObservation, old: BakeObservation, limit: float) -> tuple[str, ...]:
    if new.alert_status == "not_computable" and old.alert_status != "not_computable":
        return (f"the alert rate is not computable under v{new.version}, and is under v{old.version}",)
    if new.alert_status != "violated" or old.alert_status == "violated":
        return ()
    chance = binomial_tail(new.alerts, new.rows, old.alerts / old.rows)
    if chance >= limit:
        return ()
    return (
        f"alert rate violated: {new.alerts} alerts in {new.rows} rows, {old.alerts} under v{old.version} "
        f"(p = {chance:.2g})",
    )


def _compare_scores(new: BakeObservation, old: BakeObservation, margin: float) -> tuple[str, ...]:
    if new.score_status == "not_computable" and old.score_status != "not_computable":
        return (f"score drift is not computable under v{new.version}, and is under v{old.version}",)
    if new.score_status != "drift" or old.score_status == "drift":
        return ()
    if not math.isfinite(new.score_effect):
        return (f"scores of v{new.version} are not finite, those of v{old.version} are",)
    if math.isfinite(old.score_effect) and new.score_effect < old.score_effect + margin:
        return ()
    return (
        f"scores drift: distance {new.score_effect:.3f} from the reference of v{new.version}, "
        f"{old.score_effect:.3f} from that of v{old.version}",
    )


def _compare_latency(new: BakeObservation, old: BakeObservation, limit: float) -> tuple[str, ...]:
    # Written so that NaN (a latency that was not measured) is a breach.
    if new.latency_ms <= limit or not old.latency_ms <= limit:
        return ()
    return (
        f"one row takes {new.latency_ms:.1f} ms (at most {limit:g} ms), {old.latency_ms:.1f} ms under "
        f"v{old.version}",
    )
