"""Thresholds on p-values that follow from an assumed prevalence of anomalies. Pure.

Called by :mod:`pynomaly.model.calibration.alert_policy`.

References
----------
Elkan (2001), The foundations of cost-sensitive learning, IJCAI: alert where the odds of an anomaly reach the
ratio of the costs.
Sellke, Bayarri, Berger (2001), Calibration of p values for testing precise null hypotheses, The American
Statistician 55(1): the odds against a p-value below 1/e are at most ``1 / (-e p ln p)``.
"""

from __future__ import annotations

import math

from pynomaly import config
from pynomaly.errors import ConfigError

__all__ = ["cost_threshold", "single_row_threshold"]


def single_row_threshold(level: float, prevalence: float) -> float:
    """Return the p-value at or below which a single row is an alert under ``fdr``.

    It is the threshold t, at most `level`, for which a share `level` of all alerts is false, if anomalies
    occur with the assumed `prevalence` and each of them alerts:
    ``t (1 - prevalence) / (t (1 - prevalence) + prevalence) = level``.
    This is an assumption, not a guarantee. Benjamini-Hochberg is not used, because over one row it would
    alert on one normal row in ten at a level of 0.1.
    """
    return min(level / (1.0 - level) * prevalence / (1.0 - prevalence), level)


def cost_threshold(alerts: config.Alerts) -> float:
    """Return the p-value at or below which an alert is expected to cost less than no alert.

    An alert pays off when the odds of an anomaly are at least ``cost_false_alarm / cost_missed`` (Elkan
    2001). The odds are the prevalence's times the evidence, at most ``1 / (-e p ln p)`` (Sellke et al. 2001),
    so the threshold solves ``-e p ln p = r`` with ``r = prevalence cost_missed / ((1 - prevalence)
    cost_false_alarm)``: ``p = exp(W(-r / e))``, W being Lambert's function on its branch -1.

    Raises
    ------
    ConfigError
        If r is 1 or more: an alert on every row would then cost less, without any evidence.
    """
    from scipy.special import lambertw

    ratio = alerts.prevalence * alerts.cost_missed / ((1.0 - alerts.prevalence) * alerts.cost_false_alarm)
    if not 0 < ratio < 1:
        most = (1.0 - alerts.prevalence) / alerts.prevalence
        raise ConfigError(
            f"alerts.cost_missed: {alerts.cost_missed:g} to {alerts.cost_false_alarm:g} for a false alarm is "
            f"not allowed at a prevalence of {alerts.prevalence:g}: every row would be an alert; "
            f"must be under {most:g} times cost_false_alarm"
        )
    return float(math.exp(lambertw(-ratio / math.e, k=-1).real))
