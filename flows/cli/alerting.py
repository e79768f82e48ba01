"""Commands for alerts: list and answer them, preview another policy, audit them, add labels."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.app import Config, Json, command, find_console, get_user_name, print_result, run_flow
from pynomaly.config import ALERT_POLICIES, load_pipeline
from pynomaly.errors import ConfigError

if TYPE_CHECKING:
    from pynomaly.console.client import ConsoleClient

__all__ = ["ack", "alerts", "assign", "audit", "comment", "labels", "mute", "preview", "resolve"]

Name = Annotated[str, typer.Argument(metavar="ALERT", help="The alert, or how its name begins.")]
Note = Annotated[str, typer.Option("--note", help="Why; kept with the answer.")]
Author = Annotated[str, typer.Option("--by", help="Who answers; empty: whoever types.")]
Last = Annotated[str, typer.Option("--last", help="How far back from the newest scored window, like 60d.")]


@command(
    "pynomaly alerts configs/quickstart.yaml",
    "pynomaly alerts configs/quickstart.yaml --state all --output alerts.xlsx",
)
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
    from flows.display import alerting
    from pynomaly.records.ledger import Ledger
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.alerting.export_alerts import export_alerts
    from pynomaly.steps.alerting.resolve_alerts import find_alert, list_alerts

    disable_telemetry()
    if elsewhere := find_console(config):
        if output is not None:
            raise ConfigError("--output needs the records here; unset PYNOMALY_URL, or use --json")
        _show_alerts_of_console(*elsewhere, state, quiet, limit, show, as_json)
        return
    pipeline = load_pipeline(config)
    if show:
        with Ledger.open(pipeline.ledger_url) as ledger:
            alert = find_alert(ledger, pipeline.name, show)
        print_result(alert.to_dict(), as_json, alerting.show_alert)
        return
    matching_alerts = list_alerts(pipeline, state, quiet=quiet)
    if output is not None:
        print_result(export_alerts(pipeline, matching_alerts, output), as_json, alerting.show_export)
        return
    alert_list = {
        "pipeline": pipeline.name,
        "state": state,
        "total": len(matching_alerts),
        "alerts": [item.to_dict() for item in matching_alerts[:limit]],
    }
    print_result(alert_list, as_json, alerting.show_alert_list)


def _show_alerts_of_console(
    client: ConsoleClient, pipeline: str, state: str, quiet: bool, limit: int, show: str, as_json: bool
) -> None:
    """Print what the console of ``$PYNOMALY_URL`` says of a pipeline's alerts."""
    from flows.display.alerting import show_alert, show_alert_list

    with client:
        if show:
            alert = client.find_alert(pipeline, show).model_dump(mode="json")
            print_result(alert | {"alike": alert["similar"]}, as_json, show_alert)
            return
        states = {"open": ["open", "acknowledged"], "all": []}.get(state, [state])
        wish = {"pipeline": pipeline, "state": states, "quiet": quiet}
        items = [item.model_dump(mode="json") for item in client.list_alerts(limit, **wish)]
        total = client.count_alerts(**wish)
    result = {"pipeline": pipeline, "state": state, "total": total, "alerts": items}
    print_result(result, as_json, show_alert_list)


@command("pynomaly ack configs/quickstart.yaml 3f2a --note 'looking at pump 3'")
def ack(config: Config, alert: Name, note: Note = "", by: Author = "", as_json: Json = False) -> None:
    """Say that you look at an alert; exit code 2 where it was resolved already."""
    from flows.display.alerting import show_answer
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.alerting.resolve_alerts import acknowledge_alert

    disable_telemetry()
    if elsewhere := find_console(config):
        with elsewhere[0] as client:
            answered = client.acknowledge(elsewhere[1], alert, note)
        print_result(answered.model_dump(mode="json"), as_json, show_answer)
        return
    print_result(
        acknowledge_alert(load_pipeline(config), alert, by or get_user_name(), note).to_dict(),
        as_json,
        show_answer,
    )


@command("pynomaly resolve configs/quickstart.yaml 3f2a --as confirmed")
def resolve(
    config: Config,
    alert: Name,
    ending: Annotated[str, typer.Option("--as", help="false-alarm or confirmed.")],
    note: Note = "",
    by: Author = "",
    as_json: Json = False,
) -> None:
    """End an alert; its rows are labelled with the answer, and the next training learns from it."""
    from flows.display.alerting import show_answer
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.alerting.resolve_alerts import resolve_alert as resolve_alert

    disable_telemetry()
    if elsewhere := find_console(config):
        with elsewhere[0] as client:
            answered = client.resolve(elsewhere[1], alert, ending, note)
        print_result(answered.model_dump(mode="json"), as_json, show_answer)
        return
    print_result(
        resolve_alert(load_pipeline(config), alert, ending, by or get_user_name(), note).to_dict(),
        as_json,
        show_answer,
    )


@command("pynomaly assign configs/quickstart.yaml 3f2a ann")
def assign(
    config: Config,
    alert: Name,
    to: Annotated[str, typer.Argument(metavar="WHO", help="Who is to look at it; '' for nobody.")],
    by: Author = "",
    as_json: Json = False,
) -> None:
    """Say who is to look at an alert."""
    from pynomaly.steps.alerting.resolve_alerts import assign_alert

    if elsewhere := find_console(config):
        with elsewhere[0] as client:
            _print_remark(client.assign(elsewhere[1], alert, to).model_dump(mode="json"), as_json)
        return
    answer = assign_alert(load_pipeline(config), alert, to, by or get_user_name())
    _print_remark(answer.to_dict(), as_json)


@command("pynomaly mute configs/quickstart.yaml 3f2a --for 7d --note 'painting'")
def mute(
    config: Config,
    alert: Name,
    span: Annotated[str, typer.Option("--for", help="How long from now, like 4h or 7d.")] = "1d",
    note: Note = "",
    by: Author = "",
    as_json: Json = False,
) -> None:
    """Send no notification of alerts like this one, of its entity and cause, for a while."""
    from datetime import UTC, datetime

    from pynomaly.steps.alerting.resolve_alerts import mute_alert

    length = _parse_span(span, "--for")
    if elsewhere := find_console(config):
        hours = length / timedelta(hours=1)
        with elsewhere[0] as client:
            _print_remark(client.mute(elsewhere[1], alert, hours, note).model_dump(mode="json"), as_json)
        return
    until = datetime.now(UTC) + length
    answer = mute_alert(load_pipeline(config), alert, until, by or get_user_name(), note)
    _print_remark(answer.to_dict(), as_json)


@command("pynomaly comment configs/quickstart.yaml 3f2a 'as last week'")
def comment(
    config: Config,
    alert: Name,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What you know of it.")],
    by: Author = "",
    as_json: Json = False,
) -> None:
    """Write a remark about an alert."""
    from pynomaly.steps.alerting.resolve_alerts import comment_alert

    if elsewhere := find_console(config):
        with elsewhere[0] as client:
            _print_remark(client.comment(elsewhere[1], alert, text).model_dump(mode="json"), as_json)
        return
    answer = comment_alert(load_pipeline(config), alert, text, by or get_user_name())
    _print_remark(answer.to_dict(), as_json)


def _print_remark(result: dict[str, Any], as_json: bool) -> None:
    from flows.display.alerting import show_remark

    print_result(result, as_json, show_remark)


@command("pynomaly preview configs/quickstart.yaml --policy budget:20/day --last 14d")
def preview(
    config: Config,
    policy: Annotated[
        str, typer.Option("--policy", help=f"Like {', '.join(p.example for p in ALERT_POLICIES.values())}.")
    ],
    last: Last = "60d",
    as_json: Json = False,
) -> None:
    """What another alert policy would have alerted on; nothing is changed."""
    from flows.display.alerting import show_preview
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.promotion.preview_policy import preview_policy as preview_policy

    disable_telemetry()
    print_result(preview_policy(load_pipeline(config), policy, _parse_span(last)), as_json, show_preview)


@command(
    "pynomaly audit configs/quickstart.yaml --rows 50 --output audit.csv",
    "pynomaly audit configs/quickstart.yaml --labels audit.csv --by ann",
    "pynomaly audit configs/quickstart.yaml --to-decide --output pair.csv",
    "pynomaly audit configs/quickstart.yaml --decide",
)
def audit(
    config: Config,
    rows: Annotated[int, typer.Option("--rows", min=0, help="Draw so many rows to label.")] = 0,
    to_decide: Annotated[
        bool, typer.Option("--to-decide", help="Draw those that tell champion from challenger.")
    ] = False,
    challenger: Annotated[
        int, typer.Option("--challenger", min=0, help="Its version; 0: the alias challenger.")
    ] = 0,
    last: Last = "60d",
    output: Annotated[
        Path | None, typer.Option(help="Table to write them to; NAME-audit.csv if left out.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option("--labels", help="That table with its labels filled in.")
    ] = None,
    decide: Annotated[bool, typer.Option("--decide", help="Take a decided audit to the gate.")] = False,
    name: Annotated[str, typer.Option("--audit", help="Which audit to judge by; empty: the newest.")] = "",
    by: Author = "",
    as_json: Json = False,
) -> None:
    """How good are the alerts, or which of two models is better? Draw a sample, label it, read the answer."""
    from flows.display import alerting
    from flows.display.promotion import show_decision
    from pynomaly.errors import ConfigError
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.alerting.audit_answers import label_audit
    from pynomaly.steps.alerting.audit_sample import draw_audit
    from pynomaly.steps.promotion.deciding_audit import draw_deciding_audit, report_audit

    disable_telemetry()
    pipeline, author = load_pipeline(config), by or get_user_name()
    if sum((bool(rows) or to_decide, answers is not None, decide)) > 1:
        raise ConfigError(
            "--rows and --to-decide draw an audit, --labels answers one, --decide ends one; give one of them"
        )
    if challenger and not to_decide:
        raise ConfigError("--challenger names a model of a draw that decides; give --to-decide, too")
    if rows or to_decide:
        target, span = output or Path(f"{pipeline.name}-audit.csv"), _parse_span(last)
        if target.exists():
            raise ConfigError(f"{target} is there already and may hold answers; name another --output")
        drawn = (
            draw_deciding_audit(pipeline, rows or 200, span, target, author, challenger or None)
            if to_decide
            else draw_audit(pipeline, rows, span, target, author)
        )
        print_result(drawn, as_json, alerting.show_drawn_audit)
        return
    if decide:
        decision = run_flow("promotion", "decide_audit", pipeline, audit=name, as_of="latest", by=author)
        print_result(decision, as_json, show_decision)
        return
    new = label_audit(pipeline, answers, author) if answers is not None else 0
    print_result({**report_audit(pipeline, name), "new": new}, as_json, alerting.show_audit)


@command(
    "pynomaly labels configs/quickstart.yaml",
    "pynomaly labels configs/quickstart.yaml --csv answers.csv --by ann",
    "pynomaly labels configs/quickstart.yaml --mlflow",
)
def labels(
    config: Config,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Table with time (or line), entity and label.")
    ] = None,
    query: Annotated[str, typer.Option("--sql", help="Query that gives these columns.")] = "",
    connection: Annotated[str, typer.Option(help="Environment variable with the database URL (--sql).")] = "",
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Read what people assessed on the traces of alerts.")
    ] = False,
    by: Author = "",
    as_json: Json = False,
) -> None:
    """Add labels of rows, from a table, a query or MLflow; exit code 1 if some meet no row. Or count them."""
    from flows.display import alerting
    from pynomaly.errors import ConfigError
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.alerting.assessments import read_assessments
    from pynomaly.steps.alerting.labels import add_labels_from_csv, add_labels_from_query, count_labels

    disable_telemetry()
    pipeline, author = load_pipeline(config), by or get_user_name()
    if sum((csv is not None, bool(query), mlflow)) > 1:
        raise ConfigError("--csv, --sql and --mlflow are sources of labels; give one of them")
    label_import = None
    if csv is not None:
        label_import = add_labels_from_csv(pipeline, csv, author).to_dict()
    elif query:
        label_import = add_labels_from_query(pipeline, query, connection, author).to_dict()
    elif mlflow:
        label_import = read_assessments(pipeline).to_dict()
    print_result({**count_labels(pipeline), "read": label_import}, as_json, alerting.show_labels)
    if label_import and label_import.get("match", {}).get("unmet"):
        raise typer.Exit(1)


def _parse_span(text: str, option: str = "--last") -> timedelta:
    from pynomaly.config.spelling.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{option} {error}") from None
