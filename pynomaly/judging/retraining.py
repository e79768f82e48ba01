"""Should we train again, and how much: a pure decision with every reason that speaks against it.

Called by `retrain` before anything is read or fitted. Drift alone is no evidence that a new model is better,
so limits keep a run of events from becoming a run of trainings. Times are aware.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pynomaly import config
from pynomaly.config.units import spell
from pynomaly.errors import WindowError
from pynomaly.judging.plain import plain

__all__ = ["RetrainDecision", "Situation", "decide"]

Remedy = Literal["none", "recalibrate", "refit", "search", "block"]

# What each cause calls for; anything else is a refit of the same detector.
_REMEDIES: dict[str, Remedy] = {"alert_rate": "recalibrate", "performance": "search", "schedule": "search"}


@dataclass(frozen=True)
class Situation:
    """All that a decision to retrain rests on.

    Attributes
    ----------
    reason : str
        ``data_drift``, ``score_drift``, ``performance``, ``alert_rate``, ``new_labels``, or any other word.
    trigger : {"event", "manual", "schedule"}
    as_of : datetime
        The decision's moment.
    last_training : datetime or None
    last_data_hash, data_hash : str or None, str
        Content of the reference of the last training, and of the one that would be used now.
    rows_available : int
        Usable rows of the new reference.
    rejected_in_a_row : int
        Challengers refused since the last promotion.
    last_rejection : datetime or None
    data_status : {"pass", "warn", "block"}
        Outcome of validating the new reference; any other word counts as ``block``.
    schema_ok : bool
        Whether the columns still are what the pipeline expects.
    champion : str or None
    left_out : int
        Rows of declared incidents that the new reference has and no training uses.
    """

    reason: str
    trigger: Literal["event", "manual", "schedule"]
    as_of: datetime
    last_training: datetime | None
    last_data_hash: str | None
    data_hash: str
    rows_available: int
    rejected_in_a_row: int
    last_rejection: datetime | None
    data_status: str
    schema_ok: bool
    champion: str | None
    left_out: int = 0

    def __post_init__(self) -> None:
        for name in ("as_of", "last_training", "last_rejection"):
            moment: datetime | None = getattr(self, name)
            if moment is not None and moment.utcoffset() is None:
                raise WindowError(f"{name} {moment.isoformat()} has no offset; allowed: aware times")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))


@dataclass(frozen=True)
class RetrainDecision:
    """What to do, and why.

    Attributes
    ----------
    remedy : {"none", "recalibrate", "refit", "search", "block"}
        ``recalibrate``: new p-values for the same model. ``refit``: the champion's detector on new data.
        ``search``: every candidate. ``block``: nothing may be trained until a person mends the data.
    retry_after : datetime or None
        When waiting alone removes the refusal.
    """

    remedy: Remedy
    reasons: tuple[str, ...]
    retry_after: datetime | None = None

    @property
    def trains(self) -> bool:
        """Whether a model is fitted."""
        return self.remedy in ("refit", "search")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))


def decide(situation: Situation, settings: config.Retraining) -> RetrainDecision:
    """Decide whether and how to retrain.

    A broken schema or blocked data block. Without a champion every candidate is tried. Otherwise the same
    data, the cool-down, too few rows, too many attempts and the back-off each refuse; a person's request
    passes the cool-down, the attempts and the back-off, and the decision says so.

    Parameters
    ----------
    situation : Situation
    settings : Retraining
    """
    decision = _decide(situation, settings)
    if not situation.left_out or decision.remedy == "block":
        return decision
    counted = f"Rows of declared incidents, left out of the reference: {situation.left_out}."
    return replace(decision, reasons=(*decision.reasons, counted))


def _decide(situation: Situation, settings: config.Retraining) -> RetrainDecision:
    """The decision itself, before what was left out is said."""
    if not situation.schema_ok:
        return RetrainDecision(
            "block", ("The columns are not what the pipeline expects; training would learn them wrong.",)
        )
    if situation.data_status not in ("pass", "warn"):
        outcome = f"outcome {situation.data_status!r}; needed: 'pass' or 'warn'"
        reason = f"The new reference did not pass validation ({outcome})."
        return RetrainDecision("block", (reason,))
    if situation.champion is None:
        return RetrainDecision("search", ("There is no champion yet: every candidate is trained.",))
    lasting = _lasting(situation, settings)
    passing, until = _passing(situation, settings)
    if situation.trigger == "manual":
        noted = tuple(f"A person asked, so this does not hold it back: {reason}" for reason in passing)
        if lasting:
            return RetrainDecision("none", (*lasting, *noted))
        return RetrainDecision("search", (f"A person asked for a training ({situation.reason}).", *noted))
    if lasting or passing:
        return RetrainDecision(
            "none", (*lasting, *passing), None if lasting or _exhausted(situation, settings) else until
        )
    return _remedy(situation)


def _exhausted(situation: Situation, settings: config.Retraining) -> bool:
    return situation.rejected_in_a_row >= settings.max_attempts


def _lasting(situation: Situation, settings: config.Retraining) -> tuple[str, ...]:
    """Refusals that hold for anybody, and that no waiting removes by itself."""
    reasons = []
    if situation.last_data_hash is not None and situation.data_hash == situation.last_data_hash:
        reasons.append(
            f"The data are those of the last training ({situation.data_hash[:12]}): "
            f"the result would be the same."
        )
    if situation.rows_available < settings.min_rows:
        reasons.append(
            f"The new reference has {situation.rows_available} usable rows; {settings.min_rows} are needed."
        )
    return tuple(reasons)


def _passing(situation: Situation, settings: config.Retraining) -> tuple[tuple[str, ...], datetime | None]:
    """Refusals that a person may pass, and when the last of them ends."""
    reasons, ends = [], []
    if situation.last_training is not None:
        end = situation.last_training + settings.cooldown
        if situation.as_of < end:
            ends.append(end)
            reasons.append(
                f"The last training was at {situation.last_training.isoformat()}; the cool-down of "
                f"{spell(settings.cooldown)} ends at {end.isoformat()}."
            )
    rejected = situation.rejected_in_a_row
    if _exhausted(situation, settings):
        reasons.append(
            f"{rejected} challengers in a row were rejected, and {settings.max_attempts} are allowed: "
            f"a person must ask for the next."
        )
    elif rejected and situation.last_rejection is not None:
        wait = settings.backoff * 2 ** (rejected - 1)
        end = situation.last_rejection + wait
        if situation.as_of < end:
            ends.append(end)
            reasons.append(
                f"Challengers rejected in a row: {rejected}; the back-off of {spell(wait)} ends at "
                f"{end.isoformat()}."
            )
    return tuple(reasons), max(ends, default=None)


def _remedy(situation: Situation) -> RetrainDecision:
    """What the cause calls for; a refit that was already refused makes way for every candidate."""
    remedy = _REMEDIES.get(situation.reason, "refit")
    count = situation.rows_available
    if remedy == "refit" and situation.rejected_in_a_row:
        cause = f"{situation.reason}: the last challenger was rejected"
        reason = f"{cause}, so every candidate is trained on {count} rows."
        return RetrainDecision("search", (reason,))
    told = {
        "recalibrate": f"{situation.reason}: the p-values are set again on {count} rows, the model stays.",
        "search": f"{situation.reason}: every candidate is trained on {count} rows.",
        "refit": f"{situation.reason}: the champion's detector is trained again on {count} rows.",
    }
    return RetrainDecision(remedy, (told[remedy],))
