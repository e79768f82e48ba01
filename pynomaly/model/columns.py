"""Fitted encoding of one column: a number centred and scaled, a category as indicators. Elementwise.

Called by :mod:`pynomaly.model.features`, which tells what the features mean.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.errors import DataError

__all__ = ["CategoryEncoder", "NumberEncoder", "read_finite_numbers"]

Floats = NDArray[np.float64]

IQR_OF_NORMAL = 1.3489795003921634  # quartile distance of a standard normal
CELL_LIMIT = 1e12  # scaled cells are clipped here, so that their squares and sums stay finite in float32 too
UNSEEN_VALUE = 10.0  # ten scales away from the rows of the reference
MAX_KNOWN_CATEGORIES = 10_000  # kept for a column; the rarest beyond it count as unseen


@dataclass(frozen=True)
class NumberEncoder:
    """Fitted encoding of one numeric column; `flagged` if missing cells get an indicator."""

    name: str
    center: float
    scale: float
    fill: float
    flagged: bool

    @classmethod
    def fit(cls, name: str, values: Floats, scaling: str, indicate: bool) -> NumberEncoder:
        """Learn centre, scale and median of `values`, array of shape (n,) with NaN for missing."""
        present = values[~np.isnan(values)]
        if not len(present):
            raise DataError(
                f"column {name!r} has no value in the {len(values)} rows to fit on; ignore the column"
            )
        median = 2 * float(np.median(present / 2))  # the sum of two middle values may overflow
        center, scale = 0.0, 1.0
        if scaling != "none":
            center = median if scaling == "robust" else _bounded_mean(present, median)
            scale = _column_scale(present, scaling)
        return cls(name, center, scale, fill=median, flagged=indicate and len(present) < len(values))

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names this column gives."""
        return (self.name, f"{self.name}:missing") if self.flagged else (self.name,)

    def read(self, column: pd.Series[Any]) -> Floats:
        """Cells as numbers, NaN for missing."""
        return read_finite_numbers(column)

    def features(self, values: Floats, own: tuple[Floats, Floats] | None = None) -> list[Floats]:
        """Return the scaled column and, if flagged, its missing indicator; arrays of shape (n,).

        With `own`, level and scale of each row's entity, a missing cell is at its entity's level.
        """
        missing = np.isnan(values)
        center, scale = (self.center, self.scale) if own is None else own
        if missing.any():
            values = np.where(missing, self.fill if own is None else center, values)
        if own is not None or (center, scale) != (0.0, 1.0):
            with np.errstate(over="ignore"):
                values = np.clip((values - center) / scale, -CELL_LIMIT, CELL_LIMIT)
        return [values, missing.astype(np.float64)] if self.flagged else [values]

    def mark_unusual_cells(self, column: pd.Series[Any]) -> NDArray[np.bool_]:
        """Return which cells are missing and so filled in."""
        return column.isna().to_numpy(dtype=bool)


@dataclass(frozen=True)
class CategoryEncoder:
    """Fitted encoding of one category column; None stands for the missing category.

    Attributes
    ----------
    kept : tuple
        Categories kept apart, the most frequent first; all except the first have an indicator.
    rare : tuple
        Other categories of the reference.
    pooled : bool
        Whether the rare ones together are frequent enough for their own indicator. If not, they are encoded
        like the most frequent category, because an indicator for few rows would make each of them an outlier.
    """

    name: str
    kept: tuple[str | None, ...]
    rare: tuple[str | None, ...]
    pooled: bool

    @classmethod
    def fit(cls, name: str, values: NDArray[np.object_], rare: float, most: int) -> CategoryEncoder:
        """Learn from `values`, shape (n,); pool categories with a share below `rare` or beyond `most`."""
        counts = Counter(_category_name(value) for value in values)
        by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0] is None, item[0] or ""))
        common = tuple(value for value, count in by_count if count / len(values) >= rare)[:most]
        others = by_count[len(common) :]
        share = sum(count for _, count in others) / len(values)
        rare_names = tuple(value for value, _ in others[:MAX_KNOWN_CATEGORIES])
        return cls(name, common, rare_names, pooled=bool(common) and bool(others) and share >= rare)

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names this column gives."""
        labels = tuple("(missing)" if value is None else value for value in self.kept[1:])
        pooled = (f"{self.name}:rare",) if self.pooled else ()
        return (*(f"{self.name}={value}" for value in labels), *pooled, f"{self.name}:unseen")

    def features(self, codes: NDArray[np.intp]) -> list[Floats]:
        """Return the indicator columns, arrays of shape (n,)."""
        parts = [(codes == code).astype(np.float64) for code in range(1, len(self.kept))]
        if self.pooled:
            parts.append((codes >= len(self.kept)).astype(np.float64))
        return [*parts, np.where(codes < 0, UNSEEN_VALUE, 0.0)]

    def mark_unusual_cells(self, column: pd.Series[Any]) -> NDArray[np.bool_]:
        """Return which cells hold a category that the reference did not have."""
        return self.read(column) < 0

    def read(self, column: pd.Series[Any]) -> NDArray[np.intp]:
        """Return the index of each cell among the known categories; -1 if unseen."""
        places = {value: place for place, value in enumerate((*self.kept, *self.rare))}
        return np.array([places.get(_category_name(value), -1) for value in column], dtype=np.intp)


def read_finite_numbers(column: pd.Series[Any]) -> Floats:
    """Return cells as float64, NaN for missing; an infinity raises DataError."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise DataError(
            f"column {column.name!r} holds {values[row]} at row {row}; allowed: finite or missing"
        )
    return values


def _category_name(value: object) -> str | None:
    return None if value is None or value is pd.NA or value != value else str(value)


def _bounded_mean(present: Floats, median: float) -> float:
    """Return the mean, clipped to the range of `present`; the median if the sum overflows."""
    with np.errstate(over="ignore"):
        mean = float(np.mean(present))
    return float(np.clip(mean, present.min(), present.max())) if np.isfinite(mean) else median


def _column_scale(present: Floats, scaling: str) -> float:
    """Return the spread of `present`; 1 for a constant column, so that a later change keeps its unit."""
    if present.min() == present.max():
        return 1.0
    # A spread below the rounding error of the values counts as none: 0.1 repeated has a deviation of 1e-17.
    noise = 8 * np.finfo(np.float64).eps * float(np.abs(present).max())
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = np.quantile(present, (0.25, 0.75))
        spreads = (float(high - low) / IQR_OF_NORMAL, float(np.std(present)))
    for spread in spreads if scaling == "robust" else spreads[1:]:
        if not np.isfinite(spread):
            return float(np.finfo(np.float64).max)
        if spread > noise:
            return spread
    return 1.0
