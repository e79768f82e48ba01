"""Observe a window's rows: alerts, performance where labels are in, and the checks without labels.

Called by :mod:`pynomaly.steps.monitoring.monitor_window` and by replays. Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.drift.label_free_checks import UnlabelledProbe, UnlabelledVerdict, judge_probe
from pynomaly.judging.drift.observation import Observation, observe_window
from pynomaly.judging.drift.ranking import find_bad_run, judge_ranking
from pynomaly.judging.normal_alerts import NormalAlerts
from pynomaly.model.bundle import Bundle
from pynomaly.model.provenance import count_rows_per_event
from pynomaly.records.ledger import TrainedBaseline, parse_window_key
from pynomaly.steps.monitoring.champion_account import mark_normal_rows
from pynomaly.steps.monitoring.performance import measure_performance
from pynomaly.steps.training.label_free_checks import probe_model

__all__ = ["count_normal_alerts", "observe_rows"]


def observe_rows(
    pipeline: Pipeline,
    bundle: Bundle,
    window: Window | None,
    rows: tuple[pd.DataFrame, pd.DataFrame],
    drift: DriftReport,
    earlier: Sequence[Observation],
    baseline: TrainedBaseline,
    as_of: datetime | None = None,
) -> tuple[Observation, UnlabelledVerdict]:
    """Summarize the window, and run the checks without labels where they are due or decide something.

    They decide something where the window is bad, and nothing says yet whether the ranking is intact.

    Parameters
    ----------
    window : Window or None
        None for a table without time.
    rows : pair of DataFrame of shape (n, >= d) and (n, >= 2)
        The window's rows and their scores.
    drift : DriftReport
    earlier : sequence of Observation
        Of the champion, oldest first.
    baseline : TrainedBaseline
    as_of : datetime, optional
        Labels later than this are waited for.
    """
    (frame, scored), key = rows, window.key if window else "all"
    checks = _check_without_labels(pipeline, bundle, window, frame, earlier, baseline)
    facts = (pipeline, bundle, key, frame, scored, drift, baseline)
    observation = _build_observation(*facts, checks, as_of)
    if checks.agreement_status != "not_due" or not observation.violated:
        return observation, checks
    if judge_ranking(find_bad_run([*earlier, observation])).state != "unknown":
        return observation, checks
    checks = _run_checks(pipeline, bundle, frame, baseline)
    observation = replace(
        observation,
        agreement_status=checks.agreement_status,
        injected_status=checks.injected_status,
        reasons=(*observation.reasons, *checks.reasons),
    )
    return observation, checks


def _build_observation(
    pipeline: Pipeline,
    bundle: Bundle,
    key: str,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    drift: DriftReport,
    baseline: TrainedBaseline,
    checked: UnlabelledVerdict,
    as_of: datetime | None = None,
) -> Observation:
    """Summarize the window; performance is judged only against a baseline that also used labels.

    Labels later than `as_of` are waited for; without a moment, all labels are in.
    """
    measured = measure_performance(
        pipeline, bundle, key, frame, scored["score"].to_numpy(), baseline, as_of=as_of
    )
    observation = observe_window(
        key,
        len(frame),
        drift,
        int(scored["is_anomaly"].sum()),
        baseline.usual_alert_rate,
        pipeline.degradation,
        performance=measured.value,
        performance_high=measured.high,
        baseline=measured.baseline,
        positives=measured.positives,
        unlabelled=checked,
        rows_per_event=count_rows_per_event(bundle.policy, bundle.facts),
        labels_due=measured.labels_due,
        performance_notes=measured.notes,
        kept=measured.kept,
    )
    return replace(observation, normal=count_normal_alerts(pipeline, bundle, frame, scored, baseline))


def count_normal_alerts(
    pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame, scored: pd.DataFrame, baseline: TrainedBaseline
) -> NormalAlerts | None:
    """Return how many normal rows of a window alert; None where no number of them is promised.

    Known anomalies and declared incidents are left out.

    Parameters
    ----------
    frame, scored : DataFrame of shape (n, >= d) and (n, >= 2)
        Each row judged alone.
    """
    if not baseline.expected_alert_rate:
        return None
    normal = mark_normal_rows(pipeline, bundle, frame)
    alerts = np.asarray(scored["is_anomaly"], dtype=bool)[normal]
    return NormalAlerts(
        rows=int(normal.sum()),
        alerts=int(alerts.sum()),
        expected=float(baseline.expected_alert_rate * normal.sum()),
        together=count_rows_per_event(bundle.policy, bundle.facts),
    )


def _check_without_labels(
    pipeline: Pipeline,
    bundle: Bundle,
    window: Window | None,
    frame: pd.DataFrame,
    earlier: Sequence[Observation],
    baseline: TrainedBaseline,
) -> UnlabelledVerdict:
    """Run the checks without labels if ``degradation.check_every`` has passed since the last ones."""
    checked_windows = [item for item in earlier if item.injected_status != "not_due"]
    last = parse_window_key(checked_windows[-1].window) if checked_windows else None
    if window is not None and last is not None:
        since = window.end - last[1]
        if timedelta(0) <= since < pipeline.degradation.check_every:
            return UnlabelledVerdict()
    return _run_checks(pipeline, bundle, frame, baseline)


def _run_checks(
    pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame, baseline: TrainedBaseline
) -> UnlabelledVerdict:
    baseline_probe = UnlabelledProbe.from_dict(baseline.probe) if baseline.probe else None
    probe = probe_model(pipeline, bundle, frame)
    return judge_probe(probe, baseline_probe, pipeline.degradation, pipeline.drift.alpha)
