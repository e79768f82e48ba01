"""Decide from the last windows whether a model degrades: two bad of the last five, the newest included.

Called by `monitor` after each window, with the :class:`~pynomaly.judging.drift.observation.Observation` of
the last ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from pynomaly import config
from pynomaly.judging.drift.observation import LEVELS, Level, Observation, binomial_tail, observe_window
from pynomaly.judging.drift.ranking import judge_thresholds
from pynomaly.judging.jsonable import to_jsonable

__all__ = [
    "STATES",
    "TRAINING_ACTIONS",
    "DegradationVerdict",
    "Observation",
    "ask_for_training",
    "binomial_tail",
    "judge_degradation",
    "observe_window",
]

State = Literal["normal", "warning", "degraded", "critical", "recovering", "insufficient_data"]
Action = Literal["none", "alert", "watch", "recalibrate", "retrain", "page"]

STATES: tuple[State, ...] = get_args(State)
_ACTIONS: dict[Level, Action] = {
    "none": "none",
    "minor": "alert",
    "moderate": "watch",
    "major": "retrain",
    "critical": "page",
}
TRAINING_ACTIONS: tuple[Action, ...] = ("recalibrate", "retrain", "page")
"""Actions that a decision to retrain follows."""

_STATES: dict[Level, State] = {"minor": "warning", "critical": "critical"}


@dataclass(frozen=True)
class DegradationVerdict:
    """Verdict over the last windows.

    Attributes
    ----------
    state : {"normal", "warning", "degraded", "critical", "recovering", "insufficient_data"}
        ``warning``: the newest window is bad but too few windows are; or enough are, at level ``minor``.
    violated, considered : tuple of str
        Keys of the bad windows, and of all windows that were considered.
    action : {"none", "alert", "watch", "recalibrate", "retrain", "page"}
        ``recalibrate`` stands for ``watch`` or ``retrain`` where the ranking is shown to be intact.
    """

    state: State
    violated: tuple[str, ...]
    considered: tuple[str, ...]
    reasons: tuple[str, ...]
    action: Action

    @property
    def asks_for_training(self) -> bool:
        """Whether a decision to retrain follows."""
        return self.action in TRAINING_ACTIONS

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def judge_degradation(
    observations: Sequence[Observation], settings: config.Degradation, withdrawn: Sequence[str] = ()
) -> DegradationVerdict:
    """Judge the last windows.

    A level (minor to critical) is reached when the newest window has at least this level, and so have
    ``settings.violated`` of the last ``settings.windows``. Windows with too few rows are ignored. While the
    newest window waits for labels, the rule also holds for performance alone, over the windows that have it.
    Where thresholds alone moved (:func:`~pynomaly.judging.drift.ranking.judge_thresholds`), a recalibration
    is asked for; a withdrawn promise asks for it without bad windows, and is a warning then.

    Parameters
    ----------
    observations : sequence of Observation
        Oldest first.
    settings : Degradation
    withdrawn : sequence of str
        Promises of the champion that no longer hold.
    """
    verdict = _judge_windows(observations, settings)
    asks = verdict.state in ("degraded", "critical")
    if verdict.state == "insufficient_data" or verdict.action == "page" or not (asks or withdrawn):
        return verdict
    thresholds = judge_thresholds(observations, withdrawn, settings)
    if thresholds.state != "intact":
        return verdict
    state: State = verdict.state if asks else "warning"
    reasons = (*verdict.reasons, *thresholds.reasons)
    return replace(verdict, state=state, action="recalibrate", reasons=reasons)


def ask_for_training(verdict: DegradationVerdict, reason: str) -> DegradationVerdict:
    """Return a verdict that asks for a training for `reason`, unless it does already, or that is "".

    No window need be bad: that a champion learned few rows, or alerts too rarely, is nothing that a window
    shows.
    """
    if not reason:
        return verdict
    action: Action = verdict.action if verdict.asks_for_training else "retrain"
    return replace(verdict, action=action, reasons=(*verdict.reasons, reason))


def _judge_windows(observations: Sequence[Observation], settings: config.Degradation) -> DegradationVerdict:
    """Judge the windows by their levels alone."""
    if not observations:
        return DegradationVerdict("insufficient_data", (), (), ("no window has been monitored yet",), "none")
    newest = observations[-1]
    usable = [item for item in observations if item.rows >= settings.min_rows][-settings.windows :]
    considered = tuple(item.window for item in usable)
    violated = tuple(item.window for item in usable if item.violated)
    if newest.rows < settings.min_rows:
        reason = f"window {newest.window} has {newest.rows} rows; {settings.min_rows} are needed"
        return DegradationVerdict("insufficient_data", violated, considered, (reason,), "none")
    levels = [LEVELS.index(item.level) for item in usable]
    reached: Level = "none"
    for rank in range(1, levels[-1] + 1):
        if sum(level >= rank for level in levels) >= settings.violated:
            reached = LEVELS[rank]
    if newest.performance_waits:
        late = _judge_late_performance(observations, settings)
        if late is not None and LEVELS.index(late[0]) > LEVELS.index(reached):
            reasons = (late[1], *newest.reasons)
            return DegradationVerdict(
                _STATES.get(late[0], "degraded"), violated, considered, reasons, _ACTIONS[late[0]]
            )
    rule = f"{settings.violated} of {settings.windows} make a verdict"
    count = f"{len(violated)} of the last {len(usable)} windows are bad ({rule})"
    if reached == "none" and newest.violated:
        action: Action = "alert" if newest.level == "minor" else "watch"
        reasons = (f"the newest window is bad ({newest.level}), but only {count}", *newest.reasons)
        return DegradationVerdict("warning", violated, considered, reasons, action)
    if reached == "none":
        if len(violated) >= settings.violated:
            return DegradationVerdict(
                "recovering", violated, considered, (f"the newest window is good; {count}",), "watch"
            )
        return DegradationVerdict("normal", violated, considered, (count, *newest.reasons), "none")
    reasons = (f"{count}, the newest among them; level {reached}", *newest.reasons)
    return DegradationVerdict(
        _STATES.get(reached, "degraded"), violated, considered, reasons, _ACTIONS[reached]
    )


def _judge_late_performance(
    observations: Sequence[Observation], settings: config.Degradation
) -> tuple[Level, str] | None:
    """Return the level that performance reaches in the windows whose labels are in, and why; None without."""
    judged = [
        item for item in observations if item.rows >= settings.min_rows and item.performance_status in LEVELS
    ][-settings.windows :]
    if not judged:
        return None
    levels = [LEVELS.index(item.performance_status) for item in judged]
    reached: Level = "none"
    for rank in range(1, levels[-1] + 1):
        if sum(level >= rank for level in levels) >= settings.violated:
            reached = LEVELS[rank]
    bad = sum(level > 0 for level in levels)
    return reached, (
        f"performance dropped in {bad} of the last {len(judged)} windows whose labels are in, "
        f"{judged[-1].window} the newest of them; level {reached}"
    )
