"""Commands about this machine and this installation: config, detectors, doctor, up, demo, version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

import pynomaly
from flows.cli.app import Config, Json, app, say
from flows.cli.waiting import waiting
from pynomaly.config import effective, home_for, load

__all__ = ["config", "demo", "detectors", "doctor", "up", "version"]


@app.command()
def config(
    config: Config,
    env: Annotated[str | None, typer.Option(help="Environment; empty leaves every overlay out.")] = None,
    as_json: Json = False,
) -> None:
    """Show every setting with its value in an environment, where it comes from, and the hash of all."""
    from flows.show import settings
    from pynomaly.steps.keys import settings_hash

    settings_table = effective(config, env) | {"sha256": settings_hash(load(config, env))}
    say(settings_table, as_json, settings)


@app.command()
def detectors(as_json: Json = False) -> None:
    """List the catalogue: every detector with its family, cost and properties."""
    from flows.show import catalogue
    from pynomaly.steps.overview import catalogue_table

    say({"detectors": catalogue_table()}, as_json, catalogue)


@app.command()
def doctor(
    config: Annotated[
        str, typer.Argument(metavar="[CONFIG]", help="Check this pipeline's source and records too.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Check versions, disk, permissions, servers, schemas and clocks; say how to repair what is wrong."""
    from flows.environment import running
    from flows.kept import prefect_database
    from flows.show import health
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.health import examine

    switch_off()
    pipeline = load(config) if config else None
    home = pipeline.home if pipeline else home_for(Path.cwd())
    servers = running(home)
    api = os.environ.get("PREFECT_API_URL", "") or (f"{servers.prefect}/api" if servers else "")
    with waiting("doctor"):
        checks = [item.to_dict() for item in examine(pipeline, home, api, prefect_database())]
    say({"checks": checks}, as_json, health)
    if any(check["state"] == "wrong" for check in checks):
        raise typer.Exit(2)


@app.command()
def up(
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's pages; 0 takes a free one.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's pages; 0 takes a free one.")] = 5000,
    configs: Annotated[Path, typer.Option(help="Folder of pipeline YAMLs to deploy.")] = Path("configs"),
) -> None:
    """Start Prefect, MLflow and the deployments on this machine, until Ctrl-C."""
    from flows.servers import up as start_servers

    start_servers(home_for(Path.cwd()), configs, prefect_port, mlflow_port)


@app.command()
def demo(
    home: Annotated[
        Path | None, typer.Option(help="Keep the demo's state here instead of .pynomaly.")
    ] = None,
) -> None:
    """Run the life cycle of a pipeline: train, score, drift, retrain, promote, roll back."""
    from flows.demo import run

    run(home or home_for(Path.cwd()))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(pynomaly.__version__)
