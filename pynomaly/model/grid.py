"""A column cut into fixed bins, and the distance of two counts of them, against the same cells of the week.

Bins of a number column are its quantiles, each kept value a bin of its own between open ones, so that ties
and constants are seen. Bins of a category column are its names, and one for all others. Called by
:mod:`pynomaly.model.baseline` and :mod:`pynomaly.judging.matched`, which thereby use one statistic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.model.counts import CategorySketch
from pynomaly.model.quantiles import NumericSketch
from pynomaly.model.seasons import CELL_ROWS

__all__ = ["Grid", "Statistics", "expected", "statistics"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EDGES = 33
NAMED = 127
# Mean of the square of Kolmogorov's limit: statistics are divided by what independent rows give.
_KOLMOGOROV = math.pi**2 / 12
# Cochran's rule: chi-square needs about 5 expected rows a cell.
_EXPECTED = 5.0


@dataclass(frozen=True)
class Grid:
    """Bins of a column: `edges` of a number column, or `names` of a category column."""

    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    ordered: bool = True

    @classmethod
    def of(cls, sketch: NumericSketch | CategorySketch) -> Grid:
        """33 edges at quantiles, or the 127 most frequent names."""
        if isinstance(sketch, NumericSketch):
            return cls(edges=sketch.pruned(EDGES).values)
        return cls(names=tuple(sketch.counts)[:NAMED], ordered=False)

    @property
    def size(self) -> int:
        """Bins, missing cells left out."""
        return 2 * len(self.edges) + 1 if self.ordered else len(self.names) + 1

    def codes(self, column: pd.Series[Any]) -> Ints:
        """Bin of each cell of `column`, int array of shape (n,); missing cells come last."""
        if self.ordered:
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            known, edges = np.isfinite(values), np.asarray(self.edges)
            at = np.searchsorted(edges, values, "left") + np.searchsorted(edges, values, "right")
            return np.where(known, at, self.size).astype(np.int64)
        codes, names = pd.factorize(column)
        place = {name: at for at, name in enumerate(self.names)}
        mine = np.array(
            [place.get(str(name), len(self.names)) for name in names] + [self.size], dtype=np.int64
        )
        return np.asarray(mine[codes])

    def counts(self, sketch: NumericSketch | CategorySketch) -> Ints:
        """Rows of each bin of a sketched column, int array of shape (size + 1,); missing cells come last."""
        if isinstance(sketch, CategorySketch):
            named = [sketch.counts.get(name, 0) for name in self.names]
            return np.array([*named, sketch.n - sum(named), sketch.missing], dtype=np.int64)
        if not sketch.n:
            return np.array([0] * self.size + [sketch.missing], dtype=np.int64)
        edges = np.asarray(self.edges)
        steps = np.empty(2 * edges.size, dtype=np.int64)
        for at, strict in enumerate((True, False)):
            steps[at::2] = sum(sketch.ranks(edges, strict=strict)) // 2
        found = np.diff(np.maximum.accumulate(steps), prepend=0, append=sketch.n)
        return np.append(found, sketch.missing).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"edges": list(self.edges), "names": list(self.names), "ordered": self.ordered}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Grid:
        """Read what :meth:`to_dict` wrote."""
        edges = tuple(float(edge) for edge in content["edges"])
        return cls(edges, tuple(str(name) for name in content["names"]), bool(content["ordered"]))


@dataclass(frozen=True)
class Statistics:
    """Distance of one window from the reference; statistics are 1 on average when rows are independent.

    Attributes
    ----------
    apart, missing : float
        Squared Kolmogorov distance or chi-square, and squared z of the missing share; NaN without rows.
    effect, missing_effect : float
        Largest difference of distribution functions, or total variation; difference of missing shares.
    noise : float
        What independent rows give the total variation by themselves; 0 for numbers.
    dof : int
        Degrees of freedom of the chi-square; 1 for numbers.
    share : float
        Missing share that the reference leads to expect.
    """

    apart: float
    missing: float
    effect: float
    missing_effect: float
    noise: float
    dof: int
    share: float


def expected(counts: Ints, weights: Ints) -> tuple[Array, float]:
    """Shares of the bins that the reference has in the cells of a window, and how many rows they stand on.

    Parameters
    ----------
    counts : int array of shape (cells, bins)
        Of the reference.
    weights : int array of shape (cells,)
        Rows of the window in each cell. A cell in which the reference has too few rows is replaced by the
        whole reference.
    """
    size = counts.sum(axis=1)
    known = size >= CELL_ROWS
    pooled = counts.sum(axis=0)
    share = weights / max(1, weights.sum())
    left = float(share[~known].sum())
    shares = (share[known] / size[known]) @ counts[known] + left * pooled / max(1, pooled.sum())
    spread = float((share[known] ** 2 / size[known]).sum()) + left**2 / max(1, int(pooled.sum()))
    return shares, 1.0 / spread if spread else 0.0


def statistics(ordered: bool, counts: Ints, window: Ints, weights: Ints) -> Statistics:
    """Hold a window's bins against the reference's in the same cells.

    Parameters
    ----------
    ordered : bool
        Whether the bins are numbers in their order.
    counts : int array of shape (cells, bins + 1)
        Of the reference; missing cells last, here and in `window`.
    window : int array of shape (bins + 1,)
    weights : int array of shape (cells,)
        Rows of the window in each cell.
    """
    shares, stand = expected(counts, weights)
    rows, n = int(window.sum()), int(window[:-1].sum())
    lost, there = float(shares[-1]), float(shares[:-1].sum())
    if not rows or not stand:
        return Statistics(math.nan, math.nan, math.nan, math.nan, 0.0, 1, lost)
    gap = window[-1] / rows - lost
    pooled = (window[-1] + lost * stand) / (rows + stand)
    variance = pooled * (1 - pooled) * (1 / rows + 1 / stand)
    missing = gap * gap / variance if variance > 1e-15 else 0.0
    if not n or there <= 0:
        return Statistics(math.nan, missing, math.nan, abs(gap), 0.0, 1, lost)
    usual, found, m = shares[:-1] / there, window[:-1] / n, stand * there
    if ordered:
        effect = float(np.abs(np.cumsum(found - usual))[:-1].max(initial=0.0))
        square = n * m / (n + m) * effect**2 / _KOLMOGOROV
        return Statistics(square, missing, effect, abs(gap), 0.0, 1, lost)
    usual, found = _pooled(usual, found, n, m)
    both = (found * n + usual * m) / (n + m)
    dof = max(1, both.size - 1)
    chi = float(((found - usual) ** 2 / (both * (1 / n + 1 / m))).sum()) if both.size > 1 else 0.0
    effect = float(np.abs(found - usual).sum() / 2)
    # Mean absolute value of a normal deviation is sqrt(2 / pi) of its standard deviation.
    noise = float(np.sqrt(2 / math.pi * both * np.maximum(1 - both, 0.0) * (1 / n + 1 / m)).sum() / 2)
    return Statistics(chi / dof, missing, effect, abs(gap), noise, dof, lost)


def _pooled(usual: Array, found: Array, n: int, m: float) -> tuple[Array, Array]:
    """Both with rare bins put together until the window may expect 5 rows in each, chosen by both sides."""
    both = (found * n + usual * m) / (n + m)
    order = np.argsort(both, kind="stable")
    order = order[both[order] > 0]
    total = np.cumsum(both[order]) * min(n, m)
    rare = int(np.searchsorted(both[order] * min(n, m), _EXPECTED))
    if rare and total[rare - 1] < _EXPECTED:
        rare = min(rare + 1, order.size)  # what is rare together is rare still
    group = np.maximum(np.arange(order.size) - max(rare - 1, 0), 0)
    sides = (np.bincount(group, side[order]).astype(np.float64) for side in (usual, found))
    return next(sides), next(sides)
