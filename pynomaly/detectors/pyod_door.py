"""The only module that imports PyOD, and only while fitting: a saved detector scores without it.

PyOD's own scoring is never used. Some of its detectors score a row relative to its batch (ECOD, COPOD), and
all of them shift the score by ``contamination``. The detectors read fitted attributes by name, which is why
pyproject pins the minor version. Called by the detectors whose fit is PyOD's.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from pynomaly.detectors.numerics.exact import Array

__all__ = ["fit"]


def fit(module: str, kind: str, X: Array, **params: Any) -> Any:
    """Fit the PyOD detector ``pyod.models.<module>.<kind>`` and return it.

    Parameters
    ----------
    module, kind : str
        Module and class name.
    X : ndarray of shape (n, d)
        Rows; PyOD gets a copy.
    **params
        Parameters of the PyOD detector.

    Returns
    -------
    object
        The fitted PyOD detector. Read its attributes; do not store it.

    Raises
    ------
    ValueError
        PyOD or scikit-learn cannot fit the rows.
    """
    detector = getattr(importlib.import_module(f"pyod.models.{module}"), kind)(**params)
    with warnings.catch_warnings():
        # Vendors warn about degenerate data (constant or duplicated columns); the contract suite tests the
        # scores instead.
        warnings.simplefilter("ignore")
        return detector.fit(X.copy())
