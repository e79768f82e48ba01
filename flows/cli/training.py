"""Commands of training: train, retrain, recalibrate and search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from flows.cli.app import AsOf, Config, Json, Reason, Wait, check_moments, command, print_result, run_flow
from pynomaly.config import Pipeline, load_pipeline

__all__ = ["recalibrate", "retrain", "search", "train"]


@command("pynomaly train configs/quickstart.yaml --as-of 2026-01-19T00:00:00Z")
def train(
    config: Config,
    as_of: AsOf = "latest",
    reason: Reason = "asked for on the command line",
    wait: Wait = "",
    as_json: Json = False,
) -> None:
    """Validate, train every candidate, compare, register, and promote on evidence."""
    _run_training("train", load_pipeline(config), as_json, as_of=as_of, reason=reason, wait=wait)


@command("pynomaly retrain configs/quickstart.yaml --detector hbos --params 'n_bins=20'")
def retrain(
    config: Config,
    as_of: AsOf = "latest",
    reason: Reason = "asked for on the command line",
    detector: Annotated[
        str,
        typer.Option(
            help="Train this detector alone.",
            autocompletion=lambda incomplete: _complete_detector_name(incomplete),
        ),
    ] = "",
    params: Annotated[str, typer.Option(help="Its parameters: 'n_estimators=200 max_samples=512'.")] = "",
    wait: Wait = "",
    as_json: Json = False,
) -> None:
    """Train a challenger; promote it only if it beats the champion on the same rows."""
    pipeline = load_pipeline(config)
    if detector or params:
        from pynomaly.steps.training.planning import parse_candidate

        parse_candidate(detector, params)  # a mistyped one leaves no failed run
    parameters = {
        "as_of": as_of,
        "reason": reason,
        "trigger": "manual",
        "detector": detector,
        "params": params,
        "wait": wait,
    }
    _run_training("retrain", pipeline, as_json, **parameters)


@command(
    "pynomaly recalibrate configs/quickstart.yaml --dry-run",
    "pynomaly recalibrate configs/quickstart.yaml --reason 'new pumps'",
)
def recalibrate(
    config: Config,
    as_of: AsOf = "latest",
    reason: Reason = "asked for on the command line",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would come to, and write nothing.")
    ] = False,
    wait: Wait = "",
    as_json: Json = False,
) -> None:
    """Set the champion's p-values from newer rows; promote that if these hold no incident."""
    from flows.display.training import show_rehearsal

    pipeline = load_pipeline(config)
    if not dry_run:
        _run_training("recalibrate", pipeline, as_json, as_of=as_of, reason=reason, wait=wait)
        return
    check_moments({"as_of": as_of})
    from pynomaly.steps.scoring.due_windows import resolve_moment
    from pynomaly.steps.training.recalibration.rehearsal import rehearse_recalibration

    at = resolve_moment(pipeline, as_of, datetime.now(UTC))
    print_result(rehearse_recalibration(pipeline, at, reason), as_json, show_rehearsal)


def _run_training(flow: str, pipeline: Pipeline, as_json: bool, **parameters: str) -> None:
    """Run the flow and print its result; a refused version that leaves no champion ends with exit code 1."""
    from flows.display.training import show_training_result

    result = run_flow("training", flow, pipeline, **parameters)
    print_result(result, as_json, show_training_result)
    if result["trained"] and result["decision"]["kind"] == "refuse" and _lacks_champion(pipeline):
        raise typer.Exit(1)


def _lacks_champion(pipeline: Pipeline) -> bool:
    from pynomaly.records.registry.alias_lookup import find_alias_version

    return find_alias_version(pipeline) is None


def _complete_detector_name(incomplete: str) -> list[str]:
    """Returns the detectors whose names start with `incomplete`, for the shell."""
    from pynomaly.detectors import DETECTORS

    return [name for name in DETECTORS if name.startswith(incomplete)]


@command("pynomaly search configs/quickstart.yaml --budget 10m")
def search(
    config: Config,
    budget: Annotated[
        str, typer.Option(help="Wall time of the trials, like 10m; by default search.budget.")
    ] = "",
    as_of: AsOf = "latest",
    reason: Reason = "asked for on the command line",
    wait: Wait = "",
    as_json: Json = False,
) -> None:
    """Search detectors and parameters; a result better than the champion's becomes a challenger."""
    from flows.display.training import show_search_result

    pipeline = load_pipeline(config)
    if budget:
        from pynomaly.steps.training.tuning_run import parse_budget

        parse_budget(pipeline, budget)  # a mistyped one leaves no failed run
    parameters = {"as_of": as_of, "reason": reason, "budget": budget, "wait": wait}
    print_result(run_flow("training", "search", pipeline, **parameters), as_json, show_search_result)
