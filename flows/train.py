"""Train: decide, validate, fit every candidate, compare, register, and promote on evidence.

``train`` runs on schedule and for a pipeline's first model; ``retrain`` on an event or by hand. Both take
the same road once the decision to train is taken.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.moment import moment, named
from pynomaly.config import Pipeline, load
from pynomaly.errors import LeaseHeldError
from pynomaly.steps.retrain import Plan, named_candidate, training_lease
from tasks import training

__all__ = ["learn", "retrain", "train"]

# Fits run in child processes: two at a time fill two cores.
_RUNNER: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=2)


@flow(name="train", task_runner=_RUNNER, flow_run_name=named)
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
    pipeline = load(config)
    return _run(pipeline, moment(pipeline, as_of), "schedule", reason, "", "")


@flow(name="retrain", task_runner=_RUNNER, flow_run_name=named)
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
        trigger: Who asks; an event waits for cool-down and back-off.
        as_of: Moment the training stands for, with an offset; empty means the scheduled time,
            "latest" the end of the data.
        detector: Train this detector alone; empty means every candidate of the pipeline.
        params: Its parameters, like "n_estimators=200 max_samples=512".
    """
    pipeline = load(config)
    return _run(pipeline, moment(pipeline, as_of), trigger, reason, detector, params)


def _run(
    pipeline: Pipeline, as_of: datetime, trigger: str, reason: str, detector: str, params: str
) -> dict[str, Any]:
    candidates = named_candidate(detector, params)
    try:
        with training_lease(pipeline):
            plan = training.plan(pipeline, as_of, trigger, reason, candidates)
            return learn(pipeline, plan, as_of) if plan.go else {"trained": False} | plan.to_dict()
    except LeaseHeldError as error:
        return {"trained": False, "decision": {"remedy": "none", "reasons": [str(error)]}}


def learn(pipeline: Pipeline, plan: Plan, as_of: datetime) -> dict[str, Any]:
    """Everything after the decision to train, in order."""
    prepared = training.prepare(pipeline, plan, as_of)
    if plan.decision.remedy == "recalibrate":
        fitted = [training.recalibrate(pipeline, prepared)]
    else:
        futures = [
            training.fit_candidate.submit(pipeline, prepared, candidate, label)
            for label, candidate in prepared.labelled()
        ]
        fitted = [future.result() for future in futures]
    choice = training.compare(pipeline, prepared, fitted)
    registered = training.register(pipeline, prepared, fitted, choice)
    winner = next(item for item in fitted if item.label == choice.winner)
    verdict = training.judge_challenger(pipeline, prepared, winner)
    decision = training.promote(pipeline, registered, verdict, as_of)
    return {
        "trained": True,
        "registered": registered.to_dict(),
        "choice": choice.to_dict(),
        "verdict": verdict.to_dict() if verdict else None,
        "decision": decision.to_dict(),
    }
