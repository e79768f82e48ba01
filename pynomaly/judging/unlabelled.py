"""Is a detector still good, where no label says so: two checks on a window's own rows.

*Agreement*: do the champion and the same detector, fitted afresh on the window, rank its rows alike?
*Injected*: does the champion still find anomalies that were put into the window's rows? Both are held against
the same measurement at training. What is not computable is never called normal. Called by `monitor`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pynomaly import config
from pynomaly.judging.plain import plain

__all__ = ["Probe", "Unlabelled", "judge_probe"]

_STEPS = ("minor", "moderate", "major", "critical")


@dataclass(frozen=True)
class Probe:
    """What was measured, at training or on a window; None where it could not be.

    Attributes
    ----------
    rows : int
    agreement : float or None
        Spearman's correlation of the champion's scores and a fresh refit's, on rows the refit did not see.
    roc_auc, average_precision : tuple of float or None
        Of the champion on injected anomalies: value, lower and upper end of the interval.
    reasons : tuple of str
        Why something is None.
    """

    rows: int
    agreement: float | None
    roc_auc: tuple[float, float, float] | None
    average_precision: tuple[float, float, float] | None
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Probe:
        """Read what :meth:`to_dict` wrote."""
        given = {field.name: content[field.name] for field in fields(cls)}
        for name in ("roc_auc", "average_precision", "reasons"):
            given[name] = None if given[name] is None else tuple(given[name])
        return cls(**given)


@dataclass(frozen=True)
class Unlabelled:
    """Verdict of both checks.

    Attributes
    ----------
    agreement_status : {"ok", "warning", "drift", "not_computable", "not_due"}
    injected_status : {"none", "minor", "moderate", "major", "critical", "not_computable", "not_due"}
        Step of the ladder that both metrics dropped by: average precision alone moves with a few rows.
    agreement_effect, injected_effect : float or None
        Loss of correlation, and relative drop.
    reasons : tuple of str
    """

    agreement_status: str = "not_due"
    injected_status: str = "not_due"
    agreement_effect: float | None = None
    injected_effect: float | None = None
    reasons: tuple[str, ...] = ()


def judge_probe(now: Probe, then: Probe | None, settings: config.Degradation) -> Unlabelled:
    """Hold a window's measurement against the training's.

    Parameters
    ----------
    now : Probe
    then : Probe or None
        None for a champion that was trained before there were such checks.
    settings : Degradation
    """
    if then is None:
        reason = "no measurement at training to compare with: a training makes one"
        return Unlabelled("not_computable", "not_computable", reasons=(reason,))
    agreement, loss, said = _agreement(now, then, settings)
    injected, drop, told = _injected(now, then, settings)
    return Unlabelled(agreement, injected, loss, drop, (*said, *told))


def _agreement(
    now: Probe, then: Probe, settings: config.Degradation
) -> tuple[str, float | None, tuple[str, ...]]:
    if now.agreement is None or then.agreement is None:
        return "not_computable", None, ("agreement with a refit is not computable", *_why(now, then))
    loss = max(0.0, then.agreement - now.agreement)
    figures = f"rank agreement with a fresh refit {then.agreement:.2f} -> {now.agreement:.2f}"
    # Standard error of a correlation of r over n ranks: about (1 - r^2) / sqrt(n).
    chance = 2 * math.hypot(
        *((1 - (side.agreement or 0.0) ** 2) / math.sqrt(max(1, side.rows // 2)) for side in (now, then))
    )
    if loss >= settings.disagreement and loss > chance:
        return "drift", loss, (f"{figures}: the champion ranks rows as a new model would not",)
    if loss >= settings.disagreement / 3 and loss > chance:
        return "warning", loss, (figures,)
    return "ok", loss, ()


def _injected(
    now: Probe, then: Probe, settings: config.Degradation
) -> tuple[str, float | None, tuple[str, ...]]:
    mildest, smallest, reasons = len(_STEPS), None, []
    for name in ("roc_auc", "average_precision"):
        found, before = getattr(now, name), getattr(then, name)
        if found is None or before is None or before[0] <= 0:
            return (
                "not_computable",
                None,
                (f"{name} on injected anomalies is not computable", *_why(now, then)),
            )
        drop = (before[0] - found[0]) / before[0]
        smallest = drop if smallest is None else min(smallest, drop)
        # Both are samples: intervals that overlap are no change.
        reached = [at for at, step in enumerate(_STEPS) if drop >= getattr(settings, step) - 1e-12]
        step = reached[-1] if reached and found[2] < before[1] else -1
        mildest = min(mildest, step)
        if step >= 0:
            figures = f"{name} on injected anomalies {before[0]:.3f} -> {found[0]:.3f}"
            reasons.append(f"{figures}: a {_STEPS[step]} drop")
    if reasons and mildest < 0:
        reasons.append("only one of the two metrics dropped, which counts as chance")
    return ("none" if mildest < 0 else _STEPS[mildest]), max(0.0, smallest or 0.0), tuple(reasons)


def _why(now: Probe, then: Probe) -> tuple[str, ...]:
    return (*now.reasons, *(f"at training: {reason}" for reason in then.reasons))
