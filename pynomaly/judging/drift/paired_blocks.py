"""Compare two versions on the same rows, block by block, so that rows of one event are no proof by number.

Both versions judge the same rows by the same rule. What counts is how a block of dependent rows differs
between them, not a row; blocks come from the dependence that was measured when the versions were trained.
Sums over blocks are carried from window to window, so what is too little in one may be enough in three.

Pure; called by :mod:`pynomaly.steps.promotion.bake` and :mod:`pynomaly.judging.drift.bake_verdict`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FEWEST_BLOCKS", "PairedBlocks"]

Floats = NDArray[np.float64]

FEWEST_BLOCKS = 3.0
"""Fewer independent blocks than this show no difference between versions: their spread is unknown."""

MAX_PIECES = 24
"""Neighbouring blocks of a window are joined to at most this many, so that each has rows enough."""


@dataclass(frozen=True)
class PairedBlocks:
    """Sums over the pieces of one or more windows; a piece is a block, or the part of it in a window.

    Attributes
    ----------
    rows, new_alerts, old_alerts : int
    new_squares, old_squares, products : float
        Sums over pieces: squared alerts of the new version, of the old one, and their products.
    distance, distance_squares : float
        Sums over pieces of how much further the new version's p-values are from uniform (Kolmogorov-Smirnov,
        -1 to 1), and of its square.
    pieces : int
    blocks : float
        How many independent blocks the pieces are worth; a piece of a longer block is a part of one.
    """

    rows: int = 0
    new_alerts: int = 0
    old_alerts: int = 0
    new_squares: float = 0.0
    old_squares: float = 0.0
    products: float = 0.0
    distance: float = 0.0
    distance_squares: float = 0.0
    pieces: int = 0
    blocks: float = 0.0

    @classmethod
    def sum_window(
        cls,
        new: tuple[ArrayLike, ArrayLike],
        old: tuple[ArrayLike, ArrayLike],
        blocks: ArrayLike,
        share: float,
    ) -> PairedBlocks:
        """Sum one window.

        Parameters
        ----------
        new, old : pair of arrays of shape (n,)
            Alerts (bool) and p-values of the same rows under each version.
        blocks : int array of shape (n,)
            Block of each row, numbered in order of time.
        share : float
            How much of a whole block the rows of a block of this window are, 0 to 1.

        Notes
        -----
        A window shorter than a block holds a part of one, and counts as that part.
        """
        number = np.asarray(blocks, dtype=np.int64)
        count = int(number.max()) + 1
        pieces = min(count, MAX_PIECES)
        piece = number * pieces // count
        alerts = [np.bincount(piece, np.asarray(flags, dtype=np.float64), pieces) for flags, _ in (new, old)]
        further = _measure_distances(new[1], piece, pieces) - _measure_distances(old[1], piece, pieces)
        return cls(
            rows=len(number),
            new_alerts=int(alerts[0].sum()),
            old_alerts=int(alerts[1].sum()),
            new_squares=float((alerts[0] ** 2).sum()),
            old_squares=float((alerts[1] ** 2).sum()),
            products=float((alerts[0] * alerts[1]).sum()),
            distance=float(further.sum()),
            distance_squares=float((further**2).sum()),
            pieces=pieces,
            blocks=pieces * min(1.0, max(0.0, share)),
        )

    def __add__(self, other: PairedBlocks) -> PairedBlocks:
        """Return the sums over the windows of both."""
        names = [field.name for field in fields(self)]
        return PairedBlocks(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def can_tell(self) -> bool:
        """Whether there are blocks enough to tell versions apart."""
        return self.blocks >= FEWEST_BLOCKS

    def count_allowed_alerts(self, factor: float, expected: float, highest: float) -> float:
        """Return how many alerts of the new version are not clearly too many.

        Parameters
        ----------
        factor : float
            How many times as many as under the old version, or as expected, is clearly more.
        expected, highest : float
            Share of rows that the new version promised to alert in normal operation, and its upper bound.
        """
        return max(factor * self.old_alerts, factor * expected * self.rows, highest * self.rows)

    def test_alerts(self, factor: float, expected: float, highest: float) -> float:
        """Return the p-value that the new version alerts no more than allowed; NaN with too few blocks.

        Student's t over blocks of the alerts beyond `factor` times the old ones, and at least the spread of
        counts. Alerts in bursts are skewed to the right, which makes a one-sided t to the right cautious.
        """
        if not self.can_tell:
            return math.nan
        beyond = self.new_alerts - factor * self.old_alerts
        squares = self.new_squares - 2 * factor * self.products + factor**2 * self.old_squares
        excess = self.new_alerts - self.count_allowed_alerts(factor, expected, highest)
        return self._find_tail(excess, beyond, squares, self.new_alerts + factor**2 * self.old_alerts)

    def test_distances(self, margin: float) -> float:
        """Return the p-value that p-values of the new version are at most `margin` further from uniform."""
        if not self.can_tell:
            return math.nan
        excess = self.distance - margin * self.pieces
        return self._find_tail(excess, self.distance, self.distance_squares, 0.0)

    def _find_tail(self, excess: float, total: float, squares: float, least: float) -> float:
        """Return the upper tail of `excess`, a sum over pieces whose spread is that of `total`."""
        from scipy.special import ndtr, stdtr

        if excess <= 0:
            return 1.0
        inflation = self.pieces / self.blocks  # pieces of one block vary together
        spread = max(0.0, squares - total**2 / self.pieces) * self.pieces / (self.pieces - 1)
        by_blocks = float(stdtr(self.blocks - 1, -excess / math.sqrt(spread * inflation))) if spread else 0.0
        by_counts = float(ndtr(-excess / math.sqrt(least * inflation))) if least else 0.0
        return max(by_blocks, by_counts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PairedBlocks:
        """Read what `to_dict` wrote; a record without sums is nothing seen."""
        return cls(**{field.name: content[field.name] for field in fields(cls) if field.name in content})


def _measure_distances(p_values: ArrayLike, piece: NDArray[np.int64], pieces: int) -> Floats:
    """Return the largest distance of the p-values of each piece from uniform ones; shape (pieces,)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.lexsort((p, piece))
    own, count = piece[order], np.bincount(piece, minlength=pieces)
    first = np.cumsum(count) - count
    rank = np.arange(len(p)) - first[own]
    reach = np.maximum((rank + 1) / count[own] - p[order], p[order] - rank / count[own])
    distances = np.zeros(pieces)
    np.maximum.at(distances, own, reach)
    return distances
