"""Command ``serve``: scores rows over HTTP with the champion, until Ctrl-C."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from flows.cli.app import Config, command
from pynomaly.config import load_pipeline

__all__ = ["serve"]

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
    from pynomaly.errors import ConfigError
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
    run_server(pipeline, host, port, token)
