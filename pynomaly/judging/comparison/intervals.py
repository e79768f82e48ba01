"""Bootstrap intervals and p-values that are valid with few anomalies. Pure; called by the comparisons.

A percentile interval is too narrow for small samples: the bootstrap's standard error lacks the factor
``sqrt(n / (n - 1))``, and normal quantiles are used in place of Student's. The *expanded* percentile interval
reads correspondingly more extreme quantiles off the bootstrap distribution; for large samples both agree. The
coverage on equal models is measured by ``benchmarks/gate.py``.

The value of a metric, unlike a difference, ends at 0 and 1, and near an end resamples lie to one side. Its
interval is Student's on the scale of log odds. Of 400 draws with 20 anomalies among 500 rows and an AUROC of
.95, the 95 % percentile interval misses 10.5 %, the expanded one 8.0 %, BCa with expanded tails 6.8 %, and
this one 5.8 %; at .80 5.8, 4.8, 3.0 and 3.0 %.

References
----------
Hesterberg (2015), What Teachers Should Know About the Bootstrap, The American Statistician 69(4), sections
4.1 and 4.4.
Davison, Hinkley (1997), Bootstrap Methods and their Application, section 4.2; section 5.2.2 on
transformations.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = [
    "MIN_TAIL_RESAMPLES",
    "bootstrap_interval",
    "bootstrap_p_value",
    "estimate_error",
    "expand_tail",
    "share_interval",
]

Array = npt.NDArray[np.float64]

MIN_TAIL_RESAMPLES = 5
"""Number of resamples that must be beyond a quantile before it is read off the resamples."""


def expand_tail(tail: float, units: int) -> float:
    """Return the bootstrap tail probability that corresponds to `tail` with this many independent units.

    ``Phi(-sqrt(n / (n - 1)) t)`` with t the upper `tail` quantile of Student's distribution with n - 1
    degrees of freedom; `tail` itself in the limit of large n, 0 with fewer than two units.
    """
    from scipy.special import ndtr, stdtrit

    if units < 2:
        return 0.0
    return float(ndtr(math.sqrt(units / (units - 1)) * stdtrit(units - 1, tail)))


def bootstrap_interval(estimate: float, drawn: Array, units: int, level: float) -> tuple[float, float]:
    """Compute the interval of a difference from its resampled values.

    Parameters
    ----------
    estimate : float
        The difference on all rows.
    drawn : array of shape (resamples,)
    units : int
        Number of independent units: anomalies, or blocks with an anomaly. With fewer than two the interval
        is infinite.
    level : float
        Confidence level, from 0 to 1.

    Returns
    -------
    tuple of float
        Expanded percentiles; where fewer than :data:`MIN_TAIL_RESAMPLES` resamples are beyond them, Student's
        interval around `estimate` with the bootstrap's standard error.
    """
    from scipy.special import stdtrit

    if units < 2:
        return -math.inf, math.inf
    tail = (1 - level) / 2
    expanded = expand_tail(tail, units)
    if expanded * drawn.size >= MIN_TAIL_RESAMPLES:
        low, high = (float(value) for value in np.quantile(drawn, [expanded, 1 - expanded]))
        return low, high
    reach = float(-stdtrit(units - 1, tail)) * estimate_error(drawn, units)
    return estimate - reach, estimate + reach


def share_interval(value: float, drawn: Array, units: int, level: float) -> tuple[float, float]:
    """Compute the interval of a metric between 0 and 1 from its resampled values.

    Parameters
    ----------
    value : float
        The metric on all rows.
    drawn : array of shape (resamples,)
        Resamples in which it is not defined are NaN.
    units : int
        As in :func:`bootstrap_interval`; with fewer than two the interval is all of 0 to 1.
    level : float

    Returns
    -------
    tuple of float
        Student's interval of the log odds with the bootstrap's standard error. Where all resamples are at one
        end of the scale the other bound is that of a share of which no unit differed (Clopper and Pearson).
    """
    from scipy.special import expit, logit, stdtrit

    defined = drawn[np.isfinite(drawn)]
    if units < 2 or not defined.size:
        return 0.0, 1.0
    tail, edge = (1 - level) / 2, 0.1 / units
    centre = float(logit(min(max(value, edge), 1 - edge)))
    reach = float(-stdtrit(units - 1, tail)) * estimate_error(logit(np.clip(defined, edge, 1 - edge)), units)
    low, high = float(expit(centre - reach)), float(expit(centre + reach))
    if value >= 1 - edge:
        low, high = min(low, tail ** (1 / units)), 1.0
    if value <= edge:
        low, high = 0.0, max(high, 1 - tail ** (1 / units))
    return min(low, value), max(high, value)


def bootstrap_p_value(estimate: float, drawn: Array, units: int) -> float:
    """Return the two-sided p-value of no difference; it agrees with :func:`bootstrap_interval`."""
    from scipy.special import ndtri, stdtr

    if units < 2:
        return 1.0
    # Add one to both counts: a resampled p-value is never zero (Davison, Hinkley 1997, section 4.2).
    extreme = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    z = float(ndtri(min(0.5, (max(extreme, MIN_TAIL_RESAMPLES - 1) + 1) / (drawn.size + 1))))
    resampled_p = 2 * float(stdtr(units - 1, z * math.sqrt((units - 1) / units)))
    error = estimate_error(drawn, units)
    if extreme >= MIN_TAIL_RESAMPLES or error == 0:
        return min(1.0, resampled_p)
    return min(1.0, resampled_p, 2 * float(stdtr(units - 1, -abs(estimate) / error)))


def estimate_error(drawn: Array, units: int) -> float:
    """Return the standard error, corrected by ``sqrt(n / (n - 1))`` for few units."""
    return float(drawn.std(ddof=1)) * math.sqrt(units / (units - 1))
