"""Judges a scored window: drift of data and scores, alert rate and, if there are labels, performance.

The verdict uses the reference sketch inside the champion. Evidently's page is for people; if it fails, that
is reported and nothing stops. Called on schedule, after scoring. Judging the same window twice under the same
champion leaves one observation, one report and one decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.places import resolve_place
from pynomaly.data.sources.checked_window import CheckedWindow, read_checked_window
from pynomaly.data.window import Window
from pynomaly.errors import RecordError
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.drift.degradation import (
    DegradationVerdict,
    Observation,
    ask_for_training,
    judge_degradation,
)
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.drift.exchangeability import Exchangeability
from pynomaly.judging.drift.window_summary import WindowAspect, summarize_window
from pynomaly.model.bundle import Bundle
from pynomaly.records.evidently_pages import publish_report
from pynomaly.records.evidently_report import render_drift_page
from pynomaly.records.formats import format_window
from pynomaly.records.ledger import Decision, Ledger, TrainedBaseline
from pynomaly.records.ledger.decision_evidence import DegradationEvidence, QualityEvidence
from pynomaly.records.registry import ModelRef
from pynomaly.records.store import Store
from pynomaly.steps.account import open_account
from pynomaly.steps.champion import honour_alias
from pynomaly.steps.changes import MAX_WINDOWS, explain_request
from pynomaly.steps.explanations import log_weighted_drift
from pynomaly.steps.monitoring.carried_bets import bet_on_window, keep_bets, select_bets
from pynomaly.steps.monitoring.carried_levels import collect_levels
from pynomaly.steps.monitoring.champion_account import enter_incidents, enter_window
from pynomaly.steps.monitoring.late_labels import has_due_labels, judge_late_labels
from pynomaly.steps.monitoring.observe_rows import observe_rows
from pynomaly.steps.monitoring.performance import adopt_baseline
from pynomaly.steps.monitoring.window_facts import write_window_facts
from pynomaly.steps.promotion.bake import judge_baking_window
from pynomaly.steps.training.recalibration.new_p_values import find_detector_window
from pynomaly.steps.window_run import WindowRun

__all__ = [
    "MonitoredWindow",
    "find_monitoring_window",
    "monitor_window",
]


@dataclass(frozen=True)
class MonitoredWindow:
    """The verdict on one window and on the champion's recent windows.

    Attributes
    ----------
    exchangeability : Exchangeability
        Whether the p-values' guarantee still holds; if not, that is reported, and is no alarm by itself.
    aspects : tuple of WindowAspect
        Each judged aspect, with one of the same four states.
    bake : str
        Outcome of the window for a baking promotion
        (:func:`pynomaly.steps.promotion.bake.judge_baking_window`).
    judged_again : tuple of str
        Keys of earlier windows whose labels became due, and that were judged again before this one.
    """

    window: str
    version: int
    drift: DriftReport
    exchangeability: Exchangeability
    observation: Observation
    degradation: DegradationVerdict
    report: str
    report_error: str
    run_id: str
    aspects: tuple[WindowAspect, ...]
    bake: str = ""
    judged_again: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for events and artifacts."""
        return {
            "window": self.window,
            "version": self.version,
            "drift": self.drift.to_dict(),
            "exchangeability": self.exchangeability.to_dict(),
            "observation": self.observation.summarize(),
            "degradation": self.degradation.to_dict(),
            "report": self.report,
            "report_error": self.report_error,
            "run_id": self.run_id,
            "aspects": [aspect.to_dict() for aspect in self.aspects],
            "bake": self.bake,
            "judged_again": list(self.judged_again),
        }


def find_monitoring_window(pipeline: Pipeline, as_of: datetime) -> Window | None:
    """Return the newest complete monitoring window at `as_of`; None for a table without time."""
    return Window.last(as_of, pipeline.windows.monitor) if pipeline.data.time else None


def monitor_window(pipeline: Pipeline, window: Window | None, as_of: datetime) -> MonitoredWindow:
    """Judge one window under the champion, with the labels known at `as_of`.

    Raises
    ------
    NoChampionError
        If the pipeline has no champion yet.
    DataError
        If the window cannot be read or validation blocks it; a block is recorded.
    """
    with WindowRun(pipeline) as records:
        return _judge_window(records, window, as_of)


def _judge_window(records: WindowRun, window: Window | None, as_of: datetime) -> MonitoredWindow:
    pipeline, registry, ledger = records.pipeline, records.registry, records.ledger
    ref = honour_alias(pipeline, registry, ledger) or registry.resolve_alias(pipeline.name, "champion")
    bundle = records.load_bundle(ref)
    rows = read_checked_window(pipeline, window, as_of)
    key = rows.key
    frame = _require_valid_rows(pipeline, ledger, bundle, ref, rows, as_of)
    scored = bundle.score(frame)
    bets = select_bets(pipeline, bundle, frame, scored["score"].to_numpy())
    with ledger.hold_lease(f"monitor:{pipeline.name}:{key}"):
        training = ledger.find_version_training(pipeline.name, ref.version)
        baseline = training.baseline if training else TrainedBaseline()
        earlier = [
            Observation.from_dict(item)
            for item in ledger.list_recent_observations(pipeline.name, as_of, MAX_WINDOWS, ref.version)
            if item["window"] != key
        ]
        waiting = [item.window for item in earlier if has_due_labels(item, as_of)]
        account = open_account(pipeline, ledger, ref.version, as_of)
        earlier = list(judge_late_labels(records, ref, bundle, earlier, baseline, as_of, account))
        baseline = adopt_baseline(baseline, earlier)
        drift = compute_window_drift(
            bundle.sketch,
            bundle.contract,
            frame,
            pipeline.drift,
            scored["score"],
            collect_levels(earlier, window),
        )
        exchange_test = bet_on_window(pipeline, bundle, bets, earlier, account.shares["exchangeability"])
        enter_window(pipeline, account, bundle, baseline, key, (frame, scored), exchange_test, as_of)
        observation, unlabelled = observe_rows(
            pipeline, bundle, window, (frame, scored), drift, earlier, baseline, as_of
        )
        observation = keep_bets(observation, bets)
        enter_incidents(account, bundle, baseline, observation, (frame, scored), as_of)
        aspect_list = summarize_window(observation, drift, unlabelled)
        withdrawn = account.list_withdrawn()
        verdict = judge_degradation([*earlier, observation], pipeline.degradation, withdrawn)
        learned = find_detector_window(bundle, training) if window else "all"
        if window:
            request = explain_request([*earlier, observation], learned, window.end, pipeline)
            verdict = ask_for_training(verdict, request)
        head = f"Pynomaly's verdict on {format_window(key)}: data {drift.status}. It was {drift.basis}."
        summary = "\n".join([head, *(drift.reasons or ["nothing moved"])])
        report, report_error = _write_report(pipeline, bundle, ref, key, frame, summary)
        run = _log_run(records, ref, frame, drift, observation, verdict.state, report)
        # Written before the verdict is recorded: a recorded verdict means the window is not judged again.
        evidence: dict[str, Any] = {
            "drift": drift.to_dict(),
            "exchangeability": exchange_test.to_dict(),
            "observation": observation.summarize(),
            "degradation": verdict.to_dict(),
        }
        evidence |= {"aspects": [aspect.to_dict() for aspect in aspect_list], "as_of": as_of.isoformat()}
        evidence |= {"report": report.rpartition("/")[2], "report_error": report_error, "run_id": run}
        facts_error = write_window_facts(pipeline, bundle, ref, key, frame, scored, evidence)
        report_error = "; ".join(filter(None, (report_error, facts_error)))
        page = Store(pipeline.store_root).relative_path(report)
        ledger.put_observation(pipeline.name, key, observation.to_dict(), page, ref.version)
        ledger.record_decision(
            Decision(
                key=f"degradation:{pipeline.name}:{key}:v{ref.version}:{as_of.isoformat()}",
                pipeline=pipeline.name,
                kind="degradation",
                subject=key,
                outcome=verdict.state,
                reasons=verdict.reasons,
                evidence=DegradationEvidence(
                    version=ref.version,
                    action=verdict.action,
                    drifted=list(drift.drifted),
                    observation=observation.summarize(),
                    run_id=run,
                    exchangeability=exchange_test.to_dict(),
                    basis=drift.basis,
                    aspects=[aspect.to_dict() for aspect in aspect_list],
                ),
                as_of=as_of,
            )
        )
    bake_outcome = judge_baking_window(pipeline, ref, bundle, key, frame, scored, records)
    parts = (drift, exchange_test, observation, verdict, report, report_error, run, aspect_list, bake_outcome)
    return MonitoredWindow(key, ref.version, *parts, judged_again=tuple(waiting))


def _require_valid_rows(
    pipeline: Pipeline, ledger: Ledger, bundle: Bundle, ref: ModelRef, rows: CheckedWindow, as_of: datetime
) -> pd.DataFrame:
    """Return the window's rows that passed validation; a block is recorded, then raised."""
    report = rows.check(bundle.contract).report
    if report.outcome == "block":
        ledger.record_decision(
            Decision(
                key=f"quality:{pipeline.name}:{rows.key}:{rows.data_hash[:16]}",
                pipeline=pipeline.name,
                kind="quality",
                subject=rows.key,
                outcome="block",
                reasons=report.reasons,
                evidence=QualityEvidence(version=ref.version, rows=report.rows),
                as_of=as_of,
            )
        )
    return rows.require_clean(bundle.contract)


def _write_report(
    pipeline: Pipeline, bundle: Bundle, ref: ModelRef, key: str, frame: pd.DataFrame, summary: str
) -> tuple[str, str]:
    """Return the address of Evidently's page, and the reason if it or its upload failed."""
    store = Store(pipeline.store_root)
    try:
        reference = store.read_reference(pipeline.name, ref.sha256)
        page, snapshot = render_drift_page(
            reference, frame, bundle.contract, pipeline.drift, pipeline.training.seed, verdict=summary
        )
        address = str(store.write_report(pipeline.name, f"drift-{key}-v{ref.version}", page))
    except Exception as error:
        # A page for people must never stop the verdict; the failure is returned and reported.
        return "", f"{type(error).__name__}: {error}"
    try:
        if pipeline.evidently:
            publish_report(snapshot, pipeline.evidently, pipeline.name, f"{key} v{ref.version}")
    except RecordError as error:
        return address, str(error)
    return address, ""


def _log_run(
    records: WindowRun,
    ref: ModelRef,
    frame: pd.DataFrame,
    drift: DriftReport,
    observation: Observation,
    state: str,
    report: str,
) -> str:
    """Log one MLflow run for the judged window, with Evidently's page; return the run's identifier."""
    values = {
        "rows": float(observation.rows),
        "alert_rate": observation.alert_rate,
        "performance": observation.performance,
        "drift_share": drift.share,
        "largest_effect": max((c.effect for c in drift.columns if isfinite(c.effect)), default=None),
        "score_effect": drift.score.effect if drift.score else None,
        "violated": float(observation.violated),
    }
    tags = {"pynomaly.kind": "monitor", "pynomaly.window": observation.window, "pynomaly.state": state}
    tags["pynomaly.model_version"] = str(ref.version)
    registry = records.registry
    with registry.start_parent_run(records.pipeline.name, f"monitor {observation.window}", tags=tags) as run:
        registry.log_to_run(run, metrics={name: value for name, value in values.items() if value is not None})
        if report:
            with resolve_place(report).open_local() as page:
                registry.log_to_run(run, artifacts={"drift.html": page})
        log_weighted_drift(registry, run, records.load_bundle(ref), frame, drift)
    return run
