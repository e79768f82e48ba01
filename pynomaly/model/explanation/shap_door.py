"""The only module that imports SHAP: Shapley values of a score, by column.

Each column of the frame is a player. Present, it has the value of the row; absent, the expected value. Exact
up to ten columns (2 ** d scores a row), sampled by permutations beyond (some hundred scores a row). Called by
:mod:`pynomaly.model.explanation.explain` for method ``shap``; installed with the extra ``explain``.

References
----------
Lundberg, Lee: A Unified Approach to Interpreting Model Predictions. NIPS 2017.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from pynomaly.detectors.attributions import ColumnGroups, ScoreParts, make_masked_score
from pynomaly.detectors.numerics.exact import Array, row_sum

__all__ = ["explain_with_shap"]

_MAX_EXACT_COLUMNS = 10
_PERMUTATIONS = 10


def explain_with_shap(
    score: Callable[[Array], Array], x: Array, usual: Array, groups: ColumnGroups
) -> ScoreParts:
    """Return parts of one row, shape (1, d), whose sum is its score minus that of the expected row."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SHAP's plots call deprecated functions of matplotlib
        import shap

        count = int(groups.max()) + 1
        nobody = shap.maskers.Independent(np.zeros((1, count)))
        present = np.ones((1, count))
        players = make_masked_score(score, x, usual, groups)
        if count <= _MAX_EXACT_COLUMNS:
            explanation = shap.explainers.Exact(players, nobody)(present, silent=True)
        else:
            explainer = shap.explainers.Permutation(players, nobody, seed=0)
            explanation = explainer(present, max_evals=_PERMUTATIONS * (2 * count + 1), silent=True)
    amounts = np.asarray(explanation.values, dtype=np.float64).reshape(1, count)
    return ScoreParts(amounts, score(x) - row_sum(amounts), additive=True)
