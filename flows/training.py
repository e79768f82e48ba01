"""Flows of training: decide, validate, fit every candidate, compare, register, and promote on evidence.

``train`` runs on schedule and for a pipeline's first model; ``retrain`` on an event or by hand; ``search``
looks for a better detector first; ``recalibrate`` keeps the champion's detector. All share the same steps
from the fit of the candidates on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.run_guard import guard_run
from flows.run_moment import format_run_name, resolve_run_moment
from pynomaly.config import Candidate, Pipeline, load_pipeline
from pynomaly.errors import LeaseHeldError
from pynomaly.steps.training.planning import TrainingPlan, hold_training_lease, parse_candidate
from pynomaly.steps.training.prepare import PreparedReference
from pynomaly.steps.training.tuning_run import parse_budget
from tasks import reporting, training

__all__ = ["recalibrate", "retrain", "run_training", "search", "train"]

# The threads only wait: fits run in child processes or on a cluster, as many at once as `runner` says.
_RUNNER: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=32)


@flow(name="train", task_runner=_RUNNER, flow_run_name=format_run_name)
def train(
    config: str = "configs/quickstart.yaml",
    as_of: str = "",
    reason: str = "scheduled training",
) -> dict[str, Any]:
    """Train every candidate of a pipeline and promote the winner if it is better on evidence.

    Args:
        config: Path of the pipeline YAML.
        as_of: Moment the training stands for, with an offset; empty means the scheduled time,
            "latest" the end of the data.
        reason: Why, in a few words; kept with the decision.
    """
    pipeline = load_pipeline(config)
    return _decide_and_train(pipeline, resolve_run_moment(pipeline, as_of), "schedule", reason)


@flow(name="retrain", task_runner=_RUNNER, flow_run_name=format_run_name)
def retrain(
    config: str = "configs/quickstart.yaml",
    reason: str = "asked for by hand",
    trigger: Literal["manual", "event", "schedule"] = "manual",
    as_of: str = "",
    detector: str = "",
    params: str = "",
) -> dict[str, Any]:
    """Train a challenger and promote it only if it beats the champion on the same rows.

    Args:
        config: Path of the pipeline YAML.
        reason: Why, in a few words; kept with the decision.
        trigger: What asks for the training; an event waits for cool-down and back-off.
        as_of: Moment the training stands for, with an offset; empty means the scheduled time,
            "latest" the end of the data.
        detector: Train this detector alone; empty means every candidate of the pipeline.
        params: Its parameters, like "n_estimators=200 max_samples=512".
    """
    pipeline = load_pipeline(config)
    candidates = parse_candidate(detector, params)
    return _decide_and_train(pipeline, resolve_run_moment(pipeline, as_of), trigger, reason, candidates)


@flow(name="recalibrate", flow_run_name=format_run_name)
def recalibrate(
    config: str = "configs/quickstart.yaml",
    reason: str = "asked for by hand",
    as_of: str = "",
) -> dict[str, Any]:
    """Set the champion's p-values again from newer rows; every score stays.

    Args:
        config: Path of the pipeline YAML.
        reason: Why, in a few words; kept with the decision.
        as_of: Moment the recalibration stands for, with an offset; empty means the scheduled time,
            "latest" the end of the data.
    """
    pipeline = load_pipeline(config)
    at = resolve_run_moment(pipeline, as_of)
    return _decide_and_train(pipeline, at, "manual", reason, kind="recalibrate")


@flow(name="search", task_runner=_RUNNER, flow_run_name=format_run_name)
def search(
    config: str = "configs/quickstart.yaml",
    reason: str = "asked for by hand",
    budget: str = "",
    as_of: str = "",
) -> dict[str, Any]:
    """Search detectors and parameters; a result better than the champion's becomes a challenger.

    Args:
        config: Path of the pipeline YAML.
        reason: Why, in a few words; kept with the decision.
        budget: Wall time of the trials, like "10m"; empty means search.budget of the YAML.
        as_of: Moment the search stands for, with an offset; empty means the scheduled time,
            "latest" the end of the data.
    """
    pipeline = load_pipeline(config)
    at, length = resolve_run_moment(pipeline, as_of), parse_budget(pipeline, budget)
    try:
        with guard_run(pipeline), hold_training_lease(pipeline):
            plan = training.plan_training(pipeline, at, "manual", reason, (), "search")
            if not plan.should_train:
                return {"trained": False, "search": None} | plan.to_dict()
            search_result = training.search_detectors(
                pipeline, training.prepare_reference(pipeline, plan, at), at, length, "person"
            )
            search_part = {"search": search_result.to_dict()}
            if not search_result.better:
                return search_part | {
                    "trained": False,
                    "decision": {"remedy": "none", "reasons": search_result.reasons},
                }
            plan = replace(plan, candidates=(search_result.winner,))
            return search_part | _fit_and_compare(
                pipeline, plan, training.prepare_reference(pipeline, plan, at), at
            )
    except LeaseHeldError as error:
        return {"search": None} | _describe_other_training(error)


def _decide_and_train(
    pipeline: Pipeline,
    as_of: datetime,
    trigger: str,
    reason: str,
    candidates: tuple[Candidate, ...] = (),
    kind: str = "train",
) -> dict[str, Any]:
    try:
        with guard_run(pipeline), hold_training_lease(pipeline):
            plan = training.plan_training(pipeline, as_of, trigger, reason, candidates, kind)
            return (
                run_training(pipeline, plan, as_of)
                if plan.should_train
                else {"trained": False} | plan.to_dict()
            )
    except LeaseHeldError as error:
        return _describe_other_training(error)


def _describe_other_training(error: LeaseHeldError) -> dict[str, Any]:
    """Returns the result of a run that found another training at work: no failure of a scheduled run."""
    decision = {"remedy": "none", "reasons": [str(error)]}
    return {"trained": False, "held": error.lease, "decision": decision}


def run_training(pipeline: Pipeline, plan: TrainingPlan, as_of: datetime) -> dict[str, Any]:
    """Run a training after the decision to train: prepare, search if planned, fit, compare and promote."""
    prepared = training.prepare_reference(pipeline, plan, as_of)
    if not plan.searches:
        return _fit_and_compare(pipeline, plan, prepared, as_of)
    search_result = training.search_detectors(pipeline, prepared, as_of, pipeline.search.budget, "event")
    if search_result.better:
        plan = replace(plan, candidates=(*plan.candidates, search_result.winner))
        prepared = training.prepare_reference(pipeline, plan, as_of)
    return _fit_and_compare(pipeline, plan, prepared, as_of) | {"search": search_result.to_dict()}


def _fit_and_compare(
    pipeline: Pipeline, plan: TrainingPlan, prepared: PreparedReference, as_of: datetime
) -> dict[str, Any]:
    """Fit the planned candidates, compare, register the winner and compare it with the champion."""
    plan.held.release()
    if plan.decision.remedy == "recalibrate":
        fitted_candidates = [training.recalibrate_champion(pipeline, prepared)]
    else:
        futures = [
            training.fit_candidate.submit(pipeline, prepared, candidate, label)
            for label, candidate in prepared.labelled()
        ]
        fitted_candidates = [future.result() for future in futures]
    refusal = training.refuse_unusable(pipeline, prepared, fitted_candidates, as_of)
    if refusal is not None:
        return {"trained": True, "registered": None, "decision": refusal.to_dict()}
    choice = training.compare_candidates(pipeline, prepared, fitted_candidates)
    registration = training.register_winner(pipeline, prepared, fitted_candidates, choice)
    winner = next(item for item in fitted_candidates if item.label == choice.winner)
    verdict = training.judge_challenger(pipeline, prepared, winner, choice.among)
    decision = training.promote(pipeline, registration, verdict, as_of)
    page = reporting.publish_decision_pages(pipeline, decision)
    return {
        "trained": True,
        "registered": registration.to_dict(),
        "choice": choice.to_dict(),
        "verdict": verdict.to_dict() if verdict else None,
        "decision": decision.to_dict(),
        "page": page,
    }
