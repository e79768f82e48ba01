"""Where the rows of a table stand in its source, and what stood in a cell that could not be read.

Rows are sorted and times are read before anything is checked, and a row must still be found by the person who
owns the file: by its line there, with the cell as it is written. Nothing here is part of the rows: hashes,
scores and models are the same with it and without. Made by `sources`, used by `quality` and by the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Origin", "RowLines", "find_unread_cells"]


@dataclass(frozen=True, eq=False)
class RowLines:
    """The lines on which the rows of text files begin, in the order of the files.

    Attributes
    ----------
    files : tuple of str
        Paths of the files.
    lines : tuple of ndarray
        Of each file the lines of its rows, counted from 1 as an editor does.
    """

    files: tuple[str, ...]
    lines: tuple[NDArray[np.int64], ...]

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Line of every row, shape (n,)."""
        return np.concatenate(self.lines)

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """Position of every row's file among the files, shape (n,)."""
        return np.repeat(np.arange(len(self.files)), [len(lines) for lines in self.lines])


@dataclass(frozen=True, eq=False)
class Origin:
    """The place of each row of a frame in its source.

    Attributes
    ----------
    places : ndarray of shape (n,)
        Position of the rows in the source, from 0, without what is no row.
    unread : dict of int to str or None
        By position, the time as it is written where it could not be read; None where there is none.
    find_lines : callable, optional
        Returns the lines of all rows of the source, None where they cannot be told; called when first needed.
    """

    places: NDArray[np.int64]
    unread: Mapping[int, str | None] = field(default_factory=dict)
    find_lines: Callable[[], RowLines | None] | None = None

    @cached_property
    def lines(self) -> RowLines | None:
        """The lines of all rows of the source; None for a source without lines."""
        return None if self.find_lines is None else self.find_lines()

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Of each row its line in the file, or its number in the source from 1; shape (n,)."""
        return self.places + 1 if self.lines is None else self.lines.numbers[self.places]

    def list_files(self, rows: Sequence[int]) -> list[str] | None:
        """Return the file of each row at the positions `rows`, if there are several files; else None."""
        if self.lines is None or len(self.lines.files) < 2:
            return None
        return [self.lines.files[owner] for owner in self.lines.owners[self.places[list(rows)]]]

    def describe_row(self, row: int) -> str:
        """Return where the row at position `row` of the frame stands, like ``line 6`` or ``row 5``."""
        place = int(self.places[row])
        if self.lines is None:
            return f"row {place + 1:,}"
        where = f"line {int(self.lines.numbers[place]):,}"
        if len(self.lines.files) < 2:
            return where
        return f"{where} of {self.lines.files[int(self.lines.owners[place])]}"

    def find_cell(self, row: int) -> tuple[bool, str | None]:
        """Return whether the time of the row at position `row` could not be read, and what is written."""
        place = int(self.places[row])
        return place in self.unread, self.unread.get(place)


def find_unread_cells(
    raw: pd.DataFrame, frame: pd.DataFrame, time: str | None, sources: Sequence[str]
) -> dict[int, str | None]:
    """Return the times that could not be read, as they are written, by their position in the source.

    Parameters
    ----------
    raw : DataFrame of shape (n, d)
        Rows as they were read, in the source's order.
    frame : DataFrame of shape (m, k)
        The same with times read; its index is the position of each row in `raw`.
    time : str or None
        The time column of `frame`.
    sources : sequence of str
        The columns of `raw` that the time is read from; their cells are joined by blanks.
    """
    if time is None or time not in frame.columns:
        return {}
    unread = frame.index.to_numpy()[frame[time].isna().to_numpy()]
    if not len(unread):
        return {}
    names = [name for name in sources if name in raw.columns]
    cells = [raw[name].iloc[unread].astype(object).tolist() for name in names]
    return {
        int(place): _join_cells(parts)
        for place, parts in zip(unread.tolist(), zip(*cells, strict=True), strict=True)
    }


def _join_cells(parts: Sequence[Any]) -> str | None:
    texts = ["" if pd.isna(part) else str(part) for part in parts]
    return " ".join(texts) if any(texts) else None
