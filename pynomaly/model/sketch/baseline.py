"""How much the windows of the reference differ from each other, within the same cells of the week.

Rows of a time series depend on each other, so the number of rows alone does not say how far apart two windows
of the same process lie. Here each window of the reference is compared with all other windows in the same
cells of the week, and how long a level wanders says how many of them are independent: every later test is
widened by their distances and by how little they tell. Levels of the windows are kept, for what adds up from
window to window. Called when a model is fitted; read by
:mod:`pynomaly.judging.drift.columns.seasonal_tests` and :mod:`pynomaly.judging.drift.columns.carried_shifts`.
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
from pynomaly.model.sketch.design_effect import DesignEffect
from pynomaly.model.sketch.grid import BinGrid, compare_bins
from pynomaly.model.sketch.principal import ReconstructionBaseline
from pynomaly.model.sketch.quantiles import NumericSketch
from pynomaly.model.sketch.reference_windows import ReferenceWindows, rank_bins
from pynomaly.model.sketch.seasons import LEVELS, finest_level, hours_of_week

__all__ = ["Baseline", "ColumnBaseline", "find_usual_wander"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_COUNTS = 2_000_000
"""Most counts kept over all columns; beyond it, fewer cells of the week are used to limit bundle size."""

# Variance of a test statistic when rows are independent; its mean is then 1 by construction.
_INDEPENDENT_VARIANCE = {"values": 0.4, "missing": 2.0}


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
    levels : tuple of float
        Mean rank of each of the reference's own windows among the others, in order of time.
    wander : float
        Upper bound of the autocorrelation time of the level, in seconds; infinite where the reference is too
        short to show it.
    """

    level: str
    grid: BinGrid
    counts: Ints
    noise: DesignEffect
    missing_noise: DesignEffect
    levels: tuple[float, ...] = ()
    wander: float = math.inf

    @classmethod
    def of(
        cls,
        grid: BinGrid,
        column: pd.Series[Any],
        hours: Ints,
        windows: ReferenceWindows,
        level: str,
        least_wander: float = 0.0,
    ) -> ColumnBaseline:
        """Count `column`, Series of shape (n,), by cell, and estimate the noise from its windows.

        Parameters
        ----------
        grid : BinGrid
        column : Series of shape (n,)
        hours : int array of shape (n,)
            Hour of the week.
        windows : ReferenceWindows
        level : str
        least_wander : float
            Seconds for which the level stays alike at least.
        """
        cells, cell_of = LEVELS[level]
        bins = grid.size + 1
        code = cell_of(hours) * bins + grid.codes(column)
        counts = np.bincount(code, minlength=cells * bins).reshape(cells, bins)
        distances = []
        for places in windows.places:
            own = np.bincount(code[places], minlength=cells * bins).reshape(cells, bins)
            distances.append(compare_bins(grid.ordered, counts - own, own.sum(axis=0), own.sum(axis=1)))
        ranks = rank_bins(counts).ravel()[code]
        worth, wander = windows.count_independent(ranks, least_wander)
        missing_worth, missing_wander = windows.count_independent(np.isnan(ranks).astype(np.float64))
        variance = _INDEPENDENT_VARIANCE["values"] if grid.ordered else 2.0 / max(1, grid.size - 1)
        noise = DesignEffect.of([item.apart for item in distances], variance, worth)
        missing_noise = DesignEffect.of(
            [item.missing for item in distances], _INDEPENDENT_VARIANCE["missing"], missing_worth
        )
        return cls(
            level,
            grid,
            counts,
            noise.scale_rows(windows.lengthen(wander)),
            missing_noise.scale_rows(windows.lengthen(missing_wander)),
            tuple(float(f"{item.level:.6g}") for item in distances if math.isfinite(item.level)),
            wander,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the counts are compressed and base64-encoded."""
        packed_counts = base64.b64encode(zlib.compress(self.counts.astype("<i4").tobytes(), 9)).decode()
        return {
            "level": self.level,
            "grid": self.grid.to_dict(),
            "counts": packed_counts,
            "noise": self.noise.to_list(),
            "missing_noise": self.missing_noise.to_list(),
            "levels": list(self.levels),
            "wander": self.wander if math.isfinite(self.wander) else None,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ColumnBaseline:
        """Read what :meth:`to_dict` wrote; earlier editions kept no levels.

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
        noise, missing = (DesignEffect.from_list(content[name]) for name in ("noise", "missing_noise"))
        levels, wander = tuple(map(float, content.get("levels", ()))), content.get("wander")
        wander = math.inf if wander is None else float(wander)
        return cls(content["level"], grid, counts, noise, missing, levels, wander)


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
        windows = ReferenceWindows.split(times, length, thin)
        columns = {
            name: ColumnBaseline.of(grid, frame[name], hours, windows, level) for name, grid in grids.items()
        }
        shapes = {ordered: _median_shape(columns, ordered) for ordered in (True, False)}
        columns = {
            name: replace(item, noise=item.noise.limit_shape(shapes[bool(item.grid.ordered)]))
            for name, item in columns.items()
        }
        wander = find_usual_wander(columns)
        joint = ReconstructionBaseline.of(
            frame, windows.places, moments, windows.span / max(windows.block, wander)
        )
        return cls(
            int(length.total_seconds()), seasons, windows.block, len(windows.places), columns, None, joint
        )

    @staticmethod
    def measure_scores(
        scores: Array,
        times: pd.Series[Any],
        sketch: NumericSketch,
        *,
        length: pd.Timedelta,
        seasons: int,
        thin: float,
        wander: float,
    ) -> ColumnBaseline:
        """Build the baseline of `scores`, array of shape (n,), of rows with these `times`.

        Parameters
        ----------
        sketch : NumericSketch
            Of the scores.
        length : Timedelta
            Length of a monitored window.
        seasons : int
        thin : float
            Rows of a later window for each of these.
        wander : float
            Seconds for which the rows themselves stay alike. A new state of the rows can score as no state of
            the reference did, so scores are not taken to tell more than the rows do.
        """
        windows = ReferenceWindows.split(times, length, thin)
        grid, level = BinGrid.of(sketch), finest_level(times, seasons, LEVELS["hour_of_week"][0])
        return ColumnBaseline.of(grid, pd.Series(scores), hours_of_week(times), windows, level, wander)

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


def find_usual_wander(columns: Mapping[str, ColumnBaseline]) -> float:
    """Return for how many seconds the levels of most columns stay alike: the median; 0 without columns."""
    return float(np.median([item.wander for item in columns.values()])) if columns else 0.0


def _median_shape(columns: Mapping[str, ColumnBaseline], ordered: bool) -> float:
    """Return the median shape of the numeric columns; infinite for categories or under three estimates."""
    same_kind = [item.noise for item in columns.values() if item.grid.ordered == ordered]
    shapes = [noise.shape for noise in same_kind if math.isfinite(noise.dof)]
    return float(np.median(shapes)) if ordered and len(shapes) >= 3 else math.inf
