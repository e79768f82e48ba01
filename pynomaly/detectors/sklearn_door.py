"""The only module of the detectors that imports scikit-learn, and only while fitting.

A saved detector scores without it, from arrays. Called by the detectors whose fit is scikit-learn's.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.numerics.exact import Array

__all__ = ["fit"]


def fit(module: str, kind: str, X: Array, labels: npt.NDArray[np.int64] | None = None, **params: Any) -> Any:
    """Fit the estimator ``sklearn.<module>.<kind>`` and return it.

    Parameters
    ----------
    module, kind : str
        Module and class name.
    X : ndarray of shape (n, d)
        Rows; the estimator gets a copy.
    labels : int array of shape (n,), optional
        For supervised estimators.
    **params
        Parameters of the estimator.

    Returns
    -------
    object
        The fitted estimator. Read its attributes; do not store it.

    Raises
    ------
    ValueError
        scikit-learn cannot fit the rows.
    """
    estimator = getattr(importlib.import_module(f"sklearn.{module}"), kind)(**params)
    with warnings.catch_warnings():
        # As in `pyod_door`: it warns about degenerate data, and the contract suite tests the scores.
        warnings.simplefilter("ignore")
        return estimator.fit(X.copy(), labels)
