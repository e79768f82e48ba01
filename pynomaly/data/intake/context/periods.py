"""The period of a series in rows: the lag after which it resembles itself most. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["LONGEST", "find_period"]

Floats = npt.NDArray[np.float64]

SHORTEST = 6
LONGEST = 300
_ROWS = 20_000
_CYCLES = 3
"""Cycles that the longest stretch must hold."""

_LEAST = 0.2
"""Autocorrelation from which on a peak counts; the deepest valley before it must lie as far below it."""

_SAME = 0.05
"""Autocorrelation by which a multiple of the period may exceed it."""


def find_period(stretches: Sequence[Floats]) -> int | None:
    """Return the period of 6 to 300 rows; None if the series does not come back to itself.

    Parameters
    ----------
    stretches : sequence of ndarray of shape (n,)
        Values in time order; each stands for itself.

    Notes
    -----
    The highest peak of the autocorrelation after a line is removed, or the first that is as high but for
    0.05: two periods are none. It counts if it rises at least 0.2 above
    zero and above the valley before it: a slow decay has no period. O(n log n).
    """
    most = max((len(stretch) for stretch in stretches), default=0)
    lags = min(LONGEST, most // _CYCLES)
    if lags < SHORTEST:
        return None
    correlation = _correlate(stretches, lags + 1)
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]))
    valley = np.minimum.accumulate(correlation)
    peaks = peaks[(peaks >= SHORTEST) & (correlation[peaks] >= _LEAST)]
    peaks = peaks[correlation[peaks] - valley[peaks] >= _LEAST]
    if not len(peaks):
        return None
    period = int(peaks[correlation[peaks] >= correlation[peaks].max() - _SAME][0])
    return _refine(period, correlation)


def _refine(period: int, correlation: Floats) -> int:
    """Return the period as its highest multiple shows it: a flat peak is off by a row, divided by more."""
    times = (len(correlation) - 2) // period
    first = times * period - times
    return round((first + int(np.argmax(correlation[first : times * period + times + 1]))) / times)


def _correlate(stretches: Sequence[Floats], lags: int) -> Floats:
    """Return the autocorrelation at lags 0 to `lags` after removing a line from each; shape (lags + 1,)."""
    total, power = np.zeros(lags + 1), 0.0
    for stretch in stretches:
        if len(stretch) <= 2 * lags:
            continue
        values = stretch[:_ROWS]
        time = np.arange(len(values)) - (len(values) - 1) / 2
        rest = values - values.mean()
        rest = rest - time * float((time * rest).sum() / (time * time).sum())
        size = 1 << int(np.ceil(np.log2(len(rest) + lags + 1)))
        spectrum = np.abs(np.fft.rfft(rest, size)) ** 2
        correlation = np.fft.irfft(spectrum, size)[: lags + 1]
        total += correlation * len(rest) / (len(rest) - np.arange(lags + 1))
        power += float((rest * rest).sum())
    return total / power if power > 0 else total
