"""Intervals and p-values that hold at every look, for evidence that grows answer by answer. Pure.

Who looks after each answer and stops at the first good moment meets, sooner or later, a 95 % interval that
holds the truth at no single one of these moments. A *confidence sequence* holds it at all of them together.
The sequence here is Robbins' normal mixture on an estimate's standard error; Student's quantiles stand in
for normal ones while units are few. At 95 % and from 10 to 200 units it is 1.6 to 1.95 times as wide as
Student's interval of one look. It is asymptotic: the verdict waits for ``comparison.min_positives`` and
``comparison.min_blocks`` before it looks at all, and ``benchmarks/audits.py`` measures how often it errs
over a whole sequence of looks.

References
----------
Robbins (1970), Statistical methods related to the law of the iterated logarithm, Annals of Mathematical
Statistics 41.
Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Time-uniform central limit theory and asymptotic
confidence sequences, Annals of Statistics 52.
"""

from __future__ import annotations

import math

from pynomaly import config

__all__ = ["bound_at_any_time", "compute_any_time_p_value", "forecast_answers", "reach_at_any_time"]

BEST_UNITS = 30
"""Number of independent anomalies at which the mixture of normal quantiles is about narrowest.

Student's quantiles move that to more units. At 95 % the reach, in standard errors, is 4.40 at 10 units, 3.51
at 20, 3.33 at 30, 3.23 at 50, 3.21 at 100 and 3.25 at 200: narrowest near 80, and a third wider at ten than
at 30.
"""

MOST_ANSWERS = 100_000
"""A forecast of more answers than this is none."""

_MIXTURE = 9.0 / BEST_UNITS  # variance of the mixture; its reach is least where units times this are about 9


def reach_at_any_time(units: int, level: float) -> float:
    """Return half the width of the sequence in standard errors; infinite with fewer than two units."""
    from scipy.special import ndtr, stdtrit

    if units < 2:
        return math.inf
    mass = units * _MIXTURE
    normal = math.sqrt((mass + 1) / mass * math.log((mass + 1) / (1 - level) ** 2))
    return float(-stdtrit(units - 1, ndtr(-normal)))


def bound_at_any_time(estimate: float, error: float, units: int, level: float) -> tuple[float, float]:
    """Compute the interval of a difference that holds at all looks together.

    Parameters
    ----------
    estimate, error : float
        The difference on all answered rows, and its standard error.
    units : int
        Number of independent anomalies so far; with fewer than two the interval is infinite.
    level : float
        Probability, from 0 to 1, that every interval of the sequence holds the truth.
    """
    if units < 2:
        return -math.inf, math.inf
    reach = reach_at_any_time(units, level) * error
    return estimate - reach, estimate + reach


def compute_any_time_p_value(estimate: float, error: float, units: int) -> float:
    """Return the two-sided p-value of no difference; it agrees with :func:`bound_at_any_time`."""
    from scipy.special import ndtri, stdtr

    if units < 2 or estimate == 0:
        return 1.0
    if error == 0:
        return 0.0
    tail, mass = float(stdtr(units - 1, -abs(estimate) / error)), units * _MIXTURE
    normal = float(ndtri(tail)) if tail > 0 else -math.inf
    return min(1.0, math.sqrt(mass + 1) * math.exp(-(normal**2) * mass / (2 * (mass + 1))))


def forecast_answers(
    difference: float, error: float, units: int, answered: int, level: float, settings: config.Comparison
) -> int | None:
    """Return how many more answers decide, if the difference stays and anomalies come as so far.

    A comparison is decided once the challenger is superior, or once a gain of ``min_improvement`` is ruled
    out: then the champion stays, and more answers are spent on nothing.

    Parameters
    ----------
    difference, error : float
        Challenger minus champion, and its standard error.
    units, answered : int
        Independent anomalies and answers so far.
    level : float
    settings : Comparison

    Returns
    -------
    int or None
        0 where it is decided already; None beyond :data:`MOST_ANSWERS`.
    """

    def is_decided(more: int) -> bool:
        grown = (answered + more) / answered
        reach = reach_at_any_time(int(units * grown), level) * error / math.sqrt(grown)
        low, high = difference - reach, difference + reach
        worth = settings.min_improvement
        return (low > 0 and difference >= worth) or high < worth

    if units < 2 or answered < 1 or not is_decided(MOST_ANSWERS):
        return None
    low, high = -1, MOST_ANSWERS  # undecided at `low`, decided at `high`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_decided(middle) else (middle, high)
    return high
