"""Replay history window by window, in memory, under several retraining policies.

Answers whether a retraining would have helped. Every policy sees the same rows and starts with the same
model; decisions see a label only after ``data.label_delay``, while the report uses every label in the source.
Judging, deciding and comparing use the functions of production; the state that production keeps in its
records is in a :class:`PolicyRun` here. Nothing is written: no ledger, no registry, no store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.config.spelling.units import parse_duration, spell_duration
from pynomaly.data.window import ORIGIN, Window, split_windows
from pynomaly.errors import ConfigError, DataError, DetectorError, WindowError, list_allowed
from pynomaly.judging.comparison.evaluation import (
    average_precision,
    explain_unusable_scores,
    explain_unusable_truth,
    roc_auc,
)
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.drift.degradation import ask_for_training, judge_degradation
from pynomaly.model.calibration.alert_stream import AlertStream, StreamWindow
from pynomaly.model.window_alerts import count_discoveries, flag_rows, spend_at_finest
from pynomaly.steps.changes import MAX_WINDOWS, explain_request
from pynomaly.steps.replay.history import TRUTH_COLUMN, ReplayHistory, TrainedModel
from pynomaly.steps.replay.observe_window import observe_window
from pynomaly.steps.replay.policy_run import MemoryAccount, PolicyRun, build_report
from pynomaly.steps.replay.replay_training import (
    compare_challenger,
    decide_training,
    rule_on_challenger,
    train_on_reference,
)
from pynomaly.steps.runner import run_parts
from pynomaly.steps.training.recalibration.new_p_values import name_detector_window

__all__ = ["REPLAY_POLICIES", "replay"]

REPLAY_POLICIES = ("never", "weekly", "drift", "ours")
HIGHER = "higher"
EVERY_PREFIX = "every:"


def replay(
    pipeline: Pipeline,
    start: datetime,
    end: datetime,
    policies: Sequence[str] = REPLAY_POLICIES,
    *,
    every_candidate: bool = False,
    truth: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Walk the monitoring windows inside ``[start, end)`` under each policy.

    Parameters
    ----------
    pipeline : Pipeline
    start, end : datetime
        Aware. The first model learns from the reference window that ends where the first window starts.
    policies : sequence of str
        Of :data:`REPLAY_POLICIES`: ``never`` retrains; ``weekly`` refits every 7 days and always promotes,
        ``every:20m`` once per 20 minutes; ``drift`` refits when a window's verdict on the data is drift and
        always promotes; ``higher``, run only where it is named, refits every 7 days and promotes what has a
        higher metric on the same held-out rows; ``ours`` follows the pipeline's own settings.
    every_candidate : bool
        Train all configured candidates; else the first alone.
    truth : str, optional
        Column of the source that the report judges by, where the label column knows only a part.
    tell : callable
        Called with one line of text before each window.

    Returns
    -------
    dict
        ``windows``, ``policies`` (each with its figures, windows and decisions) and ``episodes``.

    Raises
    ------
    ConfigError
        If the table has no time, a policy is not known, no policy is named, or `truth` is no column.
    WindowError
        If no window fits the range or no row lies in it.
    DataError
        If there are too few rows before `start` to train on, or validation blocks them.
    """
    if pipeline.data.time is None:
        raise ConfigError(f"{pipeline.name} has no time column (data.time): there is no past to replay")
    for policy in policies:
        _parse_period(policy)
    if not policies:
        raise ConfigError(f"no policy is named; {list_allowed('', REPLAY_POLICIES)}")
    if end <= start:
        raise WindowError(f"the range [{start.isoformat()}, {end.isoformat()}) is reversed or empty")
    windows = split_windows(start, end, pipeline.windows.monitor)
    if not windows:
        raise WindowError(
            f"no window of {pipeline.windows.monitor} (windows.monitor) lies in "
            f"[{start.isoformat()}, {end.isoformat()})"
        )
    past = ReplayHistory.read(pipeline, windows[0].start, windows[-1].end, every_candidate, truth)
    if not any(past.rows(window) for window in windows):
        raise WindowError(f"no row lies between {windows[0].start.isoformat()} and {end.isoformat()}")
    first = train_on_reference(past, windows[0].start)
    unique_policies = tuple(dict.fromkeys(policies))
    # In parallel on a cluster; in one process, policies share identical trainings.
    report_progress = tell if pipeline.runner.kind == "local" else _ignore_progress
    walks = run_parts(
        pipeline, _run_policy, [(past, policy, first, windows, report_progress) for policy in unique_policies]
    )
    lives = dict(zip(unique_policies, walks, strict=True))
    return build_report(past, windows, lives)


def _parse_period(policy: str) -> timedelta | None:
    """Returns how often a policy refits unconditionally; None if it does not refit by the calendar."""
    if policy.startswith(EVERY_PREFIX):
        try:
            period = parse_duration(policy.removeprefix(EVERY_PREFIX))
        except ValueError as error:
            raise ConfigError(f"policy {policy!r}: {error}") from None
        if not period:
            raise ConfigError(f"policy {policy!r} would never stop refitting; every:1h is one it can be")
        return period
    if policy not in (*REPLAY_POLICIES, HIGHER):
        allowed = (*REPLAY_POLICIES, HIGHER, EVERY_PREFIX + "1d")
        raise ConfigError(f"no policy {policy!r}; {list_allowed(policy, allowed)}")
    return timedelta(days=7) if policy in ("weekly", HIGHER) else None


def _ignore_progress(_: str) -> None:
    """Discard progress lines: a remote worker cannot print here."""


def _run_policy(
    past: ReplayHistory,
    policy: str,
    first: TrainedModel,
    windows: Sequence[Window],
    tell: Callable[[str], None],
) -> PolicyRun:
    """Run one policy from the first window to the last."""
    at = windows[0].start
    life = PolicyRun(
        first,
        MemoryAccount.open(past.pipeline),
        [at],
        trainings=1,
        promoted=[at],
        asked={first.key},
        seconds=first.seconds,
    )
    for number, window in enumerate(windows, 1):
        tell(f"{policy}: window {number} of {len(windows)}, {window.start:%Y-%m-%d}")
        started = time.perf_counter()
        frame, blocked = past.read_usable_rows(window, life.student.bundle)
        row: dict[str, Any] = {"start": window.start.isoformat(), "end": window.end.isoformat()}
        if blocked:
            life.windows.append(row | {"rows": 0, "not_computable": blocked})
            life.seconds += time.perf_counter() - started
            continue
        bundle = life.student.bundle
        scored = bundle.score(frame)
        decided = scored.assign(is_anomaly=_decide_alerts(past.pipeline, life, frame, scored))
        life.scored.append(_select_columns(past.pipeline, frame, decided))
        measured = _measure_window(frame[TRUTH_COLUMN], decided)
        if life.replaced:
            measured["replaced_average_precision"] = _measure_replaced(life.replaced, frame)
        life.windows.append(row | measured)
        if window is not windows[-1]:
            _apply_policy(past, policy, life, window, frame, scored)
        life.seconds += time.perf_counter() - started
    return life


def _apply_policy(
    past: ReplayHistory,
    policy: str,
    life: PolicyRun,
    window: Window,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
) -> None:
    """Do what the policy does at the end of a window."""
    at = window.end
    if (period := _parse_period(policy)) and at - life.trained[-1] >= period:
        why = f"{spell_duration(period)} since the last training"
        _refit(past, life, at, why, only_higher=policy == HIGHER)
    elif policy == "drift":
        bundle, settings = life.student.bundle, past.pipeline.drift
        drift = compute_window_drift(bundle.sketch, bundle.contract, frame, settings, scored["score"])
        if drift.status == "drift":
            _refit(past, life, at, "; ".join(drift.reasons))
    elif policy == "ours":
        _follow_settings(past, life, window, frame, scored)


def _refit(
    past: ReplayHistory, life: PolicyRun, at: datetime, why: str, *, only_higher: bool = False
) -> None:
    """Refit on the whole reference, and promote the result: always, or if its metric is higher at all."""
    try:
        model = train_on_reference(past, at, life.student)
    except (DataError, DetectorError) as error:
        life.note(at, "training failed", (str(error),))
        return
    _count_training(life, model, at)
    reasons, promotes = [why], True
    if only_higher:
        verdict = compare_challenger(past, life.student, model)
        promotes = verdict.challenger_value > verdict.champion_value
        reasons.append(
            f"{verdict.metric} {verdict.challenger_value:.6f} against {verdict.champion_value:.6f}"
        )
    if promotes:
        life.promote(model, at)
    life.note(at, "promote" if promotes else "refuse", reasons)


def _follow_settings(
    past: ReplayHistory, life: PolicyRun, window: Window, frame: pd.DataFrame, scored: pd.DataFrame
) -> None:
    """Observe, judge, decide, compare and rule with the functions of production."""
    at, student = window.end, life.student
    withdrawn = observe_window(past, life, window, frame, scored)
    verdict = judge_degradation(life.observations, past.pipeline.degradation, withdrawn)
    learned = name_detector_window(student.bundle, recalibrated=student.recalibrated)
    verdict = ask_for_training(verdict, explain_request(life.observations, learned, at, past.pipeline))
    if not verdict.asks_for_training:
        return
    newest = life.observations[-MAX_WINDOWS:]
    plan = decide_training(
        past, at, student, newest, life.trained[-1], life.asked, life.rejections, withdrawn
    )
    if plan.decision.remedy in ("none", "block"):
        life.note(at, str(plan.decision.remedy), plan.decision.reasons)
        return
    try:
        model = plan.learn(student)
    except DataError as error:
        life.note(at, "training failed", (str(error),))
        return
    except DetectorError as error:  # refused on record in production, and counted as a rejection
        life.note(at, "refuse", (str(error),))
        life.trainings += 1
        life.trained.append(at)
        life.asked.add(plan.key)
        life.rejections.append(at)
        life.attempts += 1
        return
    _count_training(life, model, at)
    life.asked.add(plan.key)
    compared = compare_challenger(past, student, model, life.attempts + 1, newest)
    ruling = rule_on_challenger(past, model, compared)
    life.note(at, ruling.kind, (*plan.decision.reasons, *ruling.reasons))
    if ruling.kind == "promote":
        life.promote(model, at)
    elif not compared.awaits_evidence:
        life.rejections.append(at)
        life.attempts += not model.recalibrated


def _count_training(life: PolicyRun, model: TrainedModel, at: datetime) -> None:
    # A training reused from another policy counts with its original duration.
    life.seconds += model.seconds if model.reused else 0.0
    life.trainings += not model.recalibrated
    life.trained.append(at)


def _decide_alerts(
    pipeline: Pipeline, life: PolicyRun, frame: pd.DataFrame, scored: pd.DataFrame
) -> np.ndarray:
    """Returns alerts, bool array of shape (n,), decided per scoring window as in operation.

    A rate of false alerts over a stream goes on through the windows of a policy's run.
    """
    bundle, length = life.student.bundle, pipeline.windows.score
    life.stream = life.stream or AlertStream.of(bundle.policy, length)
    alerts = np.zeros(len(frame), dtype=bool)
    window_of_row = (frame[pipeline.data.time] - pd.Timestamp(ORIGIN)) // pd.Timedelta(pipeline.windows.score)
    for number in np.unique(window_of_row.to_numpy()).tolist():
        places, start = np.flatnonzero(window_of_row.to_numpy() == number), ORIGIN + number * length
        own, p_values = frame.iloc[places], scored["p_value"].to_numpy()[places]
        if life.stream is None:
            alerts[places] = flag_rows(bundle, own, p_values)
            continue
        share = life.stream.share_level(start, spend_at_finest(bundle, own), bundle.dependence)
        alerts[places] = flag_rows(bundle, own, p_values, share)
        open_events = life.stream.find_open_events(start)
        counted = count_discoveries(bundle.policy, bundle.contract, own, alerts[places], open_events)
        life.stream.add_window(StreamWindow(start, start + length, share.allowed, *counted))
    return alerts


def _select_columns(pipeline: Pipeline, frame: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Returns the columns of each row that the report needs: time, entity, truth and alert."""
    columns = {
        "time": frame[pipeline.data.time].to_numpy(),
        "entity": frame[pipeline.data.id].astype(str).to_numpy() if pipeline.data.id else "",
        "truth": frame[TRUTH_COLUMN].to_numpy(),
        "alert": scored["is_anomaly"].to_numpy(),
    }
    return pd.DataFrame(columns)


def _measure_replaced(model: TrainedModel, frame: pd.DataFrame) -> float | None:
    """Return how the model that was replaced ranks a window; None if that is not computable."""
    scores = pd.DataFrame({"score": model.bundle.raw_scores(frame), "is_anomaly": False})
    value: float | None = _measure_window(frame[TRUTH_COLUMN], scores)["average_precision"]
    return value


def _measure_window(truth: pd.Series[Any], scored: pd.DataFrame) -> dict[str, Any]:
    """Returns the ranking metrics of a window, or why they cannot be computed."""
    has_truth = truth.notna().to_numpy()
    labels, scores = truth.to_numpy()[has_truth], scored["score"].to_numpy()[has_truth]
    problem = explain_unusable_truth(labels) or explain_unusable_scores(scores)
    return {
        "rows": len(scored),
        "alerts": int(scored["is_anomaly"].sum()),
        "anomalies": int((labels == 1).sum()),
        "average_precision": None if problem else float(average_precision(labels.astype(int), scores)),
        "roc_auc": None if problem else float(roc_auc(labels.astype(int), scores)),
        "not_computable": problem or "",
    }
