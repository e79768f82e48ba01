"""Which rows of one whole window alert, from p-values that are known already.

Called by the steps that decide window by window over rows scored at once.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.model.bundle import Bundle
from pynomaly.model.explanation.held_back import find_held_back_rows

__all__ = ["flag_rows"]


def flag_rows(bundle: Bundle, frame: pd.DataFrame, p_values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows of a whole window alert, by policy and limits; bool array of shape (n,)."""
    rows = bundle.prepare(frame)
    flags = bundle.policy.flag_window(p_values, bundle.calibration.resolutions(rows.entities))
    limits = bundle.policy.limits
    if limits is None:
        return flags
    held_back = find_held_back_rows(rows, flags, bundle.features, bundle.sketch, limits)
    return np.asarray(flags & (held_back == ""), dtype=np.bool_)
