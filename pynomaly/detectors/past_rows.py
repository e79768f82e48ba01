"""Rows that carry their past: what a detector that looks back is fitted on, and what it scores.

A tabular detector reads one row of numbers. A detector that looks back also reads the rows before it, of the
same entity, and with a delay the rows after it. Each row keeps where its neighbours stand in one common
array, so rows can be selected, shuffled and scored alone: a score depends on the row, the rows before it and
the rows after it that it may read, and on nothing else.

Called by `model`, which builds them, and by the detectors of `detectors.series`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.numerics.exact import Array
from pynomaly.errors import DetectorError

__all__ = ["PastRows", "select_rows"]

_ARRAYS = ("numbers", "values", "moments", "places", "before", "after")


@dataclass(frozen=True, eq=False)
class PastRows:
    """Rows with the values of their neighbours in time.

    Attributes
    ----------
    numbers : ndarray of shape (n, d)
        The rows as a tabular detector gets them.
    values : ndarray of shape (m, k)
        The values of k followed columns, one stretch of an entity after the other, each in time order with a
        common step. Finite: a missing cell holds the value before it. Scored rows are among them.
    columns : tuple of int
        Which columns of `numbers` the k columns of `values` are.
    moments : ndarray of shape (m,), int64
        Times of `values` in microseconds since 1970, UTC.
    places : ndarray of shape (n,), int64
        Where each row stands in `values`.
    before, after : ndarray of shape (n,), int64
        How many values before and after that place the row may read.
    """

    numbers: Array
    values: Array
    columns: tuple[int, ...]
    moments: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]
    after: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit each other.

        Raises
        ------
        DetectorError
        """
        rows, length = len(self.numbers), len(self.values)
        if not len(self.places) == len(self.before) == len(self.after) == rows:
            raise DetectorError(f"places, before and after must have one entry for each of the {rows} rows")
        if len(self.moments) != length or self.values.shape[1:] != (len(self.columns),):
            raise DetectorError(
                f"values of shape {self.values.shape} do not fit {len(self.moments)} moments and "
                f"{len(self.columns)} columns"
            )
        if rows and (
            (self.places - self.before).min() < 0
            or (self.places + self.after).max() >= length
            or min(self.before.min(), self.after.min()) < 0
        ):
            raise DetectorError("a row reads outside of the values")

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def usual_delay(self) -> int:
        """How many values after it the usual row may read."""
        return int(np.median(self.after)) if len(self) else 0

    def take(self, rows: npt.NDArray[Any] | slice) -> PastRows:
        """Return the rows that an index array, a mask or a slice selects; `values` are shared."""
        return replace(
            self,
            numbers=self.numbers[rows],
            places=self.places[rows],
            before=self.before[rows],
            after=self.after[rows],
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything as plain arrays by name; `of_arrays` takes them back."""
        return {name: getattr(self, name) for name in _ARRAYS} | {"columns": np.array(self.columns, np.int64)}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> PastRows:
        """Return the rows that `to_arrays` wrote."""
        columns = tuple(int(column) for column in arrays["columns"])
        return cls(columns=columns, **{name: arrays[name] for name in _ARRAYS})

    @classmethod
    def of_series(
        cls, values: Array, step: int = 60_000_000, delay: int = 0, starts: tuple[int, ...] = (0,)
    ) -> PastRows:
        """Return all rows of a regular table, in time order, each with its whole past.

        Parameters
        ----------
        values : ndarray of shape (n, k)
            Finite numbers.
        step : int
            Microseconds from one row to the next.
        delay : int
            How many rows after it each row may read.
        starts : tuple of int
            Where the rows of each entity begin; the first is 0.
        """
        table = np.ascontiguousarray(values, dtype=np.float64)
        rows = np.arange(len(table), dtype=np.int64)
        first = np.array(starts, dtype=np.int64)
        entity = np.searchsorted(first, rows, side="right") - 1
        end = np.append(first[1:], len(table))[entity]
        return cls(
            table,
            table,
            tuple(range(table.shape[1])),
            (rows - first[entity]) * step,
            rows,
            rows - first[entity],
            np.minimum(delay, end - 1 - rows),
        )


def select_rows(X: Array | PastRows, rows: npt.NDArray[Any] | slice) -> Array | PastRows:
    """Return the rows of a table, or of rows with their past, that an index array, mask or slice selects."""
    return X.take(rows) if isinstance(X, PastRows) else X[rows]
