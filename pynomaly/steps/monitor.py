"""One verdict a window: data, scores, alert rate and, where labels are in, performance.

The verdict rests on the sketch inside the champion; Evidently's page is for people, and its failure is
said but stops nothing. Called on schedule, after scoring. The same window judged twice under the same
champion leaves one observation, one report and one decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import digest
from pynomaly.data.places import place
from pynomaly.data.quality import validate
from pynomaly.data.sources import read
from pynomaly.data.window import Window
from pynomaly.errors import QualityError, RecordError
from pynomaly.judging.aspects import Aspect, aspects
from pynomaly.judging.degradation import Degradation, Observation, degradation, observe
from pynomaly.judging.drift import DriftReport, compare_sketches
from pynomaly.judging.evaluation import metrics
from pynomaly.judging.exchangeability import Exchangeability, exchangeability
from pynomaly.judging.ranking import Operation
from pynomaly.judging.unlabelled import Probe, Unlabelled, judge_probe
from pynomaly.model.bundle import Bundle
from pynomaly.model.reference import window_sketch
from pynomaly.records.evidently_pages import publish
from pynomaly.records.evidently_report import drift_page
from pynomaly.records.ledger import Decision, Ledger, bounds
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.records.store import Store
from pynomaly.steps.bake import watch
from pynomaly.steps.champion import honour_alias
from pynomaly.steps.explanations import keep_weighed_drift
from pynomaly.steps.prepare import dependent_rows
from pynomaly.steps.probe import probe
from pynomaly.steps.window_facts import keep_window_facts

__all__ = [
    "Monitored",
    "checked_without_labels",
    "drift_of",
    "monitor_window",
    "monitored_window",
    "observation_of",
]

REMEMBERED = 366
"""Earlier windows that are looked through for the last checks without labels."""


@dataclass(frozen=True)
class Monitored:
    """The verdict on one window and on the champion's recent windows.

    Attributes
    ----------
    exchangeability : Exchangeability
        Whether the p-values' guarantee still stands; a withdrawal is said, and is no alarm by itself.
    aspects : tuple of Aspect
        Each thing that was judged, in the same four words.
    bake : str
        What the window says of a young promotion (:func:`pynomaly.steps.bake.watch`).
    """

    window: str
    version: int
    drift: DriftReport
    exchangeability: Exchangeability
    observation: Observation
    degradation: Degradation
    report: str
    report_error: str
    run_id: str
    aspects: tuple[Aspect, ...]
    bake: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for events and artifacts."""
        return {
            "window": self.window,
            "version": self.version,
            "drift": self.drift.to_dict(),
            "exchangeability": self.exchangeability.to_dict(),
            "observation": self.observation.to_dict(),
            "degradation": self.degradation.to_dict(),
            "report": self.report,
            "report_error": self.report_error,
            "run_id": self.run_id,
            "aspects": [aspect.to_dict() for aspect in self.aspects],
            "bake": self.bake,
        }


def monitored_window(pipeline: Pipeline, as_of: datetime) -> Window | None:
    """The newest complete monitoring window at `as_of`; None for a table without time."""
    return Window.last(as_of, pipeline.windows.monitor) if pipeline.data.time else None


def monitor_window(pipeline: Pipeline, window: Window | None, as_of: datetime) -> Monitored:
    """Judge one window under the champion, with the labels known at `as_of`.

    Raises
    ------
    NoChampionError
        If nothing was promoted yet.
    DataError
        If the window cannot be read or validation blocks it; the block is on record.
    """
    registry = Registry.of(pipeline)
    ref = honour_alias(pipeline, registry) or registry.alias(pipeline.name, "champion")
    bundle = registry.load(ref)
    key = window.key if window else "all"
    frame = _usable(pipeline, bundle, ref, window, key, as_of)
    scored = bundle.score(frame)
    drift = drift_of(pipeline, bundle, frame, scored)
    exchangeable = _exchangeability(pipeline, bundle, frame, scored)
    with Ledger.open(pipeline.ledger_url) as ledger, ledger.lease(f"monitor:{pipeline.name}:{key}"):
        expected = next(
            (item for item in ledger.trainings(pipeline.name) if item.version == ref.version), None
        )
        facts = expected.detail["registered"] if expected else {}
        earlier = [
            Observation.from_dict(item)
            for item in ledger.recent(pipeline.name, as_of, REMEMBERED, ref.version)
            if item["window"] != key
        ]
        checked = checked_without_labels(pipeline, bundle, window, frame, earlier, facts)
        observation = observation_of(pipeline, bundle, key, frame, scored, drift, facts, checked)
        glance = aspects(observation, drift, checked)
        verdict = degradation([*earlier, observation], pipeline.degradation)
        moved = "; ".join(drift.reasons) or "nothing moved"
        said = f"Pynomaly's verdict on {key}: data {drift.status}; {moved}. It was {drift.basis}."
        report, report_error = _report(pipeline, bundle, ref, key, frame, said)
        run = _log(pipeline, registry, ref, bundle, frame, key, drift, observation, verdict, report)
        # Before the verdict is on record: who finds that does not judge the window again.
        shown: dict[str, Any] = {
            "drift": drift.to_dict(),
            "exchangeability": exchangeable.to_dict(),
            "observation": observation.to_dict(),
            "degradation": verdict.to_dict(),
        }
        shown |= {"aspects": [aspect.to_dict() for aspect in glance], "as_of": as_of.isoformat()}
        shown |= {"report": report.rpartition("/")[2], "report_error": report_error, "run_id": run}
        kept_error = keep_window_facts(pipeline, bundle, ref, key, frame, scored, shown)
        report_error = "; ".join(filter(None, (report_error, kept_error)))
        ledger.put_observation(pipeline.name, key, observation.to_dict(), report, ref.version)
        ledger.record(
            Decision(
                key=f"degradation:{pipeline.name}:{key}:v{ref.version}:{as_of.isoformat()}",
                pipeline=pipeline.name,
                kind="degradation",
                subject=key,
                outcome=verdict.state,
                reasons=verdict.reasons,
                evidence={"version": ref.version, "action": verdict.action, "drifted": list(drift.drifted)}
                | {"observation": observation.to_dict(), "run_id": run}
                | {"exchangeability": exchangeable.to_dict(), "basis": drift.basis}
                | {"aspects": [aspect.to_dict() for aspect in glance]},
                as_of=as_of,
            )
        )
    baked = watch(pipeline, ref, bundle, key, frame, scored)
    found = (drift, exchangeable, observation, verdict, report, report_error, run, glance, baked)
    return Monitored(key, ref.version, *found)


def _usable(
    pipeline: Pipeline, bundle: Bundle, ref: ModelRef, window: Window | None, key: str, as_of: datetime
) -> pd.DataFrame:
    """The window's rows that passed validation; a block is recorded, then raised."""
    frame = read(pipeline.data, window, as_of)
    checked = validate(frame, bundle.contract, pipeline.quality, "score")
    if checked.report.outcome != "block":
        return checked.clean
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.record(
            Decision(
                key=f"quality:{pipeline.name}:{key}:{digest(frame)[:16]}",
                pipeline=pipeline.name,
                kind="quality",
                subject=key,
                outcome="block",
                reasons=checked.report.reasons,
                evidence={"version": ref.version, "rows": checked.report.rows},
                as_of=as_of,
            )
        )
    raise QualityError(f"{pipeline.name}: window {key} is blocked: {'; '.join(checked.report.reasons)}")


def drift_of(pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame, scored: pd.DataFrame) -> DriftReport:
    """Compare like with like: known anomalies are left out, as they are of the reference."""
    label, scores = bundle.contract.label, scored["score"].to_numpy()
    if label is not None and label in frame and (usual := (frame[label] != 1).to_numpy()).any():
        frame, scores = frame[usual], scores[usual]
    current = window_sketch(frame, bundle.contract, bundle.sketch, scores)
    return compare_sketches(bundle.sketch, current, pipeline.drift)


def observation_of(
    pipeline: Pipeline,
    bundle: Bundle,
    key: str,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    drift: DriftReport,
    facts: dict[str, Any],
    checked: Unlabelled,
) -> Observation:
    """Sum the window up; performance is judged only against a baseline that stood on labels too."""
    label = bundle.contract.label
    known = frame[label].notna().to_numpy() if label and label in frame else None
    positives, performance = 0, None
    baseline = facts.get("value") if facts.get("rung") == "labels" else None
    if known is not None and baseline is not None:
        truth = frame[label].to_numpy()[known]
        positives = int((truth == 1).sum())
        if positives >= pipeline.degradation.min_positives:
            measured = metrics(
                truth,
                scored["score"].to_numpy()[known],
                confidence=pipeline.degradation.confidence,
                resamples=400,
                seed=pipeline.training.seed,
                blocks=dependent_rows(bundle.contract, frame[known]),
                operation=Operation.of(pipeline.alerts, bundle.policy.threshold),
            )
            performance = getattr(measured, pipeline.comparison.metric)
    return observe(
        key,
        len(frame),
        drift,
        int(scored["is_anomaly"].sum()),
        facts.get("expected_alert_rate"),
        pipeline.degradation,
        performance=performance.value if performance else None,
        performance_high=performance.high if performance else None,
        baseline=baseline,
        positives=positives,
        unlabelled=checked,
    )


def checked_without_labels(
    pipeline: Pipeline,
    bundle: Bundle,
    window: Window | None,
    frame: pd.DataFrame,
    earlier: Sequence[Observation],
    facts: dict[str, Any],
) -> Unlabelled:
    """The checks without labels, where the last ones are ``degradation.check_every`` old."""
    done = [item for item in earlier if item.injected_status != "not_due"]
    last = bounds(done[-1].window) if done else None
    if window is not None and last is not None:
        since = window.end - last[1]
        if timedelta(0) <= since < pipeline.degradation.check_every:
            return Unlabelled()
    then = Probe.from_dict(facts["probe"]) if facts.get("probe") else None
    return judge_probe(probe(pipeline, bundle, frame), then, pipeline.degradation)


def _exchangeability(
    pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame, scored: pd.DataFrame
) -> Exchangeability:
    """Bet against the window's scores at drift's level.

    In an order drawn by seed, which exchangeable rows do not mind: what then counts is that scores are
    distributed otherwise, and not that neighbours are alike, as those of any machine are. Known anomalies
    are left out, as they are of the held-out rows.
    """
    label, seed = bundle.contract.label, pipeline.training.seed
    usual = (frame[label] != 1).to_numpy() if label is not None and label in frame else slice(None)
    scores = np.random.default_rng(seed).permutation(scored["score"].to_numpy()[usual])
    calibration = bundle.calibration
    held_out = calibration.scores if calibration.computable else calibration.scores[:0]
    return exchangeability(held_out, scores, alpha=pipeline.drift.alpha, seed=seed)


def _report(
    pipeline: Pipeline, bundle: Bundle, ref: ModelRef, key: str, frame: pd.DataFrame, said: str
) -> tuple[str, str]:
    """Path of Evidently's page, or why there is none."""
    store = Store(pipeline.store_root)
    try:
        reference = store.read_reference(pipeline.name, ref.sha256)
        page, drawn = drift_page(
            reference, frame, bundle.contract, pipeline.drift, pipeline.training.seed, verdict=said
        )
        address = str(store.write_report(pipeline.name, f"drift-{key}-v{ref.version}", page))
    except Exception as error:
        # A page for people must never stop the verdict; what failed is returned and said.
        return "", f"{type(error).__name__}: {error}"
    try:
        if pipeline.evidently:
            publish(drawn, pipeline.evidently, pipeline.name, f"{key} v{ref.version}")
    except RecordError as error:
        return address, str(error)
    return address, ""


def _log(
    pipeline: Pipeline,
    registry: Registry,
    ref: ModelRef,
    bundle: Bundle,
    frame: pd.DataFrame,
    key: str,
    drift: DriftReport,
    observation: Observation,
    verdict: Degradation,
    report: str,
) -> str:
    """One MLflow run a judged window, with the page people read."""
    values = {
        "rows": float(observation.rows),
        "alert_rate": observation.alert_rate,
        "performance": observation.performance,
        "drift_share": drift.share,
        "largest_effect": max((c.effect for c in drift.columns if isfinite(c.effect)), default=None),
        "score_effect": drift.score.effect if drift.score else None,
        "violated": float(observation.violated),
    }
    tags = {
        "pynomaly.kind": "monitor",
        "pynomaly.window": key,
        "pynomaly.state": verdict.state,
        "pynomaly.model_version": str(ref.version),
    }
    with registry.parent_run(pipeline.name, f"monitor {key}", tags=tags) as run:
        registry.log(run, metrics={name: value for name, value in values.items() if value is not None})
        if report:
            with place(report).local() as page:
                registry.log(run, artifacts={"drift.html": page})
        keep_weighed_drift(registry, run, bundle, frame, drift)
    return run
