"""Rows that validation rejects: each with the first rule it breaks, and where it stands in the source.

Called by ``quality``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.data.origin import Origin
from pynomaly.data.past import drop_past

__all__ = ["BadRows", "show_value"]


class BadRows:
    """Rejected rows, each with the first rule that it breaks."""

    def __init__(self, frame: pd.DataFrame, time: str | None = None, origin: Origin | None = None) -> None:
        self.frame, self.time, self.origin = frame, time, origin
        self.rules: dict[int, tuple[str, str]] = {}

    def file(self, rule: str, rows: npt.NDArray[Any], column: str | None = None, detail: str = "") -> None:
        """Record that the rows at positions `rows` break `rule`."""
        for row in rows.tolist():
            self.rules.setdefault(row, (rule, detail or self._describe_cell(row, str(column))))

    def _describe_cell(self, row: int, column: str) -> str:
        cell, where = self.frame[column].iloc[row], f"row {row}"
        if self.origin is not None:
            where = self.origin.describe_row(row)
            is_unread, written = self.origin.find_cell(row)
            if is_unread and column == self.time:
                return f"column {column!r} " + (
                    f"is empty in {where}" if written is None else f"holds {written!r} in {where}"
                )
        return f"column {column!r} holds {show_value(cell)} in {where}"

    @property
    def clean_mask(self) -> npt.NDArray[np.bool_]:
        """Boolean mask of shape (n,): True for rows that break no rule."""
        mask = np.ones(len(self.frame), dtype=bool)
        mask[list(self.rules)] = False
        return mask

    def table(self) -> pd.DataFrame:
        """Return the rejected rows as text, with rule and detail, and where they stand in the source."""
        if not self.rules and self.origin is None:
            names = [str(name) for name in drop_past(self.frame)]
            return pd.DataFrame(columns=[*names, "rule", "detail"], dtype=object)
        rows = sorted(self.rules)
        own = ("rule", "detail") if self.origin is None else ("rule", "detail", "row", "file")
        renamed_columns = {name: f"source_{name}" for name in own}
        table = drop_past(self.frame).iloc[rows].rename(columns=renamed_columns).astype(object)
        # An object array, because pandas' inference of text would turn None into NaN.
        cells = np.empty(table.shape, dtype=object)
        for position in range(table.shape[1]):
            cells[:, position] = [None if pd.isna(cell) else str(cell) for cell in table.iloc[:, position]]
            if self.origin is not None and self.frame.columns[position] == self.time:
                written = np.array([self.origin.find_cell(row)[1] for row in rows], dtype=object)
                cells[:, position] = np.where(table.iloc[:, position].isna(), written, cells[:, position])
        table = pd.DataFrame(cells, index=table.index, columns=table.columns, dtype=object)
        table["rule"] = [self.rules[row][0] for row in rows]
        table["detail"] = [self.rules[row][1] for row in rows]
        if self.origin is not None:
            table["row"] = self.origin.numbers[rows]
            if (files := self.origin.list_files(rows)) is not None:
                table["file"] = files
        return table


def show_value(value: object) -> str:
    """Return a cell as Python writes it."""
    return repr(value.item() if isinstance(value, np.generic) else value)
