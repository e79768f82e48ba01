"""Say whether a champion still ranks rows as it did, so that new p-values are all it needs. Pure.

Called where windows look bad. A recalibration keeps every score: it helps only where the order of the scores
is still right and their size is not. That must be shown; what is not known is no ground to keep a ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pynomaly import config
from pynomaly.judging.drift.observation import LEVELS, Observation

__all__ = ["RankingVerdict", "find_bad_run", "judge_ranking", "judge_thresholds"]

_OF_THRESHOLDS = ("exchangeability", "alert_rate")
"""Promises of a champion that new p-values renew."""


@dataclass(frozen=True)
class RankingVerdict:
    """Whether the ranking is intact.

    Attributes
    ----------
    state : {"intact", "lost", "unknown"}
        ``lost``: a check speaks against it, which need not be proof. ``unknown``: none speaks for it.
    reasons : tuple of str
    """

    state: Literal["intact", "lost", "unknown"]
    reasons: tuple[str, ...]


def judge_thresholds(
    observations: Sequence[Observation], withdrawn: Sequence[str], settings: config.Degradation
) -> RankingVerdict:
    """Say whether thresholds alone moved: in the bad windows, or where a promise about them is withdrawn.

    Parameters
    ----------
    observations : sequence of Observation
        Of one champion, oldest first.
    withdrawn : sequence of str
        Promises of the champion that no longer hold. What adds up over windows withdraws them, so that no
        window need be bad; then the ranking is judged in the last ``settings.windows``.
    settings : Degradation
    """
    ranking = judge_ranking(find_bad_run(observations))
    broken = [name.replace("_", " ") for name in withdrawn if name in _OF_THRESHOLDS]
    if not broken:
        return ranking
    if ranking.state != "intact":
        newest = [item for item in observations if item.rows >= settings.min_rows][-settings.windows :]
        ranking = judge_ranking(newest)
    reason = f"withdrawn promises of the champion: {', '.join(broken)}"
    return RankingVerdict(ranking.state, (reason, *ranking.reasons))


def judge_ranking(observations: Sequence[Observation]) -> RankingVerdict:
    """Judge the ranking by the checks of the windows.

    No window may speak against it, and one must speak for it: by labels (no drop of performance), or without
    labels by both agreement with a refit and no drop on injected anomalies.

    Parameters
    ----------
    observations : sequence of Observation
        Of one champion: those that look bad for the same cause.
    """
    objections = [
        f"{problem} in {observation.window}"
        for observation in observations
        if (problem := _find_problem(observation))
    ]
    if objections:
        return RankingVerdict("lost", (f"the ranking is not shown to be intact: {'; '.join(objections)}",))
    for observation in reversed(observations):
        if observation.performance_status == "none":
            how = f"performance on {observation.positives} labelled anomalies is as it was"
        elif (observation.agreement_status, observation.injected_status) == ("ok", "none"):
            how = "a fresh refit ranks rows alike, and injected anomalies are found as before"
        else:
            continue
        return RankingVerdict("intact", (f"the ranking is intact: {how} ({observation.window})",))
    reason = "nothing says whether the ranking is intact: no labels, and no check without labels was due"
    return RankingVerdict("unknown", (reason,))


def find_bad_run(observations: Sequence[Observation]) -> Sequence[Observation]:
    """Return the unbroken run of bad windows that ends with the newest; empty if that is not bad.

    Newest windows that are not bad but wait for their labels say nothing yet and are passed over.

    Parameters
    ----------
    observations : sequence of Observation
        Of one champion, oldest first.
    """
    end = len(observations)
    while end and observations[end - 1].performance_waits and not observations[end - 1].violated:
        end -= 1
    start = end
    while start and observations[start - 1].violated:
        start -= 1
    return observations[start:end]


def _find_problem(observation: Observation) -> str:
    """Return what a window has against the ranking, "" if nothing; labels outweigh injected anomalies."""
    if observation.data not in ("ok", "warning"):
        return f"data {observation.data}"
    if "not_computable" in (observation.score, observation.alert_status):
        return "scores or alerts are not computable"
    if observation.agreement_status not in ("ok", "not_due"):
        return f"agreement with a refit {observation.agreement_status}"
    if observation.performance_status in (*LEVELS[1:], "not_computable"):
        return f"performance {observation.performance_status}"
    by_labels = observation.performance_status == "none"
    if not by_labels and observation.injected_status not in ("none", "not_due"):
        return f"injected anomalies {observation.injected_status}"
    return ""
