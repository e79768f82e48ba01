"""Distribution of one number column in bounded memory: made in one pass, mergeable with a known error.

The kept values are quantiles of the data with their ranks. A sketch of one part has exact ranks; a merged
sketch states by how many rows its ranks can be off. Values are in the column's own unit. Called by
:mod:`pynomaly.model.sketch.sketch`.

References
----------
Agarwal, Cormode, Huang, Phillips, Wei, Yi: Mergeable summaries, PODS 2012 (rank bounds add in a merge).
Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_POINTS", "MERGE_POINTS", "NumericSketch"]

MAX_POINTS = 257
MERGE_POINTS = 1025
"""Values kept in parts that will be merged."""

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NumericSketch:
    """Distribution of one number column.

    Exact if the column has at most 257 different values. Otherwise 257 quantiles are kept. Between two of
    them lie at most 1/256 of the rows, apart from ties, which are kept values.

    Attributes
    ----------
    n : int
        Number of finite values.
    missing : int
        Number of missing or infinite values.
    mean, std : float
        Mean and standard deviation of the finite values; NaN without any.
    values : tuple of float
        Kept values, strictly increasing, the smallest and the largest among them.
    below, through : tuple of int
        For each kept value, the number of rows below it, and of rows at or below it.
    error : int
        Rows by which `below` and `through` can be off; above 0 only after merging inexact sketches.
    """

    n: int
    missing: int
    mean: float
    std: float
    values: tuple[float, ...]
    below: tuple[int, ...]
    through: tuple[int, ...]
    error: int = 0

    @classmethod
    def of(cls, values: npt.ArrayLike, points: int = MAX_POINTS) -> NumericSketch:
        """Sketch `values`, array of shape (n,), with at most `points` kept values."""
        cells = np.asarray(values, dtype=np.float64)
        finite = cells[np.isfinite(cells)]
        finite += 0.0  # -0.0 and 0.0 are one value
        finite.sort()
        if not finite.size:
            return cls(0, int(cells.size), math.nan, math.nan, (), (), ())
        ends = np.append(np.flatnonzero(finite[1:] != finite[:-1]), finite.size - 1)
        if ends.size > points:
            at = np.round(np.linspace(0, finite.size - 1, points)).astype(np.int64)
            ends = np.unique(ends[np.searchsorted(ends, at)])
        points_kept = finite[ends]
        with np.errstate(over="ignore", invalid="ignore"):  # 1e308 is a finite value; its square is not
            mean, std = float(finite.mean()), float(finite.std())
        return cls(
            n=int(finite.size),
            missing=int(cells.size - finite.size),
            mean=mean,
            std=std,
            values=tuple(points_kept.tolist()),
            below=tuple(np.searchsorted(finite, points_kept, side="left").tolist()),
            through=tuple((ends + 1).tolist()),
        )

    @classmethod
    def merge(cls, parts: Sequence[NumericSketch], points: int = MAX_POINTS) -> NumericSketch:
        """Return one sketch of all rows of `parts`; their order does not matter.

        The rank of a value among the rows of another part is known only between bounds. The middle is used,
        and half the width, summed over the parts, is the `error`: at most n / 512 rows for parts with 257
        kept values and exact ranks, and 0 for parts that kept every value.
        """
        missing = sum(part.missing for part in parts)
        nonempty = [part for part in parts if part.n]
        if not nonempty:
            return cls(0, missing, math.nan, math.nan, (), (), ())
        if len(nonempty) == 1:
            return replace(nonempty[0], missing=missing).prune(points)
        union = np.unique(np.concatenate([np.asarray(part.values) for part in nonempty]))
        below, through = np.zeros(union.size, dtype=np.int64), np.zeros(union.size, dtype=np.int64)
        width = np.zeros((2, union.size), dtype=np.int64)
        for part in nonempty:
            for at, (ranks, strict) in enumerate(((below, True), (through, False))):
                low, high = part.ranks(union, strict=strict)
                ranks += (low + high) // 2
                width[at] += (high - low + 1) // 2
        n = sum(part.n for part in nonempty)
        with np.errstate(over="ignore", invalid="ignore"):
            weights = np.array([part.n for part in nonempty], dtype=np.float64) / n
            means = np.array([part.mean for part in nonempty])
            mean = float(weights @ means)
            spread = np.array([part.std for part in nonempty]) ** 2 + (means - mean) ** 2
            std = float(np.sqrt(weights @ spread))
        through = np.maximum(np.maximum(through, below), 0)
        return cls(
            n,
            missing,
            mean,
            std,
            tuple(union.tolist()),
            tuple(below.tolist()),
            tuple(through.tolist()),
            int(width.max()),
        ).prune(points)

    def prune(self, points: int = MAX_POINTS) -> NumericSketch:
        """Return the sketch with at most `points` kept values; the ranks of these do not change."""
        if len(self.values) <= points:
            return self
        target_ranks = np.linspace(1, self.n, points)
        at = np.minimum(np.searchsorted(np.asarray(self.through), target_ranks), len(self.values) - 1)
        at = np.unique(at)  # includes both ends, whose ranks are exact
        return replace(
            self,
            values=tuple(np.asarray(self.values)[at].tolist()),
            below=tuple(np.asarray(self.below)[at].tolist()),
            through=tuple(np.asarray(self.through)[at].tolist()),
        )

    @cached_property
    def _arrays(self) -> tuple[Array, Ints, Ints]:
        return np.asarray(self.values), np.asarray(self.below), np.asarray(self.through)

    def ranks(self, points: Array, *, strict: bool = False) -> tuple[Ints, Ints]:
        """Return the smallest and largest possible number of rows at or below each point.

        Parameters
        ----------
        points : array of shape (m,)
        strict : bool
            Whether to count only the rows below the point.

        Returns
        -------
        tuple of two int arrays of shape (m,)
            Both are equal at kept values and outside the range, unless the sketch has an `error`.
        """
        if not self.n:
            return np.zeros(len(points), dtype=np.int64), np.zeros(len(points), dtype=np.int64)
        values, below, through = self._arrays
        after = np.searchsorted(values, points, side="right")
        before = np.searchsorted(values, points, side="left")
        hit = after > before
        low = np.concatenate([[0], through])[before]
        high = np.concatenate([below, [self.n]])[before]
        if strict:
            low = np.where(hit, high, low)
        else:
            exact = np.concatenate([[0], through])[after]
            low, high = np.where(hit, exact, low), np.where(hit, exact, high)
        if self.error:
            inside = (low < self.n) & (high > 0)
            low = np.where(inside, np.maximum(low - self.error, 0), low)
            high = np.where(inside, np.minimum(high + self.error, self.n), high)
        return low.astype(np.int64), high.astype(np.int64)

    def bounds(self, points: Array, *, strict: bool = False) -> tuple[Array, Array]:
        """Return :meth:`ranks` as shares of the rows."""
        low, high = self.ranks(points, strict=strict)
        return low / self.n, high / self.n

    def quantile(self, q: float) -> float:
        """Return the smallest kept value with at least a share `q` of rows at most it; NaN without rows."""
        if not self.n:
            return math.nan
        at = int(np.searchsorted(np.asarray(self.through), q * self.n, side="left"))
        return self.values[min(at, len(self.values) - 1)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; floats are restored exactly from JSON."""
        content = {
            "n": self.n,
            "missing": self.missing,
            "mean": self.mean if math.isfinite(self.mean) else None,
            "std": self.std if math.isfinite(self.std) else None,
            "values": list(self.values),
            "below": list(self.below),
            "through": list(self.through),
        }
        return content | ({"error": self.error} if self.error else {})

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> NumericSketch:
        """Read what :meth:`to_dict` wrote, also in versions before sketches could be merged."""
        return cls(
            n=int(content["n"]),
            missing=int(content["missing"]),
            mean=math.nan if content["mean"] is None else float(content["mean"]),
            std=math.nan if content["std"] is None else float(content["std"]),
            values=tuple(float(value) for value in content["values"]),
            below=tuple(int(value) for value in content["below"]),
            through=tuple(int(value) for value in content["through"]),
            error=int(content.get("error", 0)),
        )
