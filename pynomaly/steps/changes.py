"""What the windows of a champion say of a change: its cause, where it began, and whether it lasts. Pure.

Called by :mod:`pynomaly.steps.training.planning`, by the comparison with the champion, and by replays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import fmean

from pynomaly.config import Degradation, Pipeline
from pynomaly.judging.drift.columns.carried_shifts import SCORE
from pynomaly.judging.drift.degradation import Observation
from pynomaly.judging.drift.ranking import find_bad_run, judge_thresholds
from pynomaly.judging.normal_alerts import explain_rare_alerts
from pynomaly.records.ledger import parse_window_key

__all__ = [
    "MAX_WINDOWS",
    "explain_request",
    "find_cause",
    "find_drift_start",
    "find_learned_start",
    "find_training_start",
    "has_grown",
    "has_outlasted",
    "has_rare_alerts",
    "learned_more",
    "recalibrates_again",
]

MAX_WINDOWS = 366
"""Number of a version's windows, the newest ones, that are read: for verdicts, the last checks without
labels, what adds up, trainings and comparisons. A version has one observation of each, however often it is
judged."""


def find_training_start(cause: str, observations: Sequence[Observation], learned: str) -> datetime | None:
    """Returns from where on the rows are learned that a training for `cause` is for; None for all of them.

    That is the start of the unbroken run of bad windows that ends with the newest one. Where the columns of
    that one have drifted, the run is of such windows: earlier ones that were bad for another cause, a rate of
    alerts for example, hold rows of before the change. Where alerts are rare, it is the end of what the
    champion learned: that is what is wrong. Where the champion's own rows have grown, they are learned, too.

    Parameters
    ----------
    cause : str
        As :func:`find_cause` gives it.
    observations : sequence of Observation
        Of one champion, oldest first.
    learned : str
        Key of the window that its detector learned; "all" where that is not known.
    """
    if cause == "growth":
        return None
    if cause == "rare_alerts":
        own = parse_window_key(learned)
        return own[1] if own else None
    run = find_bad_run(observations)
    edges = parse_window_key(run[0].window) if run else None
    return find_drift_start(observations) or (edges[0] if edges else None)


def find_drift_start(observations: Sequence[Observation]) -> datetime | None:
    """Returns where the unbroken run of windows with drifted columns that ends with the newest one starts.

    None, too, where the newest is drift only by what the windows before it add up to: the change is over.

    Parameters
    ----------
    observations : sequence of Observation
        Of one champion, oldest first.
    """
    run = find_bad_run(observations)
    if not run or run[-1].data != "drift":
        return None
    before = [place for place, item in enumerate(run) if item.data != "drift"]
    drifted = run[before[-1] + 1 if before else 0 :]
    if _has_come_back(observations, drifted):
        return None
    edges = parse_window_key(drifted[0].window)
    return edges[0] if edges else None


def _has_come_back(observations: Sequence[Observation], run: Sequence[Observation]) -> bool:
    """Returns whether the newest window of a run is nearer to how it was before than to the run.

    Judged by the column that moved most in the run, on its mean rank among the values of the reference: from
    that of the windows whose columns had not drifted, or from the middle.
    """
    *moved, newest = run
    usual = [item.levels for item in observations if item.data != "drift"]
    best, came_back = 0.0, False
    for name in {name for item in moved for name in item.levels if name != SCORE}:
        centre = fmean([levels[name] for levels in usual if name in levels] or [0.5])
        shift = fmean(item.levels[name] for item in moved if name in item.levels) - centre
        if abs(shift) > best:
            level = newest.levels.get(name)
            best, came_back = abs(shift), level is not None and (level - centre) / shift < 0.5
    return came_back


def has_outlasted(observations: Sequence[Observation], window: str, settled: timedelta) -> bool:
    """Returns whether a reference holds nothing but a change of the columns that has lasted `settled`.

    Parameters
    ----------
    observations : sequence of Observation
        Of one champion, oldest first.
    window : str
        Key of the reference.
    settled : timedelta
        ``retraining.settled``.
    """
    change, edges = find_drift_start(observations), parse_window_key(window)
    if change is None or edges is None:
        return False
    return edges[0] >= change and edges[1] - change >= settled


def has_grown(
    observations: Sequence[Observation], learned: str, until: datetime, reference: timedelta
) -> bool:
    """Returns whether there are twice the rows by now that the champion learned, of the world it learned.

    A champion that learned a change alone learned few rows. From the first of them on, time has become twice
    as long, or a whole reference; and in no window of the champion columns have drifted.

    Parameters
    ----------
    observations : sequence of Observation
        Of the champion.
    learned : str
        Key of the window that its detector learned; "all" where that is not known.
    until : datetime
        Aware; where a new reference would end.
    reference : timedelta
        ``windows.reference``.
    """
    edges = parse_window_key(learned)
    if edges is None or edges[1] - edges[0] >= reference:
        return False
    if any(item.data == "drift" for item in observations):
        return False
    return until - edges[0] >= min(2 * (edges[1] - edges[0]), reference)


def has_rare_alerts(
    observations: Sequence[Observation], pipeline: Pipeline, withdrawn: Sequence[str] = ()
) -> bool:
    """Returns whether normal rows alert far more rarely than the champion promised.

    Parameters
    ----------
    observations : sequence of Observation
        Of one champion.
    pipeline : Pipeline
    withdrawn : sequence of str
        Promises of the champion that no longer hold. Where p-values are shown to be wrong, it takes less to
        say that they are too large.
    """
    known = "exchangeability" in withdrawn
    alpha = 1 - pipeline.degradation.confidence if known else pipeline.drift.alpha
    return bool(_explain_rare_alerts(observations, pipeline, alpha))


def explain_request(
    observations: Sequence[Observation], learned: str, until: datetime, pipeline: Pipeline
) -> str:
    """Returns why to train though no window is bad; "" where nothing asks for it.

    Parameters are those of :func:`has_grown`.
    """
    if reason := _explain_rare_alerts(observations, pipeline, pipeline.drift.alpha):
        return reason
    if has_grown(observations, learned, until, pipeline.windows.reference):
        return "there are twice the rows by now that the champion learned, and no column drifted since"
    return ""


def _explain_rare_alerts(observations: Sequence[Observation], pipeline: Pipeline, alpha: float) -> str:
    counted = [item.normal for item in observations if item.normal is not None]
    return explain_rare_alerts(counted, pipeline.degradation.alert_rate_factor, alpha)


def learned_more(
    observations: Sequence[Observation], learned: str, window: str, reference: timedelta
) -> bool:
    """Returns whether a challenger learned `window` because the champion's own rows have grown to it.

    See :func:`has_grown`; `window` is the key of the challenger's reference.
    """
    before, after = parse_window_key(learned), parse_window_key(window)
    if before is None or after is None or not has_grown(observations, learned, after[1], reference):
        return False
    return after[0] <= max(before[0], after[1] - reference)


def find_learned_start(learned: str) -> datetime | None:
    """Returns where the rows begin that the champion's detector learned; None where that is not known.

    A champion that learned from the changed data alone is followed by none that learns what was before.

    Parameters
    ----------
    learned : str
        Key of the window that it learned; "all" where that is not known.
    """
    edges = parse_window_key(learned)
    return edges[0] if edges else None


def find_cause(
    observations: Sequence[Observation],
    settings: Degradation,
    withdrawn: Sequence[str] = (),
    grown: bool = False,
    rare_alerts: bool = False,
) -> str:
    """Returns why to train, as :mod:`pynomaly.judging.drift.retraining` names causes.

    `withdrawn` are promises of the champion that no longer hold. Where it has `rare_alerts`
    (:func:`has_rare_alerts`) or its rows have `grown` (:func:`has_grown`), that is the cause, unless
    performance dropped or columns drifted: other rows mend thresholds and scores, too.
    """
    cause = _find_problem(observations, settings, withdrawn)
    if cause in ("performance", "data_drift"):
        return cause
    return "rare_alerts" if rare_alerts else "growth" if grown else cause


def _find_problem(
    observations: Sequence[Observation], settings: Degradation, withdrawn: Sequence[str]
) -> str:
    """Return the problem of the newest window, "schedule" without one."""
    run, thresholds = find_bad_run(observations), judge_thresholds(observations, withdrawn, settings)
    if not run:
        return "thresholds" if thresholds.state == "intact" else "schedule"
    newest = run[-1]
    if newest.performance_status in ("moderate", "major", "critical"):
        return "performance"
    if newest.injected_status in ("moderate", "major", "critical"):
        return "performance"
    if newest.data == "drift":
        return "data_drift"
    if thresholds.state == "intact":
        return "thresholds"
    return "score_drift" if "drift" in (newest.score, newest.agreement_status) else "alert_rate"


def recalibrates_again(observations: Sequence[Observation], rejected: int) -> bool:
    """Returns whether thresholds that moved ask for a recalibration, after `rejected` challengers.

    A refused one is tried again while alerts are near what was promised; where they are far above it, more
    than thresholds may have moved, and all candidates are trained.

    Parameters
    ----------
    observations : sequence of Observation
        Of one champion, oldest first.
    rejected : int
        Challengers rejected in a row.
    """
    run = find_bad_run(observations)
    return not (rejected and run and run[-1].alert_status == "violated")
