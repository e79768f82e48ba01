"""What the command line prints: each function shows one result as a person reads it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli.terminal import printable

__all__ = [
    "Plain",
    "backfilled",
    "catalogue",
    "decision",
    "decisions",
    "deliveries",
    "drilled",
    "file_scores",
    "health",
    "monitored",
    "overview",
    "pending_promotions",
    "policy_applied",
    "reconciled",
    "replayed",
    "table",
    "waiting",
    "windows",
]


class Plain(Console):
    """Prints text as text: brackets are no markup, and what is not printable is spelled."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich prints, with both switched off."""
        shown = [printable(item, lines=True) if isinstance(item, str) else item for item in objects]
        super().print(*shown, **{**options, "markup": False})


def _console() -> Console:
    return Plain(highlight=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table; numbers keep three decimals."""
    built = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        built.add_column(column, overflow="fold")
    for row in rows:
        built.add_row(*(_cell(value) for value in row))
    return built


def _cell(value: object) -> Text:
    if value is None:
        return Text("-")
    return Text(f"{value:.3f}" if isinstance(value, float) else printable(str(value), lines=True))


def decision(result: dict[str, Any]) -> None:
    """One decision with its reasons."""
    console = _console()
    console.print(f"{result['kind']}: {result['subject']} ({result['outcome']})")
    for reason in result["reasons"]:
        console.print(f"  {reason}")


def policy_applied(result: dict[str, Any]) -> None:
    """What applying an alert policy came to."""
    decision(result["policy"])
    if result["decision"]:
        decision(result["decision"])


def pending_promotions(result: dict[str, Any]) -> None:
    """What waits for an answer, and what each would change."""
    from pynomaly.records.diff_page import example_rows

    console = _console()
    if not result["pending"]:
        console.print(f"{result['pipeline']}: no promotion waits for an answer")
    for item in result["pending"]:
        decision(item)
        for line in item["standing"]:
            console.print(f"  {line}")
        diff = item["evidence"]["diff"]
        if not diff:
            console.print(f"  what would change is not known: {item['evidence']['diff_error']}")
            continue
        console.print(f"what would change, {diff['champion']} -> {diff['challenger']} on {diff['window']}:")
        for line in diff["reasons"]:
            console.print(f"  {line}")
        rows = example_rows(diff)
        if rows:
            console.print(
                table("rows on which they disagree", list(rows[0]), [list(r.values()) for r in rows])
            )
    for item in result["ended"]:
        decision(item)


def _between(key: str) -> str:
    """A window's key as a person reads it, in UTC, without the parts that say nothing."""
    try:
        start, end = (datetime.strptime(part, "%Y%m%dT%H%M%SZ") for part in key.split("--"))
    except ValueError:
        return key  # finer than a second, or no window of time
    if start.time() == end.time() == datetime.min.time():
        return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M} to {end:{'%H:%M' if start.date() == end.date() else '%m-%d %H:%M'}}"


def windows(result: dict[str, Any]) -> None:
    """Partitions that were written or found."""
    columns = ("window", "version", "rows", "alerts", "quarantined", "new")
    rows = [[_between(item["window"]), *(item[name] for name in columns[1:])] for item in result["windows"]]
    console = _console()
    console.print(table("scored windows", ("window", "v", *columns[2:]), rows))
    for line in (*result["empty"], result["left_out"]):
        if line:
            console.print(f"  {line}")


def file_scores(result: dict[str, Any]) -> None:
    """What scoring one file left."""
    console = _console()
    done = f"{result['rows']} rows scored by v{result['version']}, {result['alerts']} alerts"
    console.print(f"{done} -> {result['output']}")
    if result["touched"]:
        console.print(f"{result['touched']} rows had a missing value filled in, or a category never seen")
    if result["quarantined"]:
        console.print(f"{result['quarantined']} rows could not be scored -> {result['quarantine']}")
    for warning in result["warnings"]:
        console.print(f"warning: {warning}")


def monitored(result: dict[str, Any]) -> None:
    """The verdict on a window."""
    console = _console()
    verdict, seen = result["degradation"], result["observation"]
    console.print(f"window {result['window']} under v{result['version']}")
    console.print(f"{verdict['state']}; action: {verdict['action']}")
    for reason in (*verdict["reasons"], *seen["reasons"]):
        console.print(f"  {reason}")
    columns = ("name", "status", "effect", "corrected")
    rows = [[column[name] for name in columns] for column in result["drift"]["columns"]]
    console.print(table(f"data: {result['drift']['status']}", columns, rows))
    console.print(result["drift"]["basis"])
    glance = [[item[name] for name in ("name", "status", "effect")] for item in result["aspects"]]
    console.print(table("the window at a glance", ("judged", "status", "effect"), glance))
    if result["report"]:
        console.print(f"report: {result['report']}")
    if result.get("page"):
        console.print(f"page: {result['page']}", soft_wrap=True)


def overview(result: dict[str, Any]) -> None:
    """Who is champion, and how it goes."""
    console = _console()
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


def decisions(result: dict[str, Any]) -> None:
    """History, newest first."""
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
    _console().print(table(f"decisions of {result['pipeline']}", columns, rows))


def verification(result: dict[str, Any]) -> None:
    """Whether the ledger's chain holds."""
    if result["intact"]:
        said = (
            f"{result['decisions']} decisions, every one fits the one before it; newest hash {result['head']}"
        )
    else:
        said = f"decision {result['broken_at']} does not fit: {result['reason']}"
    _console().print(said)


def champion(result: dict[str, Any]) -> None:
    """Who was champion at a moment."""
    found = f"v{result['champion']}" if result["champion"] else "nobody"
    _console().print(f"{result['pipeline']} at {result['at']}: {found}")
    if result["decision"]:
        decision(result["decision"])


def catalogue(result: dict[str, Any]) -> None:
    """The detectors there are."""
    columns = ("name", "family", "cost", "max_rows", "deterministic", "keeps_rows", "summary")
    rows = [[item[name] for name in columns] for item in result["detectors"]]
    _console().print(table("detectors", columns, rows))


def settings(result: dict[str, Any]) -> None:
    """Every setting and where it came from."""
    rows = [[item["key"], item["value"], item["from"]] for item in result["settings"]]
    title = f"{result['pipeline']} in {result['environment'] or 'no environment'}"
    _console().print(table(title, ("key", "value", "from"), rows))
    _console().print(f"settings {result['sha256']}", markup=False)


def health(result: dict[str, Any]) -> None:
    """What doctor found."""
    rows = [[item["state"], item["check"], item["found"], item["mend"]] for item in result["checks"]]
    _console().print(table("doctor", ("state", "check", "found", "mend"), rows))


def reconciled(result: dict[str, Any]) -> None:
    """What was put in order."""
    console = _console()
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


def backfilled(result: dict[str, Any]) -> None:
    """Windows that were scored and judged, or found as they were."""
    windows(result)
    if result["judged"]:
        columns = ("window", "version", "state", "new")
        rows = [
            [_between(item["window"]), *(item[name] for name in columns[1:])] for item in result["judged"]
        ]
        _console().print(table("judged windows", columns, rows))


def drilled(result: dict[str, Any]) -> None:
    """How the alarm did."""
    console = _console()
    console.print(f"drill {'passed' if result['passed'] else 'FAILED'} on {result['window']}")
    for reason in result["reasons"]:
        console.print(f"  {reason}")
    rows = [[kind, share] for kind, share in result["recall"].items()]
    console.print(table("injected anomalies that alerted", ("kind", "share"), rows))


def waiting(result: dict[str, Any]) -> None:
    """Messages nobody has accepted yet."""
    columns = ("target", "event", "title", "age_s", "attempts", "error")
    rows = [[item[name] for name in columns] for item in result["waiting"]]
    _console().print(table("messages that wait", columns, rows) if rows else "no message waits")


def deliveries(result: dict[str, Any]) -> None:
    """What happened to a test message, target by target."""
    rows = [
        [item["target"], "delivered" if item["delivered"] else "failed", item["reason"]]
        for item in result["targets"]
    ]
    _console().print(table("test message", ("target", "outcome", "because"), rows))


def replayed(result: dict[str, Any]) -> None:
    """What each policy of retraining would have come to."""
    console = _console()
    columns = ("policy", "AP", "AUROC", "alerts/day", "caught", "trained", "promoted", "s")
    rows = []
    for name, found in result["policies"].items():
        caught = f"{found['caught']}/{found['episodes']}" if found["episodes"] else None
        per_day = f"{found['alerts_per_day']:.1f}" if found["alerts_per_day"] is not None else None
        counts = (found["trainings"], found["promotions"], f"{found['seconds']:.1f}")
        rows.append([name, found["average_precision"], found["roc_auc"], per_day, caught, *counts])
    title = f"{result['pipeline']}, {result['start'][:10]} to {result['end'][:10]}"
    console.print(table(title, columns, rows))
    judged = min(found["judged_windows"] for found in result["policies"].values())
    others = "" if judged == result["windows"] else "; in the others it is not computable"
    console.print(f"  AP and AUROC: means of {judged} of {result['windows']} windows{others}")
    for name, found in result["policies"].items():
        if found["failed"]:
            why = next(item for item in found["decisions"] if item["decision"] == "training failed")
            said = f"{name}: {found['failed']} trainings failed, the first at {why['at'][:10]}"
            console.print(f"  {said}: {why['reasons'][0]}")
    console.print("  caught: episodes (runs of labelled rows of one entity) with an alert in them")
    for note in result["notes"]:
        console.print(f"  {note}")
