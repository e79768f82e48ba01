"""Promotion rules: what follows from a verdict, and whether a pending promotion may still be answered.

Pure: called by :mod:`pynomaly.steps.promotion.promote` and :mod:`pynomaly.steps.promotion.approve`, which
gather the facts and store the result. Fail closed: what is not clearly allowed is refused, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pynomaly.judging.comparison.compare import Verdict, VerdictOutcome
from pynomaly.judging.comparison.past_incidents import IncidentRegression

__all__ = ["PendingState", "PromotionRuling", "check_pending", "rule_on_promotion"]

Mode = Literal["automatic", "approval", "never"]


@dataclass(frozen=True)
class PromotionRuling:
    """Decision about a version.

    Attributes
    ----------
    kind : {"promote", "pending", "refuse"}
    outcome : str
        The verdict's outcome; without a verdict ``policy`` or ``first``; ``recalibrated`` where the scores
        are the champion's own; or which incidents are missed.
    reasons : tuple of str
    """

    kind: Literal["promote", "pending", "refuse"]
    outcome: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class PendingState:
    """Whether a pending promotion may be answered: ``open``, ``expired`` or ``stale``."""

    state: Literal["open", "expired", "stale"]
    reasons: tuple[str, ...]


def rule_on_promotion(
    verdict: Verdict | None,
    mode: Mode,
    *,
    gate_passed: bool,
    champion: str | None,
    recalibrated: bool = False,
    policy: str = "",
    base: str = "",
    taken_back: int | None = None,
    incidents: IncidentRegression | None = None,
) -> PromotionRuling:
    """Decide whether a version is promoted, waits for approval or is refused.

    Parameters
    ----------
    verdict : Verdict or None
        Challenger against champion; None only while there is no champion.
    mode : {"automatic", "approval", "never"}
    gate_passed : bool
    champion : str or None
        Name of the current champion, as in ``verdict.champion``; a verdict about another one is not valid.
    recalibrated : bool
        Whether the version is the champion's detector with new p-values: its scores are then the same.
    policy, base : str
        If only the alert policy changed: the change as text, and the model that has the scores. Else "".
    taken_back : int, optional
        A version that was rolled back while it baked, if this version is that one or repeats it.
    incidents : IncidentRegression, optional
        Result on past incidents: if only the champion caught one, a person must decide. A change of the alert
        policy alone is a person's decision already: there the result is reported and prevents nothing.
    """
    outcome = str(verdict.outcome) if verdict else "policy" if policy else "first"

    def refuse(*reasons: str) -> PromotionRuling:
        return PromotionRuling("refuse", outcome, reasons)

    if not gate_passed:
        return refuse("the gate refuses the version")
    if champion is None:
        return PromotionRuling(
            "promote", outcome, ("there was no champion: the winner of the comparison is the first",)
        )
    if policy:
        if champion != base:
            then, now = base.split()[-1], champion.split()[-1]
            return refuse(f"its scores are those of {then}, and {now} is champion now")
        change_reasons: tuple[str, ...] = (f"scores are the champion's own; alerts change: {policy}",)
        change_reasons += incidents.reasons if incidents else ()
        return _apply_mode(mode, outcome, change_reasons, taken_back)
    if verdict is None:
        return refuse("nothing says that it is better than the champion")
    if verdict.champion != champion:
        return refuse(
            f"it was compared with {verdict.champion}, and {champion} is champion now: compare again",
            *verdict.reasons,
        )
    # Scores and their order are the same; a verdict that fewer anomalies alert is ``inferior``.
    same_scores = recalibrated and verdict.difference == 0 and verdict.outcome is not VerdictOutcome.INFERIOR
    if verdict.outcome is not VerdictOutcome.SUPERIOR and not same_scores:
        why = f"the verdict is {verdict.outcome}: only superior promotes by itself"
        return refuse(why, *verdict.reasons)
    reasons = verdict.reasons
    if same_scores:
        outcome, reasons = "recalibrated", ("scores are the champion's own; p-values come from newer rows",)
    if incidents is None:
        return _apply_mode(mode, outcome, reasons, taken_back)
    if not incidents.missed:
        return _apply_mode(mode, outcome, (*reasons, *incidents.reasons), taken_back)
    if mode == "approval":
        pending = _apply_mode(mode, outcome, reasons, taken_back)
        return PromotionRuling(pending.kind, pending.outcome, (*incidents.reasons, *pending.reasons))
    refusal_reasons = (*incidents.reasons, "Only a person promotes it.", *reasons)
    return PromotionRuling("refuse", incidents.outcome, refusal_reasons)


def _apply_mode(
    mode: Mode, outcome: str, reasons: tuple[str, ...], taken_back: int | None
) -> PromotionRuling:
    """Apply the promotion mode to a version that the evidence allows."""
    if mode == "never":
        refusal_reasons = ("promotion.mode is never: a person sets the alias", *reasons)
        return PromotionRuling("refuse", outcome, refusal_reasons)
    repeats = f"v{taken_back} was rolled back while it baked, and this is that model or learned from its rows"
    if mode == "approval":
        approval_reasons = ("promotion.mode is approval: a person answers",)
        warnings = (repeats,) if taken_back is not None else ()
        return PromotionRuling("pending", outcome, (*approval_reasons, *warnings, *reasons))
    if taken_back is not None:
        return PromotionRuling("refuse", outcome, (f"{repeats}: only a person promotes it", *reasons))
    return PromotionRuling("promote", outcome, reasons)


def check_pending(
    version: int, compared_with: int | None, champion: int | None, expires: datetime, at: datetime
) -> PendingState:
    """Return whether a pending promotion of `version` may be answered at `at`.

    Parameters
    ----------
    version : int
    compared_with, champion : int or None
        Version with which `version` was compared, and the current champion.
    expires, at : datetime
        Aware; the promotion is expired from `expires` on.
    """
    if at >= expires:
        when = expires.isoformat(timespec="minutes")
        return PendingState("expired", (f"nobody answered for v{version} until {when}, which means no",))
    if compared_with != champion:
        now = f"v{champion} is" if champion is not None else "nobody is"
        reason = f"v{version} was compared with v{compared_with}, and {now} champion now: compare again"
        return PendingState("stale", (reason,))
    return PendingState("open", (f"v{version} waits until {expires.isoformat(timespec='minutes')}",))
