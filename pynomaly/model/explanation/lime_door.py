"""The only module that imports LIME: a linear model of the score around one row, column by column.

Columns are switched at random, by seed, between the value of the row and the expected value. A ridge
regression of the scores on the switches, weighted by how many are on, gives the weight of each column. The
weights need not sum to the score. Cost: 500 scores a row. Called by :mod:`pynomaly.model.explanation.explain`
for method ``lime``; installed with the extra ``explain``.

References
----------
Ribeiro, Singh, Guestrin: "Why Should I Trust You?": Explaining the Predictions of Any Classifier. KDD 2016.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pynomaly.detectors.attributions import ColumnGroups, ScoreParts, make_masked_score
from pynomaly.detectors.numerics.exact import Array, row_sum

__all__ = ["explain_with_lime"]

_SAMPLE_COUNT = 500
_KERNEL_WIDTH = 0.75  # kernel width of LIME for tables, times the square root of the number of columns


def explain_with_lime(
    score: Callable[[Array], Array], x: Array, usual: Array, groups: ColumnGroups
) -> ScoreParts:
    """Return the LIME weights of the columns of one row, shape (1, d)."""
    from lime.lime_base import LimeBase

    count = int(groups.max()) + 1
    switches = np.random.default_rng(0).integers(0, 2, size=(_SAMPLE_COUNT, count)).astype(np.float64)
    switches[0] = 1.0  # the row itself
    scores = make_masked_score(score, x, usual, groups)(switches)
    width = _KERNEL_WIDTH * np.sqrt(count)
    base = LimeBase(lambda distances: np.sqrt(np.exp(-(distances**2) / width**2)), random_state=0)
    distances = np.sqrt((1 - switches).sum(axis=1))
    _, weights, _, _ = base.explain_instance_with_data(
        switches, scores[:, None], distances, 0, count, feature_selection="none"
    )
    amounts = np.zeros((1, count))
    for place, weight in weights:
        amounts[0, place] = weight
    return ScoreParts(amounts, scores[:1] - row_sum(amounts), additive=False)
