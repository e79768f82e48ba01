"""Golden rows: a few rows stored with their scores, scored again wherever the model is loaded.

They are restored exactly: float64 to the bit from arrays, categories from JSON text. Times, if the model
needs them, are ISO 8601 text with an offset, as in a request. Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.past import drop_past, get_past, replace_past
from pynomaly.data.past_array import PastArray
from pynomaly.errors import ModelError
from pynomaly.model.scoring import PreparedRows

__all__ = [
    "GOLDEN_ROWS",
    "GOLDEN_TOLERANCE",
    "compare_golden_scores",
    "pack_rows",
    "pick_positions",
    "take_golden_rows",
    "unpack_rows",
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


def pack_rows(rows: pd.DataFrame) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Split `rows`, DataFrame of shape (n, d), into arrays and JSON-able text.

    Arrays are named by column position, because a column may have any name.
    """
    arrays: dict[str, NDArray[Any]] = {}
    columns: list[dict[str, Any]] = []
    if (past := get_past(rows)) is not None:
        arrays |= {f"past_{name}": array for name, array in past.to_arrays().items()}
    for position, name in enumerate(drop_past(rows).columns):
        values = rows[name]
        if values.dtype.kind == "f":
            arrays[f"column{position}"] = values.to_numpy(dtype=np.float64)
            columns.append({"name": name, "kind": "number"})
        else:
            text = [None if value is None else str(value) for value in values]
            columns.append({"name": name, "kind": "category", "values": text})
    return arrays, {"rows": len(rows), "columns": columns}


def unpack_rows(arrays: Mapping[str, NDArray[Any]], text: Mapping[str, Any]) -> pd.DataFrame:
    """Read what `pack_rows` wrote: the same values, types and column order, with a new index."""
    columns: dict[str, Any] = {}
    for position, item in enumerate(text["columns"]):
        if item["kind"] == "category":
            columns[item["name"]] = pd.Series(item["values"], dtype=object)
        else:
            columns[item["name"]] = pd.Series(arrays[f"column{position}"])
    rows = pd.DataFrame(columns, index=pd.RangeIndex(text["rows"]))
    past = {name.removeprefix("past_"): array for name, array in arrays.items() if name.startswith("past_")}
    return replace_past(rows, PastArray.from_arrays(past)) if past else rows


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
