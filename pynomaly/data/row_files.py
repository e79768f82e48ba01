"""Rows in a folder, exact: a Parquet file, and beside it the past of the rows, if they carry one.

Both hold plain numbers and text: no object is pickled, so that reading a folder runs no code of it.

Called by the steps that keep rows in a work folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pynomaly.data.past import drop_past, get_past, replace_past
from pynomaly.data.past_array import PastArray

__all__ = ["load_rows", "save_rows"]


def save_rows(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Write the rows as ``NAME.parquet``, without their index, and their past as ``NAME.past.npz``."""
    past = get_past(frame)
    if past is not None:
        np.savez(folder / f"{name}.past.npz", allow_pickle=False, **past.to_arrays())
    drop_past(frame).to_parquet(folder / f"{name}.parquet", index=False)


def load_rows(folder: Path, name: str) -> pd.DataFrame:
    """Read what :func:`save_rows` wrote."""
    frame = pd.read_parquet(folder / f"{name}.parquet")
    path = folder / f"{name}.past.npz"
    if not path.is_file():
        return frame
    with np.load(path, allow_pickle=False) as arrays:
        return replace_past(frame, PastArray.from_arrays(dict(arrays)))
