"""Whether entities have a level and a scale of their own, column by column. Pure; called by ``plan``.

300 A are usual on a feeder that carries 500 and far too much on one that carries 120. Pooled rows hide that
where the levels of entities differ by as much as the rows of one entity do; and one entity that is much wider
or stands far from the others would take most of the alerts.

The level of an entity must hold: it is measured in the earlier and the later half of the entity's rows. Two
series that wander have different means, too, but each of them leaves its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["OwnLevels", "measure_entities", "scale_entities"]

Floats = NDArray[np.float64]

_COLUMNS = 50
_LEAST_ROWS = 8
"""Rows of an entity in the sample from which on it is measured."""

_LEAST_TABLE_ROWS = 20
"""Rows of the usual entity in the whole table; with fewer, its scale is that of all rows anyhow."""

_LEVEL_SPREAD = 1.0
"""Spread of the levels, in scales within an entity, from which on they count."""

_FAR_LEVEL = 4.0
"""Distance of the level of a single entity from the others, in the same scales, that counts, too."""

_SCALE_RATIO = 2.5
"""How many times as wide or as narrow as the usual one a single entity must be."""

_CHANCE = 3.0  # standard errors
_LOG_SCALE_ERROR = 1.17  # of the logarithm of a quartile distance, times the root of the rows
_IQR_OF_NORMAL = 1.3489795003921634


@dataclass(frozen=True)
class OwnLevels:
    """What was measured of one column.

    Attributes
    ----------
    column : str
    entities : int
        Entities with enough rows.
    lowest, highest : float
        Levels (medians) of the lowest and the highest entity.
    narrowest, widest : float
        Scales of the narrowest and the widest entity: a standard deviation, or its robust equal.
    strength : float
        Spread of the levels over the scale within an entity, or what else made them count.
    """

    column: str
    entities: int
    lowest: float
    highest: float
    narrowest: float
    widest: float
    strength: float

    def describe(self) -> str:
        """Return it in words."""
        if self.strength and self.lowest != self.highest:
            levels = f"level {self.lowest:.3g} to {self.highest:.3g}"
        else:
            levels = f"level {self.lowest:.3g}"
        return f"{self.column!r}: {levels}, scale {self.narrowest:.3g} to {self.widest:.3g}"


def measure_entities(
    codes: NDArray[Any], numbers: Mapping[str, Floats], order: NDArray[Any], table_rows: int
) -> list[OwnLevels]:
    """Return the columns in which entities have their own level or scale, the clearest first.

    Parameters
    ----------
    codes : ndarray of shape (n,), int
        Number of the entity of each row that was looked at; -1 for none.
    numbers : mapping of name to ndarray of shape (n,)
        Of more than fifty columns, fifty at even distances are looked at.
    order : ndarray of shape (n,), int
        Places of the rows in time order.
    table_rows : int
        Rows of the whole table.
    """
    known = codes >= 0
    counts = np.bincount(codes[known]) if known.any() else np.zeros(0, dtype=np.int64)
    counts = counts[counts > 0]
    if len(counts) < 2 or np.median(counts) * table_rows / len(codes) < _LEAST_TABLE_ROWS:
        return []
    names = list(numbers)
    chosen = names[:: max(1, len(names) // _COLUMNS)]
    measured = [_measure_column(name, numbers[name][order], codes[order]) for name in chosen]
    return sorted((item for item in measured if item is not None), key=lambda item: -item.strength)


def scale_entities(codes: NDArray[Any], numbers: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the numbers centred and scaled by entity, so that a season that all of them have shows.

    Parameters
    ----------
    codes : ndarray of shape (n,), int
        Number of the entity of each row; -1 for none, whose numbers become NaN.
    numbers : mapping of name to ndarray of shape (n,)
    """
    groups = pd.Series(np.where(codes >= 0, codes, np.nan))
    scaled: dict[str, Floats] = {}
    for name, values in numbers.items():
        by_entity = pd.Series(np.where(np.isfinite(values), values, np.nan)).groupby(groups)
        low, middle, high = (by_entity.transform("quantile", share) for share in (0.25, 0.5, 0.75))
        width = (high - low).where(high > low, 1.0)
        scaled[name] = ((values - middle) / width).to_numpy(dtype=np.float64)
    return scaled


def _measure_column(name: str, values: Floats, codes: NDArray[Any]) -> OwnLevels | None:
    """Return what one column shows, or None if its entities do not differ; rows are in time order."""
    usable = np.isfinite(values) & (codes >= 0)
    values, codes = values[usable], codes[usable]
    by_entity = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[by_entity], prepend=-1))
    runs = [run for run in np.split(values[by_entity], starts[1:]) if len(run) >= _LEAST_ROWS]
    if len(runs) < 2 or sum(map(len, runs)) < 0.5 * len(values):
        return None
    rows = np.array([len(run) for run in runs])
    levels, scales = (np.array([measure(run) for run in runs]) for measure in (np.median, _measure_scale))
    halves = np.array([[np.median(run[: len(run) // 2]), np.median(run[len(run) // 2 :])] for run in runs])
    varying = scales > 0
    within = 0.0 if not varying.any() else float(np.exp(np.median(np.log(scales[varying]))))
    unit = within or float(np.ptp(levels)) / 100 or 1.0
    moved = np.abs(halves[:, 0] - halves[:, 1])
    from_others = np.abs(levels - np.median(levels))
    steady = from_others > 2 * moved
    spread = float(np.sqrt(max(0.0, float(np.cov(halves.T)[0, 1])))) / unit
    is_spread = spread >= _LEVEL_SPREAD and float(np.median(moved)) < 0.5 * spread * unit
    far = steady & (from_others > _FAR_LEVEL * unit)
    errors = _CHANCE * _LOG_SCALE_ERROR / np.sqrt(rows)
    apart = np.zeros(len(runs))
    apart[varying] = np.abs(np.log(scales[varying] / unit)) - errors[varying]
    wide = apart > np.log(_SCALE_RATIO)
    if not (is_spread or far.any() or wide.any()):
        return None
    strength = max(spread if is_spread else 0.0, float(from_others[far].max(initial=0.0)) / unit / _FAR_LEVEL)
    return OwnLevels(
        name,
        len(runs),
        float(levels.min()),
        float(levels.max()),
        float(scales.min()),
        float(scales.max()),
        strength or float(np.exp(apart.max())) / _SCALE_RATIO,
    )


def _measure_scale(values: Floats) -> float:
    """Return a robust standard deviation; the plain one where half of the values are the same."""
    low, high = np.quantile(values, (0.25, 0.75))
    return float((high - low) / _IQR_OF_NORMAL or np.std(values))
