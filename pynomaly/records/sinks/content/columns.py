"""The columns of what sinks receive, with their types: the same for every pipeline and every kind of sink."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["COLUMNS", "conform_rows"]

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "scores": {
        "key": "text",
        "pipeline": "text",
        "window": "text",
        "time": "time",
        "entity": "text",
        "score": "number",
        "p_value": "number",
        "severity": "text",
        "rarity": "text",
        "is_anomaly": "truth",
        "extrapolated": "truth",
        "held_back": "text",
        "version": "integer",
    },
    "alerts": {
        "key": "text",
        "pipeline": "text",
        "alert": "text",
        "event": "text",
        "seq": "integer",
        "at": "time",
        "entity": "text",
        "state": "text",
        "severity": "text",
        "category": "text",
        "rows": "integer",
        "first": "time",
        "last": "time",
        "peak": "time",
        "score": "number",
        "p_value": "number",
        "rarity": "text",
        "cause": "text",
        "carriers": "text",
        "version": "integer",
        "window": "text",
        "quiet": "text",
        "ending": "text",
        "note": "text",
        "actor": "text",
    },
    "decisions": {
        "key": "text",
        "pipeline": "text",
        "kind": "text",
        "subject": "text",
        "outcome": "text",
        "seq": "integer",
        "at": "time",
        "as_of": "time",
        "version": "integer",
        "reasons": "text",
        "actor": "text",
        "hash": "text",
    },
}
"""Types by column: ``text``, ``integer``, ``number``, ``truth`` or ``time``."""


def conform_rows(what: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the columns of `what` in their order and types; a column that is missing is empty.

    A number that is not finite is missing: most receivers refuse it.
    """
    columns: dict[str, Any] = {}
    for name, kind in COLUMNS[what].items():
        cells = rows[name].reset_index(drop=True) if name in rows else pd.Series(None, index=range(len(rows)))
        if kind == "time":
            columns[name] = pd.to_datetime(cells, utc=True).astype("datetime64[us, UTC]")
        elif kind == "text":
            columns[name] = cells.astype(object).where(cells.notna(), "").map(str).astype(object)
        elif kind == "truth":
            columns[name] = cells.fillna(False).astype(bool)
        else:
            numbers = pd.to_numeric(cells).astype("float64" if kind == "number" else "Int64")
            columns[name] = numbers.where(np.isfinite(numbers)) if kind == "number" else numbers
    return pd.DataFrame(columns)
