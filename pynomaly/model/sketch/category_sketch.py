"""Counts of one category column in bounded memory: made in one pass and mergeable.

Called by :mod:`pynomaly.model.sketch.sketch`.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["MAX_CATEGORIES", "MERGE_CATEGORIES", "CategorySketch"]

MAX_CATEGORIES = 256
MERGE_CATEGORIES = 4096
"""Categories counted by name in parts that will be merged."""


@dataclass(frozen=True)
class CategorySketch:
    """Counts of one category column.

    Attributes
    ----------
    n, missing : int
        Values that are present, and that are missing.
    counts : mapping of str to int
        Rows of the 256 most frequent categories. Exact unless more than 4096 categories were merged: then the
        rows of parts that did not keep a category are missing from its count.
    hashed : tuple of int
        Empty when `counts` is complete. Otherwise the rows of all categories in 256 buckets by CRC-32, exact
        after any number of merges. Two samples are compared by these buckets, because each sample has its own
        most frequent categories but the buckets do not depend on the sample.
    """

    n: int
    missing: int
    counts: Mapping[str, int]
    hashed: tuple[int, ...] = ()

    @classmethod
    def of(cls, values: pd.Series, most: int = MAX_CATEGORIES) -> CategorySketch:
        """Count `values`, Series of shape (n,), and keep at most `most` names."""
        codes, names = pd.factorize(values)
        sizes = np.bincount(codes[codes >= 0], minlength=len(names))
        counts: Counter[str] = Counter()
        for name, size in zip(names.tolist(), sizes.tolist(), strict=True):
            counts[str(name)] += size
        present = int(sizes.sum())
        return cls._from_counts(present, len(values) - present, counts, (), most)

    @classmethod
    def merge(cls, parts: Sequence[CategorySketch], most: int = MAX_CATEGORIES) -> CategorySketch:
        """Return one sketch of all rows of `parts`; their order does not matter."""
        counts: Counter[str] = Counter()
        for part in parts:
            counts.update(part.counts)
        bucket_sums: tuple[int, ...] = ()
        if any(part.hashed for part in parts):
            bucket_sums = tuple(np.sum([part.buckets() for part in parts], axis=0).tolist())
        n, missing = sum(part.n for part in parts), sum(part.missing for part in parts)
        return cls._from_counts(n, missing, counts, bucket_sums, most)

    @classmethod
    def _from_counts(
        cls, n: int, missing: int, counted: Mapping[str, int], hashed: tuple[int, ...], most: int
    ) -> CategorySketch:
        ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        if len(ranked) > most:
            hashed = hashed or _count_buckets(counted)
        return cls(n, missing, dict(ranked[:most]), hashed)

    def prune(self, most: int = MAX_CATEGORIES) -> CategorySketch:
        """Return the sketch with at most `most` names."""
        return self._from_counts(self.n, self.missing, self.counts, self.hashed, most)

    def buckets(self) -> tuple[int, ...]:
        """Return the rows of all categories in 256 buckets, the same buckets for every sample."""
        return self.hashed or _count_buckets(self.counts)

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


def _count_buckets(counts: Mapping[str, int]) -> tuple[int, ...]:
    buckets = [0] * MAX_CATEGORIES
    for name, count in counts.items():
        buckets[zlib.crc32(name.encode("utf-8", "surrogatepass")) % MAX_CATEGORIES] += count
    return tuple(buckets)
