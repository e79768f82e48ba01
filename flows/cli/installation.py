"""Commands about this machine and this installation: config, detectors, doctor, up, demo, version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import pynomaly
from flows.cli.app import Config, Json, command, print_result
from flows.display.waiting import track_progress
from pynomaly.config import find_home, list_settings, load_pipeline
from pynomaly.errors import ConfigError

__all__ = ["config", "demo", "detectors", "doctor", "up", "version"]


@command(
    "pynomaly config configs/quickstart.yaml",
    "pynomaly config configs/quickstart.yaml --env production --json",
)
def config(
    config: Config,
    env: Annotated[str | None, typer.Option(help="Environment; empty leaves every overlay out.")] = None,
    as_json: Json = False,
) -> None:
    """Show every setting with its value in an environment, where it comes from, and the hash of all."""
    from flows.display.installation import show_settings
    from pynomaly.steps.keys import hash_settings

    settings_table = list_settings(config, env) | {"sha256": hash_settings(load_pipeline(config, env))}
    print_result(settings_table, as_json, show_settings)


@command("pynomaly detectors")
def detectors(as_json: Json = False) -> None:
    """List the catalogue: every detector with its family, cost and properties."""
    from flows.display.installation import show_catalogue
    from pynomaly.steps.reporting.overview import tabulate_catalogue

    print_result({"detectors": tabulate_catalogue()}, as_json, show_catalogue)


@command(
    "pynomaly doctor",
    "pynomaly doctor configs/quickstart.yaml",
)
def doctor(
    config: Annotated[
        str, typer.Argument(metavar="[CONFIG]", help="Check this pipeline's source and records too.")
    ] = "",
    production: Annotated[
        bool, typer.Option("--production", help="Go through the list of what must be there to go live, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check versions, disk, permissions, servers, schemas and clocks; say how to repair what is wrong."""
    from flows.display.installation import show_health_checks
    from flows.machine.addresses import read_prefect_database_url
    from flows.machine.environment import find_running_servers
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.operations.health import check_installation
    from pynomaly.steps.operations.production import check_production

    if production and not config:
        raise ConfigError("--production looks at one pipeline: pynomaly doctor CONFIG --production")
    disable_telemetry()
    pipeline = load_pipeline(config) if config else None
    home = pipeline.home if pipeline else find_home(Path.cwd())
    servers = find_running_servers(home)
    api = os.environ.get("PREFECT_API_URL", "") or (f"{servers.prefect}/api" if servers else "")
    with track_progress("doctor"):
        findings = check_installation(pipeline, home, api, read_prefect_database_url())
        if production and pipeline is not None:
            findings += check_production(pipeline, api)
        checks = [item.to_dict() for item in findings]
    print_result({"checks": checks}, as_json, show_health_checks)
    if any(check["state"] == "wrong" for check in checks):
        raise typer.Exit(2)


@command("pynomaly up --configs configs")
def up(
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's pages; 0 takes a free one.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's pages; 0 takes a free one.")] = 5000,
    console_port: Annotated[int, typer.Option(help="Port of the console; 0 takes a free one.")] = 4300,
    configs: Annotated[Path, typer.Option(help="Folder of pipeline YAMLs to deploy.")] = Path("configs"),
) -> None:
    """Start Prefect, MLflow, the console and the deployments on this machine, until Ctrl-C."""
    from flows.machine.servers import run_servers as start_servers

    start_servers(find_home(Path.cwd()), configs, prefect_port, mlflow_port, console_port)


@command("pynomaly demo --home .pynomaly-demo", "pynomaly demo --live")
def demo(
    home: Annotated[
        Path | None, typer.Option(help="Keep the demo's state here instead of .pynomaly.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Rows come as messages, and are scored at once, while one watches.")
    ] = False,
) -> None:
    """Run the life cycle of a pipeline: train, score, drift, retrain, promote, roll back."""
    from flows.demo.run_demo import run_demo

    run_demo(home or find_home(Path.cwd()), live=live)


@command("pynomaly version")
def version() -> None:
    """Print the version."""
    typer.echo(pynomaly.__version__)
