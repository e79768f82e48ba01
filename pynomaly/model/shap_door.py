"""The only module that imports SHAP: Shapley values of a score by columns, for whoever trusts them most.

A player is a column of the frame: in, it holds what the row holds, out, what would be expected. Exact up to
ten columns, sampled by permutations beyond; 2 ** d or some hundred scores a row. Called by
:mod:`pynomaly.model.explain`, if asked for ``shap``; installed by the extra ``explain``.

References
----------
Lundberg, Lee: A Unified Approach to Interpreting Model Predictions. NIPS 2017.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from pynomaly.detectors.exact import Array, row_sum
from pynomaly.detectors.parts import Groups, Parts, masked
from pynomaly.errors import ModelError

__all__ = ["shapley"]

_EXACT = 10
_PERMUTATIONS = 10


def shapley(score: Callable[[Array], Array], x: Array, usual: Array, groups: Groups) -> Parts:
    """Parts of one row, shape (1, d), that sum to its score less that of the row as expected.

    Raises
    ------
    ModelError
        If SHAP is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its plots call what matplotlib means to drop
        try:
            import shap
        except ImportError as error:
            raise ModelError(
                "explaining by shap needs SHAP; install it by: pip install 'pynomaly-mlops[explain]'"
            ) from error
        count = int(groups.max()) + 1
        nobody = shap.maskers.Independent(np.zeros((1, count)))
        present = np.ones((1, count))
        players = masked(score, x, usual, groups)
        if count <= _EXACT:
            found = shap.explainers.Exact(players, nobody)(present, silent=True)
        else:
            sampled = shap.explainers.Permutation(players, nobody, seed=0)
            found = sampled(present, max_evals=_PERMUTATIONS * (2 * count + 1), silent=True)
    amounts = np.asarray(found.values, dtype=np.float64).reshape(1, count)
    return Parts(amounts, score(x) - row_sum(amounts), additive=True)
