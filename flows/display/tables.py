"""What the command line prints: each function prints the result of one command for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.terminal import escape_unprintable

__all__ = [
    "PlainConsole",
    "build_table",
    "show_backfill",
    "show_catalogue",
    "show_decision",
    "show_deliveries",
    "show_drill",
    "show_file_scores",
    "show_health_checks",
    "show_history",
    "show_monitored_window",
    "show_pending_promotions",
    "show_policy_change",
    "show_reconciliation",
    "show_replay",
    "show_scored_windows",
    "show_status",
    "show_waiting_messages",
]


class PlainConsole(Console):
    """Console that prints text literally: no markup, and unprintable characters are escaped."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print like rich, without markup and with unprintable characters escaped."""
        printable_objects = [
            escape_unprintable(item, lines=True) if isinstance(item, str) else item for item in objects
        ]
        super().print(*printable_objects, **{**options, "markup": False})


def _make_console() -> Console:
    return PlainConsole(highlight=False)


def build_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Returns a plain table; floats have three decimals, None is a dash."""
    rich_table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        rich_table.add_column(column, overflow="fold")
    for row in rows:
        rich_table.add_row(*(_format_cell(value) for value in row))
    return rich_table


def _format_cell(value: object) -> Text:
    if value is None:
        return Text("-")
    return Text(f"{value:.3f}" if isinstance(value, float) else escape_unprintable(str(value), lines=True))


def show_decision(result: dict[str, Any]) -> None:
    """Print one decision with its reasons."""
    console = _make_console()
    console.print(f"{result['kind']}: {result['subject']} ({result['outcome']})")
    for reason in result["reasons"]:
        console.print(f"  {reason}")


def show_policy_change(result: dict[str, Any]) -> None:
    """Print the decisions that applying an alert policy made."""
    show_decision(result["policy"])
    if result["decision"]:
        show_decision(result["decision"])


def show_pending_promotions(result: dict[str, Any]) -> None:
    """Print the promotions that wait for an answer, and what each would change."""
    from pynomaly.records.diff_page import format_example_rows

    console = _make_console()
    if not result["pending"]:
        console.print(f"{result['pipeline']}: no promotion waits for an answer")
    for item in result["pending"]:
        show_decision(item)
        for line in item["standing"]:
            console.print(f"  {line}")
        diff = item["evidence"]["diff"]
        if not diff:
            console.print(f"  what would change is not known: {item['evidence']['diff_error']}")
            continue
        console.print(f"what would change, {diff['champion']} -> {diff['challenger']} on {diff['window']}:")
        for line in diff["reasons"]:
            console.print(f"  {line}")
        rows = format_example_rows(diff)
        if rows:
            console.print(
                build_table("rows on which they disagree", list(rows[0]), [list(r.values()) for r in rows])
            )
    for item in result["ended"]:
        show_decision(item)


def _format_window_key(key: str) -> str:
    """Returns a window's key as readable UTC times, without times at midnight and without a repeated date."""
    try:
        start, end = (datetime.strptime(part, "%Y%m%dT%H%M%SZ") for part in key.split("--"))
    except ValueError:
        return key  # finer than a second, or not a window of time
    if start.time() == end.time() == datetime.min.time():
        return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M} to {end:{'%H:%M' if start.date() == end.date() else '%m-%d %H:%M'}}"


def show_scored_windows(result: dict[str, Any]) -> None:
    """Print the partitions that were written or already there."""
    columns = ("window", "version", "rows", "alerts", "quarantined", "new")
    rows = [
        [_format_window_key(item["window"]), *(item[name] for name in columns[1:])]
        for item in result["windows"]
    ]
    console = _make_console()
    console.print(build_table("scored windows", ("window", "v", *columns[2:]), rows))
    for line in (*result["empty"], result["left_out"]):
        if line:
            console.print(f"  {line}")


def show_file_scores(result: dict[str, Any]) -> None:
    """Print the result of scoring one file."""
    console = _make_console()
    summary = f"{result['rows']} rows scored by v{result['version']}, {result['alerts']} alerts"
    console.print(f"{summary} -> {result['output']}")
    if result["touched"]:
        console.print(f"{result['touched']} rows had a missing value filled in, or a category never seen")
    if result["quarantined"]:
        console.print(f"{result['quarantined']} rows could not be scored -> {result['quarantine']}")
    for warning in result["warnings"]:
        console.print(f"warning: {warning}")


def show_monitored_window(result: dict[str, Any]) -> None:
    """Print the verdict on a window."""
    console = _make_console()
    verdict, observation = result["degradation"], result["observation"]
    console.print(f"window {result['window']} under v{result['version']}")
    console.print(f"{verdict['state']}; action: {verdict['action']}")
    for reason in (*verdict["reasons"], *observation["reasons"]):
        console.print(f"  {reason}")
    columns = ("name", "status", "effect", "corrected")
    rows = [[column[name] for name in columns] for column in result["drift"]["columns"]]
    console.print(build_table(f"data: {result['drift']['status']}", columns, rows))
    console.print(result["drift"]["basis"])
    aspect_rows = [[item[name] for name in ("name", "status", "effect")] for item in result["aspects"]]
    console.print(build_table("the window at a glance", ("judged", "status", "effect"), aspect_rows))
    if result["report"]:
        console.print(f"report: {result['report']}")
    if result.get("page"):
        console.print(f"page: {result['page']}", soft_wrap=True)


def show_status(result: dict[str, Any]) -> None:
    """Print the champion and the state of its pipeline."""
    console = _make_console()
    champion = f"v{result['champion']} since {result['since']}" if result["champion"] else "none yet"
    console.print(f"{result['pipeline']}: champion {champion}")
    for reason in result["because"]:
        console.print(f"  {reason}")
    if result["baking"]:
        bake = result["baking"]
        console.print(
            f"baking until {bake['until']} ({bake['seen']} of {bake['windows']} seen; a breach brings v"
            f"{bake['against']} back)"
        )
    for version in result["pending"]:
        console.print(f"v{version} waits for an answer: pynomaly pending")
    console.print(f"windows scored: {result['partitions']}, newest: {result['last_window'] or '-'}")
    if result["waiting"]:
        console.print(f"messages not delivered: {len(result['waiting'])}; `pynomaly notify` shows them")
    if result["health"]:
        console.print(f"health: {result['health']['outcome']} in {result['health']['subject']}")


def show_history(result: dict[str, Any]) -> None:
    """Print the history of decisions, newest first."""
    rows = [
        [
            item["seq"],
            (item["as_of"] or "")[:16],
            item["kind"],
            item["subject"],
            item["outcome"],
            "\n".join(item["reasons"]),
        ]
        for item in result["decisions"]
    ]
    columns = ("#", "as of", "kind", "subject", "outcome", "reasons")
    _make_console().print(build_table(f"decisions of {result['pipeline']}", columns, rows))


def show_chain_check(result: dict[str, Any]) -> None:
    """Print whether the ledger's hash chain is intact."""
    if result["intact"]:
        message = (
            f"{result['decisions']} decisions, every one fits the one before it; newest hash {result['head']}"
        )
    else:
        message = f"decision {result['broken_at']} does not fit: {result['reason']}"
    _make_console().print(message)


def show_past_champion(result: dict[str, Any]) -> None:
    """Print which version was champion at a moment."""
    version = f"v{result['champion']}" if result["champion"] else "nobody"
    _make_console().print(f"{result['pipeline']} at {result['at']}: {version}")
    if result["decision"]:
        show_decision(result["decision"])


def show_catalogue(result: dict[str, Any]) -> None:
    """Print the catalogue of detectors."""
    columns = ("name", "family", "cost", "max_rows", "deterministic", "keeps_rows", "summary")
    rows = [[item[name] for name in columns] for item in result["detectors"]]
    _make_console().print(build_table("detectors", columns, rows))


def show_settings(result: dict[str, Any]) -> None:
    """Print every setting and where its value comes from."""
    rows = [[item["key"], item["value"], item["from"]] for item in result["settings"]]
    title = f"{result['pipeline']} in {result['environment'] or 'no environment'}"
    _make_console().print(build_table(title, ("key", "value", "from"), rows))
    _make_console().print(f"settings {result['sha256']}", markup=False)


def show_health_checks(result: dict[str, Any]) -> None:
    """Print the checks of ``pynomaly doctor``."""
    rows = [[item["state"], item["check"], item["found"], item["mend"]] for item in result["checks"]]
    _make_console().print(build_table("doctor", ("state", "check", "found", "mend"), rows))


def show_reconciliation(result: dict[str, Any]) -> None:
    """Print what ``pynomaly reconcile`` repaired."""
    console = _make_console()
    for name in (
        "leases",
        "drafts",
        "runs",
        "flow_runs",
        "finished",
        "abandoned",
        "silent",
        "recovered",
        "failed",
    ):
        for line in result[name]:
            console.print(f"{name}: {line}")
    console.print(f"champion {result['champion'] or 'none yet'}")
    console.print(f"messages delivered: {result['delivered']}, waiting: {result['waiting']}")
    if result["answered"]:
        console.print(f"alerts answered in MLflow: {result['answered']}")


def show_backfill(result: dict[str, Any]) -> None:
    """Print the windows that a backfill scored and judged, or found done."""
    show_scored_windows(result)
    if result["judged"]:
        columns = ("window", "version", "state", "new")
        rows = [
            [_format_window_key(item["window"]), *(item[name] for name in columns[1:])]
            for item in result["judged"]
        ]
        _make_console().print(build_table("judged windows", columns, rows))


def show_drill(result: dict[str, Any]) -> None:
    """Print the result of a drill."""
    console = _make_console()
    console.print(f"drill {'passed' if result['passed'] else 'FAILED'} on {result['window']}")
    for reason in result["reasons"]:
        console.print(f"  {reason}")
    rows = [[kind, share] for kind, share in result["recall"].items()]
    console.print(build_table("injected anomalies that alerted", ("kind", "share"), rows))


def show_waiting_messages(result: dict[str, Any]) -> None:
    """Print the messages that are not delivered yet."""
    columns = ("target", "event", "title", "age_s", "attempts", "error")
    rows = [[item[name] for name in columns] for item in result["waiting"]]
    _make_console().print(build_table("messages that wait", columns, rows) if rows else "no message waits")


def show_deliveries(result: dict[str, Any]) -> None:
    """Print the outcome of a test message for each target."""
    rows = [
        [item["target"], "delivered" if item["delivered"] else "failed", item["reason"]]
        for item in result["targets"]
    ]
    _make_console().print(build_table("test message", ("target", "outcome", "because"), rows))


def show_replay(result: dict[str, Any]) -> None:
    """Print the results of a replay, a row per retraining policy."""
    console = _make_console()
    columns = ("policy", "AP", "AUROC", "alerts/day", "caught", "trained", "promoted", "s")
    rows = []
    for name, figures in result["policies"].items():
        caught = f"{figures['caught']}/{figures['episodes']}" if figures["episodes"] else None
        per_day = f"{figures['alerts_per_day']:.1f}" if figures["alerts_per_day"] is not None else None
        counts = (figures["trainings"], figures["promotions"], f"{figures['seconds']:.1f}")
        rows.append([name, figures["average_precision"], figures["roc_auc"], per_day, caught, *counts])
    title = f"{result['pipeline']}, {result['start'][:10]} to {result['end'][:10]}"
    console.print(build_table(title, columns, rows))
    judged_windows = min(figures["judged_windows"] for figures in result["policies"].values())
    rest_note = "" if judged_windows == result["windows"] else "; in the others it is not computable"
    console.print(f"  AP and AUROC: means of {judged_windows} of {result['windows']} windows{rest_note}")
    for name, figures in result["policies"].items():
        if figures["failed"]:
            first_failure = next(
                item for item in figures["decisions"] if item["decision"] == "training failed"
            )
            failure_text = (
                f"{name}: {figures['failed']} trainings failed, the first at {first_failure['at'][:10]}"
            )
            console.print(f"  {failure_text}: {first_failure['reasons'][0]}")
    console.print("  caught: episodes (runs of labelled rows of one entity) with an alert in them")
    for note in result["notes"]:
        console.print(f"  {note}")
