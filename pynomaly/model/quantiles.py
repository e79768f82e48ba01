"""Distribution of one number column in bounded memory: made in one pass, and merged with a stated error.

The values kept are quantiles of the data with their ranks. A sketch of one part has exact ranks; a merged one
says by how many rows its ranks can be off. Values are in the column's own unit. Called by
:mod:`pynomaly.model.sketch`.

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

__all__ = ["FINE", "POINTS", "NumericSketch"]

POINTS = 257
FINE = 1025
"""Values kept while parts are still being merged."""

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NumericSketch:
    """Distribution of one number column.

    Exact when the column has at most 257 different values. Otherwise the values kept are 257 quantiles of
    the data, and between two of them at most 1/256 of the rows (ties aside, which are kept) is unresolved.

    Attributes
    ----------
    n : int
        Finite values.
    missing : int
        Values that are missing or infinite.
    mean, std : float
        Of the finite values; NaN without any.
    values : tuple of float
        Kept values, strictly increasing, the smallest and the largest among them.
    below, through : tuple of int
        For each kept value, how many rows are less than it, and how many are at most it.
    error : int
        Rows by which `below` and `through` can be off; 0 unless sketches that left values out were merged.
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
    def of(cls, values: npt.ArrayLike, points: int = POINTS) -> NumericSketch:
        """Sketch `values`, array of shape (n,), by at most `points` kept values."""
        given = np.asarray(values, dtype=np.float64)
        finite = given[np.isfinite(given)]
        finite += 0.0  # -0.0 and 0.0 are one value
        finite.sort()
        if not finite.size:
            return cls(0, int(given.size), math.nan, math.nan, (), (), ())
        ends = np.append(np.flatnonzero(finite[1:] != finite[:-1]), finite.size - 1)
        if ends.size > points:
            at = np.round(np.linspace(0, finite.size - 1, points)).astype(np.int64)
            ends = np.unique(ends[np.searchsorted(ends, at)])
        kept = finite[ends]
        with np.errstate(over="ignore", invalid="ignore"):  # 1e308 is a finite value; its square is not
            mean, std = float(finite.mean()), float(finite.std())
        return cls(
            n=int(finite.size),
            missing=int(given.size - finite.size),
            mean=mean,
            std=std,
            values=tuple(kept.tolist()),
            below=tuple(np.searchsorted(finite, kept, side="left").tolist()),
            through=tuple((ends + 1).tolist()),
        )

    @classmethod
    def merged(cls, parts: Sequence[NumericSketch], points: int = POINTS) -> NumericSketch:
        """One sketch of all rows of `parts`, whatever their order.

        The ranks of a part's values among another part's rows lie between bounds; the middle is taken and
        half the width, summed over the parts, is the `error`: at most n / 512 rows for parts of 257 values
        that are exact themselves, and 0 for parts that left no value out.
        """
        missing = sum(part.missing for part in parts)
        held = [part for part in parts if part.n]
        if not held:
            return cls(0, missing, math.nan, math.nan, (), (), ())
        if len(held) == 1:
            return replace(held[0], missing=missing).pruned(points)
        union = np.unique(np.concatenate([np.asarray(part.values) for part in held]))
        below, through = np.zeros(union.size, dtype=np.int64), np.zeros(union.size, dtype=np.int64)
        width = np.zeros((2, union.size), dtype=np.int64)
        for part in held:
            for at, (ranks, strict) in enumerate(((below, True), (through, False))):
                low, high = part.ranks(union, strict=strict)
                ranks += (low + high) // 2
                width[at] += (high - low + 1) // 2
        n = sum(part.n for part in held)
        with np.errstate(over="ignore", invalid="ignore"):
            weights = np.array([part.n for part in held], dtype=np.float64) / n
            means = np.array([part.mean for part in held])
            mean = float(weights @ means)
            spread = np.array([part.std for part in held]) ** 2 + (means - mean) ** 2
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
        ).pruned(points)

    def pruned(self, points: int = POINTS) -> NumericSketch:
        """The same with at most `points` kept values; ranks of those that stay do not change."""
        if len(self.values) <= points:
            return self
        wanted = np.linspace(1, self.n, points)
        at = np.minimum(np.searchsorted(np.asarray(self.through), wanted), len(self.values) - 1)
        at = np.unique(at)  # both ends are among them: their ranks are exact
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
        """Smallest and largest number of rows that can be at most (`strict`: less than) each point.

        Parameters
        ----------
        points : array of shape (m,)
        strict : bool
            Whether rows equal to the point are left out.

        Returns
        -------
        tuple of two int arrays of shape (m,)
            Equal at every kept value and outside the range, unless the sketch has an `error`.
        """
        if not self.n:
            return np.zeros(len(points), dtype=np.int64), np.zeros(len(points), dtype=np.int64)
        kept, below, through = self._arrays
        after = np.searchsorted(kept, points, side="right")
        before = np.searchsorted(kept, points, side="left")
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
        """As :meth:`ranks`, as shares of the rows."""
        low, high = self.ranks(points, strict=strict)
        return low / self.n, high / self.n

    def quantile(self, q: float) -> float:
        """Smallest kept value with at least the share `q` of rows at or below it; NaN without rows."""
        if not self.n:
            return math.nan
        at = int(np.searchsorted(np.asarray(self.through), q * self.n, side="left"))
        return self.values[min(at, len(self.values) - 1)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; JSON brings back the same floats."""
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
        """Read what :meth:`to_dict` wrote, now or before sketches could be merged."""
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
