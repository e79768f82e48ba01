"""The detectors that look back: nearest windows, autoregression, and their ensemble.

All follow each column by itself and join the columns by the largest: a fault of one sensor is not drowned by
the others. Fit O(n), score O(history) a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from pynomaly.detectors.numerics.exact import Array
from pynomaly.detectors.parameters import ChoiceParameter, Parameter
from pynomaly.detectors.series.looking_back import LookingBack
from pynomaly.detectors.series.members import FittedColumn, Forecast, Kernel, Member
from pynomaly.detectors.series.periods import find_period
from pynomaly.detectors.series.steady_members import SeasonalProfile
from pynomaly.detectors.series.still_member import Stillness
from pynomaly.detectors.series.window_members import LevelWindows, NearestWindows

__all__ = ["SeriesAR", "SeriesEnsemble", "SeriesKNN", "SeriesProfile"]

_LONG = 128  # rows of the long window
_LEVEL = 64  # rows of the window that sees the level
_LEAST_GAIN = 0.5  # of a profile's error against the plain median's, from which it is a member of `series`
_NARROWEST = 32  # rows on each side of a row that count at least
_NARROW = 1  # the same where the smoothing is narrow
_STATE_CELLS = 220_000  # of all reference windows together, four bytes each


class SeriesKNN(LookingBack):
    """Distance of the windows that end at a row to the nearest windows of the fitted rows.

    References
    ----------
    Yeh et al.: Matrix SeasonalProfile I: All Pairs Similarity Joins for Time Series. ICDM 2016.
    """

    name: ClassVar[str] = "series_knn"

    def make_members(self, fitted: FittedColumn, rng: np.random.Generator, columns: int) -> list[Member]:
        """Return the members of one column."""
        return make_window_members(fitted, rng, columns, self.delay)


class SeriesAR(LookingBack):
    """Error of a robust ridge autoregression on differences.

    References
    ----------
    Box, Jenkins: Time Series Analysis: Forecasting and Control. 1970.
    """

    name: ClassVar[str] = "series_ar"

    def make_members(self, fitted: FittedColumn, rng: np.random.Generator, columns: int) -> list[Member]:
        """Return the members of one column."""
        return make_forecast_members(fitted, self.delay)


class SeriesProfile(LookingBack):
    """Distance from the robust level at this phase of the measured period, of the day or of the week.

    References
    ----------
    Cleveland et al.: STL: A Seasonal-Trend Decomposition Procedure Based on Loess. 1990.
    """

    name: ClassVar[str] = "series_profile"

    def make_members(self, fitted: FittedColumn, rng: np.random.Generator, columns: int) -> list[Member]:
        """Return the members of one column."""
        return [*make_profile_members(fitted, self.delay, 0.0)]


class SeriesEnsemble(LookingBack):
    """Nearest windows, autoregression, stillness; level and season where the fitted rows keep them.

    Chosen on 29 series by mean VUS-PR without a delay / with 160 rows: docs/benchmarks.md. The level costs
    .003 / .012 there and gains .04 / .05 AUROC where the level is the fault (16 files of a water loop). Left
    out: a network of random features on the lags, better alone than the autoregression (.421 and .350, .508
    and .457) and no better beside the windows; raw windows without a gate, .07 worse with a delay.

    With ``smoothing: narrow`` a row's figure is a mean of two spots and not of a period, and where the
    season explains half of the error, windows and forecasts read values held within what is usual at their
    time of it: an alert ends with its incident, while on whole series (VUS-PR, which counts neighbours of an
    incident) the wide one ranks better by .05.

    References
    ----------
    Aggarwal, Sathe: Theoretical Foundations and Algorithms for Outlier Ensembles. SIGKDD Explorations 2015.
    """

    name: ClassVar[str] = "series"

    parameters: ClassVar[Mapping[str, Parameter]] = {
        **LookingBack.parameters, "smoothing": ChoiceParameter("wide", ("wide", "narrow"))
    }  # fmt: skip

    @property
    def holds_past(self) -> bool:
        """Whether the smoothing is narrow: an incident then ends where it ends, and not with its windows."""
        return bool(self.params["smoothing"] == "narrow")

    def make_members(self, fitted: FittedColumn, rng: np.random.Generator, columns: int) -> list[Member]:
        """Return the members of one column."""
        reach = _NARROW if self.holds_past else None
        profiles = make_profile_members(fitted, self.delay, _LEAST_GAIN, reach)
        held = fitted
        if self.holds_past and profiles:
            values = profiles[0].hold(fitted.values[:, fitted.column], fitted.times)
            held = replace(fitted, values=values[:, None], column=0)
        windows = make_window_members(held, rng, columns, self.delay, reach)
        forecasts = make_forecast_members(held, self.delay, reach)
        kernel = _make_kernel(_LEVEL, _choose_width(held), self.delay, reach, thin=True)
        level = LevelWindows.fit_level(held, _LEVEL, kernel, 256, rng)
        still = Stillness.fit(fitted, self.delay, rng)
        return [*windows, *forecasts, *profiles, *(member for member in (level, still) if member is not None)]


def make_window_members(
    fitted: FittedColumn, rng: np.random.Generator, columns: int, delay: int, reach: int | None = None
) -> list[Member]:
    """Return nearest windows of the period and of 128 rows; without a delay also with fading weights."""
    width = _choose_width(fitted)
    shapes: list[Array] = [np.ones(length) for length in sorted({width, _LONG})]
    if delay < _LONG // 2:  # a short wait localises as little as none
        shapes += [0.95 ** (np.arange(63, -1, -1) / 2), 0.9 ** (np.arange(31, -1, -1) / 2)]
    shapes = [shape for shape in shapes if len(fitted.ends_after(len(shape) - 1)) >= 3 * len(shape)]
    cells = sum(len(shape) for shape in shapes) * columns
    count = int(np.clip(_STATE_CELLS // max(1, cells), 64, 512))
    return [
        NearestWindows.fit(
            fitted, shape, True, _make_kernel(len(shape), width, delay, reach, thin=True), count, rng
        )
        for shape in shapes
    ]


def make_forecast_members(fitted: FittedColumn, delay: int, reach: int | None = None) -> list[Member]:
    """Return an autoregression on lags up to 64 and around one and two periods, where rows suffice."""
    period = _find_period(fitted)
    rows = len(fitted.ends)
    near = np.arange(1, max(1, min(64, rows // 8)) + 1)
    seasonal = np.concatenate([np.arange(times * period - 2, times * period + 3) for times in (1, 2)])
    lags = near
    if len(fitted.ends_after(2 * period + 3)) >= 4 * (len(near) + 10):
        lags = np.unique(np.concatenate([near, seasonal[seasonal > 0]]))
    while len(lags) > 1 and len(fitted.ends_after(int(lags.max()) + 1)) < 2 * len(lags):
        lags = lags[: len(lags) // 2]
    if len(fitted.ends_after(int(lags.max()) + 1)) < 8:
        return []
    return [Forecast.fit(fitted, lags.astype(np.int64), _make_kernel(1, _choose_width(fitted), delay, reach))]


def make_profile_members(
    fitted: FittedColumn, delay: int, least_gain: float, reach: int | None = None
) -> list[SeasonalProfile]:
    """Return a seasonal profile, if it takes away that share of the error of the plain median."""
    kernel = _make_kernel(1, _choose_width(fitted), delay, reach)
    member = SeasonalProfile.fit(fitted, _find_period(fitted), kernel, least_gain)
    return [] if member is None else [member]


def _make_kernel(length: int, width: int, delay: int, reach: int | None, *, thin: bool = False) -> Kernel:
    half = max(width, _NARROWEST) if reach is None else reach
    return Kernel.peaked(min(length // 2, delay), half, delay, sharp=delay < _LONG // 2, thin=thin)


def _choose_width(fitted: FittedColumn) -> int:
    longest = int(fitted.before.max()) + 1
    return max(2, min(_find_period(fitted), len(fitted.ends) // 4, longest // 3))


def _find_period(fitted: FittedColumn) -> int:
    breaks = np.flatnonzero(np.diff(fitted.ends) != 1) + 1
    stretches = np.split(fitted.cells, breaks)
    return find_period(sorted(stretches, key=len, reverse=True)[:8])
