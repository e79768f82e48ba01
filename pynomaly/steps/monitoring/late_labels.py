"""Judge windows again whose labels have become known since: performance alone, as a new line on record.

Called by :mod:`pynomaly.steps.monitoring.monitor_window` before it judges the newest window, and by replays.
The verdict that was given before the labels stays on record; the window's observation is the newer one from
then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.sources.checked_window import read_checked_window
from pynomaly.data.window import Window
from pynomaly.errors import DataError
from pynomaly.judging.drift.degradation import DegradationVerdict, judge_degradation
from pynomaly.judging.drift.observation import Observation, renew_performance
from pynomaly.judging.drift.window_summary import summarize_performance
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import Decision, Ledger, TrainedBaseline, parse_window_key
from pynomaly.records.ledger.decision_evidence import DegradationEvidence
from pynomaly.records.registry import ModelRef
from pynomaly.steps.account import WindowAccount
from pynomaly.steps.monitoring.champion_account import enter_incidents
from pynomaly.steps.monitoring.observe_rows import count_normal_alerts
from pynomaly.steps.monitoring.performance import adopt_baseline, measure_performance
from pynomaly.steps.window_run import WindowRun

__all__ = ["has_due_labels", "judge_labels_again", "judge_late_labels"]


def has_due_labels(observation: Observation, as_of: datetime) -> bool:
    """Return whether labels that the observation waits for are all known at `as_of`."""
    return observation.labels_due is not None and datetime.fromisoformat(observation.labels_due) <= as_of


def judge_labels_again(
    pipeline: Pipeline,
    bundle: Bundle,
    observation: Observation,
    frame: pd.DataFrame,
    baseline: TrainedBaseline,
    as_of: datetime,
) -> Observation:
    """Return the observation with its performance measured on the labels known at `as_of`.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        The window's rows, as validation left them.
    """
    scored = bundle.score(frame)
    scores = scored["score"].to_numpy()
    measured = measure_performance(pipeline, bundle, observation.window, frame, scores, baseline, as_of)
    return renew_performance(
        replace(observation, normal=count_normal_alerts(pipeline, bundle, frame, scored, baseline)),
        pipeline.degradation,
        performance=measured.value,
        performance_high=measured.high,
        baseline=measured.baseline,
        positives=measured.positives,
        notes=measured.notes,
        labels_due=measured.labels_due,
        kept=measured.kept,
    )


def judge_late_labels(
    records: WindowRun,
    ref: ModelRef,
    bundle: Bundle,
    observations: Sequence[Observation],
    baseline: TrainedBaseline,
    as_of: datetime,
    account: WindowAccount,
) -> tuple[Observation, ...]:
    """Judge every window of the champion again whose labels are due, each on record and in its account.

    A window whose rows cannot be read any more is not computable, which counts as bad, with the reason.

    Parameters
    ----------
    observations : sequence of Observation
        Of the champion, oldest first, without the window that is judged now.
    baseline : TrainedBaseline
    as_of : datetime
    account : WindowAccount

    Returns
    -------
    tuple of Observation
        The observations, those judged again in their places.
    """
    renewed = list(observations)
    for place, observation in enumerate(observations):
        edges = parse_window_key(observation.window)
        if edges is None or not has_due_labels(observation, as_of):
            continue
        own = adopt_baseline(baseline, renewed[:place])
        try:
            rows = read_checked_window(records.pipeline, Window(*edges), as_of)
            frame = rows.require_clean(bundle.contract)
            late = judge_labels_again(records.pipeline, bundle, observation, frame, own, as_of)
            scored = bundle.score(frame)
            enter_incidents(account, bundle, own, late, (frame, scored), as_of)
        except DataError as error:
            reason = f"performance is not computable, which counts as violated: labels are due, but {error}"
            kept = tuple(text for text in observation.reasons if not text.startswith("performance "))
            late = replace(
                observation,
                performance_status="not_computable",
                labels_due=None,
                reasons=(*kept, reason),
            )
        renewed[place] = late
        verdict = judge_degradation(renewed[: place + 1], records.pipeline.degradation)
        _record_late_verdict(records.ledger, records.pipeline, ref, late, verdict, as_of)
    return tuple(renewed)


def _record_late_verdict(
    ledger: Ledger,
    pipeline: Pipeline,
    ref: ModelRef,
    observation: Observation,
    verdict: DegradationVerdict,
    as_of: datetime,
) -> None:
    """Record the verdict as a new line, then the observation, which a killed run makes again."""
    key = observation.window
    earlier = next(
        (
            DegradationEvidence.of(item)
            for item in ledger.list_decisions(pipeline.name, "degradation")
            if item.subject == key and item.version == ref.version
        ),
        None,
    )
    evidence = earlier or DegradationEvidence(ref.version, verdict.action, [], {})
    performance = summarize_performance(observation)
    aspects = [performance.to_dict() if item["name"] == "performance" else item for item in evidence.aspects]
    ledger.record_decision(
        Decision(
            key=f"degradation:{pipeline.name}:{key}:v{ref.version}:{as_of.isoformat()}",
            pipeline=pipeline.name,
            kind="degradation",
            subject=key,
            outcome=verdict.state,
            reasons=("its labels are due: judged again", *verdict.reasons),
            evidence=replace(
                evidence,
                action=verdict.action,
                observation=observation.summarize(),
                aspects=aspects,
                judged_late=True,
            ),
            as_of=as_of,
        )
    )
    record = ledger.find_observation(pipeline.name, key, ref.version)
    report = record.report if record else ""
    ledger.put_observation(pipeline.name, key, observation.to_dict(), report, ref.version)
