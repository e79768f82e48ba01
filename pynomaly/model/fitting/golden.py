"""Golden rows: a few rows stored with their scores, scored again wherever the model is loaded.

They are restored exactly: float64 to the bit from arrays, categories from JSON text. Times, if the model
needs them, are ISO 8601 text with an offset, as in a request. Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.past import replace_past
from pynomaly.errors import ModelError
from pynomaly.model.scoring import PreparedRows

__all__ = [
    "GOLDEN_ROWS",
    "GOLDEN_TOLERANCE",
    "compare_golden_scores",
    "pick_positions",
    "take_golden_rows",
]

GOLDEN_ROWS = 20

GOLDEN_TOLERANCE = 1e-9  # relative to scores above 1; BLAS builds differ by less, in the last bits


def pick_positions(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return positions of up to 20 `scores`, shape (n,), at even ranks from lowest to highest."""
    ranks = np.unique(np.linspace(0, len(scores) - 1, min(GOLDEN_ROWS, len(scores))).round().astype(int))
    return np.asarray(np.argsort(scores, kind="stable")[ranks], dtype=np.intp)


def take_golden_rows(
    rows: PreparedRows, positions: NDArray[np.intp], entity: str | None = None
) -> pd.DataFrame:
    """Return the rows at `positions`; times, as text, and entities, if any, are first, a past is last."""
    golden = rows.frame.iloc[positions].reset_index(drop=True)
    if rows.entities is not None:
        golden.insert(0, entity, pd.Series(rows.entities[positions], dtype=object))
    if rows.times is not None:
        time_texts = [moment.isoformat() for moment in rows.times.iloc[positions]]
        golden.insert(0, rows.times.name, pd.Series(time_texts, dtype=object))
    return golden if rows.past is None else replace_past(golden, rows.past[positions].compact())


def compare_golden_scores(scores: NDArray[np.float64], recorded: NDArray[np.float64], origin: str) -> float:
    """Return the largest difference of two arrays of scores (n,), relative to recorded scores above 1.

    Raises
    ------
    ModelError
        If it exceeds ``GOLDEN_TOLERANCE`` or is not a number; `origin`, the versions on both sides, ends the
        message.
    """
    differences = np.abs(scores - recorded) / np.maximum(1.0, np.abs(recorded))
    difference = float(np.max(differences))
    if not difference <= GOLDEN_TOLERANCE:  # NaN fails, too
        row = int(np.argmax(differences))
        raise ModelError(
            f"golden row {row} scores {scores[row]!r}, recorded was {recorded[row]!r}: "
            f"a difference of {difference:.3g}; allowed: {GOLDEN_TOLERANCE:g}. {origin}"
        )
    return difference
