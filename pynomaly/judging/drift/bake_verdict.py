"""Decide whether a new champion behaves worse on a window than the champion that it replaced.

Pure: called by :mod:`pynomaly.steps.promotion.bake` for each window after a promotion. The previous champion
scores the same rows by the same rule, so a change in the data, which affects both, is no breach. A breach is
clearly worse than the old champion and than what the new one promised, over all windows since the promotion,
counted in blocks of dependent rows. The windows of a bake share one chance of a false breach, the share of
the champion's account: tests of alerts and scores at so many looks, and bets on alerts at any. Fail closed: a
result that could not be computed for the new champion, but was computed for the old one, is a breach.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from pynomaly import config
from pynomaly.judging.drift.degradation import Observation
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.drift.paired_blocks import FEWEST_BLOCKS, PairedBlocks
from pynomaly.judging.jsonable import to_jsonable

__all__ = ["BakeObservation", "BakeVerdict", "judge_bake", "observe_bake"]

CLEARLY_SLOWER = 1.2
"""Two measurements of one model differ by less than this."""

TESTS = 3  # alerts, scores, and bets on alerts


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
    expected_rate, highest_rate : float
        Share of rows that the version promised to alert in normal operation, and its upper bound.
    scores_vary : bool
        Whether not all rows have the same score.
    """

    version: int
    rows: int
    alerts: int
    alert_status: str
    score_status: str
    score_effect: float
    latency_ms: float
    expected_rate: float = 0.0
    highest_rate: float = 0.0
    scores_vary: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


@dataclass(frozen=True)
class BakeVerdict:
    """Verdict of one window on a promotion: ``ok``, ``breach`` or ``insufficient_data``."""

    outcome: Literal["ok", "breach", "insufficient_data"]
    reasons: tuple[str, ...]


def observe_bake(
    version: int,
    drift: DriftReport,
    observation: Observation,
    alerts: int,
    latency_ms: float,
    highest_rate: float = 0.0,
    *,
    scores_vary: bool = True,
) -> BakeObservation:
    """Summarise a version on a window, from its drift report and its observation."""
    return BakeObservation(
        version=version,
        rows=observation.rows,
        alerts=alerts,
        alert_status=observation.alert_status,
        score_status=observation.score,
        score_effect=drift.score.effect if drift.score else math.nan,
        latency_ms=latency_ms,
        expected_rate=observation.expected_rate or 0.0,
        highest_rate=highest_rate,
        scores_vary=scores_vary,
    )


def judge_bake(
    new: BakeObservation,
    old: BakeObservation,
    paired: PairedBlocks,
    settings: config.Pipeline,
    alpha: float,
    stake: float,
) -> BakeVerdict:
    """Judge the new champion on one window against the champion that it replaced.

    Parameters
    ----------
    new, old : BakeObservation
        Results on the same rows.
    paired : PairedBlocks
        Both versions' alerts and p-values in all windows since the promotion, this one included.
    settings : Pipeline
        ``degradation.alert_rate_factor`` and ``drift.effect`` say what is clearly more.
    alpha : float
        Chance that a version as good as the one before is taken back: a third for each test, which share it
        among ``promotion.bake`` windows, and a third for the bets.
    stake : float
        The largest that bets on units in which only one version alerts clearly more came to.
    """
    least = settings.degradation.min_rows
    if new.rows < least:
        return BakeVerdict("insufficient_data", (f"{new.rows} rows say nothing; {least} are needed",))
    chance = alpha / settings.promotion.bake / TESTS
    breaches = (
        *_compare_alerts(new, old, paired, settings.degradation.alert_rate_factor, chance),
        *_judge_stake(new, old, stake, alpha / TESTS),
        *_compare_scores(new, old, paired, settings.drift.effect, chance),
        *_compare_latency(new, old, settings.promotion.max_latency_ms),
    )
    if breaches:
        return BakeVerdict("breach", breaches)
    if 0 < paired.blocks < FEWEST_BLOCKS:
        figures = (
            f"{paired.new_alerts} alerts in {paired.rows} rows, {paired.old_alerts} under v{old.version}"
        )
        reason = (
            f"rows depend on the rows before: the windows since the promotion are worth {paired.blocks:.2g} "
            f"independent blocks, and {FEWEST_BLOCKS:g} are needed to tell versions apart ({figures})"
        )
        return BakeVerdict("insufficient_data", (reason,))
    shared = [
        what
        for what, new_bad, old_bad in (
            ("alert rate", new.alert_status != "ok", old.alert_status != "ok"),
            ("score drift", new.score_status == "drift", old.score_status == "drift"),
        )
        if new_bad and old_bad
    ]
    summary = f"v{new.version} keeps what it promised, or breaks it no more than v{old.version} would"
    if not paired.can_tell:
        summary = (
            f"v{new.version} could not be compared with v{old.version} by alerts and scores: how long rows "
            "depend on each other is not known; set windows.reference longer, and train again"
        )
    notes = tuple(f"{what}: bad under v{new.version}, and under v{old.version} too" for what in shared)
    return BakeVerdict("ok", (summary, *notes))


def _compare_alerts(
    new: BakeObservation, old: BakeObservation, paired: PairedBlocks, factor: float, limit: float
) -> tuple[str, ...]:
    if new.alert_status == "not_computable" and old.alert_status != "not_computable":
        return (f"the alert rate is not computable under v{new.version}, and is under v{old.version}",)
    chance = paired.test_alerts(factor, new.expected_rate, new.highest_rate)
    if not chance < limit:
        return ()
    return (
        f"alert rate violated: {paired.new_alerts} alerts in {paired.rows} rows, {paired.old_alerts} under "
        f"v{old.version}, in {paired.blocks:.3g} blocks (p = {chance:.2g})",
    )


def _judge_stake(new: BakeObservation, old: BakeObservation, stake: float, limit: float) -> tuple[str, ...]:
    if not stake * limit >= 1:
        return ()
    return (
        f"where one version alerts clearly more, it is v{new.version} and not v{old.version}: bets on that "
        f"multiplied the stake by {stake:.3g} since the promotion (p = {1 / stake:.2g})",
    )


def _compare_scores(
    new: BakeObservation, old: BakeObservation, paired: PairedBlocks, margin: float, limit: float
) -> tuple[str, ...]:
    if new.score_status == "not_computable" and old.score_status != "not_computable":
        return (f"score drift is not computable under v{new.version}, and is under v{old.version}",)
    if old.scores_vary and not new.scores_vary:
        return (f"v{new.version} says the same of all {new.rows} rows, and v{old.version} does not",)
    if new.score_status not in ("drift", "insufficient_data"):
        return ()  # a reference too short to judge drift by says nothing for the new version
    is_drift = new.score_status == "drift"
    if is_drift and not math.isfinite(new.score_effect) and old.score_status != "drift":
        return (f"scores of v{new.version} are not finite, those of v{old.version} are",)
    chance = paired.test_distances(margin)
    if not chance < limit:
        return ()
    if not is_drift:
        return (
            f"p-values of v{new.version} are farther from those of its reference than "
            f"those of v{old.version} from theirs, in {paired.blocks:.3g} blocks (p = {chance:.2g})",
        )
    return (
        f"scores drift: distance {new.score_effect:.3f} from the reference of v{new.version}, "
        f"{old.score_effect:.3f} from that of v{old.version}, in {paired.blocks:.3g} blocks "
        f"(p = {chance:.2g})",
    )


def _compare_latency(new: BakeObservation, old: BakeObservation, limit: float) -> tuple[str, ...]:
    # Written so that NaN (a latency that was not measured) is a breach.
    if new.latency_ms <= max(limit, CLEARLY_SLOWER * old.latency_ms) or not old.latency_ms <= limit:
        return ()
    return (
        f"one row takes {new.latency_ms:.1f} ms (at most {limit:g} ms), {old.latency_ms:.1f} ms under "
        f"v{old.version}",
    )
