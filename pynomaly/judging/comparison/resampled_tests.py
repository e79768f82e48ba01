"""Compare two detectors over refits with the corrected resampled t-test.

Fits on overlapping training rows are not independent: the plain t-test over their differences treats the
variance between folds as the whole error, and rejects far too often. Nadeau and Bengio add the part that the
overlap hides. Pure; called where candidates are compared by repeated folds (``comparison.folds``).

References
----------
Nadeau, Bengio (2003), Inference for the generalization error, Machine Learning 52, section 3.
Bouckaert, Frank (2004), Evaluating the replicability of significance tests for comparing learning algorithms,
PAKDD: the same correction for repeated cross-validation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pynomaly.errors import DataError
from pynomaly.judging.jsonable import to_jsonable

__all__ = ["FoldTest", "corrected_t_test"]


@dataclass(frozen=True)
class FoldTest:
    """Mean difference over refits, with its interval and p-value.

    Attributes
    ----------
    difference, low, high : float
        Mean over the folds, and its interval at `level`.
    p_value : float
        Two-sided, of no difference.
    folds : int
    share : float
        Number of test rows divided by number of training rows, in a fold.
    level : float
    """

    difference: float
    low: float
    high: float
    p_value: float
    folds: int
    share: float
    level: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def corrected_t_test(differences: Sequence[float], share: float, level: float = 0.95) -> FoldTest:
    """Test the mean of differences over J overlapping folds.

    The variance of the mean is ``(1 / J + share) s²`` in place of ``s² / J``.

    Parameters
    ----------
    differences : sequence of float
        Challenger minus champion, one for each fold.
    share : float
        Number of test rows divided by number of training rows: 1 / (k - 1) for k folds.
    level : float

    Raises
    ------
    DataError
        If there are fewer than two folds, a difference is not finite, or the share is not above 0.
    """
    from scipy.special import stdtr, stdtrit

    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise DataError(f"differences {values.tolist()!r} are not allowed: two or more, all finite")
    if not share > 0:
        raise DataError(f"a share of {share!r} of tested over trained rows is not allowed: above 0")
    mean = float(values.mean())
    error = math.sqrt((1 / values.size + share) * float(values.var(ddof=1)))
    dof = values.size - 1
    reach = float(stdtrit(dof, (1 + level) / 2)) * error
    p_value = float(mean == 0)
    if error > 0:
        p_value = 2 * float(stdtr(dof, -abs(mean) / error))
    return FoldTest(mean, mean - reach, mean + reach, p_value, values.size, share, level)
