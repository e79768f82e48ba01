"""Commands ``serve`` and ``metrics``: the champion's scores, and the pipelines' metrics, over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import Config, command
from pynomaly.config import load_pipeline
from pynomaly.errors import ConfigError

__all__ = ["metrics", "serve"]

TOKEN_VARIABLE = "PYNOMALY_SERVE_TOKEN"  # nosec B105  # the name of a variable, no password


@command("pynomaly serve configs/quickstart.yaml --port 8000")
def serve(
    config: Config,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's own need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
) -> None:
    """Score rows over HTTP with the current champion, until Ctrl-C; the page /docs explains how.

    With PYNOMALY_SERVE_TOKEN set, a client must send it as a bearer token.
    """
    from pynomaly.records.telemetry import disable_telemetry

    disable_telemetry()
    pipeline = load_pipeline(config)
    token = os.environ.get(TOKEN_VARIABLE, "")
    if host not in ("127.0.0.1", "::1", "localhost") and not token:
        raise ConfigError(
            f"--host {host} is open to other machines: set {TOKEN_VARIABLE} to what clients must send"
        )
    from pynomaly.serving.web import run_server

    typer.echo(f"{pipeline.name} on http://{host}:{port}/docs; Ctrl-C stops it", err=True)
    if not pipeline.serving.record:
        run_server(pipeline, host, port, token)
        return
    from pynomaly.steps.streaming.served_rows import ServedRows

    with ServedRows(pipeline, lambda text: typer.echo(f"{pipeline.name}: {text}", err=True)) as rows:
        run_server(pipeline, host, port, token, rows.record)


@command(
    "pynomaly metrics --port 9410",
    "pynomaly metrics configs/quickstart.yaml --once",
)
def metrics(
    config: Annotated[
        list[str] | None, typer.Argument(metavar="[CONFIG]...", help="Pipelines; all of configs/ without.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any.", min=0, max=65535)] = 9410,
    once: Annotated[bool, typer.Option("--once", help="Print what a scrape would answer, and end.")] = False,
) -> None:
    """Serve the pipelines' own metrics to Prometheus at /metrics, until Ctrl-C; no data row is among them."""
    import signal
    import threading

    from pynomaly.records.telemetry import disable_telemetry

    disable_telemetry()
    files = config or sorted(str(file) for file in Path("configs").glob("*.yaml"))
    if not files:
        raise ConfigError("no pipeline YAML in 'configs'; name one, or write one by `pynomaly init DATA`")
    pipelines = [load_pipeline(file) for file in files]
    names = [pipeline.name for pipeline in pipelines]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{duplicates[0]!r} is the name of more than one pipeline: {', '.join(files)}")
    from pynomaly.serving.exporter import MetricCatalogue, format_metrics, serve_metrics
    from pynomaly.steps.operations.pipeline_metrics import GAUGES, measure_pipeline

    numbers = MetricCatalogue(GAUGES, measure_pipeline)

    if once:
        typer.echo(format_metrics(pipelines, numbers), nl=False)
        return
    stop_event = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop_event.set())
    server = serve_metrics(pipelines, numbers, host, port)
    name_list = ", ".join(names)
    typer.echo(f"{name_list} on http://{host}:{server.server_port}/metrics; Ctrl-C stops it", err=True)
    stop_event.wait()
    server.shutdown()
    server.server_close()
