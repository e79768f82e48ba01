"""The only module that imports PyOD, and only while fitting: a saved detector scores without it.

PyOD's own scoring is never used. Some of its detectors score a row by the batch it comes in (ECOD, COPOD),
and all of them shift the score by ``contamination``. Fitted attributes are read by name in the detectors;
pyproject pins the minor version for that reason. Called by the detectors whose fit is PyOD's.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from pynomaly.detectors.exact import Array

__all__ = ["fit"]


def fit(module: str, kind: str, X: Array, **params: Any) -> Any:
    """Fit the PyOD detector ``pyod.models.<module>.<kind>`` and return it.

    Parameters
    ----------
    module, kind : str
        Where it is.
    X : ndarray of shape (n, d)
        Rows; a copy is handed over.
    **params
        Its parameters.

    Returns
    -------
    object
        The fitted PyOD detector, to read attributes from; never to keep.

    Raises
    ------
    ValueError
        As PyOD and scikit-learn raise it.
    """
    detector = getattr(importlib.import_module(f"pyod.models.{module}"), kind)(**params)
    with warnings.catch_warnings():
        # Degenerate data (constant or duplicated columns) make vendors warn; the contract suite judges
        # what matters, the scores.
        warnings.simplefilter("ignore")
        return detector.fit(X.copy())
