"""How many normal rows alert by policy, and how sure that is. Pure.

The rate is that of the policy's threshold among p-values, not a count of alerts on held-out rows: those may
hold incidents, and a share of anomalies is no property of the policy. How often a threshold is passed by new
rows depends on the held-out rows that happened to calibrate it: with n exchangeable ones the share below the
k-th p-value is Beta(k, n + 1 - k). Dependent rows count as fewer.

Called by the steps that register a version.

References
----------
Vovk (2012), Conditional validity of inductive conformal predictors, ACML: the Beta distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import Calibration

__all__ = ["ExpectedAlerts", "bound_alert_rate", "expect_alerts"]

_TAIL = 0.025  # of the interval, on each side


@dataclass(frozen=True)
class ExpectedAlerts:
    """Share of normal rows that alert, with its 95 % interval."""

    rate: float
    low: float
    high: float

    def describe(self) -> str:
        """Return the rate and its interval, in percent."""
        return f"{self.rate:.2%} of normal rows ({self.low:.2%} to {self.high:.2%})"


def expect_alerts(
    policy: AlertPolicy, calibration: Calibration, effective: float | None = None, kept: float = 1.0
) -> ExpectedAlerts:
    """Return the share of normal rows that alert, each judged alone.

    Parameters
    ----------
    policy : AlertPolicy
    calibration : Calibration
        p-values move in steps of its held-out scores: the rate is the last step within the threshold. A
        threshold below the first step is itself the rate, as extrapolation gives it.
    effective : float, optional
        How many independent rows the held-out rows are worth; without it, all of them.
    kept : float
        Share of alerts that the limits on alerts let through.
    """
    rate = _find_rate(policy, calibration)
    low, high = (_find_quantile(rate, calibration, effective, tail) for tail in (_TAIL, 1 - _TAIL))
    return ExpectedAlerts(rate * kept, low * kept, high * kept)


def bound_alert_rate(
    policy: AlertPolicy, calibration: Calibration, effective: float | None, chance: float
) -> float:
    """Return the share of normal rows that alert at most; more do with probability `chance`."""
    return _find_quantile(_find_rate(policy, calibration), calibration, effective, 1 - chance)


def _find_rate(policy: AlertPolicy, calibration: Calibration) -> float:
    scores = len(calibration.scores)
    steps = math.floor(policy.threshold * (scores + 1) + 1e-9)
    return min(steps / (scores + 1) if steps else policy.threshold, 1.0)


def _find_quantile(rate: float, calibration: Calibration, effective: float | None, tail: float) -> float:
    """Return a quantile of the Beta distribution of the share of new rows that alert."""
    from scipy.special import betaincinv

    scores = len(calibration.scores)
    count = max(1.0, min(scores, effective if effective is not None else scores))
    below = rate * (count + 1)
    return float(betaincinv(below, count + 1 - below, tail))
