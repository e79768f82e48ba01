"""Cells of the rows that are delivered, as plain values that every receiver understands."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import orjson
import pandas as pd

__all__ = ["hash_record", "list_records", "plain_cell", "shorten_texts"]


def list_records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each row as a mapping of plain values, in the order of columns; see :func:`plain_cell`."""
    columns = [_plain_column(rows.iloc[:, place]) for place in range(rows.shape[1])]
    names = [str(name) for name in rows.columns]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def hash_record(record: dict[str, Any]) -> bytes:
    """Return 16 bytes of the SHA-256 of a record of plain values, in whatever order they are."""
    return hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).digest()[:16]


def _plain_column(cells: pd.Series[Any]) -> list[Any]:
    """Return a column as plain values; those of the types that sinks receive all at once."""
    kind = cells.dtype
    if isinstance(kind, pd.DatetimeTZDtype):
        moments = cells.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        texts = np.datetime_as_string(moments, unit="us").tolist()
        return [None if text == "NaT" else f"{text}Z" for text in texts]
    if kind == np.dtype(bool):
        return list(cells.to_numpy().tolist())
    if kind == np.float64:
        numbers = cells.to_numpy()
        plain: list[Any] = numbers.tolist()
        for place in np.flatnonzero(~np.isfinite(numbers)):
            plain[place] = None
        return plain
    values = cells.astype(object).tolist()
    return values if all(type(value) is str for value in values) else [plain_cell(value) for value in values]


def plain_cell(value: Any) -> Any:
    """Return a cell as text, whole number, finite number or truth value; None for anything missing.

    Infinity and NaN are None: JSON has neither, and most databases refuse them. Times are ISO 8601 in UTC.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).replace("+00:00", "Z")
    return str(value)


def shorten_texts(record: dict[str, Any], longest: int) -> dict[str, Any]:
    """Return a record whose texts have at most `longest` characters; a shortened one ends in an ellipsis."""
    return {
        name: f"{value[: longest - 1]}…" if isinstance(value, str) and len(value) > longest else value
        for name, value in record.items()
    }
