"""From raw scores to p-values, severities and alerts.

A p-value is the chance that a normal row scores at least this high, from scores of rows the detector was not
fitted on; it is valid while new normal rows are exchangeable with those. Severity says how rare, not how
large. The alert policy is a threshold on p-values and can change without a refit.

Scores that tell nothing (one value only, not finite, too few) make the calibration *not computable*: every
p-value is then 1, nothing is flagged, and `reason` says why. A wall of alerts would be the other choice.

Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pynomaly import config
from pynomaly.errors import ConfigError, ModelError

__all__ = ["SEVERITIES", "AlertPolicy", "Calibration", "severity"]

Floats = NDArray[np.float64]

FEWEST = 10  # fewer held-out scores than this cannot even resolve 'low' (p <= 0.1)
LARGEST_SHARE = 0.5  # a policy that alerts on half of normal operation is a mistake, not a policy
SEVERITIES: Mapping[str, float] = {"low": 0.1, "medium": 0.01, "high": 0.001, "critical": 0.0001}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Held-out scores, sorted ascending; array of shape (n,)."""

    scores: Floats
    computable: bool
    reason: str = ""

    @classmethod
    def fit(cls, scores: ArrayLike) -> Calibration:
        """Keep held-out scores.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Scores of rows that took no part in the fit; higher means more anomalous.

        Returns
        -------
        Calibration
            Not `computable`, with a `reason`, if there are fewer than 10 scores, one is not finite, or all
            are the same.
        """
        given = np.asarray(scores, dtype=np.float64).ravel()
        finite = np.sort(given[np.isfinite(given)])
        reason = ""
        if len(finite) < len(given):
            reason = f"{len(given) - len(finite)} of {len(given)} held-out scores are not finite"
        elif len(given) < FEWEST:
            reason = f"{len(given)} held-out scores are too few; at least {FEWEST} are needed"
        elif finite[0] == finite[-1]:
            reason = f"all {len(given)} held-out scores are {float(finite[0])!r}"
        return cls(finite, computable=not reason, reason=reason)

    @property
    def resolution(self) -> float:
        """Smallest p-value there can be: 1 / (n + 1)."""
        return 1.0 / (len(self.scores) + 1)

    def p_values(self, scores: ArrayLike) -> Floats:
        """Chance that a normal row scores at least as high: ``(1 + #{held-out >= score}) / (n + 1)``.

        Parameters
        ----------
        scores : array-like of shape (m,)

        Returns
        -------
        ndarray of shape (m,)
            In ``[1 / (n + 1), 1]``; all 1 when not computable.

        Raises
        ------
        ModelError
            If a score is not finite.

        References
        ----------
        Bates, Candès, Lei, Romano, Sesia (2023), Testing for outliers with conformal p-values, Annals of
        Statistics 51(1).
        """
        new = np.asarray(scores, dtype=np.float64).ravel()
        if not np.isfinite(new).all():
            row = int(np.flatnonzero(~np.isfinite(new))[0])
            raise ModelError(f"the score of row {row} is {new[row]}; allowed: finite scores")
        if not self.computable:
            return np.ones(len(new))
        at_least = len(self.scores) - np.searchsorted(self.scores, new, side="left")
        return np.asarray((1.0 + at_least) / (len(self.scores) + 1.0), dtype=np.float64)


def severity(p_values: ArrayLike) -> NDArray[np.str_]:
    """Name how rare each p-value is.

    Parameters
    ----------
    p_values : array-like of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        ``critical`` at 0.0001 and below, ``high`` at 0.001, ``medium`` at 0.01, ``low`` at 0.1, or ``none``.
    """
    p = np.asarray(p_values, dtype=np.float64)
    names = np.full(p.shape, "none", dtype="<U8")
    for name, limit in SEVERITIES.items():
        names[p <= limit] = name
    return names


@dataclass(frozen=True)
class AlertPolicy:
    """Rows with a p-value at or below `threshold` are alerts."""

    kind: Literal["budget", "quantile"]
    threshold: float
    rows_per_day: float | None = None

    @classmethod
    def from_config(cls, alerts: config.Alerts, rows_per_day: float | None) -> AlertPolicy:
        """Turn settings into a threshold.

        Parameters
        ----------
        alerts : config.Alerts
            ``quantile`` alerts on that share of normal rows; ``budget`` on `per_day` of `rows_per_day` rows.
        rows_per_day : float or None
            Rows a day in normal operation; None for a table without times.

        Raises
        ------
        ConfigError
            If a budget is asked for without rows a day, or it is half of the rows or more.
        """
        if alerts.policy == "quantile":
            return cls("quantile", alerts.quantile, rows_per_day)
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
        """Which of `p_values`, array-like of shape (n,), are alerts."""
        return np.asarray(p_values, dtype=np.float64) <= self.threshold

    def resolution_note(self, calibration: Calibration) -> str:
        """Why this policy can never alert with `calibration`; empty when it can."""
        if not calibration.computable:
            return f"nothing is flagged: p-values are not computable, {calibration.reason}"
        if self.threshold < calibration.resolution:
            needed = int(np.ceil(1.0 / self.threshold)) - 1
            return (
                f"nothing is flagged: the threshold {self.threshold:g} is below {calibration.resolution:g}, "
                f"the smallest p-value of {len(calibration.scores)} held-out scores; {needed} are needed"
            )
        return ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {"kind": self.kind, "threshold": self.threshold, "rows_per_day": self.rows_per_day}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> AlertPolicy:
        """Read what `to_dict` wrote."""
        return cls(content["kind"], content["threshold"], content["rows_per_day"])
