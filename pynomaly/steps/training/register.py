"""Log a whole training to MLflow and register its winner: one parent run, one child run per candidate.

Called when every candidate is judged, so a training that fails earlier leaves no incomplete run. Repeating
the same training gives the same version.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import pynomaly
from pynomaly.config import Pipeline
from pynomaly.data.past import drop_past
from pynomaly.data.row_files import load_rows
from pynomaly.errors import DetectorError
from pynomaly.judging.comparison.choice import CandidateChoice
from pynomaly.judging.comparison.evaluation import Metrics
from pynomaly.judging.comparison.evidence import Rung
from pynomaly.judging.drift.performance import keep_judged_scores
from pynomaly.judging.obstacles import find_model_obstacles, find_suspects
from pynomaly.model.bundle import Bundle
from pynomaly.model.fitting.known_anomalies import describe_known
from pynomaly.model.past_input import describe_input
from pynomaly.model.provenance import describe_events, read_events
from pynomaly.model.window_alerts import expect_alerts_of
from pynomaly.records import figures
from pynomaly.records.ledger import Decision, RegistrationResult, TrainingFacts
from pynomaly.records.ledger.decision_evidence import RegisterEvidence
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.records.report import render_model_card
from pynomaly.records.store import Store
from pynomaly.steps.explanations import log_importance
from pynomaly.steps.keys import read_git_commit
from pynomaly.steps.obstacles import describe_new_baselines
from pynomaly.steps.pipeline_records import PipelineRecords
from pynomaly.steps.training.fit_candidates import FittedCandidate
from pynomaly.steps.training.prepare import PreparedReference
from pynomaly.steps.training.recalibration.probe_winner import probe_winner
from pynomaly.steps.training.training_facts import COUNT_NAMES, build_training_facts, name_training_page
from pynomaly.steps.training.training_rows import JudgedRows

__all__ = ["register_training"]


def register_training(
    pipeline: Pipeline,
    prepared: PreparedReference,
    fitted: Sequence[FittedCandidate],
    choice: CandidateChoice,
) -> RegistrationResult:
    """Log the training and register the winner, once.

    Returns
    -------
    RegistrationResult
        ``new`` is False when the same training was registered before.
    """
    if choice.winner is None:
        raise DetectorError(f"{pipeline.name}: no candidate has usable scores: {'; '.join(choice.reasons)}")
    with (
        PipelineRecords.open(pipeline) as records,
        records.ledger.hold_lease(f"register:{pipeline.name}:{prepared.key}"),
    ):
        ledger = records.ledger
        training = ledger.find_training(prepared.key)
        if training is not None and training.registered is not None:
            return training.registered
        chosen = next(item for item in fitted if item.label == choice.winner)
        registered = _log_and_register(pipeline, prepared, fitted, choice, chosen, records.registry)
        ledger.put_training(
            key=prepared.key,
            pipeline=pipeline.name,
            as_of=pd.Timestamp(prepared.as_of).to_pydatetime(),
            data_hash=prepared.data_hash,
            version=registered.version,
            outcome="registered",
            detail=TrainingFacts(
                registered,
                window=prepared.window,
                asked=prepared.asked,
                judged=_keep_judged(pipeline, prepared, fitted, choice),
            ),
        )
        ledger.record_decision(
            Decision(
                key=f"register:{pipeline.name}:{prepared.key}",
                pipeline=pipeline.name,
                kind="register",
                subject=f"{pipeline.name} v{registered.version}",
                outcome=chosen.label,
                reasons=choice.reasons,
                evidence=RegisterEvidence(
                    verdicts=[verdict.to_dict() for verdict in choice.verdicts],
                    rung=prepared.rung,
                    data_hash=prepared.data_hash,
                    window=prepared.window,
                    run_id=registered.run_id,
                    sampled=prepared.sampled or None,
                ),
                as_of=pd.Timestamp(prepared.as_of).to_pydatetime(),
            )
        )
        return registered


def _log_and_register(
    pipeline: Pipeline,
    prepared: PreparedReference,
    fitted: Sequence[FittedCandidate],
    choice: CandidateChoice,
    chosen: FittedCandidate,
    registry: Registry,
) -> RegistrationResult:
    judged = prepared.load_judged()
    measured = choice.measured
    tags = {
        "pynomaly.pipeline": pipeline.name,
        "pynomaly.key": prepared.key,
        "pynomaly.window": prepared.window,
        "pynomaly.data_sha256": prepared.data_hash,
        "pynomaly.rung": prepared.rung,
        "pynomaly.winner": chosen.label,
        **({"pynomaly.sampled": prepared.sampled} if prepared.sampled else {}),
        **({"pynomaly.alerts_left_out": prepared.alerts_said} if prepared.alerts_said else {}),
        "pynomaly.version": pynomaly.__version__,
        "pynomaly.git_commit": read_git_commit(pipeline.origin.parent),
    }
    counts = {name: float(getattr(prepared, name)) for name in ("seen_rows", *COUNT_NAMES)}
    winner: RegistrationResult | None = None
    with registry.start_parent_run(pipeline.name, f"train {prepared.window}", tags=tags) as parent:
        versions = Bundle.load(Path(chosen.folder), chosen.sha256).facts["versions"]
        settings = {"seed": pipeline.training.seed} | {
            f"version.{name}": library_version for name, library_version in versions.items()
        }
        registry.log_to_run(parent, metrics=counts, params=settings)
        for item in fitted:
            with registry.start_child_run(
                parent, item.label, tags=tags | {"pynomaly.detector": item.detector}
            ) as run:
                _log_candidate(registry, run, item, measured.get(item.label), judged)
                if item is chosen:
                    ref = _register_bundle(pipeline, prepared, item, run, registry, judged)
                    value = measured[item.label].values().get(pipeline.comparison.metric)
                    held_out = judged.drop_injected(item.scores())
                    expected = expect_alerts_of(Bundle.load(Path(item.folder), item.sha256), held_out)
                    summary = (
                        f"{item.detector}: {pipeline.comparison.metric} {value:.3f} on {prepared.rung}"
                        if value
                        else item.detector
                    )
                    registry.describe_version(ref, f"{summary}; reference {prepared.window}")
                    winner = RegistrationResult(
                        pipeline=pipeline.name,
                        key=prepared.key,
                        version=ref.version,
                        run_id=run,
                        parent_run_id=parent,
                        sha256=ref.sha256,
                        detector=item.detector,
                        metric=pipeline.comparison.metric,
                        value=value,
                        rung=prepared.rung,
                        expected_alert_rate=expected.rate,
                        recalibrated=item.recalibrated,
                        notes=(
                            *_collect_notes(prepared, item, judged),
                            *_note_baselines(registry, pipeline, item),
                        ),
                        new=True,
                        probe=probe_winner(pipeline, prepared, item, registry),
                        expected_rate_low=expected.low,
                        expected_rate_high=expected.high,
                        held_out_alert_rate=float(held_out["is_anomaly"].mean()),
                        anomaly_share=judged.anomaly_share,
                        usual_alert_rate=judged.measure_usual_alerts(
                            held_out["is_anomaly"].to_numpy(), pipeline.data.time, expected.rate
                        ),
                        alerts=pipeline.alerts.to_record(),
                    )
        assert winner is not None, "choose() only names candidates that were fitted"
        _log_training(pipeline, prepared, fitted, choice, registry, parent, winner, judged)
    return winner


def _collect_notes(prepared: PreparedReference, item: FittedCandidate, judged: JudgedRows) -> tuple[str, ...]:
    """Return the notes of the winner's bundle, and what cannot work or is suspect in the rows it learned."""
    bundle = Bundle.load(Path(item.folder), item.sha256)
    notes = (*bundle.facts["notes"], *find_model_obstacles(bundle.sketch))
    contract = bundle.contract
    if judged.evidence.rung is Rung.LABELS:
        known = load_rows(prepared.path, "known")
        rows = contract.conform(pd.concat([judged.frame, known], ignore_index=True))
        return notes + find_suspects(rows, [*judged.evidence.truth, *np.ones(len(known))])
    rows = contract.conform(judged.drop_injected(judged.frame))
    alerts = judged.drop_injected(item.scores())["is_anomaly"].to_numpy(dtype=float)
    return notes + find_suspects(rows, alerts, "alerts")


def _note_baselines(registry: Registry, pipeline: Pipeline, item: FittedCandidate) -> tuple[str, ...]:
    """Return which entities get or lose their own baseline, compared with the champion."""
    version = registry.list_aliases(pipeline.name).get("champion")
    bundle = Bundle.load(Path(item.folder), item.sha256)
    if version is None or not bundle.features.by_entity:
        return ()
    champion = registry.load_bundle(registry.find_version(pipeline.name, version))
    return describe_new_baselines(bundle, champion)


def _keep_judged(
    pipeline: Pipeline,
    prepared: PreparedReference,
    fitted: Sequence[FittedCandidate],
    choice: CandidateChoice,
) -> dict[str, Any] | None:
    """Return what later labelled windows are compared with; None unless labels judged the winner."""
    scores = {item.label: item.scores()["score"].to_numpy() for item in fitted if not item.error}
    evidence = prepared.load_judged().evidence
    metric, seed = pipeline.comparison.metric, pipeline.training.seed
    kept = keep_judged_scores(evidence, scores, choice.winner, choice.among, metric, seed)
    return kept.to_dict() if kept else None


def _log_candidate(
    registry: Registry, run: str, item: FittedCandidate, measured: Metrics | None, judged: JudgedRows
) -> None:
    values = {"fit_seconds": item.fit_seconds, "score_seconds": item.score_seconds}
    if measured is not None:
        values |= measured.values()
    registry.log_to_run(
        run,
        metrics=values,
        params={f"detector.{name}": value for name, value in item.params.items()},
        tags={"pynomaly.error": item.error} if item.error else {},
    )
    if not item.error:
        scores = item.scores()["score"].to_numpy()
        curves = figures.draw_comparison(judged.evidence.truth, {item.label: scores}, item.label)
        registry.log_to_run(run, figures={"curves.png": curves})


def _register_bundle(
    pipeline: Pipeline,
    prepared: PreparedReference,
    item: FittedCandidate,
    run: str,
    registry: Registry,
    judged: JudgedRows,
) -> ModelRef:
    bundle = Bundle.load(Path(item.folder), item.sha256)
    known_anomalies = bundle.facts.get("known_anomalies") or {}
    quality = {
        f"known_anomalies_{name}": known_anomalies[name]
        for name in ("before", "after")
        if known_anomalies.get(name)
    }
    registry.log_to_run(
        run,
        metrics=quality,
        tags={"pynomaly.known_anomalies": describe_known(known_anomalies)} if known_anomalies else {},
    )
    log_importance(registry, run, bundle, load_rows(prepared.path, "calibration"))
    sample = drop_past(load_rows(prepared.path, "fit"))
    size = min(len(sample), pipeline.drift.report_rows)
    # The drift report needs these rows; the drift verdict needs only the sketch in the bundle.
    store = Store(pipeline.store_root)
    store.write_reference(
        pipeline.name, item.sha256, sample.sample(size, random_state=pipeline.training.seed).sort_index()
    )
    store.write_held_out(
        pipeline.name, item.sha256, judged.drop_injected(item.scores())["p_value"].to_numpy()
    )
    return registry.register(
        pipeline.name,
        run,
        Path(item.folder),
        item.sha256,
        example=describe_input(bundle.golden, bundle.contract),
        tags={
            "pynomaly.rung": prepared.rung,
            "pynomaly.window": prepared.window,
            "pynomaly.detector": item.detector,
        },
        key=prepared.key,
    )


def _log_training(
    pipeline: Pipeline,
    prepared: PreparedReference,
    fitted: Sequence[FittedCandidate],
    choice: CandidateChoice,
    registry: Registry,
    parent: str,
    winner: RegistrationResult,
    judged: JudgedRows,
) -> None:
    """Write figures, model card and verdicts of the whole training and log them to the parent run."""
    chosen = next(item for item in fitted if item.label == choice.winner)
    folder = prepared.path / "records"
    folder.mkdir(exist_ok=True)
    scores = {item.label: item.scores()["score"].to_numpy() for item in fitted if not item.error}
    (folder / "comparison.png").write_bytes(
        figures.draw_comparison(
            judged.evidence.truth, scores, chosen.label, choice.table, pipeline.comparison.metric
        )
    )
    (folder / "choice.json").write_text(json.dumps(choice.to_dict(), indent=2))
    if choice.ranks is not None:
        (folder / "critical_difference.png").write_bytes(figures.draw_critical_difference(choice.ranks))
        (folder / "ranks.json").write_text(json.dumps(choice.ranks.to_dict(), indent=2))
    (folder / "scores.png").write_bytes(
        figures.draw_score_histogram(judged.evidence.truth, scores[chosen.label])
    )
    (folder / "verdicts.json").write_text(
        json.dumps([verdict.to_dict() for verdict in choice.verdicts], indent=2)
    )
    commit = read_git_commit(pipeline.origin.parent)
    bundle = Bundle.load(Path(chosen.folder), chosen.sha256)
    counting = describe_events(bundle.policy, read_events(bundle.facts))
    (folder / "model_card.md").write_text(
        render_model_card(
            pipeline=pipeline,
            prepared=asdict(prepared),
            choice=choice,
            metrics={label: value.to_dict() for label, value in choice.measured.items()},
            fitted=[item.to_dict() for item in fitted],
            winner=chosen.to_dict() | {"version": winner.version, "counting": counting},
            git_commit=commit,
        )
    )
    result = winner.to_dict()
    facts = build_training_facts(pipeline, prepared, fitted, choice, chosen, judged, result, commit)
    Store(pipeline.store_root).write_facts(pipeline.name, name_training_page(winner.version), facts)
    files = [*sorted(folder.iterdir()), *prepared.reports, pipeline.origin]
    registry.log_to_run(parent, artifacts={file.name: file for file in files if file.is_file()})
