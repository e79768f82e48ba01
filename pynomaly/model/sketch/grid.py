"""Bins of a column, and the distance of a window's counts from the reference's in the same week cells.

A number column has quantiles as edges. Each edge is a bin of its own, with open bins between the edges, so
that ties and constants are visible. A category column has one bin for each name and one for all other names.
Called by :mod:`pynomaly.model.sketch.baseline` and :mod:`pynomaly.judging.drift.columns.seasonal_tests`, so
that both use the same statistic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.model.sketch.category_sketch import CategorySketch
from pynomaly.model.sketch.quantiles import NumericSketch
from pynomaly.model.sketch.seasons import MIN_CELL_ROWS

__all__ = ["BinGrid", "WindowDistance", "compare_bins", "expected_bin_shares", "stretch_distance"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_EDGES = 33
MAX_NAMES = 127
# Mean of the squared Kolmogorov limit; the statistic is divided by it, so independent rows give 1.
_KOLMOGOROV_MEAN_SQUARE = math.pi**2 / 12
# Cochran's rule: chi-square needs about 5 expected rows a cell.
_MIN_EXPECTED_ROWS = 5.0


@dataclass(frozen=True)
class BinGrid:
    """Bins of a column: `edges` of a number column, or `names` of a category column."""

    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    ordered: bool = True

    @classmethod
    def of(cls, sketch: NumericSketch | CategorySketch) -> BinGrid:
        """Build bins from a sketch: at most 33 edges at quantiles, or the 127 most frequent names."""
        if isinstance(sketch, NumericSketch):
            return cls(edges=sketch.prune(MAX_EDGES).values)
        return cls(names=tuple(sketch.counts)[:MAX_NAMES], ordered=False)

    @property
    def size(self) -> int:
        """Number of bins, without the one for missing cells."""
        return 2 * len(self.edges) + 1 if self.ordered else len(self.names) + 1

    def codes(self, column: pd.Series[Any]) -> Ints:
        """Return the bin of each cell of `column`, int array of shape (n,); missing cells are in the last."""
        if self.ordered:
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            finite, edges = np.isfinite(values), np.asarray(self.edges)
            at = np.searchsorted(edges, values, "left") + np.searchsorted(edges, values, "right")
            return np.where(finite, at, self.size).astype(np.int64)
        codes, names = pd.factorize(column)
        place = {name: at for at, name in enumerate(self.names)}
        bin_of_code = np.array(
            [place.get(str(name), len(self.names)) for name in names] + [self.size], dtype=np.int64
        )
        return np.asarray(bin_of_code[codes])

    def counts(self, sketch: NumericSketch | CategorySketch) -> Ints:
        """Return the rows in each bin of a sketch, int array of shape (size + 1,); missing cells are last."""
        if isinstance(sketch, CategorySketch):
            name_counts = [sketch.counts.get(name, 0) for name in self.names]
            return np.array([*name_counts, sketch.n - sum(name_counts), sketch.missing], dtype=np.int64)
        if not sketch.n:
            return np.array([0] * self.size + [sketch.missing], dtype=np.int64)
        edges = np.asarray(self.edges)
        steps = np.empty(2 * edges.size, dtype=np.int64)
        for at, strict in enumerate((True, False)):
            steps[at::2] = sum(sketch.ranks(edges, strict=strict)) // 2
        rows_per_bin = np.diff(np.maximum.accumulate(steps), prepend=0, append=sketch.n)
        return np.append(rows_per_bin, sketch.missing).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"edges": list(self.edges), "names": list(self.names), "ordered": self.ordered}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> BinGrid:
        """Read what :meth:`to_dict` wrote."""
        edges = tuple(float(edge) for edge in content["edges"])
        return cls(edges, tuple(str(name) for name in content["names"]), bool(content["ordered"]))


@dataclass(frozen=True)
class WindowDistance:
    """Distance of one window from the reference.

    `apart` and `missing` are 1 on average when rows are independent.

    Attributes
    ----------
    apart, missing : float
        Squared stretched distance (:func:`stretch_distance`) or chi-square, and squared z of the missing
        share; NaN without rows.
    effect, missing_effect : float
        Largest difference of distribution functions, or total variation; difference of missing shares.
    noise : float
        Mean total variation of independent rows without any drift; 0 for numbers.
    dof : int
        Degrees of freedom of the chi-square; 1 for numbers.
    share : float
        Missing share expected from the reference.
    level : float
        Mean rank of the window's values among those expected, from -1/2 to 1/2; NaN without values.
        Categories are in the order of their bins.
    """

    apart: float
    missing: float
    effect: float
    missing_effect: float
    noise: float
    dof: int
    share: float
    level: float = math.nan


def stretch_distance(distance: float, rows: float) -> float:
    """Return a Kolmogorov distance in units that do not end at 1.

    A shift of d deviations of normal values lies 2 Phi(d / 2) - 1 apart, which hardly grows beyond four
    deviations: far and very far would be alike, and no window could lie beyond those of a slow series. The
    stretched distance is proportional to d, equals the distance where it is small, and ends where `rows`, of
    the smaller side, show no more.
    """
    from scipy.special import ndtri

    largest = 1 - 0.5 / max(1.0, rows)
    return 2 * float(ndtri((1 + min(distance, largest)) / 2)) / math.sqrt(2 * math.pi)


def expected_bin_shares(counts: Ints, weights: Ints) -> tuple[Array, float]:
    """Return the reference's bin shares in the cells of a window, and the effective rows behind them.

    Parameters
    ----------
    counts : int array of shape (cells, bins)
        Rows of the reference.
    weights : int array of shape (cells,)
        Rows of the window in each cell. Where the reference has too few rows in a cell, the whole reference
        is used instead.
    """
    size = counts.sum(axis=1)
    enough = size >= MIN_CELL_ROWS
    pooled = counts.sum(axis=0)
    share = weights / max(1, weights.sum())
    replaced_share = float(share[~enough].sum())
    shares = (share[enough] / size[enough]) @ counts[enough] + replaced_share * pooled / max(1, pooled.sum())
    spread = float((share[enough] ** 2 / size[enough]).sum()) + replaced_share**2 / max(1, int(pooled.sum()))
    return shares, 1.0 / spread if spread else 0.0


def compare_bins(ordered: bool, counts: Ints, window: Ints, weights: Ints) -> WindowDistance:
    """Compare the bins of a window with those of the reference in the same cells.

    Parameters
    ----------
    ordered : bool
        Whether the bins belong to a number column and so have an order.
    counts : int array of shape (cells, bins + 1)
        Rows of the reference; the last bin counts missing cells, here and in `window`.
    window : int array of shape (bins + 1,)
    weights : int array of shape (cells,)
        Rows of the window in each cell.
    """
    shares, reference_rows = expected_bin_shares(counts, weights)
    rows, n = int(window.sum()), int(window[:-1].sum())
    missing_share, present_share = float(shares[-1]), float(shares[:-1].sum())
    if not rows or not reference_rows:
        return WindowDistance(math.nan, math.nan, math.nan, math.nan, 0.0, 1, missing_share)
    gap = window[-1] / rows - missing_share
    pooled = (window[-1] + missing_share * reference_rows) / (rows + reference_rows)
    variance = pooled * (1 - pooled) * (1 / rows + 1 / reference_rows)
    missing = gap * gap / variance if variance > 1e-15 else 0.0
    if not n or present_share <= 0:
        return WindowDistance(math.nan, missing, math.nan, abs(gap), 0.0, 1, missing_share)
    expected_bins, observed_bins = shares[:-1] / present_share, window[:-1] / n
    reference_n = reference_rows * present_share
    level = float(observed_bins @ (np.cumsum(expected_bins) - expected_bins / 2)) - 0.5
    if ordered:
        effect = float(np.abs(np.cumsum(observed_bins - expected_bins))[:-1].max(initial=0.0))
        stretched = stretch_distance(effect, min(n, reference_n))
        square = n * reference_n / (n + reference_n) * stretched**2 / _KOLMOGOROV_MEAN_SQUARE
        return WindowDistance(square, missing, effect, abs(gap), 0.0, 1, missing_share, level)
    expected_bins, observed_bins = _pool_rare_bins(expected_bins, observed_bins, n, reference_n)
    pooled_bins = (observed_bins * n + expected_bins * reference_n) / (n + reference_n)
    dof = max(1, pooled_bins.size - 1)
    chi_square = (
        float(((observed_bins - expected_bins) ** 2 / (pooled_bins * (1 / n + 1 / reference_n))).sum())
        if pooled_bins.size > 1
        else 0.0
    )
    effect = float(np.abs(observed_bins - expected_bins).sum() / 2)
    # The mean absolute value of a normal deviation is sqrt(2 / pi) times its standard deviation.
    noise = float(
        np.sqrt(
            2 / math.pi * pooled_bins * np.maximum(1 - pooled_bins, 0.0) * (1 / n + 1 / reference_n)
        ).sum()
        / 2
    )
    return WindowDistance(chi_square / dof, missing, effect, abs(gap), noise, dof, missing_share, level)


def _pool_rare_bins(reference: Array, observed: Array, n: int, reference_n: float) -> tuple[Array, Array]:
    """Merge rare bins of both sides until at least 5 rows are expected in each merged bin."""
    pooled = (observed * n + reference * reference_n) / (n + reference_n)
    order = np.argsort(pooled, kind="stable")
    order = order[pooled[order] > 0]
    total = np.cumsum(pooled[order]) * min(n, reference_n)
    rare = int(np.searchsorted(pooled[order] * min(n, reference_n), _MIN_EXPECTED_ROWS))
    if rare and total[rare - 1] < _MIN_EXPECTED_ROWS:
        rare = min(rare + 1, order.size)  # the rare bins together are still rare
    group = np.maximum(np.arange(order.size) - max(rare - 1, 0), 0)
    sides = (np.bincount(group, side[order]).astype(np.float64) for side in (reference, observed))
    return next(sides), next(sides)
