"""Commands for alerts: list and answer them, preview another policy, audit them, add labels."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import Config, Json, app, say, user_name
from pynomaly.config import load

__all__ = ["ack", "alerts", "audit", "labels", "preview", "resolve"]

Name = Annotated[str, typer.Argument(metavar="ALERT", help="The alert, or how its name begins.")]
Note = Annotated[str, typer.Option("--note", help="Why; kept with the answer.")]
Author = Annotated[str, typer.Option("--by", help="Who answers; empty: whoever types.")]
Last = Annotated[str, typer.Option("--last", help="How far back from the newest scored window, like 60d.")]


@app.command()
def alerts(
    config: Config,
    state: Annotated[
        str, typer.Option(help="open (acknowledged too), acknowledged, resolved, withdrawn, all.")
    ] = "open",
    quiet: Annotated[bool, typer.Option("--quiet", help="Also those nobody was told of.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Gravest alerts to show; --output writes all.")] = 20,
    show: Annotated[str, typer.Option("--show", metavar="ALERT", help="Everything about one alert.")] = "",
    output: Annotated[
        Path | None, typer.Option(help="Write them to a .csv, .json, .parquet or .xlsx file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Alerts that wait for an answer, the gravest first; or all of them into a file."""
    from flows import show_alerts
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.answering import alerts_of, chosen
    from pynomaly.steps.exporting import export_alerts

    switch_off()
    pipeline = load(config)
    matching_alerts = alerts_of(pipeline, state, quiet=quiet)
    if show:
        alerts_by_id = {item.alert: item for item in alerts_of(pipeline, "all", quiet=True)}
        say(alerts_by_id[chosen(alerts_by_id, show)].to_dict(), as_json, show_alerts.one)
        return
    if output is not None:
        say(export_alerts(pipeline, matching_alerts, output), as_json, show_alerts.exported)
        return
    alert_list = {
        "pipeline": pipeline.name,
        "state": state,
        "total": len(matching_alerts),
        "alerts": [item.to_dict() for item in matching_alerts[:limit]],
    }
    say(alert_list, as_json, show_alerts.listed)


@app.command()
def ack(config: Config, alert: Name, note: Note = "", by: Author = "", as_json: Json = False) -> None:
    """Say that you look at an alert; exit code 2 where it was resolved already."""
    from flows.show_alerts import answered
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.answering import acknowledge

    switch_off()
    say(acknowledge(load(config), alert, by or user_name(), note).to_dict(), as_json, answered)


@app.command()
def resolve(
    config: Config,
    alert: Name,
    ending: Annotated[str, typer.Option("--as", help="false-alarm or confirmed.")],
    note: Note = "",
    by: Author = "",
    as_json: Json = False,
) -> None:
    """End an alert; its rows are labelled with the answer, and the next training learns from it."""
    from flows.show_alerts import answered
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.answering import resolve as resolve_alert

    switch_off()
    say(resolve_alert(load(config), alert, ending, by or user_name(), note).to_dict(), as_json, answered)


@app.command()
def preview(
    config: Config,
    policy: Annotated[
        str, typer.Option("--policy", help="budget:20/day, quantile:0.01, fdr:0.1 or cost:10:1.")
    ],
    last: Last = "60d",
    as_json: Json = False,
) -> None:
    """What another alert policy would have alerted on; nothing is changed."""
    from flows.show_alerts import previewed
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.preview import preview as preview_policy

    switch_off()
    say(preview_policy(load(config), policy, _span(last)), as_json, previewed)


@app.command()
def audit(
    config: Config,
    rows: Annotated[int, typer.Option("--rows", min=0, help="Draw so many rows to label.")] = 0,
    last: Last = "60d",
    output: Annotated[
        Path | None, typer.Option(help="Table to write them to; NAME-audit.csv if left out.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option("--labels", help="That table with its labels filled in.")
    ] = None,
    name: Annotated[str, typer.Option("--audit", help="Which audit to judge by; empty: the newest.")] = "",
    by: Author = "",
    as_json: Json = False,
) -> None:
    """How good are the alerts? Draw a random sample, label it, read off precision and recall."""
    from flows import show_alerts
    from pynomaly.errors import ConfigError
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.auditing import draw_audit, judged, label_audit

    switch_off()
    pipeline, author = load(config), by or user_name()
    if rows and answers is not None:
        raise ConfigError("--rows draws an audit and --labels answers one; give one of them")
    if rows:
        target = output or Path(f"{pipeline.name}-audit.csv")
        if target.exists():
            raise ConfigError(f"{target} is there already and may hold answers; name another --output")
        say(draw_audit(pipeline, rows, _span(last), target, author), as_json, show_alerts.drawn)
        return
    new = label_audit(pipeline, answers, author) if answers is not None else 0
    say({**judged(pipeline, name), "new": new}, as_json, show_alerts.judged)


@app.command()
def labels(
    config: Config,
    csv: Annotated[Path | None, typer.Option("--csv", help="Table with time, entity and label.")] = None,
    query: Annotated[str, typer.Option("--sql", help="Query that gives these columns.")] = "",
    connection: Annotated[str, typer.Option(help="Environment variable with the database URL (--sql).")] = "",
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Read what people assessed on the traces of alerts.")
    ] = False,
    by: Author = "",
    as_json: Json = False,
) -> None:
    """Add labels of rows, from a table, a query or MLflow; without any, say how many there are."""
    from flows import show_alerts
    from pynomaly.errors import ConfigError
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.assessments import read_assessments
    from pynomaly.steps.labelling import counted, from_csv, from_query

    switch_off()
    pipeline, author = load(config), by or user_name()
    if sum((csv is not None, bool(query), mlflow)) > 1:
        raise ConfigError("--csv, --sql and --mlflow are sources of labels; give one of them")
    label_import = None
    if csv is not None:
        label_import = from_csv(pipeline, csv, author).to_dict()
    elif query:
        label_import = from_query(pipeline, query, connection, author).to_dict()
    elif mlflow:
        label_import = read_assessments(pipeline).to_dict()
    say({**counted(pipeline), "read": label_import}, as_json, show_alerts.labelled)


def _span(text: str) -> timedelta:
    from pynomaly.config.units import duration
    from pynomaly.errors import ConfigError

    try:
        return duration(text)
    except ValueError as error:
        raise ConfigError(f"--last {error}") from None
