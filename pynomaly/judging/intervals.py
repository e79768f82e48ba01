"""Bootstrap intervals and p-values that hold with few anomalies. Pure; called by the comparisons.

A percentile interval is too narrow for small samples: the resampled spread lacks the factor
``sqrt(n / (n - 1))``, and it takes normal quantiles where Student's belong. The *expanded* percentile
interval asks the bootstrap for correspondingly rarer quantiles; for large samples both agree. Measured on
equal models by ``benchmarks/gate.py``.

References
----------
Hesterberg (2015), What Teachers Should Know About the Bootstrap, The American Statistician 69(4), sections
4.1 and 4.4.
Davison, Hinkley (1997), Bootstrap Methods and their Application, section 4.2.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["RESOLVED", "expanded_tail", "interval", "p_value"]

Array = npt.NDArray[np.float64]

RESOLVED = 5
"""Resamples that have to lie beyond a quantile before it is read off them."""


def expanded_tail(tail: float, units: int) -> float:
    """The bootstrap quantile that stands for the tail probability `tail` with so many independent units.

    ``Phi(-sqrt(n / (n - 1)) t)`` with t the upper `tail` quantile of Student's distribution with n - 1
    degrees of freedom; `tail` itself in the limit, 0 with fewer than two units.
    """
    from scipy.special import ndtr, stdtrit

    if units < 2:
        return 0.0
    return float(ndtr(math.sqrt(units / (units - 1)) * stdtrit(units - 1, tail)))


def interval(estimate: float, drawn: Array, units: int, level: float) -> tuple[float, float]:
    """Interval of a difference from its resampled values.

    Parameters
    ----------
    estimate : float
        On all rows.
    drawn : array of shape (resamples,)
    units : int
        Independent units behind it: anomalies, or blocks that hold one. With one unit nothing is known.
    level : float
        From 0 to 1.

    Returns
    -------
    tuple of float
        Expanded percentiles; where fewer than :data:`RESOLVED` resamples lie beyond them, Student's interval
        about `estimate` with the bootstrap's standard error.
    """
    from scipy.special import stdtrit

    if units < 2:
        return -math.inf, math.inf
    tail = (1 - level) / 2
    wanted = expanded_tail(tail, units)
    if wanted * drawn.size >= RESOLVED:
        low, high = (float(value) for value in np.quantile(drawn, [wanted, 1 - wanted]))
        return low, high
    reach = float(-stdtrit(units - 1, tail)) * _error(drawn, units)
    return estimate - reach, estimate + reach


def p_value(estimate: float, drawn: Array, units: int) -> float:
    """Two-sided p-value of no difference that agrees with :func:`interval`; parameters as there."""
    from scipy.special import ndtri, stdtr

    if units < 2:
        return 1.0
    # One more on either side: a resampled p-value is never zero (Davison, Hinkley 1997, section 4.2).
    extreme = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    z = float(ndtri(min(0.5, (max(extreme, RESOLVED - 1) + 1) / (drawn.size + 1))))
    counted = 2 * float(stdtr(units - 1, z * math.sqrt((units - 1) / units)))
    error = _error(drawn, units)
    if extreme >= RESOLVED or error == 0:
        return min(1.0, counted)
    return min(1.0, counted, 2 * float(stdtr(units - 1, -abs(estimate) / error)))


def _error(drawn: Array, units: int) -> float:
    """Standard error, with what a resample of so few units lacks."""
    return float(drawn.std(ddof=1)) * math.sqrt(units / (units - 1))
