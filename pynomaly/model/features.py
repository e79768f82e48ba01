"""Fitted preprocessing: turns a conformed frame into finite float64 numbers.

Everything learned (medians, scales, category shares) comes from the reference the model was fitted on and is
stored in the bundle, so callers never prepare data themselves. The features of a row depend on that row
alone: every operation is elementwise or a table look-up, so a row gives the same bits in any batch.

Units: numbers are in scales of the reference (robust: interquartile range / 1.349, one standard deviation of
a normal column); indicators are 0 or 1; the indicator of an unseen category is 0 or 10.

A missing number is replaced by the median. It gets an indicator only under ``missing: indicate``: on the
bundled fleet, where one sensor cell in a hundred is missing at random, indicators lowered the average
precision of a forest from 0.80 to 0.65 and of a Gaussian mixture from 0.86 to 0.45, because each such row
became an outlier.

A category column gives an indicator for each kept category except the most frequent one, and one for
categories that do not occur in the reference. With the most frequent one too, the columns would be linearly
dependent, which breaks detectors based on a covariance.

Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.errors import ConfigError, DataError
from pynomaly.model.row_times import CALENDAR_NAMES, encode_calendar

__all__ = ["CategoryEncoder", "FeatureEncoder", "NumberEncoder"]

Floats = NDArray[np.float64]

IQR_OF_NORMAL = 1.3489795003921634  # quartile distance of a standard normal
CELL_LIMIT = 1e12  # scaled cells are clipped here, so that their squares and sums stay finite in float32 too
UNSEEN_VALUE = 10.0  # ten scales away from the rows of the reference
BLOCK_ROWS = 2048  # rows converted at once; results do not depend on it
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
        return _read_numbers(column)

    def features(self, values: Floats) -> list[Floats]:
        """Return the scaled column and, if flagged, its missing indicator; arrays of shape (n,)."""
        missing = np.isnan(values)
        filled = np.where(missing, self.fill, values) if missing.any() else values
        if (self.center, self.scale) != (0.0, 1.0):
            with np.errstate(over="ignore"):
                filled = np.clip((filled - self.center) / self.scale, -CELL_LIMIT, CELL_LIMIT)
        return [filled, missing.astype(np.float64)] if self.flagged else [filled]

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


@dataclass(frozen=True)
class FeatureEncoder:
    """Fitted preprocessing of all columns, in order.

    Notes
    -----
    A forest cannot use an indicator that was constant in the reference, because it splits only between values
    it has seen. Detectors that measure distance or density score an unseen category as far away.
    `count_unusual_cells` counts such cells for every detector.
    """

    missing: Literal["impute", "indicate", "reject"]
    calendar: bool
    columns: tuple[NumberEncoder | CategoryEncoder, ...]
    rows: int

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, times: pd.Series[Any] | None, settings: config.Features
    ) -> FeatureEncoder:
        """Learn from the reference.

        Parameters
        ----------
        frame : DataFrame of shape (n, d)
            Conformed rows: float64 columns are numbers, all others categories with None for missing.
        times : Series of shape (n,) or None
            Timezone-aware times of the rows; used only with ``encode_calendar``.
        settings : config.Features
            Missing policy, scaling, and the share below which a category is rare.

        Raises
        ------
        ConfigError
            If ``encode_calendar`` is on and there are no times.
        DataError
            If there are no rows, a numeric column is all missing or holds an infinity, or a cell is missing
            under ``missing: reject``.
        """
        if not len(frame):
            raise DataError("no rows to fit features on; at least one is needed")
        if settings.calendar and times is None:
            raise ConfigError("features.calendar: true needs a time column; name it in data.time")
        if settings.missing == "reject":
            _refuse_missing(frame)
        columns: list[NumberEncoder | CategoryEncoder] = []
        for name in frame.columns:
            if pd.api.types.is_float_dtype(frame[name].dtype):
                indicate = settings.missing == "indicate"
                columns.append(
                    NumberEncoder.fit(str(name), _read_numbers(frame[name]), settings.scaling, indicate)
                )
            else:
                cells = frame[name].to_numpy(dtype=object)
                columns.append(CategoryEncoder.fit(str(name), cells, settings.rare, settings.max_categories))
        return cls(settings.missing, settings.calendar, tuple(columns), rows=len(frame))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order `transform` gives them."""
        names = tuple(name for column in self.columns for name in column.names)
        return names + CALENDAR_NAMES if self.calendar else names

    def transform(self, frame: pd.DataFrame, times: pd.Series[Any] | None = None) -> Floats:
        """Turn conformed rows into numbers.

        Returns
        -------
        ndarray of shape (n, len(names)), float64, all finite

        Raises
        ------
        DataError
            If a cell is infinite, is missing under ``missing: reject``, or a time is missing or naive.
        ColumnError
            If times are needed and none are given.
        """
        if self.missing == "reject":
            _refuse_missing(frame)
        cells_by_column = [column.read(frame[column.name]) for column in self.columns]
        numbers = np.empty((len(frame), len(self.names)))
        # One block of rows at a time keeps the part of the result that is being filled in the CPU cache.
        for first in range(0, len(frame), BLOCK_ROWS):
            rows, place = slice(first, first + BLOCK_ROWS), 0
            for column, cells in zip(self.columns, cells_by_column, strict=True):
                for part in column.features(cells[rows]):  # type: ignore[arg-type]  # as the column read them
                    numbers[rows, place] = part
                    place += 1
        if self.calendar:
            for place, part in enumerate(
                encode_calendar(times), start=numbers.shape[1] - len(CALENDAR_NAMES)
            ):
                numbers[:, place] = part
        return numbers

    def count_unusual_cells(self, frame: pd.DataFrame) -> dict[str, int]:
        """Count cells filled in or with an unseen category, by column; only counts above 0."""
        counts = {
            column.name: int(column.mark_unusual_cells(frame[column.name]).sum()) for column in self.columns
        }
        return {name: count for name, count in counts.items() if count}

    def count_unusual_rows(self, frame: pd.DataFrame) -> int:
        """Count the rows with at least one such cell."""
        any_cell = np.zeros(len(frame), dtype=bool)
        for column in self.columns:
            any_cell |= column.mark_unusual_cells(frame[column.name])
        return int(any_cell.sum())

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; floats are restored exactly."""
        return {
            "missing": self.missing,
            "calendar": self.calendar,
            "rows": self.rows,
            "columns": [
                {"kind": "number" if isinstance(column, NumberEncoder) else "category", **asdict(column)}
                for column in self.columns
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FeatureEncoder:
        """Read what `to_dict` wrote."""
        columns: list[NumberEncoder | CategoryEncoder] = []
        for item in content["columns"]:
            if item["kind"] == "number":
                columns.append(
                    NumberEncoder(item["name"], item["center"], item["scale"], item["fill"], item["flagged"])
                )
            else:
                common, rare = tuple(item["kept"]), tuple(item["rare"])
                columns.append(CategoryEncoder(item["name"], common, rare, item["pooled"]))
        return cls(content["missing"], content["calendar"], tuple(columns), content["rows"])


def _read_numbers(column: pd.Series[Any]) -> Floats:
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


def _refuse_missing(frame: pd.DataFrame) -> None:
    for name in frame.columns:
        if (missing := frame[name].isna().to_numpy()).any():
            row = int(np.flatnonzero(missing)[0])
            raise DataError(
                f"column {name!r} has {int(missing.sum())} missing cells, the first at row {row}; "
                "allowed: none under features.missing 'reject' (or set it to 'impute')"
            )
