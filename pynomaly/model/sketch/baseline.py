"""How much the windows of the reference differ from each other, within the same cells of the week.

Rows of a time series depend on each other, so the number of rows alone does not say how far apart two windows
of the same process lie. Here each window of the reference is compared with all other windows in the same
cells of the week. The mean of these distances, relative to that of independent rows, is the `ratio`: every
later test is widened by it. Called when a model is fitted; read by
:mod:`pynomaly.judging.drift.seasonal_tests`.

References
----------
Rao, Scott: The analysis of categorical data from complex sample surveys, JASA 1981 (test statistics divided
by a design effect).
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.model.sketch.category_sketch import CategorySketch
from pynomaly.model.sketch.comoments import Comoments
from pynomaly.model.sketch.grid import BinGrid, WindowDistance, compare_bins
from pynomaly.model.sketch.principal import ReconstructionBaseline
from pynomaly.model.sketch.quantiles import NumericSketch
from pynomaly.model.sketch.seasons import LEVELS, finest_level, hours_of_week

__all__ = ["Baseline", "ColumnBaseline", "DesignEffect"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ENOUGH_WINDOWS = 8
MIN_WINDOWS = 4
MAX_COUNTS = 2_000_000
"""Most counts kept over all columns; beyond it, fewer cells of the week are used to limit bundle size."""

# Variance of a test statistic when rows are independent; its mean is then 1 by construction.
_INDEPENDENT_VARIANCE = {"values": 0.4, "missing": 2.0}


@dataclass(frozen=True)
class DesignEffect:
    """Mean and tail of a test statistic over the reference's own windows, relative to independent rows.

    Attributes
    ----------
    ratio : float
        Mean of the statistic; independent rows give 1.
    dof : float
        Degrees of freedom of the estimated ratio; infinite where it was not estimated.
    shape : float
        Degrees of freedom of one window's statistic, as a scaled chi-square.
    """

    ratio: float = 1.0
    dof: float = math.inf
    shape: float = 1.0

    @classmethod
    def of(cls, statistics: list[float], usual: float) -> DesignEffect:
        """Estimate from one statistic a window; `usual` is its variance for independent rows."""
        finite = np.array([value for value in statistics if math.isfinite(value)])
        if finite.size < MIN_WINDOWS or not finite.any():
            return cls(shape=2.0 / usual)
        mean = float(finite.mean())
        relative = max(usual, float(finite.var(ddof=1)) / mean**2)
        ratio = max(mean, 1.0)  # never narrower than independent rows
        return cls(ratio, max(2.0 * finite.size / relative, 2.0), max(2.0 / relative, 0.5))

    def limit_shape(self, shape: float) -> DesignEffect:
        """Lower the shape to `shape`: the few windows of one column do not show a lighter tail reliably."""
        if self.shape <= shape or not math.isfinite(self.dof):
            return self
        return DesignEffect(self.ratio, self.dof * shape / self.shape, shape)

    def scale_rows(self, factor: float) -> DesignEffect:
        """Return the noise for windows with `factor` times as many rows and the same dependence."""
        return self if self.ratio <= 1 else DesignEffect(1 + (self.ratio - 1) * factor, self.dof, self.shape)

    def to_list(self) -> list[float | None]:
        """Plain values."""
        return [self.ratio, self.dof if math.isfinite(self.dof) else None, self.shape]

    @classmethod
    def from_list(cls, content: list[float | None]) -> DesignEffect:
        """Read what :meth:`to_list` wrote."""
        ratio, dof, shape = content
        return cls(float(ratio or 0.0), math.inf if dof is None else float(dof), float(shape or 1.0))


@dataclass(frozen=True, eq=False)
class ColumnBaseline:
    """Counts of one column by cell of the week, and its noise.

    Attributes
    ----------
    level : str
        Of :data:`pynomaly.model.sketch.seasons.LEVELS`.
    grid : BinGrid
        Its bins.
    counts : int array of shape (cells, bins + 1)
        Rows in each cell and bin; the last bin counts missing cells.
    noise, missing_noise : DesignEffect
        Of the values, and of the missing share.
    """

    level: str
    grid: BinGrid
    counts: Ints
    noise: DesignEffect
    missing_noise: DesignEffect

    @classmethod
    def of(
        cls,
        grid: BinGrid,
        column: pd.Series[Any],
        hours: Ints,
        windows: list[Ints],
        level: str,
        thin: float = 1.0,
    ) -> ColumnBaseline:
        """Count `column`, Series of shape (n,), by cell, and estimate the noise from its windows.

        Parameters
        ----------
        grid : BinGrid
        column : Series of shape (n,)
        hours : int array of shape (n,)
            Hour of the week.
        windows : list of int array
            Places of the rows of each window.
        level : str
        thin : float
            Rows of a later window for each row of these windows.
        """
        cells, cell_of = LEVELS[level]
        bins = grid.size + 1
        code = cell_of(hours) * bins + grid.codes(column)
        counts = np.bincount(code, minlength=cells * bins).reshape(cells, bins)
        distances = []
        for window in windows:
            window_counts = np.bincount(code[window], minlength=cells * bins).reshape(cells, bins)
            distances.append(
                compare_bins(
                    grid.ordered, counts - window_counts, window_counts.sum(axis=0), window_counts.sum(axis=1)
                )
            )
        return cls(level, grid, counts, *_estimate_effects(grid, distances, thin))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the counts are compressed and base64-encoded."""
        packed_counts = base64.b64encode(zlib.compress(self.counts.astype("<i4").tobytes(), 9)).decode()
        noise = {"noise": self.noise.to_list(), "missing_noise": self.missing_noise.to_list()}
        return {"level": self.level, "grid": self.grid.to_dict(), "counts": packed_counts} | noise

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ColumnBaseline:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        ValueError
            If the number of counts does not match the level and the grid.
        """
        grid, cells = BinGrid.from_dict(content["grid"]), LEVELS[content["level"]][0]
        size = cells * (grid.size + 1) * 4
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(content["counts"], validate=True), size)
        if len(raw) != size or unpacker.unconsumed_tail:
            raise ValueError(f"counts of {len(raw)} bytes, {size} belong there")
        counts = np.frombuffer(raw, dtype="<i4").astype(np.int64).reshape(cells, grid.size + 1)
        noise = (DesignEffect.from_list(content[name]) for name in ("noise", "missing_noise"))
        return cls(content["level"], grid, counts, *noise)


@dataclass(frozen=True, eq=False)
class Baseline:
    """Every column of a reference by cell of the week, and how much its own windows differ.

    Attributes
    ----------
    length, seasons : int
        As configured: length of a monitored window in seconds, and weeks that a cell must have been seen in.
    block : int
        Length of the reference's own windows, in seconds.
    blocks : int
        Number of these windows.
    columns : mapping of str to ColumnBaseline
    score : ColumnBaseline or None
    joint : ReconstructionBaseline or None
        How the correlations of number columns vary from window to window.
    """

    length: int
    seasons: int
    block: int
    blocks: int
    columns: Mapping[str, ColumnBaseline] = field(default_factory=dict)
    score: ColumnBaseline | None = None
    joint: ReconstructionBaseline | None = None

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        times: pd.Series[Any],
        numeric: Mapping[str, NumericSketch],
        categorical: Mapping[str, CategorySketch],
        moments: Comoments | None,
        *,
        length: pd.Timedelta,
        seasons: int,
        thin: float = 1.0,
    ) -> Baseline:
        """Build the baseline of a reference, DataFrame of shape (n, d), with the `times` of its rows.

        Parameters
        ----------
        numeric, categorical : mapping
            The column sketches, which define the bins.
        moments : Comoments or None
        length : Timedelta
            Length of a monitored window. Shorter windows are used where fewer than 8 of these fit.
        seasons : int
            Weeks (days) a cell of the week must have been seen in.
        thin : float
            Rows of a later window for each row of these windows.
        """
        sketches: dict[str, NumericSketch | CategorySketch] = {**numeric, **categorical}
        grids = {name: BinGrid.of(sketch) for name, sketch in sketches.items()}
        level = finest_level(
            times, seasons, MAX_COUNTS // max(1, sum(grid.size + 1 for grid in grids.values()))
        )
        hours = hours_of_week(times)
        windows, seconds = split_windows(times, length)
        columns = {
            name: ColumnBaseline.of(grid, frame[name], hours, windows, level, thin)
            for name, grid in grids.items()
        }
        shapes = {ordered: _median_shape(columns, ordered) for ordered in (True, False)}
        columns = {
            name: replace(item, noise=item.noise.limit_shape(shapes[bool(item.grid.ordered)]))
            for name, item in columns.items()
        }
        joint = ReconstructionBaseline.of(frame, windows, moments)
        return cls(int(length.total_seconds()), seasons, seconds, len(windows), columns, None, joint)

    @staticmethod
    def measure_scores(
        scores: Array,
        times: pd.Series[Any],
        sketch: NumericSketch,
        *,
        length: pd.Timedelta,
        seasons: int,
        thin: float,
    ) -> ColumnBaseline:
        """Build the baseline of `scores`, array of shape (n,); a later window has `thin` times as many."""
        windows, _ = split_windows(times, length)
        grid, level = BinGrid.of(sketch), finest_level(times, seasons, LEVELS["hour_of_week"][0])
        return ColumnBaseline.of(grid, pd.Series(scores), hours_of_week(times), windows, level, thin)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **{name: getattr(self, name) for name in ("length", "seasons", "block", "blocks")},
            "columns": {name: column.to_dict() for name, column in self.columns.items()},
            "score": self.score.to_dict() if self.score else None,
            "joint": self.joint.to_dict() if self.joint else None,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Baseline:
        """Read what :meth:`to_dict` wrote."""
        columns = {name: ColumnBaseline.from_dict(item) for name, item in content["columns"].items()}
        score = ColumnBaseline.from_dict(content["score"]) if content["score"] else None
        joint = ReconstructionBaseline.from_dict(content["joint"]) if content["joint"] else None
        length, seasons, block, blocks = (
            int(content[name]) for name in ("length", "seasons", "block", "blocks")
        )
        return cls(length, seasons, block, blocks, columns, score, joint)


def split_windows(times: pd.Series[Any], length: pd.Timedelta) -> tuple[list[Ints], int]:
    """Return the row positions of each window, without incomplete ones, and the length in seconds."""
    seconds = pd.DatetimeIndex(times).tz_convert("UTC").as_unit("s").asi8 - 345_600  # a Monday
    span = int(seconds.max() - seconds.min()) + 1
    length_seconds = int(length.total_seconds())
    shorter = [
        length_seconds,
        *(part for part in (86_400, 21_600, 3_600) if part < length_seconds),
        max(1, span // 16),
    ]
    size = next((part for part in shorter if span // part >= ENOUGH_WINDOWS), shorter[-1])
    number = seconds // size
    number = number - number.min()
    order = np.argsort(number, kind="stable")
    windows = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
    fewest_rows = np.median([window.size for window in windows]) / 2
    return [window for window in windows if window.size >= fewest_rows], size


def _median_shape(columns: Mapping[str, ColumnBaseline], ordered: bool) -> float:
    """Return the median shape of the numeric columns; infinite for categories or under three estimates."""
    same_kind = [item.noise for item in columns.values() if item.grid.ordered == ordered]
    shapes = [noise.shape for noise in same_kind if math.isfinite(noise.dof)]
    return float(np.median(shapes)) if ordered and len(shapes) >= 3 else math.inf


def _estimate_effects(
    grid: BinGrid, distances: list[WindowDistance], thin: float
) -> tuple[DesignEffect, DesignEffect]:
    """Estimate the noise of the values and of the missing share."""
    variance = _INDEPENDENT_VARIANCE["values"] if grid.ordered else 2.0 / max(1, grid.size - 1)
    values = DesignEffect.of([item.apart for item in distances], variance).scale_rows(thin)
    return values, DesignEffect.of(
        [item.missing for item in distances], _INDEPENDENT_VARIANCE["missing"]
    ).scale_rows(thin)
