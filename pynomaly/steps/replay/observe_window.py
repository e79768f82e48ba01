"""Observe a window of a replay under one policy: drift, alerts, labels, and the champion's account.

Called by :mod:`pynomaly.steps.replay.replay`. What production reads from its ledger is in the
:class:`PolicyRun`; the functions are those of :mod:`pynomaly.steps.monitoring.monitor_window`.
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from pynomaly.data.window import Window
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.records.ledger import parse_window_key
from pynomaly.steps.monitoring.carried_bets import bet_on_window, keep_bets, select_bets
from pynomaly.steps.monitoring.carried_levels import collect_levels
from pynomaly.steps.monitoring.champion_account import enter_incidents, enter_window
from pynomaly.steps.monitoring.late_labels import has_due_labels, judge_labels_again
from pynomaly.steps.monitoring.observe_rows import observe_rows
from pynomaly.steps.monitoring.performance import adopt_baseline
from pynomaly.steps.replay.history import LABEL_COLUMN, ReplayHistory
from pynomaly.steps.replay.policy_run import PolicyRun

__all__ = ["observe_window"]


def observe_window(
    past: ReplayHistory, life: PolicyRun, window: Window, frame: pd.DataFrame, scored: pd.DataFrame
) -> tuple[str, ...]:
    """Add what a window says of the champion to `life`; returns its promises that no longer hold.

    Parameters
    ----------
    frame, scored : DataFrame of shape (n, >= d) and (n, >= 2)
        The window's rows, and their scores with ``is_anomaly``, each row judged alone.
    """
    pipeline, at, bundle, account = past.pipeline, window.end, life.student.bundle, life.account
    rows, levels = (frame, scored), collect_levels(life.observations, window)
    drift = compute_window_drift(
        bundle.sketch, bundle.contract, frame, pipeline.drift, scored["score"], levels
    )
    _judge_late_windows(past, life, at)
    baseline = adopt_baseline(life.student.baseline, life.observations)
    bets = select_bets(pipeline, bundle, frame, scored["score"].to_numpy())
    test = bet_on_window(pipeline, bundle, bets, life.observations, account.shares["exchangeability"])
    enter_window(pipeline, account, bundle, baseline, window.key, rows, test, at)
    observation, _ = observe_rows(pipeline, bundle, window, rows, drift, life.observations, baseline, at)
    enter_incidents(account, bundle, baseline, observation, rows, at)
    life.observations.append(keep_bets(observation, bets))
    return account.list_withdrawn()


def _judge_late_windows(past: ReplayHistory, life: PolicyRun, at: datetime) -> None:
    """Judge the windows again whose labels have become known."""
    student = life.student
    for place, observation in enumerate(life.observations):
        edges = parse_window_key(observation.window)
        if edges is None or not has_due_labels(observation, at):
            continue
        frame = past.read_usable_rows(Window(*edges), student.bundle)[0]
        frame = frame.assign(**{str(past.pipeline.data.label): frame[LABEL_COLUMN]})
        baseline = adopt_baseline(student.baseline, life.observations[:place])
        late = judge_labels_again(past.pipeline, student.bundle, observation, frame, baseline, at)
        rows = frame, student.bundle.score(frame)
        enter_incidents(life.account, student.bundle, baseline, late, rows, at)
        life.observations[place] = late
