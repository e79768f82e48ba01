"""The columns of the rows that a stream keeps, and what each holds: numbers or text.

They are settled once, by the first rows or by what was kept before, so that every file of a stream has the
same. A key that is none of them is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from pandas.api import types

from pynomaly.config import Data
from pynomaly.data.frame import FrameContract, read_numbers
from pynomaly.data.shape.moments import list_time_sources
from pynomaly.data.sources.text.cells import build_frame, list_text_columns

__all__ = ["CellKind", "StreamColumns"]

RESERVED = "pynomaly."
"""How names begin that rows of a stream have beside their own columns."""

CellKind = Literal["number", "text"]


@dataclass(frozen=True)
class StreamColumns:
    """Columns beside time, entity and label, in their order.

    Attributes
    ----------
    kinds : mapping of str to {"number", "text"}
    """

    kinds: Mapping[str, CellKind]

    @classmethod
    def of_records(cls, records: Sequence[Mapping[str, Any]], data: Data) -> StreamColumns:
        """Return the columns of records; a key with numbers alone, or without a value, holds numbers."""
        names = dict.fromkeys(name for record in records for name in record)
        cells = {name: [record.get(name) for record in records] for name in names}
        return cls.of_frame(build_frame(cells, data), data)

    @classmethod
    def of_frame(cls, frame: pd.DataFrame, data: Data) -> StreamColumns:
        """Return the columns of rows that were read."""
        others = {*list_time_sources(data), data.time, data.id, data.label}
        texts = set(list_text_columns(data)) - set(data.numbers) - set(data.magnitudes) - set(data.missing_in)
        kinds: dict[str, CellKind] = {}
        for name in map(str, frame.columns):
            if name not in others and not name.startswith(RESERVED):
                kinds[name] = "number" if name not in texts and _has_numbers(frame[name]) else "text"
        return cls(kinds)

    def join_features(self, contract: FrameContract | None, data: Data) -> StreamColumns:
        """Return the columns with what a model or ``data.graph`` reads and the first records may lack."""
        edge: dict[str, CellKind] = {}
        if data.graph is not None:
            edge = dict.fromkeys(data.graph.ends, "text")
            edge |= {data.graph.weight: "number"} if data.graph.weight else {}
        if contract is None:
            return StreamColumns({**self.kinds, **edge})
        names: dict[str, CellKind] = dict.fromkeys(contract.numeric, "number")
        names |= dict.fromkeys(contract.categorical, "text")
        read = {name: kind for name, kind in names.items() if name not in data.past_names and ":" not in name}
        return StreamColumns({**self.kinds, **read, **edge})

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the columns of numbers."""
        return tuple(name for name, kind in self.kinds.items() if kind == "number")


def _has_numbers(column: pd.Series[Any]) -> bool:
    """Return whether most cells read as numbers: one that is wrong does not make a column text."""
    if types.is_bool_dtype(column.dtype):
        return False
    if types.is_numeric_dtype(column.dtype):
        return True
    values, bad = read_numbers(column)
    return int(values.notna().sum()) > int(bad.sum())
