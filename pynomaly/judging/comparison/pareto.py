"""Cost of candidates, the Pareto front of quality and cost, and what a cheaper candidate saves.

Pure; called by the choice among candidates. It only reports: whether to take a cheaper candidate that is no
worse is a person's decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass

__all__ = ["MIN_SAVING", "CandidateCost", "describe_savings", "find_pareto_front"]

MIN_SAVING = 2.0
"""A cost must be this many times smaller to be reported: measured times vary from run to run."""


@dataclass(frozen=True)
class CandidateCost:
    """Measured cost of one candidate.

    Attributes
    ----------
    fit_seconds, score_seconds : float
        Wall time of the fit, and of scoring the judged rows.
    megabytes : float
        Memory of the saved model after loading.
    """

    fit_seconds: float
    score_seconds: float
    megabytes: float


def find_pareto_front(quality: Mapping[str, float], costs: Mapping[str, CandidateCost]) -> tuple[str, ...]:
    """Return the Pareto front: no other candidate is at least as good in everything and better in something.

    Parameters
    ----------
    quality : mapping of str to float
        Higher is better; a candidate whose quality is not finite is left out.
    costs : mapping of str to CandidateCost
        A candidate without a cost is left out.

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
        for name, point in points.items()
        if not any(
            other != point and all(one <= two for one, two in zip(other, point, strict=True))
            for other in points.values()
        )
    )


def describe_savings(than: CandidateCost, cost: CandidateCost) -> str:
    """Describe where `cost` is :data:`MIN_SAVING` or more times lower; "" if nowhere or higher anywhere."""
    pairs = list(zip(("fit s", "score s", "MB"), astuple(than), astuple(cost), strict=True))
    if any(new > old for _, old, new in pairs):
        return ""
    savings = [
        f"{unit} {new:.3g} instead of {old:.3g}"
        for unit, old, new in pairs
        if old >= MIN_SAVING * new and old > new
    ]
    return ", ".join(savings)
