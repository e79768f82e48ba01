"""Serves the deployments of every pipeline in a folder: ``python -m flows.serve CONFIGS``.

There is one deployment per flow and pipeline, with its schedule in the pipeline's time zone; ``retrain``
listens for the pipeline's degradation events. Started by ``pynomaly up``; it can run under any supervisor.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.schedules import Cron

from flows.monitoring import monitor
from flows.operations import backfill, drill, prune, reconcile
from flows.promotion import approve, policy, reject, rollback
from flows.reporting import report
from flows.scoring import score
from flows.streaming import stream
from flows.training import recalibrate, retrain, search, train
from pynomaly.config import Pipeline, list_pipeline_files, load_pipeline
from pynomaly.errors import ConfigError
from pynomaly.steps.operations.reconcile import reconcile as reconcile_step

__all__ = ["load_pipelines", "make_deployments"]


def load_pipelines(folder: Path) -> list[Pipeline]:
    """Load every pipeline YAML of `folder`, in the order of the file names.

    Raises
    ------
    ConfigError
        If a YAML is not valid, or two pipelines share a name.
    """
    loaded_pipelines = [load_pipeline(file) for file in list_pipeline_files(folder)]
    names = [pipeline.name for pipeline in loaded_pipelines]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two pipelines in {folder} are called {name!r}")
    return loaded_pipelines


def make_deployments(pipeline: Pipeline) -> list[RunnerDeployment]:
    """Make the deployments of one pipeline, with schedules, run forms and the event that retrains."""
    schedule = pipeline.schedule

    def deploy(flow: Any, cron: str, **options: Any) -> RunnerDeployment:
        deployment: RunnerDeployment = flow.to_deployment(
            name=pipeline.name,
            parameters={"config": str(pipeline.origin)} | options.pop("parameters", {}),
            schedule=Cron(cron, timezone=schedule.timezone) if cron else None,
            tags=["pynomaly", pipeline.name],
            description=f"{(flow.description or flow.name).split(chr(10))[0]} Pipeline: {pipeline.name}.",
            concurrency_limit=options.pop("at_once", 1),
            **options,
        )
        return deployment

    degradation_trigger = DeploymentEventTrigger(
        name=f"retrain {pipeline.name} when it degrades",
        expect={"pynomaly.degradation.detected"},
        match={"prefect.resource.id": f"pynomaly.pipeline.{pipeline.name}"},
        parameters={
            "config": str(pipeline.origin),
            "trigger": "event",
            "reason": "{{ event.payload.reason }}",
            "as_of": "{{ event.payload.as_of }}",
        },
    )
    live = [deploy(stream, schedule.stream, at_once=2)] if pipeline.stream.broker else []
    return [
        *live,
        deploy(train, schedule.train),
        deploy(score, schedule.score),
        deploy(monitor, schedule.monitor),
        deploy(retrain, "", triggers=[degradation_trigger]),
        deploy(recalibrate, ""),
        deploy(search, ""),
        deploy(rollback, ""),
        deploy(policy, ""),
        deploy(approve, ""),
        deploy(reject, ""),
        deploy(reconcile, schedule.reconcile),
        deploy(drill, schedule.drill),
        deploy(prune, schedule.prune),
        deploy(backfill, ""),
        deploy(report, pipeline.reports.schedule, parameters={"send": "yes"}),
    ]


def main(folder: Path) -> None:
    """Reconcile every pipeline, then register and serve the deployments until the process is stopped."""
    loaded_pipelines = load_pipelines(folder)
    for pipeline in loaded_pipelines:
        for line in reconcile_step(pipeline).failed:
            print(f"{pipeline.name}: {line}", flush=True)
    serve(
        *(item for pipeline in loaded_pipelines for item in make_deployments(pipeline)),
        print_starting_message=False,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
