"""One way of looking at one column each: what `series` and its parts are made of.

A member measures a *spot*, a place of the series, from the value there and those before it, in multiples of
a large usual amount: the one that nine of ten fitted spots stay below, each measured against others. (The
median is near 0 in a series that mostly rests, and then everything is far.) A row's figure is a mean of the
spots around it that it may read: those before it, and with a delay those after it. So spots are measured once
for all rows that share them, and no row's figure depends on what else is scored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.base import State
from pynomaly.detectors.numerics.exact import Array
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.loops import Places, predict_values
from pynomaly.detectors.series.smoothing import average_spots

__all__ = [
    "SMALLEST",
    "USUAL_SHARE",
    "ExpectingMember",
    "FittedColumn",
    "Forecast",
    "Kernel",
    "Level",
    "Member",
    "draw_evenly",
    "to_ratios",
]

SMALLEST = 1e-6  # of a column's spread: smaller amounts are rounding
USUAL_SHARE = 0.9  # of the fitted spots lie below the usual amount


@dataclass(frozen=True)
class FittedColumn:
    """A column of the series that a member is fitted on.

    Attributes
    ----------
    values : ndarray of shape (m, k)
    column : int
    ends : int array of shape (n,)
        Places of the fitted rows, rising.
    before : int array of shape (n,)
        How many values before each may be read.
    times : int array of shape (m,)
        Of the values, in microseconds.
    """

    values: Array
    column: int
    ends: Places
    before: Places
    times: Places

    @property
    def cells(self) -> Array:
        """The fitted rows' own values, shape (n,)."""
        cells: Array = self.values[self.ends, self.column]
        return cells

    @property
    def moments(self) -> Places:
        """Times of the fitted rows, in microseconds, shape (n,)."""
        moments: Places = self.times[self.ends]
        return moments

    def ends_after(self, length: int) -> Places:
        """Return the places that have at least `length` values before them."""
        ends: Places = self.ends[self.before >= length]
        return ends

    def measure_spread(self) -> float:
        """Return the standard deviation of the cells, 1 for a column that does not vary."""
        cells = np.clip(self.cells, -1e100, 1e100)
        limit = float(np.abs(cells).max())
        spread = limit * float((cells / limit).std()) if limit > 0 else 0.0
        return spread if spread > 1e-12 * limit else 1.0


@dataclass(frozen=True)
class Kernel:
    """Which spots around a row count, and how much.

    Attributes
    ----------
    offsets : int array of shape (q,)
        Rising; 0 is the row itself.
    shares : ndarray of shape (q,)
        Above 0.
    """

    offsets: Places
    shares: Array

    @classmethod
    def single(cls) -> Kernel:
        """Return the kernel of the row alone."""
        return cls(np.zeros(1, dtype=np.int64), np.ones(1))

    @classmethod
    def peaked(cls, centre: int, half: int, delay: int, *, sharp: bool, thin: bool = False) -> Kernel:
        """Return a kernel that is peaked at `centre` and 0 beyond `half` rows from it, up to `delay`.

        Parameters
        ----------
        centre, half, delay : int
        sharp : bool
            Whether it falls faster near the peak, where only the row itself and its past can be read.
        thin : bool
            Whether fewer of the farther spots stand for all: windows of neighbouring spots are nearly equal,
            and a row alone measures each of its spots.
        """
        apart = np.arange(half + 1)
        steps = np.ones(half + 1)
        if thin:
            apart = np.array([a for a in apart if a % max(1, 1 << max(0, int(a).bit_length() - 3)) == 0])
            steps = np.array([max(1, 1 << max(0, int(a).bit_length() - 3)) for a in apart], dtype=np.float64)
        shares = (1.0 - apart / (half + 1.0)) / (1.0 + apart / 2.0 if sharp else 1.0) * steps
        offsets = centre + np.concatenate([-apart[:0:-1], apart]).astype(np.int64)
        both = np.concatenate([shares[:0:-1], shares])
        return cls(offsets[offsets <= delay], both[offsets <= delay])


class Member(ABC):
    """One way of looking at one column.

    Parameters
    ----------
    state : dict of arrays
        What `measure` reads, and `offsets` and `shares` of the kernel.
    """

    kind: ClassVar[str]
    reads_held: ClassVar[bool] = False
    """Whether it reads values that are held within what is usual, where the detector holds them."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.kernel = Kernel(state["offsets"], state["shares"])

    @property
    @abstractmethod
    def back(self) -> int:
        """How many values before a spot `measure` reads."""

    @property
    def history(self) -> int:
        """How many values before a row its figure reads."""
        return int(max(0, self.back - self.kernel.offsets[0]))

    @property
    @abstractmethod
    def sees(self) -> str:
        """What it compares, in words, such as ``the next step``."""

    @abstractmethod
    def measure(self, rows: PastRows, column: int, spots: Places) -> Array:
        """Return the amount of each spot, 0 or more, in usual amounts, shape (s,); cost O(s)."""

    def measure_rows(self, rows: PastRows, column: int) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Return each row's figure, and whether the member can read it; `rows` are in order of place."""
        kernel = self.kernel
        return average_spots(
            rows, self.back, kernel.offsets, kernel.shares, partial(self.measure, rows, column)
        )

    def compare(self, rows: PastRows, column: int, place: int, spot: int) -> tuple[float | None, int | None]:
        """Return what is expected at `place` as seen from `spot`, and the time of the nearest window.

        None for the value where nothing is expected there, for the time where no windows are compared.
        """
        return None, None

    @classmethod
    def make(cls, kernel: Kernel, **arrays: npt.ArrayLike) -> Self:
        """Return a member with these arrays as its state."""
        state = {key: np.asarray(array) for key, array in arrays.items()}
        return cls(state | {"offsets": kernel.offsets, "shares": kernel.shares})


class ExpectingMember(Member):
    """A member that expects a value at a spot, and measures how far from it the value is."""

    @abstractmethod
    def expect(self, rows: PastRows, column: int, spots: Places) -> tuple[Array, npt.ArrayLike]:
        """Return the expected values and the usual size of the error, shape (s,) or one for all."""

    def measure(self, rows: PastRows, column: int, spots: Places) -> Array:
        """Return the size of the error."""
        expected, usual = self.expect(rows, column, spots)
        return to_ratios(np.abs(rows.values[spots, column] - expected), usual)

    def find_residuals(self, rows: PastRows, column: int, spots: Places) -> Array:
        """Return the errors with their sign, in usual ones; shape (s,)."""
        expected, usual = self.expect(rows, column, spots)
        errors = rows.values[spots, column] - expected
        residuals: Array = np.copysign(to_ratios(np.abs(errors), usual), errors)
        return residuals

    def compare(self, rows: PastRows, column: int, place: int, spot: int) -> tuple[float | None, int | None]:
        """Return what is expected at the place; nothing if that depends on values beside the spot's."""
        if self.back and place != spot:
            return None, None
        expected, _ = self.expect(rows, column, np.array([place], dtype=np.int64))
        return float(expected[0]), None


class Level(ExpectingMember):
    """How far the value itself is from the middle of all: reads the row alone."""

    kind: ClassVar[str] = "level"

    @classmethod
    def fit(cls, fitted: FittedColumn) -> Self:
        """Fit on the median and the usual distance from it."""
        middle = float(np.median(fitted.cells))
        usual = float(np.quantile(np.abs(fitted.cells - middle), USUAL_SHARE))
        return cls.make(Kernel.single(), middle=middle, usual=max(usual, 1e-3 * fitted.measure_spread()))

    @property
    def back(self) -> int:
        """No value: the row alone."""
        return 0

    @property
    def sees(self) -> str:
        """The value itself."""
        return "the value against all others"

    def expect(self, rows: PastRows, column: int, spots: Places) -> tuple[Array, npt.ArrayLike]:
        """Return the middle of all."""
        return np.full(len(spots), float(self.state["middle"])), self.state["usual"]


class Forecast(ExpectingMember):
    """How far the value is from what a robust autoregression on differences expects."""

    kind: ClassVar[str] = "forecast"
    reads_held: ClassVar[bool] = True

    @classmethod
    def fit(cls, fitted: FittedColumn, lags: Places, kernel: Kernel) -> Self:
        """Fit by ridge regression, reweighed twice by Huber's weights; the usual error is out of fold."""
        ends = fitted.ends_after(int(lags.max()) + 1)
        ends = ends[:: max(1, len(ends) // 20_000)]
        values = fitted.values[:, fitted.column]
        spread = fitted.measure_spread()
        table = np.stack([values[ends - lag] - values[ends - lag - 1] for lag in lags], axis=1)
        wanted = values[ends] - values[ends - 1]
        half = len(ends) // 2
        errors = np.concatenate(
            [
                wanted[:half] - table[:half] @ fit_ridge(table[half:], wanted[half:], spread),
                wanted[half:] - table[half:] @ fit_ridge(table[:half], wanted[:half], spread),
            ]
        )
        usual = max(float(np.quantile(np.abs(errors), USUAL_SHARE)), SMALLEST * spread)
        return cls.make(kernel, lags=lags, weights=fit_ridge(table, wanted, spread), usual=usual)

    @property
    def back(self) -> int:
        """The longest lag, and one more for its difference."""
        return int(self.state["lags"].max()) + 1

    @property
    def sees(self) -> str:
        """The next step."""
        return f"the step after {self.back} rows"

    def expect(self, rows: PastRows, column: int, spots: Places) -> tuple[Array, npt.ArrayLike]:
        """Return the forecasts."""
        expected = predict_values(rows.values, column, spots, self.state["lags"], self.state["weights"])
        return expected, self.state["usual"]


def to_ratios(amounts: Array, usual: npt.ArrayLike) -> Array:
    """Return how many times the usual amount each is, at most 1e12; shape as `amounts`."""
    ratios: Array = np.minimum(np.minimum(amounts, 1e150) / usual, 1e12)
    return ratios


def draw_evenly(ends: Places, count: int, rng: np.random.Generator) -> Places:
    """Return at most `count` of the places, one drawn from each of as many equal parts."""
    if len(ends) <= count:
        return ends
    edges = np.linspace(0, len(ends), count + 1)
    drawn = np.floor(edges[:-1] + rng.random(count) * np.diff(edges)).astype(np.int64)
    picked: Places = ends[np.minimum(drawn, len(ends) - 1)]
    return picked


def fit_ridge(table: Array, wanted: Array, spread: float) -> Array:
    """Return robust ridge weights, shape (p,), for ``table @ weights = wanted``."""
    scale = np.maximum(np.median(np.abs(wanted)) / 0.6745, 1e-3 * np.std(wanted) + SMALLEST * spread)
    table = np.clip(table / scale, -1e6, 1e6)
    wanted = np.clip(wanted / scale, -1e6, 1e6)
    weights: Array = np.zeros(table.shape[1])
    trust: Array = 1.0 / np.maximum(1.0, np.abs(wanted) / 3.0)
    for _ in range(3):
        weighed = table * trust[:, None]
        square = weighed.T @ table
        ridge = 1e-3 * float(np.trace(square)) / len(square) + 1e-9
        weights = np.linalg.solve(square + ridge * np.eye(len(square)), weighed.T @ wanted).astype(np.float64)
        errors: Array = np.abs(wanted - table @ weights)
        limit = 3.0 * max(float(np.median(errors)) / 0.6745, 1e-9)
        trust = 1.0 / np.maximum(1.0, errors / limit)
    return weights
