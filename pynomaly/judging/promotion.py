"""What follows from a verdict, and whether a promotion that waits for a person may still be answered.

Pure: called by :mod:`pynomaly.steps.promote` and :mod:`pynomaly.steps.approve`, which gather the facts and
write the result down. Fail closed: what is not clearly allowed is refused, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pynomaly.judging.comparison import Outcome, Verdict
from pynomaly.judging.incidents import Regression

__all__ = ["Ruling", "Standing", "rule", "standing"]

Mode = Literal["automatic", "approval", "never"]


@dataclass(frozen=True)
class Ruling:
    """What happens to a version now.

    Attributes
    ----------
    kind : {"promote", "pending", "refuse"}
    outcome : str
        The verdict's outcome; without one ``policy`` or ``first``; or which incidents are missed.
    reasons : tuple of str
    """

    kind: Literal["promote", "pending", "refuse"]
    outcome: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """Whether a promotion that waits may be answered: ``open``, ``expired`` or ``stale``."""

    state: Literal["open", "expired", "stale"]
    reasons: tuple[str, ...]


def rule(
    verdict: Verdict | None,
    mode: Mode,
    *,
    gate_passed: bool,
    champion: str | None,
    recalibrated: bool = False,
    policy: str = "",
    base: str = "",
    taken_back: int | None = None,
    incidents: Regression | None = None,
) -> Ruling:
    """Decide what a verdict does.

    Parameters
    ----------
    verdict : Verdict or None
        Challenger against champion; None only while there is no champion.
    mode : {"automatic", "approval", "never"}
    gate_passed : bool
    champion : str or None
        Who is champion now, named as in ``verdict.champion``; a verdict about another one is worth nothing.
    recalibrated : bool
        The version is the champion's detector with other p-values: its scores are the same.
    policy, base : str
        Where the alert policy alone changed: from which to which, and whose scores these are.
    taken_back : int, optional
        The version that was rolled back while it baked, and that this one is, or repeats.
    incidents : Regression, optional
        What past incidents say: one that only the champion caught is for a person to weigh. A change of the
        alert policy alone is a person's choice already; there it is said, and stops nothing.
    """
    outcome = str(verdict.outcome) if verdict else "policy" if policy else "first"

    def refuse(*reasons: str) -> Ruling:
        return Ruling("refuse", outcome, reasons)

    if not gate_passed:
        return refuse("the gate refuses the version")
    if champion is None:
        return Ruling(
            "promote", outcome, ("there was no champion: the winner of the comparison is the first",)
        )
    if policy:
        if champion != base:
            then, now = base.split()[-1], champion.split()[-1]
            return refuse(f"its scores are those of {then}, and {now} is champion now")
        change: tuple[str, ...] = (f"scores are the champion's own; alerts change: {policy}",)
        change += incidents.reasons if incidents else ()
        return _by_mode(mode, outcome, change, taken_back)
    if verdict is None:
        return refuse("nothing says that it is better than the champion")
    if verdict.champion != champion:
        return refuse(
            f"it was compared with {verdict.champion}, and {champion} is champion now: compare again",
            *verdict.reasons,
        )
    # The same scores in the same order: there is nothing to be superior in, and nothing to lose.
    same = recalibrated and verdict.difference == 0
    if verdict.outcome is not Outcome.SUPERIOR and not same:
        why = f"the verdict is {verdict.outcome}: only superior promotes by itself"
        return refuse(why, *verdict.reasons)
    reasons = ("scores are the champion's own; p-values come from newer rows",) if same else verdict.reasons
    if incidents is None:
        return _by_mode(mode, outcome, reasons, taken_back)
    if not incidents.missed:
        return _by_mode(mode, outcome, (*reasons, *incidents.reasons), taken_back)
    if mode == "approval":
        asked = _by_mode(mode, outcome, reasons, taken_back)
        return Ruling(asked.kind, asked.outcome, (*incidents.reasons, *asked.reasons))
    held = (*incidents.reasons, "Only a person promotes it.", *reasons)
    return Ruling("refuse", incidents.outcome, held)


def _by_mode(mode: Mode, outcome: str, reasons: tuple[str, ...], taken_back: int | None) -> Ruling:
    """What the settings make of a version that the evidence allows."""
    if mode == "never":
        said = ("promotion.mode is never: a person sets the alias", *reasons)
        return Ruling("refuse", outcome, said)
    repeats = f"v{taken_back} was rolled back while it baked, and this is that model or learned from its rows"
    if mode == "approval":
        asks = ("promotion.mode is approval: a person answers",)
        warned = (repeats,) if taken_back is not None else ()
        return Ruling("pending", outcome, (*asks, *warned, *reasons))
    if taken_back is not None:
        return Ruling("refuse", outcome, (f"{repeats}: only a person promotes it", *reasons))
    return Ruling("promote", outcome, reasons)


def standing(
    version: int, compared_with: int | None, champion: int | None, expires: datetime, at: datetime
) -> Standing:
    """Whether a pending promotion of `version` may be answered at `at`.

    Parameters
    ----------
    version : int
    compared_with, champion : int or None
        Version the verdict is against, and the one that is champion now.
    expires, at : datetime
        Aware; at the moment of expiry it has expired.
    """
    if at >= expires:
        when = expires.isoformat(timespec="minutes")
        return Standing("expired", (f"nobody answered for v{version} until {when}, which means no",))
    if compared_with != champion:
        now = f"v{champion} is" if champion is not None else "nobody is"
        reason = f"v{version} was compared with v{compared_with}, and {now} champion now: compare again"
        return Standing("stale", (reason,))
    return Standing("open", (f"v{version} waits until {expires.isoformat(timespec='minutes')}",))
