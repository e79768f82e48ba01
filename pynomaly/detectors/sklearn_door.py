"""The only module of the detectors that imports scikit-learn, and only while fitting.

A saved detector scores without it, from arrays. Called by the detectors whose fit is scikit-learn's.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.exact import Array

__all__ = ["fit"]


def fit(module: str, kind: str, X: Array, labels: npt.NDArray[np.int64] | None = None, **params: Any) -> Any:
    """Fit the estimator ``sklearn.<module>.<kind>`` and return it.

    Parameters
    ----------
    module, kind : str
        Where it is.
    X : ndarray of shape (n, d)
        Rows; a copy is handed over.
    labels : int array of shape (n,), optional
        For estimators that learn from them.
    **params
        Its parameters.

    Returns
    -------
    object
        The fitted estimator, to read attributes from; never to keep.

    Raises
    ------
    ValueError
        As scikit-learn raises it.
    """
    estimator = getattr(importlib.import_module(f"sklearn.{module}"), kind)(**params)
    with warnings.catch_warnings():
        # As in `pyod_door`: degenerate data make it warn, and the scores are what is judged.
        warnings.simplefilter("ignore")
        return estimator.fit(X.copy(), labels)
