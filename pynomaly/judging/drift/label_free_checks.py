"""Check a detector without labels: two checks on a window's own rows.

*Agreement*: do the champion and the same detector, refitted on the window, rank its rows alike?
*Injected*: does the champion still find anomalies that were injected into the window's rows? Both are
compared with the same measurement at training. A check that is not computable never counts as normal.
Called by `monitor`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from pynomaly import config
from pynomaly.judging.jsonable import to_jsonable
from pynomaly.model.sketch.design_effect import MIN_WORTH

__all__ = ["UnlabelledProbe", "UnlabelledVerdict", "judge_probe"]

Bounds = tuple[float, float, float]

_METRICS = ("roc_auc", "average_precision")
_LARGEST = 1 - 1e-6  # correlation whose transform is finite
_STEPS = ("minor", "moderate", "major", "critical")


@dataclass(frozen=True)
class UnlabelledProbe:
    """Measurements at training or on a window; None where one could not be computed.

    Attributes
    ----------
    rows : int
    agreement : float or None
        Spearman's correlation of the champion's and a refit's scores, on rows not used for the refit.
    roc_auc, average_precision : tuple of float or None
        Metric of the champion on injected anomalies that a row shows by itself: value, lower and upper end of
        the interval.
    reasons : tuple of str
        Why a measurement is None.
    effective : float or None
        Number of independent rows that the measured ones are worth; None: as many as `rows`.
    kinds : tuple of str
        Further kinds of anomalies, which the rows show to be possible: of another hour, of another entity,
        episodes.
    in_context : tuple of (tuple of float or None)
        The same two metrics on all kinds together; None without further kinds.
    own : tuple of float
        At training: agreement on windows of the reference, as long as a monitored one or shorter. Empty where
        the rows have no times, or too few for such windows.
    worth : float
        Number of independent windows that these are worth.
    """

    rows: int
    agreement: float | None
    roc_auc: Bounds | None
    average_precision: Bounds | None
    reasons: tuple[str, ...] = ()
    effective: float | None = None
    kinds: tuple[str, ...] = ()
    in_context: tuple[Bounds | None, Bounds | None] = (None, None)
    own: tuple[float, ...] = ()
    worth: float = 0.0

    @property
    def ranked(self) -> float:
        """Number of independent rows behind the correlation, which half of the rows give; at least 1."""
        half = float(self.rows // 2)
        return max(1.0, half if self.effective is None else min(half, self.effective / 2))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> UnlabelledProbe:
        """Read the output of :meth:`to_dict`."""
        # Measurements of earlier editions lack the last fields.
        values = {field.name: content[field.name] for field in fields(cls) if field.name in content}
        for name in ("roc_auc", "average_precision", "reasons"):
            values[name] = None if values[name] is None else tuple(values[name])
        for name in ("kinds", "own"):
            values[name] = tuple(values.get(name, ()))
        roc_auc, precision = (each and tuple(each) for each in values.get("in_context", (None, None)))
        return cls(**values | {"in_context": (roc_auc, precision)})

    def choose_metrics(self, other: UnlabelledProbe) -> dict[str, Bounds | None]:
        """Return AUROC and average precision by name: on all kinds, if `other` was asked for the same."""
        if self.kinds and self.kinds == other.kinds:
            return dict(zip(_METRICS, self.in_context, strict=True))
        return dict(zip(_METRICS, (self.roc_auc, self.average_precision), strict=True))


@dataclass(frozen=True)
class UnlabelledVerdict:
    """Verdict of both checks.

    Attributes
    ----------
    agreement_status : {"ok", "warning", "drift", "insufficient_data", "not_computable", "not_due"}
    injected_status : {"none", "minor", "moderate", "major", "critical", "not_computable", "not_due"}
        Level of the drop that both metrics reach: average precision alone can change by a few rows.
    agreement_effect, injected_effect : float or None
        Loss of correlation, and relative drop of the metrics.
    reasons : tuple of str
    """

    agreement_status: str = "not_due"
    injected_status: str = "not_due"
    agreement_effect: float | None = None
    injected_effect: float | None = None
    reasons: tuple[str, ...] = ()


def judge_probe(
    now: UnlabelledProbe, then: UnlabelledProbe | None, settings: config.Degradation, alpha: float
) -> UnlabelledVerdict:
    """Compare the measurements on a window with those at training.

    Parameters
    ----------
    now : UnlabelledProbe
    then : UnlabelledProbe or None
        None for a champion that was trained before these checks existed.
    settings : Degradation
    alpha : float
        Chance that agreement is called lost in a window in which nothing changed.
    """
    if then is None:
        reason = "no measurement at training to compare with: a training makes one"
        return UnlabelledVerdict("not_computable", "not_computable", reasons=(reason,))
    agreement, loss, agreement_reasons = _judge_agreement(now, then, settings, alpha)
    injected, drop, injected_reasons = _judge_injected(now, then, settings)
    return UnlabelledVerdict(agreement, injected, loss, drop, (*agreement_reasons, *injected_reasons))


def _judge_agreement(
    now: UnlabelledProbe, then: UnlabelledProbe, settings: config.Degradation, alpha: float
) -> tuple[str, float | None, tuple[str, ...]]:
    if now.agreement is None or then.agreement is None:
        return (
            "not_computable",
            None,
            ("agreement with a refit is not computable", *_collect_reasons(now, then)),
        )
    before = float(np.median(then.own)) if then.own else then.agreement
    loss = max(0.0, before - now.agreement)
    figures = f"rank agreement with a fresh refit {before:.2f} -> {now.agreement:.2f}"
    if then.own:
        figures += f", in windows of the reference {min(then.own):.2f} to {max(then.own):.2f}"
    if loss < settings.disagreement / 3:
        return "ok", loss, ()
    if then.own and then.worth < MIN_WORTH:
        worth = f"they are worth {then.worth:.1f} independent ones, {MIN_WORTH:g} are needed for a verdict"
        return "insufficient_data", loss, (f"{figures}: {worth} (windows.reference)",)
    if _explain_by_chance(now, then, before) > alpha:
        reason = "chance explains it"
        if not then.own and now.effective is not None and now.effective < now.rows:
            reason += f", as the rows of the window are worth {now.effective:.1f} independent ones"
        return "ok", loss, (f"{figures}: {reason}",)
    if loss >= settings.disagreement:
        return "drift", loss, (f"{figures}: the champion ranks rows as a new model would not",)
    return "warning", loss, (figures,)


def _explain_by_chance(now: UnlabelledProbe, then: UnlabelledProbe, before: float) -> float:
    """Return the chance of an agreement as low as that of `now` while nothing changed from `before`.

    By a t-test against the windows of the reference, of Fisher's transforms of the correlations. Without such
    windows the standard error of a correlation of r over n ranks is about (1 - r^2) / sqrt(n); of dependent
    rows n is what they are worth: a refit on a few days of a slow series learns those days.
    """
    from scipy.special import ndtr, stdtr

    agreement = now.agreement
    assert agreement is not None, "_judge_agreement has looked"
    if not then.own:
        error = math.hypot(
            *((1 - r**2) / math.sqrt(side.ranked) for side, r in ((now, agreement), (then, before)))
        )
        return float(ndtr((agreement - before) / max(error, 1e-9)))
    own = np.arctanh(np.clip(then.own, -_LARGEST, _LARGEST))
    gap = math.atanh(min(max(agreement, -_LARGEST), _LARGEST)) - float(own.mean())
    least = 1 / math.sqrt(max(1.0, now.rows // 2 - 3))
    spread = max(float(own.std(ddof=1)), least) * math.sqrt(1 + 1 / then.worth)
    return float(stdtr(then.worth - 1, gap / spread))


def _judge_injected(
    now: UnlabelledProbe, then: UnlabelledProbe, settings: config.Degradation
) -> tuple[str, float | None, tuple[str, ...]]:
    mildest, smallest, reasons = len(_STEPS), None, []
    current_metrics, metrics_before = now.choose_metrics(then), then.choose_metrics(now)
    for name in _METRICS:
        current, before = current_metrics[name], metrics_before[name]
        if current is None or before is None or before[0] <= 0:
            return (
                "not_computable",
                None,
                (f"{name} on injected anomalies is not computable", *_collect_reasons(now, then)),
            )
        drop = (before[0] - current[0]) / before[0]
        smallest = drop if smallest is None else min(smallest, drop)
        # Both values are estimates: overlapping intervals count as no change.
        steps_reached = [
            position for position, step in enumerate(_STEPS) if drop >= getattr(settings, step) - 1e-12
        ]
        step = steps_reached[-1] if steps_reached and current[2] < before[1] else -1
        mildest = min(mildest, step)
        if step >= 0:
            figures = f"{name} on injected anomalies {before[0]:.3f} -> {current[0]:.3f}"
            reasons.append(f"{figures}: a {_STEPS[step]} drop")
    if reasons and mildest < 0:
        reasons.append("only one of the two metrics dropped, which counts as chance")
    return ("none" if mildest < 0 else _STEPS[mildest]), max(0.0, smallest or 0.0), tuple(reasons)


def _collect_reasons(now: UnlabelledProbe, then: UnlabelledProbe) -> tuple[str, ...]:
    return (*now.reasons, *(f"at training: {reason}" for reason in then.reasons))
