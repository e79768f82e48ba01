"""Count rows of a stream in units that hardly depend on each other: what bets are made on.

A unit is a number of rows, of one or more blocks of dependent rows; every second block is left out, so that
units are a block apart. Rows are counted once and in order of time, however they are cut into windows: what
does not fill a unit is carried to the next window. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.model.dependence.dependence import Dependence

__all__ = ["FullUnit", "RowUnits"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
FullUnit = tuple[int, tuple[int, ...]]
"""Rows of a unit, and how many of them have each flag."""


@dataclass(frozen=True)
class RowUnits:
    """The unit that is not full yet.

    Attributes
    ----------
    until : float or None
        Seconds since 1970 of the newest row that was counted; rows up to it are not counted again.
    rows : int
    counts : tuple of int
        How many of these rows have each flag; empty before the first row.
    block : int or None
        Number of the block that the newest of them are of.
    """

    until: float | None = None
    rows: int = 0
    counts: tuple[int, ...] = ()
    block: int | None = None

    def add_rows(
        self, seconds: Floats, flags: Flags, dependence: Dependence, least: int
    ) -> tuple[RowUnits, list[FullUnit]]:
        """Return what is left after the rows of a window, and the units that they fill, in order of time.

        Parameters
        ----------
        seconds : array of shape (n,)
            Time of each row, in any order.
        flags : bool array of shape (n, k)
        dependence : Dependence
            Rows of a history too short to show their dependence fill no unit.
        least : int
            Fewest rows of a unit.
        """
        fresh = np.ones(len(seconds), dtype=bool) if self.until is None else seconds > self.until
        if dependence.is_short or not fresh.any():
            return self, []
        order = np.argsort(seconds[fresh], kind="stable")
        times, sums = seconds[fresh][order], _add_up(flags[fresh][order])
        start = replace(self, until=float(times[-1]), counts=self.counts or (0,) * flags.shape[1])
        if not dependence.is_dependent:
            return start._fill(sums, least)
        blocks = np.floor(times / dependence.block).astype(np.int64)
        kept = blocks % 2 == 0
        return start._fill_blocks(blocks, _add_up(np.diff(sums, axis=0)[kept]), least)

    def _fill(self, sums: Ints, least: int) -> tuple[RowUnits, list[FullUnit]]:
        """Fill units of exactly `least` rows; `sums` counts flags before each row and after the last."""
        ends = np.arange(max(least - self.rows, 0), len(sums), least)
        if not len(ends):
            counts = tuple(int(count) for count in sums[-1] + self.counts)
            return replace(self, rows=self.rows + len(sums) - 1, counts=counts), []
        counted = np.diff(sums[ends], axis=0, prepend=-np.array([self.counts]))
        left = replace(
            self,
            rows=len(sums) - 1 - int(ends[-1]),
            counts=tuple(int(count) for count in sums[-1] - sums[ends[-1]]),
        )
        return left, [(least, tuple(int(count) for count in row)) for row in counted]

    def _fill_blocks(self, blocks: Ints, sums: Ints, least: int) -> tuple[RowUnits, list[FullUnit]]:
        """Fill units of whole blocks, every second one."""
        numbers, first = np.unique(blocks[blocks % 2 == 0], return_index=True)
        edges = [*first.tolist(), len(sums) - 1]
        rows, counts, block, units = self.rows, np.array(self.counts), self.block, []
        for place, number in enumerate([*numbers.tolist(), None]):
            is_over = number != block if number is not None else block is not None and blocks[-1] > block
            if is_over and rows >= least:
                units.append((rows, tuple(int(count) for count in counts)))
                rows, counts = 0, np.zeros_like(counts)
            if number is not None:
                rows += edges[place + 1] - edges[place]
                counts = counts + sums[edges[place + 1]] - sums[edges[place]]
                block = number
        return replace(self, rows=rows, counts=tuple(int(count) for count in counts), block=block), units

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return asdict(self) | {"counts": list(self.counts)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any] | None) -> RowUnits:
        """Read what `to_dict` wrote; an empty unit without it."""
        if not content:
            return cls()
        return cls(content["until"], content["rows"], tuple(content["counts"]), content["block"])


def _add_up(flags: NDArray[Any]) -> Ints:
    """Return sums of the rows before each row, and of all; int array of shape (n + 1, k)."""
    sums = np.zeros((len(flags) + 1, flags.shape[1]), dtype=np.int64)
    np.cumsum(flags, axis=0, out=sums[1:])
    return sums
