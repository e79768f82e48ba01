"""Alert policies: which p-values become alerts. A policy can change without a refit of the model.

========== ==================================================================================================
policy     a row is an alert when its p-value is at most
========== ==================================================================================================
quantile   ``alerts.quantile``
budget     ``alerts.per_day`` over the rows of a day; higher where several rows make one event
cost       the value at which an alert is expected to cost less than no alert (`cost_threshold`)
fdr        the Benjamini-Hochberg limit of its window or stream, over rows or events; a single row: below
========== ==================================================================================================

Scores and p-values never depend on other rows. An ``fdr`` decision does, because it controls the share of
false alerts among all alerts of one window. `AlertPolicy.decide` makes this decision from exactly the
p-values it receives; it is used to score a window or a file. `AlertPolicy.alerts` compares each row with the
policy's `threshold`; it is used to serve single rows and to compare alert rates of windows of any length.

A policy counts rows, or *events* (:mod:`pynomaly.model.calibration.events`): ``alerts.count: auto`` counts
events where rows of the reference alerted together more often than by chance. Called by
:mod:`pynomaly.model.bundle`.

References
----------
Bates, Candès, Lei, Romano, Sesia (2023), Testing for outliers with conformal p-values, Annals of Statistics
51(1): conformal p-values that share their held-out scores keep the rate of Benjamini-Hochberg.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pynomaly import config
from pynomaly.errors import ConfigError
from pynomaly.model.calibration.alert_limits import AlertLimits
from pynomaly.model.calibration.alert_stream import StreamShare
from pynomaly.model.calibration.calibration import MIN_SCORES, Calibration
from pynomaly.model.calibration.events import EventRates
from pynomaly.model.calibration.false_discoveries import LASTING_ROWS, benjamini_hochberg, flag_events
from pynomaly.model.calibration.policy_thresholds import cost_threshold, single_row_threshold
from pynomaly.model.row_times import RowKeys

__all__ = [
    "CANNOT_ALERT",
    "POLICY_MAKERS",
    "AlertPolicy",
]

CANNOT_ALERT = "cannot alert"
"""How the note begins of a policy under which no row can be an alert."""

MAX_ALERT_SHARE = 0.5  # a policy that alerts on half of all normal rows is a mistake
MIN_REACHED_SHARE = 0.8  # a note is given when p-value steps cut the share of alerts by more than a fifth


@dataclass(frozen=True)
class AlertPolicy:
    """How p-values become alerts.

    Attributes
    ----------
    kind : str
        A name in ``pynomaly.config.ALERT_POLICIES``.
    threshold : float
        A single row is an alert at this p-value or below.
    rows_per_day : float or None
        Rows a day in normal operation; None for a table without times.
    level : float or None
        Share of false alerts among the alerts of a window (``fdr``); None for the other policies.
    extrapolate : bool
        Whether ``fdr`` also uses extrapolated p-values. Then a single anomaly can alert, but the guarantee is
        lost: on real tables the rate of false alerts reached seven times the level
        (``benchmarks/calibration.py``).
    limits : AlertLimits or None
        Which deviations are worth an alert; :meth:`pynomaly.model.bundle.Bundle.score` applies them.
    events : EventRates or None
        How many events there are for each alerting row; None if the policy counts rows.
    period : timedelta or None
        Alerts of how long a time share one rate of false ones; None for those of a window by itself.
    """

    kind: str
    threshold: float
    rows_per_day: float | None = None
    level: float | None = None
    extrapolate: bool = False
    limits: AlertLimits | None = None
    events: EventRates | None = None
    period: timedelta | None = None

    @classmethod
    def from_config(
        cls,
        alerts: config.Alerts,
        rows_per_day: float | None,
        numeric: tuple[str, ...] = (),
        rates: EventRates | None = None,
    ) -> AlertPolicy:
        """Return the policy with the threshold that the settings define.

        Parameters
        ----------
        alerts : config.Alerts
        rows_per_day : float or None
            Rows a day in normal operation; None for a table without times.
        numeric : tuple of str
            Numeric features, which ``alerts.direction`` and ``alerts.minimum`` may name.
        rates : EventRates or None
            What was counted when the model was fitted; None for a table without times, and for a model that
            was fitted before events were counted.

        Raises
        ------
        ConfigError
            If a column of these is no numeric feature, if a budget or events are set without rows a day, if
            a budget is half of the rows or more, or the costs and the prevalence would make every row an
            alert.
        """
        policy = POLICY_MAKERS[alerts.policy](alerts, rows_per_day)
        policy = replace(policy, limits=AlertLimits.from_config(alerts, numeric))
        if alerts.count == "events" and not rows_per_day:
            raise ConfigError("alerts.count 'events' needs times; name data.time, or count 'rows'")
        if rates is None or alerts.count == "rows" or (alerts.count == "auto" and not rates.clustered):
            return policy
        threshold = policy.threshold if policy.kind != "budget" else rates.find_threshold(policy.threshold)
        return replace(policy, threshold=threshold, events=rates)

    def alerts(self, p_values: ArrayLike) -> NDArray[np.bool_]:
        """Return which of `p_values`, array-like of shape (n,), are alerts; each row is judged alone."""
        return np.asarray(p_values, dtype=np.float64) <= self.threshold

    def flag_window(
        self,
        p_values: ArrayLike,
        resolution: ArrayLike,
        keys: RowKeys | None = None,
        share: StreamShare | None = None,
    ) -> NDArray[np.bool_]:
        """Return which rows of one whole window are alerts; bool array of shape (n,).

        The same as `alerts`, except for ``fdr`` with two rows or more: then Benjamini-Hochberg over these
        rows. The expected share of false alerts is at most `level` times the share of normal rows, as long as
        normal rows are exchangeable with the held-out rows and `extrapolate` is off. A policy that counts
        events keeps the share of false events instead
        (:func:`pynomaly.model.calibration.false_discoveries.flag_events`).

        Parameters
        ----------
        p_values : array-like of shape (n,)
        resolution : float or array-like of shape (n,)
            Smallest p-value that counting gives (`Calibration.resolutions`). Smaller p-values are replaced by
            this one, unless `extrapolate` is on.
        keys : RowKeys, optional
            Entities and times of the rows; without them each row counts as an event.
        share : StreamShare, optional
            What the window may spend of the level, if that is of a stream: a row alerts up to the largest
            p-value that lets through no more by chance.
        """
        p = np.asarray(p_values, dtype=np.float64)
        if self.level is None or (p.size < 2 and share is None):
            return self.alerts(p)
        p = p if self.extrapolate else np.maximum(p, resolution)
        if share is not None:
            may = (self.expect_discoveries(p.size, p) <= share.allowed * (1 + 1e-9)) & (p <= self.level)
            return np.asarray(p <= (p[may].max() if may.any() else -1.0), dtype=np.bool_)
        if self.events is None or keys is None:
            return benjamini_hochberg(p, self.level)
        return flag_events(p, keys, self.events, self.level)

    def expect_discoveries(self, rows: int, limit: ArrayLike) -> NDArray[np.float64]:
        """Return how many events, or rows, of `rows` normal rows alert at limits on p-values, shape (k,)."""
        x = np.atleast_1d(np.asarray(limit, dtype=np.float64))
        return rows * x * (self.events.share(x) if self.events else 1.0)

    @property
    def needed_scores(self) -> int:
        """Number of held-out scores from which counting alone gives a p-value that alerts on a single row."""
        return math.ceil(1.0 / self.threshold - 1e-9) - 1

    def can_alert(self, calibration: Calibration) -> bool:
        """Return whether any row, or a window of any rows, can be an alert with `calibration`."""
        if not calibration.computable:
            return False
        if self.level is not None:
            smallest = calibration.smallest_p_value if self.extrapolate else calibration.resolution
            return smallest <= self.level
        return calibration.smallest_p_value <= self.threshold

    def _explain_no_alert(self, calibration: Calibration) -> str:
        """Return why `can_alert` is False, and the setting that would change it."""
        scores, smallest = len(calibration.scores), calibration.smallest_p_value
        if not calibration.computable:
            setting = (
                "windows.reference to more rows" if scores < MIN_SCORES else "data.columns, so that some vary"
            )
            return f"{CANNOT_ALERT}: p-values are not computable, {calibration.reason}, set {setting}"
        limit = self.threshold if self.level is None else self.level
        least = smallest if self.level is None or self.extrapolate else calibration.resolution
        settings = {
            "quantile": f"alerts.quantile to {_round_up(least)} or more",
            "budget": f"alerts.per_day to {_round_up(least * (self.rows_per_day or 0.0))} or more",
            "cost": "alerts.cost_missed higher",
            "fdr": f"alerts.fdr to {_round_up(least)} or more",
        }
        return (
            f"{CANNOT_ALERT}: the threshold {limit:g} is below {least:g}, the smallest p-value of {scores} "
            f"held-out scores ({math.ceil(1.0 / limit - 1e-9) - 1} are needed), "
            f"set {settings.get(self.kind, 'alerts.policy')}, or windows.reference to more rows"
        )

    def describe_resolution(self, calibration: Calibration) -> str:
        """Return why, with `calibration`, alerts never come, come too rarely or are extrapolated; else ""."""
        if not self.can_alert(calibration):
            return self._explain_no_alert(calibration)
        needed = self.needed_scores
        scores, resolution = len(calibration.scores), calibration.resolution
        if self.level is not None:
            return self._describe_fdr(scores, resolution)
        if self.threshold < resolution:
            return (
                f"alerts rest on extrapolation: the threshold {self.threshold:g} is below {resolution:g}, "
                f"what {scores} held-out scores resolve; {needed} would do without"
            )
        steps = math.floor(self.threshold * (scores + 1) + 1e-9)
        if steps * resolution < MIN_REACHED_SHARE * self.threshold:
            return (
                f"alerts on about {steps * resolution:.2g} of normal rows instead of {self.threshold:.2g}: "
                f"p-values of {scores} held-out scores come in steps of {resolution:.2g}"
            )
        return ""

    def _describe_fdr(self, scores: int, resolution: float) -> str:
        if self.extrapolate:
            return "false alerts are not guaranteed to stay at their level: fdr rests on extrapolation"
        least = resolution / (self.level or 1.0)
        if self.period is not None and self.rows_per_day is not None:
            chance = float(self.expect_discoveries(1, resolution)[0]) * self.rows_per_day
            days = (self.level or 1.0) / chance
            if days * timedelta(days=1) >= self.period:
                return ""
            return (
                f"alerts stop {days:.2g} days after a discovery until the next period: {chance:.2g} a day "
                f"score above all {scores} held-out rows by chance, and a discovery pays for {self.level:g} "
                "of them; with a longer windows.reference it pays for more days"
            )
        if self.events is not None:
            least *= float(self.events.share(resolution)[0])
            return (
                f"a window alerts only when it has an event among {1.0 / least:.2g} rows or more often, of "
                f"rows that score above nearly all {scores} held-out ones, or one of {LASTING_ROWS} such rows"
            )
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
            **({"limits": self.limits.to_dict()} if self.limits else {}),
            **({"events": self.events.to_dict()} if self.events else {}),
            **({"period_seconds": self.period.total_seconds()} if self.period else {}),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> AlertPolicy:
        """Read what `to_dict` wrote, also in versions before ``fdr``."""
        return cls(
            content["kind"],
            content["threshold"],
            content["rows_per_day"],
            content.get("level"),
            content.get("extrapolate", False),
            AlertLimits.from_dict(content["limits"]) if content.get("limits") else None,
            EventRates.from_dict(content["events"]) if content.get("events") else None,
            timedelta(seconds=content["period_seconds"]) if content.get("period_seconds") else None,
        )


def _round_up(value: float) -> str:
    """Return a value rounded up to two digits, so that it is enough as it stands."""
    if value <= 0:
        return "0"
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / step - 1e-9) * step:.2g}"


def _make_quantile_policy(alerts: config.Alerts, rows_per_day: float | None) -> AlertPolicy:
    return AlertPolicy("quantile", alerts.quantile, rows_per_day)


def _make_cost_policy(alerts: config.Alerts, rows_per_day: float | None) -> AlertPolicy:
    return AlertPolicy("cost", cost_threshold(alerts), rows_per_day)


def _make_fdr_policy(alerts: config.Alerts, rows_per_day: float | None) -> AlertPolicy:
    row_threshold = single_row_threshold(alerts.fdr, alerts.prevalence)
    period = alerts.fdr_period if alerts.fdr_over == "stream" else None
    return AlertPolicy("fdr", row_threshold, rows_per_day, alerts.fdr, alerts.extrapolate, period=period)


def _make_budget_policy(alerts: config.Alerts, rows_per_day: float | None) -> AlertPolicy:
    if rows_per_day is None or not rows_per_day > 0:
        raise ConfigError(
            f"alerts.policy 'budget' needs rows per day, got {rows_per_day!r}; "
            "name data.time, or use 'quantile'"
        )
    share = alerts.per_day / rows_per_day
    if share >= MAX_ALERT_SHARE:
        raise ConfigError(
            f"alerts.per_day: {alerts.per_day:g} of {rows_per_day:g} rows a day is not allowed: "
            f"must be under {MAX_ALERT_SHARE * rows_per_day:g}, half of the rows"
        )
    return AlertPolicy("budget", share, rows_per_day)


POLICY_MAKERS: dict[str, Callable[[config.Alerts, float | None], AlertPolicy]] = {
    "budget": _make_budget_policy,
    "cost": _make_cost_policy,
    "fdr": _make_fdr_policy,
    "quantile": _make_quantile_policy,
}
"""For each name in ``pynomaly.config.ALERT_POLICIES``, settings and rows a day to the policy."""
