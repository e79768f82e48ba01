"""The parts of a score that columns account for, and how the parts of several scores are combined.

A part is in the detector's own unit, and above 0 where the column raises the score. Where the method allows,
base and parts sum to the score; where it does not (occlusion), `additive` is false. Called by `base` and by
the detectors, one row at a time, so that a row has bit-equal parts in any batch.

References
----------
Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014, section 4.2 (occlusion).
Chen, Lundberg, Lee: Explaining a series of models by propagating Shapley amounts. Nature Communications 13,
2022 (parts of members are passed through the function that joins them, in proportion).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.numerics.exact import Array, row_sum

__all__ = [
    "MAX_OCCLUDED_GROUPS",
    "ColumnGroups",
    "ExplanationMethod",
    "MemberReading",
    "ScoreParts",
    "distance_terms",
    "explain_by_occlusion",
    "join_parts",
    "make_masked_score",
    "secant_slope",
    "sum_terms_by_group",
]

ExplanationMethod = Literal["paths", "terms", "members", "occlusion", "shap", "lime"]
ColumnGroups = npt.NDArray[np.int64]

MAX_OCCLUDED_GROUPS = 256
"""Limit of the groups that occlusion tries; of more, those furthest from their usual value are tried."""


@dataclass(frozen=True, eq=False)
class ScoreParts:
    """Parts of the scores of one or more rows, by group of columns.

    Attributes
    ----------
    amounts : ndarray of shape (n, groups)
        Part of each group of columns.
    base : ndarray of shape (n,)
        Score less the sum of the parts.
    additive : bool
        Whether `base` comes from the model (the score of a row with nothing odd about it), so that the parts
        divide the score; otherwise it is only the remainder.
    left_out : int
        Number of groups that were not tried.
    """

    amounts: Array
    base: Array
    additive: bool
    left_out: int = 0


@dataclass(frozen=True)
class MemberReading:
    """What the member of a detector that looks back makes of one column of one row.

    Attributes
    ----------
    column : int
        Place among the numbers of the row.
    member : str
        What it compares, in words.
    ratio : float
        How many times the usual amount it measures: nine of ten fitted rows stay below 1.
    until : int
        Time of the last value that it compares, in microseconds.
    expected : float or None
        What it expects in the row's cell, as encoded; None where it expects no value.
    nearest : int or None
        Time of the last value of the nearest reference window; None where it compares no windows.
    """

    column: int
    member: str
    ratio: float
    until: int
    expected: float | None = None
    nearest: int | None = None


def sum_terms_by_group(terms: Array, base: Array, groups: ColumnGroups) -> ScoreParts:
    """Return the parts of groups: sums of their columns' terms (n, d); `base` has shape (n,)."""
    amounts = np.zeros((len(terms), int(groups.max()) + 1))
    for column, group in enumerate(groups):  # a fixed order of additions, whatever the batch
        amounts[:, group] += terms[:, column]
    return ScoreParts(amounts, base, additive=True)


def explain_by_occlusion(
    score: Callable[[Array], Array],
    x: Array,
    usual: Array,
    groups: ColumnGroups,
    most: int = MAX_OCCLUDED_GROUPS,
) -> ScoreParts:
    """Return how far the score of `x`, shape (1, d), falls when one group at a time is set to `usual`.

    Two columns with the same information hide each other. Calls `score` once, with one row for each tried
    group and one more.
    """
    count = int(groups.max()) + 1
    distance = np.zeros(count)
    np.maximum.at(distance, groups, np.abs(x - usual)[0])
    order = np.sort(np.argsort(-distance, kind="stable")[:most])
    order = order[distance[order] > 0]
    rows = np.repeat(x, len(order) + 1, axis=0)
    for place, group in enumerate(order, start=1):
        rows[place, groups == group] = usual[0, groups == group]
    scores = score(rows)
    amounts = np.zeros((1, count))
    amounts[0, order] = scores[0] - scores[1:]
    # Equal scores may differ in their last bits: such differences count as 0.
    amounts[np.abs(amounts) <= 1e-9 * max(1.0, abs(float(scores[0])))] = 0.0
    left_out = int((distance > 0).sum()) - len(order)
    return ScoreParts(amounts, scores[:1] - row_sum(amounts), additive=False, left_out=left_out)


def make_masked_score(
    score: Callable[[Array], Array], x: Array, usual: Array, groups: ColumnGroups
) -> Callable[[Array], Array]:
    """Return a function from switches (n, groups) to scores of `x` (1, d), off groups set to `usual`."""

    def score_switched(switches: Array) -> Array:
        on = np.asarray(switches)[:, groups] > 0.5
        return score(np.where(on, x, usual))

    return score_switched


def join_parts(members: Sequence[ScoreParts], weights: Sequence[float], base: float) -> ScoreParts:
    """Return the parts of a weighted sum of member scores; a member of weight 0 is ignored."""
    amounts = np.zeros_like(members[0].amounts)
    for parts, weight in zip(members, weights, strict=True):
        if weight:
            amounts += weight * parts.amounts
    with_weight = [parts for parts, weight in zip(members, weights, strict=True) if weight]
    left_out = max((parts.left_out for parts in with_weight), default=0)
    return ScoreParts(amounts, np.array([base]), all(parts.additive for parts in with_weight), left_out)


def secant_slope(function: Callable[[Array], Array], before: float, after: float) -> float:
    """Return the mean slope of `function` between two points; between nearly equal ones, the local slope."""
    gap = after - before
    if abs(gap) <= 1e-9 * max(1.0, abs(before)):
        gap = 1e-6 * max(1.0, abs(before))
        before, after = before - gap / 2, before + gap / 2
    low, high = function(np.array([before, after]))
    return float((high - low) / (after - before))


def distance_terms(x: Array, row: Array) -> Array:
    """Return the share of each column in the distance of `x` from `row`, all (d,); they sum to it."""
    gaps = x - row
    largest = float(np.abs(gaps).max(initial=0.0))
    if largest == 0.0:
        return np.zeros_like(gaps)
    unit = gaps / largest  # squares of very small or large gaps would underflow or overflow
    terms: Array = largest * unit * unit / np.sqrt(float((unit * unit).sum()))
    return terms
