"""Level and scale of each number column by entity: 300 A are usual on one feeder, too much on another.

How they are learned, also from few rows: :mod:`pynomaly.model.entities.shrinkage`. An entity with fewer than
10 rows, one never seen, and a row without an entity use level and scale of all rows. Everything is learned
once; a row's numbers depend on the row and its entity alone.

Called by :mod:`pynomaly.model.features`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.frame import FrameContract, read_categories, require_columns
from pynomaly.model.entities.shrinkage import fit_levels

__all__ = ["LEAST_ROWS", "EntityScales", "Names", "join_names", "look_up", "read_row_entities", "split_names"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Names = NDArray[np.object_]

LEAST_ROWS = 10
"""Rows of the reference from which on an entity has its own level and scale."""

_CLIP = 5.0  # scaled cells beyond do not move a correlation further
_FEW = 64  # rows that are looked up one by one
_MOST_COLUMNS = 100  # whose correlation is kept


def read_row_entities(frame: pd.DataFrame, contract: FrameContract) -> Names | None:
    """Return the entity of each row as text, None where missing; None if the contract names no such column.

    Raises
    ------
    ColumnError
        If the entity column is missing or duplicated.
    """
    if contract.id is None:
        return None
    require_columns(frame, [contract.id])
    column = frame[contract.id]
    is_uniform = column.dtype.kind in "iu" or pd.api.types.infer_dtype(column, skipna=True) == "string"
    if not is_uniform:  # 1 and True are the same key of a table, but not the same text
        return read_categories(column).to_numpy(dtype=object)
    codes, values = pd.factorize(column)
    spelled = np.array([*read_categories(pd.Series(values)), None], dtype=object)  # the last: missing
    return np.asarray(spelled[codes], dtype=object)


@dataclass(frozen=True, eq=False)
class EntityScales:
    """Level and scale of number columns by entity.

    Attributes
    ----------
    names : tuple of str
        Entities with their own baseline, k of them.
    columns : tuple of str
        Number columns, d of them.
    rows : ndarray of shape (k,), int64
        Rows of the reference of each entity.
    levels, scales : ndarray of shape (k, d)
        In the unit of the column; scales are above 0.
    means, spreads : ndarray of shape (c,)
        Of the scaled numbers of the first 100 columns, each cell clipped at 5 scales.
    correlation : ndarray of shape (c, c)
        Of the same numbers: how columns move together within an entity.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Ints
    levels: Floats
    scales: Floats
    means: Floats
    spreads: Floats
    correlation: Floats

    @classmethod
    def fit(
        cls,
        numbers: Mapping[str, Floats],
        entities: Names,
        pool: Mapping[str, tuple[float, float]],
        scaling: str,
    ) -> EntityScales:
        """Learn from the reference, rows in time order; cost O(n log n) a column.

        Parameters
        ----------
        numbers : mapping of str to ndarray of shape (n,)
            Number columns, NaN for missing.
        entities : ndarray of shape (n,), object
            Name of the entity of each row; None where it has none.
        pool : mapping of str to (float, float)
            Level and scale of each column over all rows.
        scaling : {"robust", "standard"}
        """
        codes, uniques = pd.factorize(pd.Series(entities, dtype=object), sort=True)
        counts = np.bincount(codes[codes >= 0], minlength=len(uniques))
        kept = np.flatnonzero(counts >= LEAST_ROWS)
        places = np.full(len(uniques) + 1, -1, dtype=np.int64)  # the last: rows without an entity
        places[kept] = np.arange(len(kept))
        groups = places[codes]
        levels, scales = (np.empty((len(kept), len(numbers))) for _ in range(2))
        for at, (name, values) in enumerate(numbers.items()):
            levels[:, at], scales[:, at] = fit_levels(values, groups, len(kept), pool[name], scaling)
        columns = tuple(numbers)
        bare = cls(
            tuple(str(name) for name in uniques[kept]),
            columns,
            counts[kept].astype(np.int64),
            levels,
            scales,
            *(np.zeros(0), np.zeros(0), np.zeros((0, 0))),
        )
        return bare._with_correlation(numbers, groups)

    def _with_correlation(self, numbers: Mapping[str, Floats], groups: Ints) -> EntityScales:
        """Return the same scales with how the scaled columns move together, over rows of these entities."""
        own = groups >= 0
        scaled = np.empty((int(own.sum()), min(len(self.columns), _MOST_COLUMNS)))
        for at, name in enumerate(self.columns[:_MOST_COLUMNS]):
            places = groups[own]
            with np.errstate(over="ignore", invalid="ignore"):
                cells = (numbers[name][own] - self.levels[places, at]) / self.scales[places, at]
            scaled[:, at] = np.nan_to_num(np.clip(cells, -_CLIP, _CLIP))
        if not len(scaled):
            width = scaled.shape[1]
            means, spreads, correlation = np.zeros(width), np.ones(width), np.eye(width)
        else:
            means, spreads = scaled.mean(axis=0), scaled.std(axis=0)
            spreads[spreads == 0] = 1.0
            scaled = (scaled - means) / spreads
            correlation = scaled.T @ scaled / len(scaled)
            np.fill_diagonal(correlation, 1.0)
        return EntityScales(
            self.names, self.columns, self.rows, self.levels, self.scales, means, spreads, correlation
        )

    def describe(self) -> str:
        """Return in words how many entities have their own baseline."""
        return (
            f"{len(self.names)} entities have their own level and scale; rows of any other are measured by "
            f"those of all, until a training sees {LEAST_ROWS} rows of it"
        )

    def to_facts(self) -> dict[str, Any]:
        """Return what the facts of a model tell; JSON-able."""
        return {"own": len(self.names), "rows": int(self.rows.sum()), "least_rows": LEAST_ROWS}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def locate(self, entities: Names) -> Ints:
        """Return the place of each entity in `names`, array of shape (n,); -1 for one without a baseline."""
        return look_up(self._places, entities)

    def pick(self, column: str, places: Ints, pool: tuple[float, float]) -> tuple[Floats, Floats]:
        """Return level and scale of one column for rows whose entities `locate` located.

        Parameters
        ----------
        column : str
        places : ndarray of shape (n,), int64
        pool : (float, float)
            Level and scale for an entity without a baseline.

        Returns
        -------
        levels, scales : ndarray of shape (n,)
        """
        at = self.columns.index(column)
        known = places >= 0
        if not len(self.names):
            return np.full(len(places), pool[0]), np.full(len(places), pool[1])
        return (
            np.where(known, self.levels[places, at], pool[0]),
            np.where(known, self.scales[places, at], pool[1]),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays that restore the scales exactly; names as joined UTF-8 bytes."""
        arrays = join_names("names", self.names) | join_names("columns", self.columns)
        numbers = ("rows", "levels", "scales", "means", "spreads", "correlation")
        return arrays | {name: getattr(self, name) for name in numbers}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> EntityScales:
        """Read what `to_arrays` gave.

        Raises
        ------
        ValueError
            If the arrays do not fit each other, or a scale is not above 0.
        """
        names, columns = (split_names(key, arrays) for key in ("names", "columns"))
        shape, width = (len(names), len(columns)), min(len(columns), _MOST_COLUMNS)
        shapes = {
            "rows": shape[:1],
            "levels": shape,
            "scales": shape,
            "means": (width,),
            "spreads": (width,),
            "correlation": (width, width),
        }
        for key, expected in shapes.items():
            if arrays[key].shape != expected:
                raise ValueError(f"{key} has shape {arrays[key].shape}, not {expected}")
        if not (np.isfinite(arrays["levels"]).all() and (arrays["scales"] > 0).all()):
            raise ValueError("a level is not finite or a scale is not above 0")
        return cls(names, columns, *(arrays[key] for key in shapes))


def look_up(places: Mapping[str, int], entities: Names) -> Ints:
    """Return the place of each entity in a table, array of shape (n,); -1 for one that is not in it."""
    if len(entities) < _FEW:
        return np.array([places.get(name, -1) for name in entities], dtype=np.int64)
    codes, uniques = pd.factorize(pd.Series(entities, dtype=object))
    known = np.array([*(places.get(name, -1) for name in uniques), -1], dtype=np.int64)
    return np.asarray(known[codes], dtype=np.int64)


def join_names(key: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return names as two plain arrays, `key` and ``<key>_ends``: joined UTF-8 bytes and where each ends."""
    encoded = [name.encode("utf-8", "surrogatepass") for name in names]
    return {
        key: np.frombuffer(b"".join(encoded), dtype=np.uint8),
        f"{key}_ends": np.cumsum([len(text) for text in encoded], dtype=np.int64),
    }


def split_names(key: str, arrays: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    """Read what `join_names` wrote."""
    text, ends = arrays[key].astype(np.uint8).tobytes(), arrays[f"{key}_ends"].tolist()
    return tuple(
        text[start:end].decode("utf-8", "surrogatepass")
        for start, end in zip([0, *ends[:-1]] if ends else [], ends, strict=True)
    )
