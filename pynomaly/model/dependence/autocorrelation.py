"""How long rows of a series depend on each other: autocorrelation of ranked values, by entity.

Values are turned into normal scores of their ranks, so that heavy tails of a score do not hide the rest, and
centred by entity, so that levels of entities are no dependence in time. Sums over pairs of rows are pooled
over entities. Pure; called by :mod:`pynomaly.model.dependence.measure`.

References
----------
Geyer (1992), Practical Markov chain Monte Carlo, Statistical Science 7(4): initial monotone sequence.
Wolff (2004), Monte Carlo errors with less errors, Computer Physics Communications 156: bias and error of an
autocorrelation time.
Lo, MacKinlay (1988), Stock market prices do not follow random walks, Review of Financial Studies 1(1):
variance ratios, the test of independence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHANCE", "MIN_SERIES_ROWS", "Persistence", "measure_persistence", "normal_scores"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_SERIES_ROWS = 8  # an entity with fewer rows shows no order in time
MAX_SERIES = 500  # entities that are measured, the longest ones
MAX_SERIES_ROWS = 2**19  # of an entity, its newest
CHANCE = 1e-3  # independent rows are called dependent this often
_Z_UPPER = 1.6448536269514722  # one-sided 95 %


@dataclass(frozen=True)
class Persistence:
    """Autocorrelation of values in order of time.

    Attributes
    ----------
    rows : float
        Autocorrelation time in rows: a mean over n rows is as certain as one over n / `rows` independent
        ones. 1 where independence is not refuted.
    upper : float
        Upper bound of `rows`, one-sided 95 %; infinite where the series is too short for one.
    period : int
        Rows from one season to the next, the highest later peak of the autocorrelation; 0 without one.
    """

    rows: float
    upper: float
    period: int

    @property
    def is_dependent(self) -> bool:
        """Whether independence is refuted."""
        return self.rows > 1.0


INDEPENDENT = Persistence(1.0, 1.0, 0)


def normal_scores(values: Floats) -> Floats:
    """Return the normal quantiles of the ranks of `values`, shape (n,); ties share their mean rank."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    return np.asarray(ndtri((rankdata(values) - 0.5) / max(1, len(values))), dtype=np.float64)


def measure_persistence(
    values: Floats, series: Ints, pieces: Ints | None = None, chance: float = CHANCE
) -> Persistence:
    """Measure the autocorrelation time of `values`, pooled over series.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite, in order of time within each series; any unit, only the order counts.
    series : int array of shape (n,)
        Number of the series (entity) of each row.
    pieces : int array of shape (n,), optional
        Numbers of unbroken pieces of the series: rows of two pieces are no pair. Without them each series is
        one.
    chance : float
        Independent rows are called dependent this often.

    Returns
    -------
    Persistence
        Independent where nothing can be measured: fewer than 8 rows in each series, or equal values.

    Notes
    -----
    A season shows as a peak of the autocorrelation behind its first fall, so the time does not count it.
    O(n log n).
    """
    scores = normal_scores(values)
    count = np.bincount(series)
    scores = scores - (np.bincount(series, scores) / np.maximum(1, count))[series]
    parts = _split_pieces(scores, series if pieces is None else pieces)
    if not parts:
        return INDEPENDENT
    rows, longest = sum(map(len, parts)), max(map(len, parts))
    rho = _pool_autocorrelation(parts, max(2, longest // 2))
    if rho is None:
        return INDEPENDENT
    period = _find_period(rho, rows, chance)
    if not period and not _refutes_independence(rho, rows, longest, chance):
        return INDEPENDENT
    window, time = _sum_initial_sequence(rho)
    # Centring by entity takes away what lasts longer than its series (Wolff 2004, eq. 49).
    hidden = (2 * window + 1) * int((count >= MIN_SERIES_ROWS).sum()) / len(values)
    if hidden >= 0.5:
        return Persistence(max(time, 1.0), np.inf, period)
    time = max(1.0 + 1e-9, time / (1 - hidden))
    upper = time * (1 + _Z_UPPER * float(np.sqrt(2 * (2 * window + 1) / rows)))
    return Persistence(time, upper, period)


def _split_pieces(scores: Floats, pieces: Ints) -> list[Floats]:
    """Return the scores of the longest pieces that have enough rows and more than one value."""
    order = np.argsort(pieces, kind="stable")
    borders = np.flatnonzero(np.diff(pieces[order])) + 1
    parts = [scores[places][-MAX_SERIES_ROWS:] for places in np.split(order, borders)]
    parts = [part for part in parts if len(part) >= MIN_SERIES_ROWS and np.ptp(part) > 0]
    return sorted(parts, key=len, reverse=True)[:MAX_SERIES]


def _pool_autocorrelation(parts: list[Floats], lags: int) -> Floats | None:
    """Return the autocorrelation at lags 0 to `lags`, of all series together; None for equal values.

    Sums are divided by the number of rows, not of pairs: noisy lags shrink, and the sequence is that of a
    covariance.
    """
    sums = np.zeros(lags + 1)
    for part in parts:
        size = 1 << (2 * len(part) - 1).bit_length()
        spectrum = np.fft.rfft(part, size)
        covariance = np.fft.irfft(spectrum * spectrum.conj(), size)[: min(lags + 1, len(part))]
        sums[: len(covariance)] += covariance
    return sums / sums[0] if sums[0] > 0 else None


def _refutes_independence(rho: Floats, rows: int, longest: int, chance: float) -> bool:
    """Return whether variances of sums over 2, 4, 8 ... rows are larger than those of independent rows."""
    from scipy.special import chdtri

    horizons = [2**power for power in range(1, 24) if 2**power <= max(2, min(len(rho) - 1, longest // 8))]
    for size in horizons:
        lags = np.arange(1, size)
        excess = 2 * float(((1 - lags / size) * rho[1:size]).sum())
        # A variance of few sums is far from normal: chi-squared, of Lo and MacKinlay's variance of the ratio.
        degrees = 3 * size * rows / ((2 * size - 1) * (size - 1))
        if 1 + excess > chdtri(degrees, chance / len(horizons)) / degrees:
            return True
    return False


def _sum_initial_sequence(rho: Floats) -> tuple[int, float]:
    """Return the last lag of the initial monotone sequence, and the autocorrelation time in rows."""
    count = len(rho) // 2
    pairs = rho[: 2 * count].reshape(count, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    kept = np.minimum.accumulate(pairs[: ends[0] if len(ends) else count])
    return max(1, 2 * len(kept)), max(1.0, 2 * float(kept.sum()) - 1)


def _find_period(rho: Floats, rows: int, chance: float) -> int:
    """Return the lag of the highest peak behind the first fall below zero, if it is no chance; else 0."""
    from scipy.special import ndtri

    low = np.flatnonzero(rho <= 0.05)
    if not len(low):
        return 0
    start, end = int(low[0]), len(rho) * 2 // 3  # of a series of n rows: lags up to n / 3
    if end - start < 2:
        return 0
    lag = start + int(np.argmax(rho[start:end]))
    # Bartlett's error of a late lag: that of the sequence before it, not of independent rows.
    error = float(np.sqrt((1 + 2 * (rho[1:start] ** 2).sum()) / rows))
    limit = -float(ndtri(chance / (end - start))) * error
    is_peak = lag > start and lag + 1 < len(rho) and rho[lag] >= rho[lag + 1]
    return lag if is_peak and rho[lag] > max(0.1, limit) else 0
