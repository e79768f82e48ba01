"""The column that holds the past of rows, over stretches of cells that all rows share.

Rows can be selected, shuffled, joined and saved like any others. Made by ``past``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype

__all__ = ["FILL_ROWS", "PastArray", "Stretches"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FILL_ROWS = 5
"""How many places back a missing cell is filled from; what is kept of a past includes as much before it."""


@dataclass(frozen=True, eq=False)
class Stretches:
    """Numeric cells of entities in time order.

    Attributes
    ----------
    columns : tuple of str
    cells : ndarray of shape (m, k)
        NaN is missing.
    moments : ndarray of shape (m,), int64
        Microseconds since 1970, UTC.
    stretch : ndarray of shape (m,), int64
        Number of the stretch; equal numbers lie side by side.
    entities : ndarray of shape (m,), object
        Name of the entity, None where rows have none.
    """

    columns: tuple[str, ...]
    cells: Floats
    moments: Ints
    stretch: Ints
    entities: npt.NDArray[np.object_]

    def take(self, places: npt.NDArray[Any]) -> Stretches:
        """Return the places that an index array or a mask selects."""
        return Stretches(
            self.columns,
            self.cells[places],
            self.moments[places],
            self.stretch[places],
            self.entities[places],
        )


@pd.api.extensions.register_extension_dtype
class PastDtype(ExtensionDtype):
    """The type of a column of pasts."""

    name = "pynomaly_past"  # pandas declares a property and reads a constant
    type = tuple  # pandas declares a property and reads a constant
    na_value = None

    @classmethod
    def construct_array_type(cls) -> Any:
        """Return the array of this type."""
        return PastArray


class PastArray(ExtensionArray):
    """Where the past of each row stands.

    Parameters
    ----------
    stretches : Stretches
        Shared by all rows, and by all selections of them.
    places, before, after : ndarray of shape (n,), int64
        The place of each row, and how many places before and after it the row may read. A row without a
        time has place -1; a row that waits for later rows has -1 after it.
    """

    def __init__(self, stretches: Stretches, places: Ints, before: Ints, after: Ints) -> None:
        self.stretches, self.places, self.before, self.after = stretches, places, before, after

    @property
    def dtype(self) -> PastDtype:
        """Its type."""
        return PastDtype()

    @property
    def nbytes(self) -> int:
        """Bytes of the rows, without the shared stretches."""
        return int(self.places.nbytes * 3)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, int | np.integer):
            return (int(self.places[item]), int(self.before[item]), int(self.after[item]))
        rows = pd.api.indexers.check_array_indexer(self, item)
        return PastArray(self.stretches, self.places[rows], self.before[rows], self.after[rows])

    def isna(self) -> npt.NDArray[np.bool_]:
        """Return which rows have no place."""
        return np.asarray(self.places < 0)

    def copy(self) -> Self:
        """Return the same rows over the same stretches."""
        return type(self)(self.stretches, self.places.copy(), self.before.copy(), self.after.copy())

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> PastArray:
        """Return the rows at `indices`; with `allow_fill`, -1 is a row without a place."""
        chosen = np.asarray(indices, dtype=np.intp)
        if not len(self) and allow_fill:
            nothing = np.zeros(len(chosen), dtype=np.int64)
            return PastArray(self.stretches, nothing - 1, nothing, nothing)
        is_blank = (chosen < 0) if allow_fill else np.zeros(len(chosen), dtype=bool)
        places, before, after = (
            np.where(is_blank, fill, values[chosen])
            for values, fill in ((self.places, -1), (self.before, 0), (self.after, 0))
        )
        return PastArray(self.stretches, places, before, after)

    @classmethod
    def _from_sequence(cls, scalars: Sequence[Any], *, dtype: Any = None, copy: bool = False) -> PastArray:
        if isinstance(scalars, cls):
            return scalars
        raise TypeError("the past of rows cannot be made from plain values; attach_past makes it")

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence[PastArray]) -> PastArray:
        """Join rows; stretches that are the same object stay one."""
        unique: dict[int, Stretches] = {id(part.stretches): part.stretches for part in to_concat}
        if len(unique) == 1:
            joined, offsets = to_concat[0].stretches, dict.fromkeys(unique, 0)
        else:
            joined, offsets = _join_stretches(unique)
        places = [
            np.where(part.places < 0, -1, part.places + offsets[id(part.stretches)]) for part in to_concat
        ]
        return cls(
            joined,
            np.concatenate(places),
            np.concatenate([part.before for part in to_concat]),
            np.concatenate([part.after for part in to_concat]),
        )

    def _formatter(self, boxed: bool = False) -> Callable[[Any], str]:
        return lambda item: f"{item[1]} before, {item[2]} after"

    def compact(self, margin: int = FILL_ROWS) -> PastArray:
        """Return the same rows over stretches that hold only what the rows may read.

        Parameters
        ----------
        margin : int
            Further places before the past of each row, to fill missing cells from.
        """
        stretches = self.stretches
        marks = np.zeros(len(stretches.moments) + 1, dtype=np.int64)
        there = self.places >= 0
        first = np.maximum(self.places - self.before - margin, 0)[there]
        np.add.at(marks, first, 1)
        np.add.at(marks, (self.places + np.maximum(self.after, 0) + 1)[there], -1)
        needed = np.cumsum(marks[:-1]) > 0
        if needed.all():
            return self
        moved = np.cumsum(needed) - 1
        places = np.where(there, moved[self.places], -1) if len(moved) else self.places
        return PastArray(stretches.take(needed), places, self.before, self.after)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return plain arrays from which :meth:`from_arrays` restores the rows exactly."""
        part = self.compact()
        marked = ["" if name is None else f"={name}" for name in part.stretches.entities]
        names, codes = np.unique(np.array(marked, dtype=np.str_), return_inverse=True)
        return {
            "columns": np.array(part.stretches.columns, dtype=np.str_),
            "cells": part.stretches.cells,
            "moments": part.stretches.moments,
            "stretch": part.stretches.stretch,
            "entity_names": np.asarray(names, dtype=np.str_),
            "entity_codes": np.asarray(codes, dtype=np.int64),
            "places": part.places,
            "before": part.before,
            "after": part.after,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> PastArray:
        """Read what :meth:`to_arrays` returned."""
        names = np.array([str(name)[1:] if name else None for name in arrays["entity_names"]], dtype=object)
        stretches = Stretches(
            tuple(str(name) for name in arrays["columns"]),
            arrays["cells"],
            arrays["moments"],
            arrays["stretch"],
            names[arrays["entity_codes"]] if len(names) else np.empty(0, dtype=object),
        )
        return cls(stretches, arrays["places"], arrays["before"], arrays["after"])

    def to_bytes(self) -> bytes:
        """Return bytes that are equal for rows with equal pasts, to compute a hash of."""
        part = self.compact()
        content = [repr(part.stretches.columns).encode(), part.stretches.cells.tobytes()]
        content += [
            array.tobytes() for array in (part.stretches.moments, part.places, part.before, part.after)
        ]
        return b"\x1e".join(content)


def _join_stretches(unique: Mapping[int, Stretches]) -> tuple[Stretches, dict[int, int]]:
    """Return one set of stretches and the place in it where each given one begins."""
    parts = list(unique.values())
    columns = tuple(name for name in parts[0].columns if all(name in part.columns for part in parts))
    offsets, numbers, offset, number = {}, [], 0, 0
    for key, part in unique.items():
        offsets[key] = offset
        numbers.append(part.stretch + number)
        offset += len(part.moments)
        number += int(part.stretch.max()) + 1 if len(part.stretch) else 0
    cells = [part.cells[:, [part.columns.index(name) for name in columns]] for part in parts]
    joined = Stretches(
        columns,
        np.concatenate(cells),
        np.concatenate([part.moments for part in parts]),
        np.concatenate(numbers),
        np.concatenate([part.entities for part in parts]),
    )
    return joined, offsets
