"""The period of a series: the lag after which it resembles itself most.

Called by the detectors of `detectors.series`, and where settings for a series are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pynomaly.detectors.numerics.exact import Array

__all__ = ["SHORTEST", "find_period", "measure_autocorrelation"]

SHORTEST = 6  # shorter periods are not told from the shape of noise
LONGEST = 300
USUAL = 64  # taken where no lag stands out
_ROWS = 20_000  # of a stretch; more change nothing


def find_period(stretches: Sequence[Array]) -> int:
    """Return the period in rows: the highest peak of the autocorrelation, from 6 to 300, or 64 without one.

    Parameters
    ----------
    stretches : sequence of ndarray of shape (n,)
        Values in time order; each stretch stands for itself. Cost O(n log n).
    """
    most = max((len(stretch) for stretch in stretches), default=0)
    correlation = measure_autocorrelation(stretches, min(LONGEST, most // 2))
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]))
    peaks = peaks[(peaks >= SHORTEST) & (correlation[peaks] > 0)]
    return int(peaks[np.argmax(correlation[peaks])]) if len(peaks) else USUAL


def measure_autocorrelation(stretches: Sequence[Array], lags: int) -> Array:
    """Return the autocorrelation at lags 0 to `lags`, after removing a line from each; shape (lags + 1,)."""
    total, power = np.zeros(lags + 1), 0.0
    for stretch in stretches:
        values = _remove_line(np.asarray(stretch[:_ROWS], dtype=np.float64))
        if len(values) <= lags:
            continue
        size = 1 << int(np.ceil(np.log2(len(values) + lags + 1)))
        spectrum = np.abs(np.fft.rfft(values, size)) ** 2
        total += np.fft.irfft(spectrum, size)[: lags + 1]
        power += float((values * values).sum())
    return total / power if power > 0 else total


def _remove_line(values: Array) -> Array:
    if len(values) < 3:
        return values - values.mean() if len(values) else values
    limit = float(np.abs(values).max())
    unit = values / limit if limit > 0 else values  # squares of huge values would overflow
    time = np.arange(len(unit)) - (len(unit) - 1) / 2
    level = unit - unit.mean()
    rest: Array = level - time * float((time * level).sum() / (time * time).sum())
    return rest
