"""Decide whether and how to retrain, with every reason against it. Pure.

Called by `retrain` before anything is read or fitted. Drift alone is no evidence that a new model is better,
so limits prevent a series of events from causing a series of trainings. Times are aware.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from pynomaly import config
from pynomaly.config.spelling.units import spell_duration
from pynomaly.errors import WindowError
from pynomaly.judging.jsonable import to_jsonable

__all__ = ["RetrainDecision", "RetrainSituation", "decide_retraining"]

Remedy = Literal["none", "recalibrate", "refit", "search", "block"]

# Remedy for each cause; any other cause needs a refit of the same detector. Alerts alone may be an incident.
_REMEDIES: dict[str, Remedy] = {"thresholds": "recalibrate", "performance": "search", "schedule": "search"}


@dataclass(frozen=True)
class RetrainSituation:
    """All facts on which a decision to retrain is based.

    Attributes
    ----------
    reason : str
        ``data_drift``, ``score_drift``, ``performance``, ``alert_rate``, ``schedule``, or a person's words;
        ``thresholds``: scores or alerts moved, and the ranking is shown to be intact.
    trigger : {"event", "manual", "schedule"}
    as_of : datetime
        Time of the decision.
    last_training : datetime or None
    last_data_hash, data_hash : str or None, str
        Content hash of the reference of the last training, and of the reference that would be used now.
    rows_available : int
        Usable rows of the new reference.
    rejected_in_a_row : int
        Challengers since the last promotion that stands which were refused, rejected, expired or taken back.
    last_rejection : datetime or None
    schema_ok : bool
        Whether the columns are still those that the pipeline expects.
    champion : str or None
    left_out : int
        Number of rows of declared incidents in the new reference; training excludes them.
    forgotten_rejections : int
        Further rejected challengers, older than ``retraining.forget``.
    asked : {"search", "recalibrate"}
        What a person asks for, where `trigger` is ``manual``.
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
    schema_ok: bool
    champion: str | None
    left_out: int = 0
    forgotten_rejections: int = 0
    asked: Literal["search", "recalibrate"] = "search"

    def __post_init__(self) -> None:
        for name in ("as_of", "last_training", "last_rejection"):
            moment: datetime | None = getattr(self, name)
            if moment is not None and moment.utcoffset() is None:
                raise WindowError(f"{name} {moment.isoformat()} has no offset; allowed: aware times")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


@dataclass(frozen=True)
class RetrainDecision:
    """The chosen remedy, with the reasons.

    Attributes
    ----------
    remedy : {"none", "recalibrate", "refit", "search", "block"}
        ``recalibrate``: new p-values for the same model. ``refit``: the champion's detector on new data.
        ``search``: fit every candidate. ``block``: no training until a person repairs the data.
    retry_after : datetime or None
        Time at which the refusal ends without further action; None where waiting does not help.
    """

    remedy: Remedy
    reasons: tuple[str, ...]
    retry_after: datetime | None = None

    @property
    def trains(self) -> bool:
        """Whether a model is fitted."""
        return self.remedy in ("refit", "search")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def decide_retraining(situation: RetrainSituation, settings: config.Retraining) -> RetrainDecision:
    """Decide whether and how to retrain.

    A broken schema gives ``block``; rows that validation blocks end the training later. Without a champion
    every candidate is fitted. Otherwise each of these refuses a training: unchanged data, the cool-down, too
    few rows, the back-off, which doubles with each rejected challenger up to ``max_attempts``. A person's
    request overrides cool-down and back-off, with a note in the reasons.

    Parameters
    ----------
    situation : RetrainSituation
    settings : Retraining
    """
    decision = _decide_remedy(situation, settings)
    if decision.remedy == "block":
        return decision
    notes = []
    if situation.left_out:
        notes.append(f"Rows of declared incidents, left out of the reference: {situation.left_out}.")
    if situation.forgotten_rejections:
        notes.append(
            f"Rejected challengers older than {spell_duration(settings.forget)} (retraining.forget), not "
            f"counted: {situation.forgotten_rejections}."
        )
    return replace(decision, reasons=(*decision.reasons, *notes))


def _decide_remedy(situation: RetrainSituation, settings: config.Retraining) -> RetrainDecision:
    """Decide without the note on excluded rows."""
    if not situation.schema_ok:
        return RetrainDecision(
            "block", ("The columns are not what the pipeline expects; training would learn them wrong.",)
        )
    if situation.champion is None:
        return RetrainDecision("search", ("There is no champion yet: every candidate is trained.",))
    lasting_refusals = _find_lasting_refusals(situation, settings)
    temporary_refusals, until = _find_temporary_refusals(situation, settings)
    if situation.trigger == "manual":
        notes = tuple(
            f"A person asked, so this does not hold it back: {reason}" for reason in temporary_refusals
        )
        if lasting_refusals:
            return RetrainDecision("none", (*lasting_refusals, *notes))
        what = "recalibration" if situation.asked == "recalibrate" else "training"
        return RetrainDecision(
            situation.asked, (f"A person asked for a {what} ({situation.reason}).", *notes)
        )
    if lasting_refusals or temporary_refusals:
        return RetrainDecision(
            "none",
            (*lasting_refusals, *temporary_refusals),
            None if lasting_refusals else until,
        )
    return _select_remedy(situation)


def _find_lasting_refusals(situation: RetrainSituation, settings: config.Retraining) -> tuple[str, ...]:
    """Return the refusals that a person cannot override and that waiting alone does not end."""
    reasons = []
    if situation.last_data_hash is not None and situation.data_hash == situation.last_data_hash:
        reasons.append(
            f"The data are those of the last training ({situation.data_hash[:12]}): "
            f"the result would be the same."
        )
    if situation.rows_available < settings.min_rows:
        what = "reference"
        if situation.asked == "recalibrate":
            what = "reference, of which the champion has learned no row,"
        reasons.append(
            f"The new {what} has {situation.rows_available} usable rows; {settings.min_rows} are needed."
        )
    return tuple(reasons)


def _find_temporary_refusals(
    situation: RetrainSituation, settings: config.Retraining
) -> tuple[tuple[str, ...], datetime | None]:
    """Return the refusals that a person can override, and when the last of them ends."""
    reasons, ends = [], []
    if situation.last_training is not None:
        end = situation.last_training + settings.cooldown
        if situation.as_of < end:
            ends.append(end)
            reasons.append(
                f"The last training was at {situation.last_training.isoformat()}; the cool-down of "
                f"{spell_duration(settings.cooldown)} ends at {end.isoformat()}."
            )
    rejected = situation.rejected_in_a_row
    if rejected and situation.last_rejection is not None:
        wait = settings.backoff * 2 ** (min(rejected, settings.max_attempts) - 1)
        end = situation.last_rejection + wait
        if situation.as_of < end:
            ends.append(end)
            asks = "; a person may ask sooner" if rejected >= settings.max_attempts else ""
            reasons.append(
                f"Challengers rejected in a row: {rejected}; the back-off of {spell_duration(wait)} ends at "
                f"{end.isoformat()}{asks}."
            )
    return tuple(reasons), max(ends, default=None)


def _select_remedy(situation: RetrainSituation) -> RetrainDecision:
    """Choose the remedy for the cause; after a rejected challenger, every candidate instead of a refit."""
    remedy = _REMEDIES.get(situation.reason, "refit")
    count = situation.rows_available
    recalibrates = remedy == "recalibrate" and situation.asked == "recalibrate"
    if remedy in ("recalibrate", "refit") and situation.rejected_in_a_row and not recalibrates:
        cause = f"{situation.reason}: the last challenger was rejected"
        reason = f"{cause}, so every candidate is trained on {count} rows."
        return RetrainDecision("search", (reason,))
    descriptions = {
        "recalibrate": f"{situation.reason} moved: the p-values are set again on {count} rows, the model "
        f"stays.",
        "search": f"{situation.reason}: every candidate is trained on {count} rows.",
        "refit": f"{situation.reason}: the champion's detector is trained again on {count} rows.",
    }
    return RetrainDecision(remedy, (descriptions[remedy],))
