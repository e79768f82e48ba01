"""Commands that serve over HTTP: scores of the champion, metrics, the console and its tokens."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import Config, Json, command, get_user_name, print_result
from pynomaly.config import find_home, list_pipeline_files, load_pipeline, read_variable
from pynomaly.errors import ConfigError

__all__ = ["console", "metrics", "serve", "token"]

Configs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[CONFIG]...", help="Pipelines, or folders of them; configs/ without."),
]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
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
    from pynomaly.serving.tokens import BearerTokens

    disable_telemetry()
    pipeline = load_pipeline(config)
    tokens = BearerTokens(lambda: read_variable(TOKEN_VARIABLE))
    if host not in _LOOPBACK and not tokens.are_needed:
        raise ConfigError(
            f"--host {host} is open to other machines: set {TOKEN_VARIABLE} to what clients must send"
        )
    from pynomaly.serving.web import run_server

    typer.echo(f"{pipeline.name} on http://{host}:{port}/docs; Ctrl-C stops it", err=True)
    if not pipeline.serving.record:
        run_server(pipeline, host, port, tokens)
        return
    from pynomaly.steps.streaming.served_rows import ServedRows

    with ServedRows(pipeline, lambda text: typer.echo(f"{pipeline.name}: {text}", err=True)) as rows:
        run_server(pipeline, host, port, tokens, rows.record)


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
    files = config or [str(file) for file in list_pipeline_files(Path("configs"))]
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


@command(
    "pynomaly console --port 4300",
    "pynomaly console configs --host 0.0.0.0 --team --https",
)
def console(
    config: Configs = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's own need --team.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 4300,
    team: Annotated[
        bool, typer.Option("--team", help="Ask everybody for a token, or a session of one.")
    ] = False,
    https: Annotated[
        bool, typer.Option("--https", help="Browsers reach it by TLS, through a proxy: cookies insist on it.")
    ] = False,
    sign_in: Annotated[
        Path | None,
        typer.Option(help="Settings of a provider of OpenID Connect, and who may what; with --team."),
    ] = None,
) -> None:
    """Serve the console: alerts to answer, decisions, the fleet; and the same under /api/v1, until Ctrl-C."""
    import logging

    from pynomaly.records.telemetry import disable_telemetry

    disable_telemetry()
    if host not in _LOOPBACK and not team:
        raise ConfigError(
            f"--host {host} is open to other machines: add --team, and make tokens by `pynomaly token --new`"
        )
    if sign_in and not team:
        raise ConfigError("--sign-in without --team: whoever reaches this console is its admin; add --team")
    from pynomaly.console.access.security_events import SECURITY_LOG
    from pynomaly.console.access.sessions import read_secret
    from pynomaly.console.access.sign_in_settings import load_sign_in
    from pynomaly.console.app import create_console, run_console
    from pynomaly.console.pipelines import Pipelines

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger(SECURITY_LOG).setLevel(logging.INFO)
    links = {
        name: address
        for name, variable in (("Prefect", "PYNOMALY_PREFECT_PAGES"), ("MLflow", "PYNOMALY_MLFLOW_PAGES"))
        if (address := os.environ.get(variable, "")).startswith(("http://", "https://"))
    }
    # A folder that is named must exist: a mistyped one is not an empty console.
    may_be_empty = not team and (not config or any(place.is_dir() for place in config))
    pipelines = Pipelines(config or [Path("configs")], may_be_empty=may_be_empty)
    home = find_home(Path.cwd())
    app = create_console(
        pipelines,
        read_secret(home),
        home=home,
        train=(sys.executable, "-m", "flows.cli", "train"),
        local=not team,
        https=https,
        links=links,
        sign_in=load_sign_in(sign_in) if sign_in else None,
    )
    typer.echo(
        f"{len(pipelines.list_pipelines())} pipelines on http://{host}:{port}; Ctrl-C stops it", err=True
    )
    run_console(app, host, port)


@command(
    "pynomaly token --new 'phone of ann' --for ann --role analyst",
    "pynomaly token",
)
def token(
    config: Configs = None,
    new: Annotated[str, typer.Option("--new", metavar="NAME", help="Make a token; what it is for.")] = "",
    actor: Annotated[str, typer.Option("--for", help="Who acts by it; empty: whoever types.")] = "",
    role: Annotated[str, typer.Option("--role", help="viewer, analyst, approver or admin.")] = "viewer",
    pipelines: Annotated[
        str, typer.Option("--pipelines", help="Names with * for any characters, separated by commas.")
    ] = "*",
    days: Annotated[int, typer.Option("--days", min=1, max=730, help="Until it expires.")] = 90,
    revoke: Annotated[str, typer.Option("--revoke", metavar="ID", help="Revoke one at once.")] = "",
    as_json: Json = False,
) -> None:
    """List the tokens of the console's clients, make one, or revoke one; a secret is shown once."""
    from flows.display.operations import show_new_token, show_tokens
    from pynomaly.console.access.actors import parse_role
    from pynomaly.console.pipelines import Pipelines
    from pynomaly.errors import UnknownNameError
    from pynomaly.records.ledger import Ledger

    if new and revoke:
        raise ConfigError("--new and --revoke together; make one, or revoke one")
    patterns = tuple(part.strip() for part in pipelines.split(",") if part.strip())
    if new and not patterns:
        raise ConfigError(f"--pipelines {pipelines!r} names none; '*' for all")
    checked = parse_role(role)
    first = Pipelines(config or [Path("configs")]).list_pipelines()[0]
    with Ledger.open(first.ledger_url) as ledger:
        access = ledger.access
        if new:
            expires = datetime.now(UTC) + timedelta(days=days)
            made, secret = access.create_token(new, actor or get_user_name(), checked, patterns, expires)
            print_result({"token": made.to_dict(), "secret": secret}, as_json, show_new_token)
            return
        if revoke and not access.revoke_token(revoke):
            raise UnknownNameError(
                f"--revoke {revoke!r} is no token that is valid; `pynomaly token` lists them"
            )
        print_result({"tokens": [item.to_dict() for item in access.list_tokens()]}, as_json, show_tokens)
