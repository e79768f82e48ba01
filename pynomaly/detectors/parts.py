"""What each column carries of a score: the parts of one row, and how parts of several scores become one.

A part is in the detector's own unit, above 0 where the column raises the score. Where the method allows, base
and parts sum to the score; where it does not (occlusion), `additive` says so. Called by `base` and by the
detectors, one row at a time: so the same row has the same parts, to the bit, in any batch.

References
----------
Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014, section 4.2 (occlusion).
Chen, Lundberg, Lee: Explaining a series of models by propagating Shapley amounts. Nature Communications 13,
2022 (parts of members carried through what joins them, in proportion).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.exact import Array, row_sum

__all__ = [
    "MOST_OCCLUDED",
    "Groups",
    "How",
    "Parts",
    "joined",
    "masked",
    "nearest_terms",
    "occluded",
    "secant",
    "summed",
]

How = Literal["paths", "terms", "members", "occlusion", "shap", "lime"]
Groups = npt.NDArray[np.int64]

MOST_OCCLUDED = 256
"""Columns that are set to their usual value in turn; of more, those furthest from it."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What the columns of one or more rows carry.

    Attributes
    ----------
    amounts : ndarray of shape (n, groups)
        Part of each group of columns.
    base : ndarray of shape (n,)
        What is left: score less the sum of the parts.
    additive : bool
        Whether `base` is the model's own (the score of a row with nothing odd about it), so that the parts
        are a division of the score; else it is a mere remainder.
    left_out : int
        Groups that were not tried.
    """

    amounts: Array
    base: Array
    additive: bool
    left_out: int = 0


def summed(terms: Array, base: Array, groups: Groups) -> Parts:
    """Parts of groups from terms of columns (n, d); `base` of shape (n,)."""
    amounts = np.zeros((len(terms), int(groups.max()) + 1))
    for column, group in enumerate(groups):  # in the order of the columns, whatever the batch
        amounts[:, group] += terms[:, column]
    return Parts(amounts, base, additive=True)


def occluded(
    score: Callable[[Array], Array], x: Array, usual: Array, groups: Groups, most: int = MOST_OCCLUDED
) -> Parts:
    """Fall of the score of `x`, shape (1, d), when one group of columns after the other is as in `usual`.

    Two columns that say the same hide each other. One call of `score`, a row for each group and one more.
    """
    count = int(groups.max()) + 1
    apart = np.zeros(count)
    np.maximum.at(apart, groups, np.abs(x - usual)[0])
    tried = np.sort(np.argsort(-apart, kind="stable")[:most])
    tried = tried[apart[tried] > 0]
    rows = np.repeat(x, len(tried) + 1, axis=0)
    for place, group in enumerate(tried, start=1):
        rows[place, groups == group] = usual[0, groups == group]
    scores = score(rows)
    amounts = np.zeros((1, count))
    amounts[0, tried] = scores[0] - scores[1:]
    # Rounding is no fall: scores that are equal may differ in their last bits.
    amounts[np.abs(amounts) <= 1e-9 * max(1.0, abs(float(scores[0])))] = 0.0
    left_out = int((apart > 0).sum()) - len(tried)
    return Parts(amounts, scores[:1] - row_sum(amounts), additive=False, left_out=left_out)


def masked(
    score: Callable[[Array], Array], x: Array, usual: Array, groups: Groups
) -> Callable[[Array], Array]:
    """From switches (n, groups) to scores of `x`, shape (1, d), with groups that are off as in `usual`."""

    def switched(switches: Array) -> Array:
        on = np.asarray(switches)[:, groups] > 0.5
        return score(np.where(on, x, usual))

    return switched


def joined(members: Sequence[Parts], weights: Sequence[float], base: float) -> Parts:
    """Parts of one score that grows by `weights` with those of its members; one of weight 0 has no say."""
    amounts = np.zeros_like(members[0].amounts)
    for parts, weight in zip(members, weights, strict=True):
        if weight:
            amounts += weight * parts.amounts
    counted = [parts for parts, weight in zip(members, weights, strict=True) if weight]
    left_out = max((parts.left_out for parts in counted), default=0)
    return Parts(amounts, np.array([base]), all(parts.additive for parts in counted), left_out)


def secant(function: Callable[[Array], Array], before: float, after: float) -> float:
    """Mean slope of `function` between two places: what a change of its argument comes to, in proportion."""
    gap = after - before
    if abs(gap) <= 1e-9 * max(1.0, abs(before)):
        gap = 1e-6 * max(1.0, abs(before))
        before, after = before - gap / 2, before + gap / 2
    low, high = function(np.array([before, after]))
    return float((high - low) / (after - before))


def nearest_terms(x: Array, row: Array) -> Array:
    """Share of each column in the distance of `x` from `row`, both of shape (d,); they sum to it."""
    gaps = x - row
    largest = float(np.abs(gaps).max(initial=0.0))
    if largest == 0.0:
        return np.zeros_like(gaps)
    unit = gaps / largest  # squares of very small or large gaps would leave the range
    terms: Array = largest * unit * unit / np.sqrt(float((unit * unit).sum()))
    return terms
