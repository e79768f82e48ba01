"""Which p-values become alerts: a policy, apart from model and calibration, that changes without a refit.

========== ==================================================================================================
policy     a row is an alert when its p-value is at most
========== ==================================================================================================
quantile   ``alerts.quantile``
budget     ``alerts.per_day`` over the rows of a day
cost       where the evidence against it, at its most, makes an alert cheaper than silence
fdr        decided for a scoring window at once, by Benjamini-Hochberg; a row alone: see below
========== ==================================================================================================

Scores and p-values never depend on other rows. An ``fdr`` decision does, being about a set: the share of
false alerts among the alerts of one window. `AlertPolicy.decide` makes it, over exactly the p-values it is
given; scoring a window or a file calls it. `AlertPolicy.alerts` looks at each row alone, with the policy's
`threshold`: that is what serving one row gives, and what alert rates of windows of any length are compared
by. Called by :mod:`pynomaly.model.bundle`.

References
----------
Benjamini, Hochberg (1995), Controlling the false discovery rate, J. Royal Statistical Society B 57(1).
Bates, Candès, Lei, Romano, Sesia (2023), Testing for outliers with conformal p-values, Annals of Statistics
51(1): conformal p-values that share their held-out scores keep the rate of Benjamini-Hochberg.
Elkan (2001), The foundations of cost-sensitive learning, IJCAI: alert where the odds of an anomaly reach the
ratio of the costs.
Sellke, Bayarri, Berger (2001), Calibration of p values for testing precise null hypotheses, The American
Statistician 55(1): the odds against a p-value below 1/e are at most ``1 / (-e p ln p)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pynomaly import config
from pynomaly.errors import ConfigError
from pynomaly.model.calibration import Calibration

__all__ = ["AlertPolicy", "benjamini_hochberg", "cost_threshold", "lone_threshold"]

LARGEST_SHARE = 0.5  # a policy that alerts on half of normal operation is a mistake, not a policy
COARSEST = 0.8  # a share of alerts that steps of p-values cut by more than a fifth is said


@dataclass(frozen=True)
class AlertPolicy:
    """How p-values become alerts.

    Attributes
    ----------
    kind : {"budget", "cost", "fdr", "quantile"}
    threshold : float
        A row looked at alone is an alert at this p-value or below.
    rows_per_day : float or None
        Rows a day in normal operation; None for a table without times.
    level : float or None
        Share of false alerts among the alerts of a window (``fdr``); None for the other policies.
    extrapolate : bool
        Whether ``fdr`` rests on extrapolated p-values, too. Then a single anomaly can alert, without the
        guarantee: on real tables the rate reached seven times the level (``benchmarks/calibration.py``).
    """

    kind: Literal["budget", "cost", "fdr", "quantile"]
    threshold: float
    rows_per_day: float | None = None
    level: float | None = None
    extrapolate: bool = False

    @classmethod
    def from_config(cls, alerts: config.Alerts, rows_per_day: float | None) -> AlertPolicy:
        """Turn settings into a threshold.

        Parameters
        ----------
        alerts : config.Alerts
        rows_per_day : float or None
            Rows a day in normal operation; None for a table without times.

        Raises
        ------
        ConfigError
            If a budget is asked for without rows a day or is half of the rows or more, or if by its costs
            and prevalence every row should be an alert.
        """
        if alerts.policy == "quantile":
            return cls("quantile", alerts.quantile, rows_per_day)
        if alerts.policy == "cost":
            return cls("cost", cost_threshold(alerts), rows_per_day)
        if alerts.policy == "fdr":
            alone = lone_threshold(alerts.fdr, alerts.prevalence)
            return cls("fdr", alone, rows_per_day, alerts.fdr, alerts.extrapolate)
        if rows_per_day is None or not rows_per_day > 0:
            raise ConfigError(
                f"alerts.policy 'budget' needs rows per day, got {rows_per_day!r}; "
                "name data.time, or use 'quantile'"
            )
        share = alerts.per_day / rows_per_day
        if share >= LARGEST_SHARE:
            raise ConfigError(
                f"alerts.per_day: {alerts.per_day:g} of {rows_per_day:g} rows a day is not allowed: "
                f"must be under {LARGEST_SHARE * rows_per_day:g}, half of the rows"
            )
        return cls("budget", share, rows_per_day)

    def alerts(self, p_values: ArrayLike) -> NDArray[np.bool_]:
        """Which of `p_values`, array-like of shape (n,), are alerts, each looked at alone."""
        return np.asarray(p_values, dtype=np.float64) <= self.threshold

    def decide(self, p_values: ArrayLike, resolution: float) -> NDArray[np.bool_]:
        """Which rows of one whole window are alerts.

        The same as `alerts`, but for ``fdr`` and two rows or more: then Benjamini-Hochberg over these rows.
        The expected share of false alerts is at most `level` times the share of normal rows, while normal
        rows are exchangeable with the held-out ones and `extrapolate` is off.

        Parameters
        ----------
        p_values : array-like of shape (n,)
        resolution : float
            What counting resolves (`Calibration.resolution`): smaller p-values are taken as this, unless
            `extrapolate`.
        """
        p = np.asarray(p_values, dtype=np.float64)
        if self.level is None or p.size < 2:
            return self.alerts(p)
        return benjamini_hochberg(p if self.extrapolate else np.maximum(p, resolution), self.level)

    def resolution_note(self, calibration: Calibration) -> str:
        """Why this policy alerts never, rarer than asked or by extrapolation with `calibration`; or ""."""
        if not calibration.computable:
            return f"nothing is flagged: p-values are not computable, {calibration.reason}"
        needed = math.ceil(1.0 / self.threshold) - 1
        scores, resolution = len(calibration.scores), calibration.resolution
        if self.level is not None:
            return self._fdr_note(scores, resolution)
        if self.threshold < calibration.smallest:
            return (
                f"nothing is flagged: the threshold {self.threshold:g} is below {calibration.smallest:g}, "
                f"the smallest p-value of {scores} held-out scores; {needed} are needed"
            )
        if self.threshold < resolution:
            return (
                f"alerts rest on extrapolation: the threshold {self.threshold:g} is below {resolution:g}, "
                f"what {scores} held-out scores resolve; {needed} would do without"
            )
        steps = math.floor(self.threshold * (scores + 1) + 1e-9)
        if steps * resolution < COARSEST * self.threshold:
            return (
                f"alerts on about {steps * resolution:.2g} of normal rows instead of {self.threshold:.2g}: "
                f"p-values of {scores} held-out scores come in steps of {resolution:.2g}"
            )
        return ""

    def _fdr_note(self, scores: int, resolution: float) -> str:
        if self.extrapolate:
            return "false alerts are not guaranteed to stay at their level: fdr rests on extrapolation"
        least = resolution / (self.level or 1.0)
        return (
            f"a window alerts only when a share of {least:.2g} of its rows or more score above nearly all "
            f"{scores} held-out ones; alerts.extrapolate would let single rows alert, without the guarantee"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "kind": self.kind,
            "threshold": self.threshold,
            "rows_per_day": self.rows_per_day,
            "level": self.level,
            "extrapolate": self.extrapolate,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> AlertPolicy:
        """Read what `to_dict` wrote, also before there was ``fdr``."""
        return cls(
            content["kind"],
            content["threshold"],
            content["rows_per_day"],
            content.get("level"),
            content.get("extrapolate", False),
        )


def benjamini_hochberg(p_values: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Which of `p_values`, array-like of shape (n,), Benjamini and Hochberg's step-up rejects at `level`."""
    p = np.asarray(p_values, dtype=np.float64)
    values, counts = np.unique(p, return_counts=True)
    return np.asarray(p <= rejection_line(values, counts, level), dtype=bool)


def rejection_line(values: ArrayLike, counts: ArrayLike, level: float) -> float:
    """Largest p-value that Benjamini and Hochberg's step-up rejects; -1 when it rejects none.

    Parameters
    ----------
    values : array-like of shape (k,)
        The p-values that occur, ascending; each once.
    counts : array-like of shape (k,)
        How often: of a table of any size, only this is kept.
    level : float
    """
    p, ranks = np.asarray(values, dtype=np.float64), np.cumsum(np.asarray(counts))
    passed = np.flatnonzero(p <= level * ranks / (ranks[-1] if ranks.size else 1))
    return float(p[passed[-1]]) if passed.size else -1.0


def lone_threshold(level: float, prevalence: float) -> float:
    """p-value at which a row alone is an alert under ``fdr``.

    The largest threshold t at which false alerts are `level` of all, were every anomaly at the assumed
    `prevalence` found: ``t (1 - prevalence) / (t (1 - prevalence) + prevalence) = level``. An assumption, not
    a guarantee: Benjamini-Hochberg over one row would alert on one normal row in ten at a level of 0.1.
    """
    return min(level / (1.0 - level) * prevalence / (1.0 - prevalence), level)


def cost_threshold(alerts: config.Alerts) -> float:
    """p-value from which an alert is expected to cost less than silence.

    An alert is worth it when the odds of an anomaly are at least ``cost_false_alarm / cost_missed`` (Elkan
    2001). The odds are the prevalence's times the evidence, at most ``1 / (-e p ln p)`` (Sellke et al. 2001),
    so the threshold solves ``-e p ln p = r`` with ``r = prevalence cost_missed / ((1 - prevalence)
    cost_false_alarm)``: ``p = exp(W(-r / e))``, W being Lambert's function on its branch -1.

    Raises
    ------
    ConfigError
        If r is 1 or more: without any evidence alerting is then the cheaper choice, on every row.
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
