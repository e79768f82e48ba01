"""Read known labels as numbers: 1 is an anomaly, 0 is normal, missing is not known.

Called by ``sources`` for each frame that is read. Nothing is guessed: a word that is not
declared is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Data
from pynomaly.errors import DataError

__all__ = ["parse_labels"]

_LABELS = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0, "": np.nan, "nan": np.nan}


def parse_labels(column: pd.Series[Any], data: Data) -> pd.Series[Any]:
    """Read a label column as float64 in {0, 1, NaN}.

    Parameters
    ----------
    column : Series of shape (n,)
    data : Data
        ``label_values`` say what the words mean, without regard to case and blanks; ``-1`` and ``-1.0`` are
        one word. Without them the words are 0, 1, false and true. A blank cell, and one of
        ``missing_values`` that is not among the words, is not known.

    Raises
    ------
    DataError
        If a cell holds another word.
    """
    cells = column.astype(object)
    texts = cells.where(cells.notna(), "").map(lambda cell: str(cell).strip().lower())
    words: Mapping[str, float] = _LABELS
    if data.label_values:
        texts = texts.map(_unify_number)
        declared = {
            _unify_number(word.strip().lower()): np.nan if value is None else float(value)
            for word, value in data.label_values.items()
        }
        words = {"": np.nan, "nan": np.nan, **declared}
    missing = (*data.missing_values, *data.missing_in.get(str(column.name), ()))
    marks = {
        _unify_number(mark.strip().lower()) if data.label_values else mark.strip().lower() for mark in missing
    }
    words = {**dict.fromkeys(marks, np.nan), **words}
    wrong = ~texts.isin(words).to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        allowed = "1 (anomaly), 0 (normal), true, false, or empty for not known"
        if data.label_values:
            allowed = f"{', '.join(map(repr, data.label_values))} (data.label_values), or empty for not known"
        raise DataError(
            f"label column {column.name!r} holds {column.iloc[row]!r} in row {row}; allowed: {allowed}"
        )
    labels = texts.map(words).astype("float64")
    labels.name = column.name
    return labels


def _unify_number(word: str) -> str:
    """Return a number in one spelling, and any other word as it is."""
    try:
        number = float(word)
    except ValueError:
        return word
    return str(int(number)) if number.is_integer() else str(number)
