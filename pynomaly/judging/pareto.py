"""What a candidate costs, which candidates nothing beats in everything, and which are as good for less.

Pure; called by the choice among candidates. It names, it does not decide: a cheaper candidate that is no
worse is for a person to take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass

__all__ = ["LEAST_SAVING", "Cost", "cheaper", "front"]

LEAST_SAVING = 2.0
"""How many times cheaper one cost has to be before it is worth a word: times of one run vary."""


@dataclass(frozen=True)
class Cost:
    """What one candidate took.

    Attributes
    ----------
    fit_seconds, score_seconds : float
        Wall time of the fit, and of scoring the judged rows.
    megabytes : float
        The saved model: what it holds in memory when it is loaded.
    """

    fit_seconds: float
    score_seconds: float
    megabytes: float


def front(quality: Mapping[str, float], costs: Mapping[str, Cost]) -> tuple[str, ...]:
    """Candidates that no other beats: none is at least as good and as cheap in all, and better in one.

    Parameters
    ----------
    quality : mapping of str to float
        Higher is better; a candidate whose quality is not finite is left out.
    costs : mapping of str to Cost
        A candidate without is left out.

    Returns
    -------
    tuple of str
        In the order of `quality`.
    """
    points = {
        name: (-value, *astuple(costs[name]))
        for name, value in quality.items()
        if math.isfinite(value) and name in costs
    }
    return tuple(
        name
        for name, mine in points.items()
        if not any(
            theirs != mine and all(one <= two for one, two in zip(theirs, mine, strict=True))
            for theirs in points.values()
        )
    )


def cheaper(than: Cost, cost: Cost) -> str:
    """In what `cost` is :data:`LEAST_SAVING` times less or better; "" if in nothing, or more in anything."""
    pairs = list(zip(("fit s", "score s", "MB"), astuple(than), astuple(cost), strict=True))
    if any(mine > theirs for _, theirs, mine in pairs):
        return ""
    saved = [
        f"{unit} {mine:.3g} instead of {theirs:.3g}"
        for unit, theirs, mine in pairs
        if theirs >= LEAST_SAVING * mine and theirs > mine
    ]
    return ", ".join(saved)
