"""The reference in small: what a model was fitted on, kept so that drift needs no old rows.

A sketch holds, for each number column, the exact distribution function at 257 or fewer values; for each
category column, its counts; and the same for the scores. A few kilobytes a column, whatever the rows.
Made when a bundle is fitted and for every monitored window; read by :mod:`pynomaly.judging.drift`.
Values are in the column's own unit.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["CategorySketch", "NumericSketch", "Sketch"]

POINTS = 257
CATEGORIES = 256

Array = npt.NDArray[np.float64]


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
    """

    n: int
    missing: int
    mean: float
    std: float
    values: tuple[float, ...]
    below: tuple[int, ...]
    through: tuple[int, ...]

    @classmethod
    def of(cls, values: npt.ArrayLike) -> NumericSketch:
        """Sketch `values`, array of shape (n,)."""
        given = np.asarray(values, dtype=np.float64)
        finite = np.sort(given[np.isfinite(given)]) + 0.0  # -0.0 and 0.0 are one value
        if not finite.size:
            return cls(0, int(given.size), math.nan, math.nan, (), (), ())
        kept = np.unique(finite)
        if kept.size > POINTS:
            at = np.round(np.linspace(0, finite.size - 1, POINTS)).astype(np.int64)
            kept = np.unique(finite[at])
        with np.errstate(over="ignore", invalid="ignore"):  # 1e308 is a finite value; its square is not
            mean, std = float(finite.mean()), float(finite.std())
        return cls(
            n=int(finite.size),
            missing=int(given.size - finite.size),
            mean=mean,
            std=std,
            values=tuple(kept.tolist()),
            below=tuple(np.searchsorted(finite, kept, side="left").tolist()),
            through=tuple(np.searchsorted(finite, kept, side="right").tolist()),
        )

    def bounds(self, points: Array, *, strict: bool = False) -> tuple[Array, Array]:
        """Smallest and largest share of rows that can be at most (`strict`: less than) each point.

        Parameters
        ----------
        points : array of shape (m,)
        strict : bool
            Whether rows equal to the point are left out.

        Returns
        -------
        tuple of two arrays of shape (m,)
            Equal at every kept value and outside the range.
        """
        kept = np.asarray(self.values)
        below, through = np.asarray(self.below), np.asarray(self.through)
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
        return low / self.n, high / self.n

    def quantile(self, q: float) -> float:
        """Smallest kept value with at least the share `q` of rows at or below it; NaN without rows."""
        if not self.n:
            return math.nan
        at = int(np.searchsorted(np.asarray(self.through), q * self.n, side="left"))
        return self.values[min(at, len(self.values) - 1)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; JSON brings back the same floats."""
        return {
            "n": self.n,
            "missing": self.missing,
            "mean": self.mean if math.isfinite(self.mean) else None,
            "std": self.std if math.isfinite(self.std) else None,
            "values": list(self.values),
            "below": list(self.below),
            "through": list(self.through),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> NumericSketch:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            n=int(content["n"]),
            missing=int(content["missing"]),
            mean=math.nan if content["mean"] is None else float(content["mean"]),
            std=math.nan if content["std"] is None else float(content["std"]),
            values=tuple(float(value) for value in content["values"]),
            below=tuple(int(value) for value in content["below"]),
            through=tuple(int(value) for value in content["through"]),
        )


@dataclass(frozen=True)
class CategorySketch:
    """Counts of one category column.

    Attributes
    ----------
    n, missing : int
        Values that are present, and that are missing.
    counts : mapping of str to int
        The 256 most frequent categories.
    hashed : tuple of int
        Empty when `counts` is complete. Otherwise the rows of all categories in 256 buckets by CRC-32: a
        sample's own most frequent categories are no fair thing to compare, buckets that no sample chose are.
    """

    n: int
    missing: int
    counts: Mapping[str, int]
    hashed: tuple[int, ...] = ()

    @classmethod
    def of(cls, values: pd.Series) -> CategorySketch:
        """Sketch `values`, Series of shape (n,)."""
        present = values[values.notna()].astype(str)
        counted = present.value_counts()
        ranked = sorted(
            ((str(name), int(count)) for name, count in counted.items()), key=lambda x: (-x[1], x[0])
        )
        hashed = _hashed(dict(ranked)) if len(ranked) > CATEGORIES else ()
        return cls(len(present), len(values) - len(present), dict(ranked[:CATEGORIES]), hashed)

    def buckets(self) -> tuple[int, ...]:
        """Rows of all categories in 256 buckets, the same buckets for every sample."""
        return self.hashed or _hashed(self.counts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        counts, hashed = dict(self.counts), list(self.hashed)
        return {"n": self.n, "missing": self.missing, "counts": counts, "hashed": hashed}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CategorySketch:
        """Read what :meth:`to_dict` wrote."""
        counts = {str(name): int(count) for name, count in content["counts"].items()}
        hashed = tuple(int(count) for count in content["hashed"])
        return cls(int(content["n"]), int(content["missing"]), counts, hashed)


def _hashed(counts: Mapping[str, int]) -> tuple[int, ...]:
    buckets = [0] * CATEGORIES
    for name, count in counts.items():
        buckets[zlib.crc32(name.encode("utf-8", "surrogatepass")) % CATEGORIES] += count
    return tuple(buckets)


@dataclass(frozen=True)
class Sketch:
    """A frame, and the scores of its rows, in small.

    Attributes
    ----------
    rows : int
    numeric : mapping of str to NumericSketch
    categorical : mapping of str to CategorySketch
    score : NumericSketch or None
    """

    rows: int
    numeric: Mapping[str, NumericSketch]
    categorical: Mapping[str, CategorySketch]
    score: NumericSketch | None = None

    @classmethod
    def of(cls, frame: pd.DataFrame, scores: npt.ArrayLike | None = None) -> Sketch:
        """Sketch a conformed frame.

        Parameters
        ----------
        frame : DataFrame of shape (n, d)
            As :meth:`FrameContract.conform` returns it: numbers are numeric, all else is a category.
        scores : array of shape (n,), optional
            Scores of the same rows.
        """
        numeric, categorical = {}, {}
        for name in frame.columns:
            if pd.api.types.is_numeric_dtype(frame[name].dtype):
                numeric[str(name)] = NumericSketch.of(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
            else:
                categorical[str(name)] = CategorySketch.of(frame[name])
        return cls(len(frame), numeric, categorical, None if scores is None else NumericSketch.of(scores))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; about 6 kB of JSON a number column."""
        return {
            "rows": self.rows,
            "numeric": {name: column.to_dict() for name, column in self.numeric.items()},
            "categorical": {name: column.to_dict() for name, column in self.categorical.items()},
            "score": self.score.to_dict() if self.score else None,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Sketch:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            rows=int(content["rows"]),
            numeric={name: NumericSketch.from_dict(item) for name, item in content["numeric"].items()},
            categorical={
                name: CategorySketch.from_dict(item) for name, item in content["categorical"].items()
            },
            score=NumericSketch.from_dict(content["score"]) if content["score"] else None,
        )
