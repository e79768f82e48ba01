"""How much the reference differs from itself: by season of the week, and from one window to the next.

Rows of a series depend on each other, so the number of rows says little about how far apart two windows of
one process lie. Here each window of the reference is held against all the others in the same cells of the
week; what those distances are, compared with what independent rows would give, is the `ratio` that later
widens (or narrows) every test. Called when a model is fitted; read by :mod:`pynomaly.judging.matched`.

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

from pynomaly.model.counts import CategorySketch
from pynomaly.model.grid import Grid, Statistics, statistics
from pynomaly.model.moments import Moments
from pynomaly.model.principal import Principal
from pynomaly.model.quantiles import NumericSketch
from pynomaly.model.seasons import LEVELS, finest, hours_of_week

__all__ = ["Baseline", "ColumnBaseline", "Noise"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ENOUGH_BLOCKS = 8
FEWEST_BLOCKS = 4
MOST_NUMBERS = 2_000_000
"""Counts kept in all columns together: fewer cells of the week, before the bundle grows beyond bounds."""

# Of a test statistic whose rows are independent: its mean is 1 by construction, and this its variance.
_VARIANCE = {"values": 0.4, "missing": 2.0}


@dataclass(frozen=True)
class Noise:
    """How a test statistic of the reference's own windows behaves, against independent rows.

    Attributes
    ----------
    ratio : float
        Its mean, where independent rows give 1.
    dof : float
        Degrees of freedom that the ratio is known with; infinite where it was not estimated.
    shape : float
        Degrees of freedom of one window's statistic, as a scaled chi-square.
    """

    ratio: float = 1.0
    dof: float = math.inf
    shape: float = 1.0

    @classmethod
    def of(cls, found: list[float], usual: float) -> Noise:
        """Estimate from one statistic a window; `usual` is its variance when rows are independent."""
        known = np.array([value for value in found if math.isfinite(value)])
        if known.size < FEWEST_BLOCKS or not known.any():
            return cls(shape=2.0 / usual)
        mean = float(known.mean())
        relative = max(usual, float(known.var(ddof=1)) / mean**2)
        ratio = max(mean, 1.0)  # never narrower than independent rows
        return cls(ratio, max(2.0 * known.size / relative, 2.0), max(2.0 / relative, 0.5))

    def at_most(self, shape: float) -> Noise:
        """With no lighter a tail than `shape` gives: one column's few windows show little of a tail."""
        if self.shape <= shape or not math.isfinite(self.dof):
            return self
        return Noise(self.ratio, self.dof * shape / self.shape, shape)

    def thinned(self, factor: float) -> Noise:
        """For `factor` times as many rows in a window, of the same dependence."""
        return self if self.ratio <= 1 else Noise(1 + (self.ratio - 1) * factor, self.dof, self.shape)

    def to_list(self) -> list[float | None]:
        """Plain values."""
        return [self.ratio, self.dof if math.isfinite(self.dof) else None, self.shape]

    @classmethod
    def from_list(cls, content: list[float | None]) -> Noise:
        """Read what :meth:`to_list` wrote."""
        ratio, dof, shape = content
        return cls(float(ratio or 0.0), math.inf if dof is None else float(dof), float(shape or 1.0))


@dataclass(frozen=True, eq=False)
class ColumnBaseline:
    """One column by season.

    Attributes
    ----------
    level : str
        Of :data:`pynomaly.model.seasons.LEVELS`.
    grid : Grid
        Its bins.
    counts : int array of shape (cells, bins + 1)
        Rows; the last bin is missing cells.
    noise, missing_noise : Noise
        Of the values, and of the missing share.
    """

    level: str
    grid: Grid
    counts: Ints
    noise: Noise
    missing_noise: Noise

    @classmethod
    def of(
        cls,
        grid: Grid,
        column: pd.Series[Any],
        hours: Ints,
        windows: list[Ints],
        level: str,
        thin: float = 1.0,
    ) -> ColumnBaseline:
        """Count `column`, Series of shape (n,), by cell and by window.

        Parameters
        ----------
        grid : Grid
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
        found = []
        for window in windows:
            mine = np.bincount(code[window], minlength=cells * bins).reshape(cells, bins)
            found.append(statistics(grid.ordered, counts - mine, mine.sum(axis=0), mine.sum(axis=1)))
        return cls(level, grid, counts, *_noise(grid, found, thin))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the counts packed."""
        packed = base64.b64encode(zlib.compress(self.counts.astype("<i4").tobytes(), 9)).decode()
        noise = {"noise": self.noise.to_list(), "missing_noise": self.missing_noise.to_list()}
        return {"level": self.level, "grid": self.grid.to_dict(), "counts": packed} | noise

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ColumnBaseline:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        ValueError
            If the counts are not as many as the level and the grid say.
        """
        grid, cells = Grid.from_dict(content["grid"]), LEVELS[content["level"]][0]
        size = cells * (grid.size + 1) * 4
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(content["counts"], validate=True), size)
        if len(raw) != size or unpacker.unconsumed_tail:
            raise ValueError(f"counts of {len(raw)} bytes, {size} belong there")
        counts = np.frombuffer(raw, dtype="<i4").astype(np.int64).reshape(cells, grid.size + 1)
        noise = (Noise.from_list(content[name]) for name in ("noise", "missing_noise"))
        return cls(content["level"], grid, counts, *noise)


@dataclass(frozen=True, eq=False)
class Baseline:
    """Every column of a reference by season, and its own windows' differences.

    Attributes
    ----------
    length, seasons : int
        What was asked for: length of a monitored window in seconds, and weeks of a season's rows.
    block : int
        Length of the reference's own windows, in seconds.
    blocks : int
        How many there were.
    columns : mapping of str to ColumnBaseline
    score : ColumnBaseline or None
    joint : Principal or None
        How the number columns move together, in each window.
    """

    length: int
    seasons: int
    block: int
    blocks: int
    columns: Mapping[str, ColumnBaseline] = field(default_factory=dict)
    score: ColumnBaseline | None = None
    joint: Principal | None = None

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        times: pd.Series[Any],
        numeric: Mapping[str, NumericSketch],
        categorical: Mapping[str, CategorySketch],
        moments: Moments | None,
        *,
        length: pd.Timedelta,
        seasons: int,
        thin: float = 1.0,
    ) -> Baseline:
        """Measure a reference, DataFrame of shape (n, d), whose rows have `times`.

        Parameters
        ----------
        numeric, categorical : mapping
            Its sketches, which give the bins.
        moments : Moments or None
        length : Timedelta
            Length of a monitored window. Shorter windows are used where fewer than 8 of these fit.
        seasons : int
            Weeks (days) a cell of the week must have been seen in.
        thin : float
            How many times as many rows a later window has.
        """
        sketches: dict[str, NumericSketch | CategorySketch] = {**numeric, **categorical}
        grids = {name: Grid.of(sketch) for name, sketch in sketches.items()}
        level = finest(times, seasons, MOST_NUMBERS // max(1, sum(grid.size + 1 for grid in grids.values())))
        hours = hours_of_week(times)
        windows, seconds = own_windows(times, length)
        columns = {
            name: ColumnBaseline.of(grid, frame[name], hours, windows, level, thin)
            for name, grid in grids.items()
        }
        columns = {name: replace(item, noise=item.noise.at_most(_usual_shape(columns, item.grid.ordered)))
                   for name, item in columns.items()}  # fmt: skip
        joint = Principal.of(frame, windows, moments)
        return cls(int(length.total_seconds()), seasons, seconds, len(windows), columns, None, joint)

    @staticmethod
    def of_scores(
        scores: Array,
        times: pd.Series[Any],
        sketch: NumericSketch,
        *,
        length: pd.Timedelta,
        seasons: int,
        thin: float,
    ) -> ColumnBaseline:
        """The same of `scores`, array of shape (n,), of which a later window has `thin` times as many."""
        windows, _ = own_windows(times, length)
        grid, level = Grid.of(sketch), finest(times, seasons, LEVELS["hour_of_week"][0])
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
        joint = Principal.from_dict(content["joint"]) if content["joint"] else None
        length, seasons, block, blocks = (
            int(content[name]) for name in ("length", "seasons", "block", "blocks")
        )
        return cls(length, seasons, block, blocks, columns, score, joint)


def own_windows(times: pd.Series[Any], length: pd.Timedelta) -> tuple[list[Ints], int]:
    """Places of the rows of each window, those cut short left out, and the windows' length in seconds."""
    seconds = pd.DatetimeIndex(times).tz_convert("UTC").as_unit("s").asi8 - 345_600  # a Monday
    span = int(seconds.max() - seconds.min()) + 1
    whole = int(length.total_seconds())
    shorter = [whole, *(part for part in (86_400, 21_600, 3_600) if part < whole), max(1, span // 16)]
    size = next((part for part in shorter if span // part >= ENOUGH_BLOCKS), shorter[-1])
    number = seconds // size
    number = number - number.min()
    order = np.argsort(number, kind="stable")
    windows = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
    full = np.median([window.size for window in windows]) / 2
    return [window for window in windows if window.size >= full], size


def _usual_shape(columns: Mapping[str, ColumnBaseline], ordered: bool) -> float:
    """Median over the columns of a kind, where at least three show theirs."""
    alike = [item.noise for item in columns.values() if item.grid.ordered == ordered]
    known = [noise.shape for noise in alike if math.isfinite(noise.dof)]
    return float(np.median(known)) if ordered and len(known) >= 3 else math.inf


def _noise(grid: Grid, found: list[Statistics], thin: float) -> tuple[Noise, Noise]:
    """Of values and of the missing share."""
    usual = _VARIANCE["values"] if grid.ordered else 2.0 / max(1, grid.size - 1)
    values = Noise.of([item.apart for item in found], usual).thinned(thin)
    return values, Noise.of([item.missing for item in found], _VARIANCE["missing"]).thinned(thin)
