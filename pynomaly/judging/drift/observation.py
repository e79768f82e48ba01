"""Summarise one window: drift, alert rate and, where there are labels, performance.

Called by `monitor` after each window; the last observations give a verdict
(:mod:`pynomaly.judging.drift.degradation`). Fail closed: a result that should have been computed and was not
counts as bad. Rates are shares of rows; a drop of performance is relative to the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, get_args

from pynomaly import config
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.drift.label_free_checks import UnlabelledVerdict
from pynomaly.judging.jsonable import to_jsonable
from pynomaly.judging.normal_alerts import NormalAlerts

__all__ = ["LEVELS", "Level", "Observation", "binomial_tail", "observe_window", "renew_performance"]

Level = Literal["none", "minor", "moderate", "major", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)
_BASELINE = (
    "performance of this window is what later windows are compared with: no labels judged the version at its "
    "training, so this window itself is not judged"
)


@dataclass(frozen=True)
class Observation:
    """Summary of one window.

    Attributes
    ----------
    window : str
        The window's key.
    rows : int
    data, score : str
        Drift status of the columns and of the scores, or ``not_computable``.
    alert_rate, expected_rate : float or None
    alert_status : {"ok", "violated", "not_computable", "insufficient_data"}
    performance, baseline : float or None
        The metric now and when the model was promoted.
    performance_status : str
        ``none`` to ``critical``, ``not_computable``, ``insufficient_data`` with too few anomalies, or
        ``waiting`` for labels that are not due yet.
    positives : int
        Labelled anomalies in the window.
    reasons : tuple of str
    agreement_status, injected_status : str
        Results of the checks without labels, see
        :class:`pynomaly.judging.drift.label_free_checks.UnlabelledVerdict`.
    labels_due : str or None
        Moment (ISO 8601) at which the window's labels are all known and its performance is judged again;
        None once it is.
    kept : mapping or None
        Of the first window with enough labels of a version that no labels judged: what later windows are
        compared with, as :meth:`pynomaly.judging.drift.performance.JudgedScores.to_dict` gives it.
    bets : tuple of float
        Scores of the window's rows that were bet on against exchangeability; later windows go on from there.
    levels : mapping of str to float
        Levels of the window's columns and scores (:attr:`DriftReport.levels`), for what adds up over windows.
    normal : NormalAlerts or None
        Alerts on rows that are not known to be anomalies; None where they are not counted.
    """

    window: str
    rows: int
    data: str
    score: str
    alert_rate: float | None
    expected_rate: float | None
    alert_status: str
    performance: float | None
    baseline: float | None
    performance_status: str
    reasons: tuple[str, ...]
    positives: int
    agreement_status: str = "not_due"
    injected_status: str = "not_due"
    labels_due: str | None = None
    kept: Mapping[str, Any] | None = None
    bets: tuple[float, ...] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    normal: NormalAlerts | None = None

    @property
    def level(self) -> Level:
        """Severity level of the window.

        Drift is ``major``; a violated alert rate, a disagreeing refit and a missing result are ``moderate``.
        Where labels give a performance, injected anomalies, the weaker evidence, do not count.
        """
        ranks = [0]
        if "drift" in (self.data, self.score):
            ranks.append(LEVELS.index("major"))
        if self.alert_status == "violated" or self.agreement_status == "drift":
            ranks.append(LEVELS.index("moderate"))
        statuses = [self.agreement_status, self.performance_status]
        if self.performance_status not in LEVELS:
            statuses.append(self.injected_status)
        if "not_computable" in (self.data, self.score, self.alert_status, *statuses):
            ranks.append(LEVELS.index("moderate"))
        ranks += [LEVELS.index(status) for status in statuses if status in LEVELS]
        return LEVELS[max(ranks)]

    @property
    def violated(self) -> bool:
        """Whether the window counts as bad."""
        return self.level != "none"

    @property
    def performance_waits(self) -> bool:
        """Whether performance has no result before labels that are not due yet."""
        return self.performance_status == "waiting"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))

    def summarize(self) -> dict[str, Any]:
        """Return JSON-serialisable values without what is kept for later windows."""
        carried = ("kept", "bets", "levels", "normal")
        return {name: value for name, value in self.to_dict().items() if name not in carried}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Observation:
        """Read the output of :meth:`to_dict`; unknown keys are ignored."""
        # Observations written before the checks without labels existed lack their fields.
        values = {field.name: content[field.name] for field in fields(cls) if field.name in content}
        normal = content.get("normal")
        values["normal"] = NormalAlerts(**normal) if normal else None
        return cls(
            **{**values, "reasons": tuple(content["reasons"]), "bets": tuple(content.get("bets") or ())}
        )


def observe_window(
    window: str,
    rows: int,
    drift: DriftReport | None,
    alerts: int | None,
    expected_rate: float | None,
    settings: config.Degradation,
    *,
    performance: float | None = None,
    performance_high: float | None = None,
    baseline: float | None = None,
    positives: int = 0,
    unlabelled: UnlabelledVerdict | None = None,
    rows_per_event: float = 1.0,
    labels_due: datetime | None = None,
    performance_notes: Sequence[str] = (),
    kept: Mapping[str, Any] | None = None,
) -> Observation:
    """Summarise one window.

    Parameters
    ----------
    window : str
    rows : int
        Number of scored rows.
    drift : DriftReport or None
        None when it could not be computed.
    alerts : int or None
        Number of rows that alert.
    expected_rate : float or None
        Share of rows that alert in normal operation.
    settings : Degradation
    performance, baseline : float, optional
        Ranking metric on the labelled rows, now and at promotion.
    performance_high : float, optional
        Upper end of the interval of `performance`: a drop counts only if this is below the baseline too.
    positives : int
        Number of labelled anomalies.
    unlabelled : UnlabelledVerdict, optional
        Result of the checks without labels, in windows in which they are due.
    rows_per_event : float
        How many rows alert together in normal operation, on average; 1 for independent rows. With more, the
        number of alerting rows varies more by chance, and more of them are no sign yet.
    labels_due : datetime, optional
        When all labels of the window are known, if that is later than now.
    performance_notes : sequence of str
        What a reader of a drop must know about the comparison.
    kept : mapping, optional
        Scores that later windows are compared with: this window is the baseline, and is not judged.
    """
    reasons = []
    data = score = "not_computable"
    if drift is None:
        reasons.append("drift is not computable, which counts as violated")
    else:
        data = drift.status
        reasons += [f"data {data}: {reason}" for reason in drift.reasons]
        if drift.score is None:
            reasons.append("score drift is not computable, which counts as violated")
        else:
            score = drift.score.status
            if score != "ok":
                reasons.append(f"score {score}: {drift.score.message}")
    alert_rate, alert_status, rate_reasons = _judge_alert_rate(
        rows, alerts, expected_rate, settings, rows_per_event
    )
    performance_status, performance_reasons = _judge_performance(
        performance, performance_high, baseline, positives, settings, labels_due
    )
    if kept is not None:
        performance_status, performance_reasons = "insufficient_data", (_BASELINE,)
    if performance_reasons and positives >= settings.min_positives:
        performance_reasons = (*performance_reasons, *performance_notes)
    label_free = unlabelled or UnlabelledVerdict()
    return Observation(
        window=window,
        rows=rows,
        data=data,
        score=score,
        alert_rate=alert_rate,
        expected_rate=_finite_or_none(expected_rate),
        alert_status=alert_status,
        performance=_finite_or_none(performance),
        baseline=_finite_or_none(baseline),
        performance_status=performance_status,
        reasons=(*reasons, *rate_reasons, *performance_reasons, *label_free.reasons),
        positives=positives,
        agreement_status=label_free.agreement_status,
        injected_status=label_free.injected_status,
        labels_due=labels_due.isoformat() if labels_due else None,
        kept=kept,
        levels=drift.levels if drift is not None else {},
    )


def renew_performance(
    observation: Observation,
    settings: config.Degradation,
    *,
    performance: float | None,
    performance_high: float | None,
    baseline: float | None,
    positives: int,
    notes: Sequence[str] = (),
    labels_due: datetime | None = None,
    kept: Mapping[str, Any] | None = None,
) -> Observation:
    """Return the observation with the performance that labels give that came after it was made.

    Everything else stays as it was observed. Parameters are those of :func:`observe_window`.
    """
    status, reasons = _judge_performance(
        performance, performance_high, baseline, positives, settings, labels_due
    )
    if kept is not None:
        status, reasons = "insufficient_data", (_BASELINE,)
    others = tuple(reason for reason in observation.reasons if not reason.startswith("performance "))
    return replace(
        observation,
        performance=_finite_or_none(performance),
        baseline=_finite_or_none(baseline),
        performance_status=status,
        positives=positives,
        reasons=(*others, *reasons, *(notes if reasons else ())),
        labels_due=labels_due.isoformat() if labels_due else None,
        kept=kept,
    )


def binomial_tail(hits: int, rows: int, rate: float, *, upper: bool = True) -> float:
    """Return the exact binomial probability of at least (not `upper`: at most) `hits` in `rows` at `rate`."""
    from scipy.special import bdtr, bdtrc

    if upper:
        return 1.0 if hits <= 0 else float(bdtrc(hits - 1, rows, rate))
    return float(bdtr(hits, rows, rate))


def _finite_or_none(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _judge_alert_rate(
    rows: int,
    alerts: int | None,
    expected: float | None,
    settings: config.Degradation,
    rows_per_event: float,
) -> tuple[float | None, str, tuple[str, ...]]:
    """Return rate, status and reasons. Violated: far above the expected rate, and significant.

    Counts of events whose sizes are geometric with mean c vary as much as independent rows, 2 c - 1 of them
    taken as one.
    """
    if rows < settings.min_rows:
        reason = f"{rows} rows are fewer than the {settings.min_rows} that an alert rate needs"
        return (alerts / rows if rows and alerts is not None else None), "insufficient_data", (reason,)
    if alerts is None or expected is None or not 0 < expected < 1:
        what = "alerts" if alerts is None else f"expected rate ({expected})"
        reason = f"the alert rate is not computable, which counts as violated: no usable {what}"
        return (None if alerts is None else alerts / rows), "not_computable", (reason,)
    rate, limit = alerts / rows, 1 - settings.confidence
    figures = f"{alerts} alerts in {rows} rows ({rate:.2%}) where {expected:.2%} are expected"
    together = max(1.0, 2.0 * rows_per_event - 1.0)
    trials = math.ceil(rows / together)
    chance = binomial_tail(math.floor(alerts / together), trials, expected)
    if rate >= settings.alert_rate_factor * expected and chance < limit:
        return rate, "violated", (f"{figures}: {rate / expected:.1f} times as many, p = {chance:.2g}",)
    if alerts == 0 and (silence := binomial_tail(0, trials, expected, upper=False)) < limit:
        # Not bad by itself: alerts come in clusters, and a window without alerts is the desired state.
        return rate, "ok", (f"{figures}: unusually silent, p = {silence:.2g}",)
    return rate, "ok", ()


def _judge_performance(
    current: float | None,
    high: float | None,
    baseline: float | None,
    positives: int,
    settings: config.Degradation,
    labels_due: datetime | None,
) -> tuple[str, tuple[str, ...]]:
    """Return level and reasons. Too few labels give no verdict; enough labels without a metric are bad."""
    if positives < settings.min_positives and labels_due is not None:
        reason = (
            f"performance waits for labels until {labels_due.isoformat(timespec='minutes')}: "
            f"{positives} of {settings.min_positives} anomalies are known"
        )
        return "waiting", (reason,)
    if positives < settings.min_positives:
        return "insufficient_data", ()
    now, before = _finite_or_none(current), _finite_or_none(baseline)
    if now is None or before is None or before <= 0:
        reason = (
            f"performance is not computable, which counts as violated: {current} now, {baseline} at promotion"
        )
        return "not_computable", (reason,)
    drop = (before - now) / before
    step: Level = "none"
    for level in LEVELS[1:]:
        # A drop of exactly the limit counts; 1e-12 absorbs rounding, as in (0.8 - 0.72) / 0.8 = 10 %.
        if drop >= getattr(settings, level) - 1e-12:
            step = level
    if step == "none":
        return step, ()
    figures = f"performance {before:.3f} -> {now:.3f} on {positives} anomalies"
    limit = _finite_or_none(high)
    if limit is not None and limit >= before:
        return "none", (f"{figures}: a drop of {drop:.1%} that chance explains (up to {limit:.3f})",)
    return step, (f"{figures}: a {step} drop of {drop:.1%}",)
