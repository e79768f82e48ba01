"""Fitted preprocessing: turns a conformed frame into finite float64 numbers.

Everything learned (medians, scales, category shares) comes from the reference the model was fitted on and is
stored in the bundle, so callers never prepare data themselves. The features of a row depend on that row
alone: every operation is elementwise or a table look-up, so a row gives the same bits in any batch.

With ``entities: own`` a number is centred and scaled by the level and scale of its row's entity
(:mod:`pynomaly.model.entities.scales`).

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

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.errors import ColumnError, ConfigError, DataError
from pynomaly.model.columns import CategoryEncoder, NumberEncoder, read_finite_numbers
from pynomaly.model.entities.scales import EntityScales, Names
from pynomaly.model.row_times import CALENDAR_NAMES, encode_calendar

__all__ = ["FeatureEncoder"]

Floats = NDArray[np.float64]

BLOCK_ROWS = 2048  # rows converted at once; results do not depend on it


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
    baselines: EntityScales | None = None

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        times: pd.Series[Any] | None,
        settings: config.Features,
        entities: Names | None = None,
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
        entities : ndarray of shape (n,), object, or None
            Whose row each is; used only with ``entities: own``.

        Raises
        ------
        ConfigError
            If ``encode_calendar`` is on and there are no times, or ``entities: own`` and no entities.
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
                    NumberEncoder.fit(str(name), read_finite_numbers(frame[name]), settings.scaling, indicate)
                )
            else:
                cells = frame[name].to_numpy(dtype=object)
                columns.append(CategoryEncoder.fit(str(name), cells, settings.rare, settings.max_categories))
        encoder = cls(settings.missing, settings.calendar, tuple(columns), rows=len(frame))
        return encoder.learn_entities(frame, entities, settings) if settings.entities == "own" else encoder

    def learn_entities(
        self, frame: pd.DataFrame, entities: Names | None, settings: config.Features
    ) -> FeatureEncoder:
        """Return the encoder with level and scale of each entity of `frame`, which may hold more rows.

        Raises
        ------
        ConfigError
            If there are no entities.
        """
        if entities is None:
            raise ConfigError(
                "features.entities: own needs the column that says whose row it is; name it in data.id"
            )
        numbers = [column for column in self.columns if isinstance(column, NumberEncoder)]
        cells = {column.name: read_finite_numbers(frame[column.name]) for column in numbers}
        pool = {column.name: (column.center, column.scale) for column in numbers}
        return replace(self, baselines=EntityScales.fit(cells, entities, pool, settings.scaling))

    @property
    def by_entity(self) -> bool:
        """Whether a row's numbers depend on its entity."""
        return self.baselines is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order `transform` gives them."""
        names = tuple(name for column in self.columns for name in column.names)
        return names + CALENDAR_NAMES if self.calendar else names

    def transform(
        self,
        frame: pd.DataFrame,
        times: pd.Series[Any] | None = None,
        entities: Names | None = None,
    ) -> Floats:
        """Turn conformed rows into numbers.

        Returns
        -------
        ndarray of shape (n, len(names)), float64, all finite

        Raises
        ------
        DataError
            If a cell is infinite, is missing under ``missing: reject``, or a time is missing or naive.
        ColumnError
            If times or entities are needed and none are given.
        """
        if self.missing == "reject":
            _refuse_missing(frame)
        cells_by_column = [column.read(frame[column.name]) for column in self.columns]
        places = self._locate_entities(entities)
        numbers = np.empty((len(frame), len(self.names)))
        # One block of rows at a time keeps the part of the result that is being filled in the CPU cache.
        for first in range(0, len(frame), BLOCK_ROWS):
            rows, place = slice(first, first + BLOCK_ROWS), 0
            for column, cells in zip(self.columns, cells_by_column, strict=True):
                for part in self._encode(column, cells[rows], None if places is None else places[rows]):
                    numbers[rows, place] = part
                    place += 1
        if self.calendar:
            for place, part in enumerate(
                encode_calendar(times), start=numbers.shape[1] - len(CALENDAR_NAMES)
            ):
                numbers[:, place] = part
        return numbers

    def _locate_entities(self, entities: Names | None) -> NDArray[np.int64] | None:
        if self.baselines is None:
            return None
        if entities is None:
            raise ColumnError(
                "the entity column is needed: this model was fitted with features.entities: own"
            )
        return self.baselines.locate(entities)

    def _encode(
        self, column: NumberEncoder | CategoryEncoder, cells: Any, places: NDArray[np.int64] | None
    ) -> list[Floats]:
        """Return the features of cells as the column read them."""
        if places is None or self.baselines is None or isinstance(column, CategoryEncoder):
            return column.features(cells)
        own = self.baselines.pick(column.name, places, (column.center, column.scale))
        return column.features(cells, own)

    def encode_numbers(self, column: NumberEncoder, cells: Floats, entities: Names | None) -> Floats:
        """Return cells of a number column as `transform` encodes them; arrays of shape (n,)."""
        return self._encode(column, cells, self._locate_entities(entities))[0]

    def decode_numbers(self, column: NumberEncoder, numbers: Floats, entities: Names | None) -> Floats:
        """Return the cells that `encode_numbers` would encode as `numbers`; arrays of shape (n,)."""
        places = self._locate_entities(entities)
        if places is None or self.baselines is None:
            return numbers * column.scale + column.center
        center, scale = self.baselines.pick(column.name, places, (column.center, column.scale))
        return numbers * scale + center

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
            **({"entities": True} if self.baselines is not None else {}),
            "columns": [
                {"kind": "number" if isinstance(column, NumberEncoder) else "category", **asdict(column)}
                for column in self.columns
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], baselines: EntityScales | None = None) -> FeatureEncoder:
        """Read what `to_dict` wrote; the baselines of entities are kept apart."""
        columns: list[NumberEncoder | CategoryEncoder] = []
        for item in content["columns"]:
            if item["kind"] == "number":
                columns.append(
                    NumberEncoder(item["name"], item["center"], item["scale"], item["fill"], item["flagged"])
                )
            else:
                common, rare = tuple(item["kept"]), tuple(item["rare"])
                columns.append(CategoryEncoder(item["name"], common, rare, item["pooled"]))
        return cls(content["missing"], content["calendar"], tuple(columns), content["rows"], baselines)


def _refuse_missing(frame: pd.DataFrame) -> None:
    for name in frame.columns:
        if (missing := frame[name].isna().to_numpy()).any():
            row = int(np.flatnonzero(missing)[0])
            raise DataError(
                f"column {name!r} has {int(missing.sum())} missing cells, the first at row {row}; "
                "allowed: none under features.missing 'reject' (or set it to 'impute')"
            )
