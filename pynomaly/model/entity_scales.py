"""Level and scale of each number column by entity: 300 A are usual on one feeder, too much on another.

An entity with `n` rows of the reference gets a mix of its own values and those of the pool (all rows):

* level: ``w * own + (1 - w) * pool`` with ``w = n / (n + k)``. ``k`` is the variance within an entity over
  the variance between the levels of entities (Bühlmann's credibility): entities that hardly overlap keep
  their own level from few rows, entities that hardly differ get the pool's.
* scale: ``exp(w * log(own) + (1 - w) * log(pool))`` with ``w = n / (n + 20)``. The pool's scale spans all
  entities, so an entity with few rows is judged wide, and seldom alerts, until its rows say how narrow it is.
  Rows of a series resemble their neighbours: no fewer than 20 stands for one of the pool.

An entity that is constant takes the usual scale within entities, or the pool's if that is smaller. An entity
with fewer than 5 rows, one never seen, and a row without an entity use the pool. Everything is learned once;
a row's numbers depend on the row and its entity alone.

Called by :mod:`pynomaly.model.features`.

References
----------
Bühlmann (1967), Experience rating and credibility, ASTIN Bulletin 4(3).
Efron, Morris (1975), Data analysis using Stein's estimator and its generalizations, J. American Statistical
Association 70(350).
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

__all__ = ["LEAST_ROWS", "EntityScales", "Names", "join_names", "read_row_entities", "split_names"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Names = NDArray[np.object_]

LEAST_ROWS = 5
"""Rows of the reference from which on an entity has its own level and scale."""

POOL_ROWS = 20.0
"""So many rows of an entity count as much for its scale as the pool does."""

_MOST_POOL_ROWS = 1000.0  # for the level of entities that do not differ
_IQR_OF_NORMAL = 1.3489795003921634
_MEDIAN_VARIANCE = np.pi / 2  # of the median of n normal values, times n
_CLIP = 5.0  # scaled cells beyond do not move a correlation further
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
        """Learn from the reference; cost O(n log n) a column.

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
            levels[:, at], scales[:, at] = _fit_column(values, groups, len(kept), pool[name], scaling)
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
        if len(entities) < 64:
            return np.array([self._places.get(name, -1) for name in entities], dtype=np.int64)
        codes, uniques = pd.factorize(pd.Series(entities, dtype=object))
        places = np.array([*(self._places.get(name, -1) for name in uniques), -1], dtype=np.int64)
        return np.asarray(places[codes], dtype=np.int64)

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


def _fit_column(
    values: Floats, groups: Ints, count: int, pool: tuple[float, float], scaling: str
) -> tuple[Floats, Floats]:
    """Return level and scale of `count` groups in one column, shrunk to the pool; shape (count,) each."""
    usable = ~np.isnan(values) & (groups >= 0)
    order = np.lexsort((values[usable], groups[usable]))
    cells, of = values[usable][order], groups[usable][order]
    rows = np.bincount(of, minlength=count).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(rows)[:-1]]).astype(np.int64) if count else rows
    has_rows = rows > 0
    medians = np.full(count, pool[0])
    medians[has_rows] = _take_quantiles(cells, starts[has_rows], rows[has_rows], 0.5)
    means, deviations = _take_moments(cells, of, rows, medians)
    noise = 8 * np.finfo(np.float64).eps * np.abs(medians)  # 0.1 repeated has a deviation of 1e-17
    spreads = deviations
    if scaling == "robust":
        low, high = (
            _take_quantiles(cells, starts[has_rows], rows[has_rows], share) for share in (0.25, 0.75)
        )
        quartiles = np.zeros(count)
        with np.errstate(over="ignore"):
            quartiles[has_rows] = (high - low) / _IQR_OF_NORMAL
        spreads = np.where(quartiles > noise, quartiles, deviations)
    centres = medians if scaling == "robust" else means
    varying = has_rows & np.isfinite(spreads) & (spreads > noise)
    usual = float(np.median(spreads[varying])) if varying.any() else pool[1]
    own = np.where(varying, spreads, min(usual, pool[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        weights = rows / (rows + _find_pool_rows(centres[has_rows], rows[has_rows], usual))
        levels = centres * weights + pool[0] * (1 - weights)
        trust = rows / (rows + POOL_ROWS)
        scales = np.exp(trust * np.log(own) + (1 - trust) * np.log(pool[1]))
    usable_scales = has_rows & np.isfinite(scales) & (scales > 0)
    return (
        np.where(has_rows & np.isfinite(levels), levels, pool[0]),
        np.where(usable_scales, scales, pool[1]),
    )


def _find_pool_rows(centres: Floats, rows: Ints, within: float) -> float:
    """Return how many rows the pool's level stands for: variance within over variance between entities."""
    if len(centres) < 2:
        return _MOST_POOL_ROWS
    with np.errstate(over="ignore", invalid="ignore"):
        differences = float(np.var(centres / within, ddof=1))  # in scales, where chance gives 1 / rows
    excess = differences - _MEDIAN_VARIANCE * float(np.mean(1.0 / rows))
    if np.isnan(excess):
        return 0.0
    return min(1.0 / excess, _MOST_POOL_ROWS) if excess > 0 else _MOST_POOL_ROWS


def _take_quantiles(cells: Floats, starts: Ints, rows: Ints, share: float) -> Floats:
    """Return a quantile of each run of sorted cells, linear between neighbours."""
    places = (rows - 1) * share
    low = np.floor(places).astype(np.int64)
    below, above = cells[starts + low], cells[starts + np.minimum(low + 1, rows - 1)]
    part = places - low
    return np.asarray(below * (1 - part) + above * part, dtype=np.float64)


def _take_moments(cells: Floats, of: Ints, rows: Ints, medians: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each group; of one without rows, its given median and 0."""
    counts = np.maximum(rows, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        offsets = cells - medians[of]  # around the median, so that large levels lose no digits
        shifts = np.bincount(of, offsets, minlength=len(rows)) / counts
        deviations = np.sqrt(np.bincount(of, (offsets - shifts[of]) ** 2, minlength=len(rows)) / counts)
    means = medians + shifts
    return np.where(np.isfinite(means), means, medians), deviations
