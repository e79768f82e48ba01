"""What the command line prints of operations: reconcile, prune, backfill, drill, notify, reproduce, token."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flows.display.scoring import format_window_key, show_scored_windows
from flows.display.tables import build_table, make_console
from pynomaly.records.formats import format_utc

__all__ = [
    "show_backfill",
    "show_deliveries",
    "show_drill",
    "show_new_token",
    "show_pruning",
    "show_reconciliation",
    "show_reproduction",
    "show_tokens",
    "show_waiting_messages",
]


def show_reconciliation(result: dict[str, Any]) -> None:
    """Print what ``pynomaly reconcile`` repaired."""
    console = make_console()
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


def show_pruning(result: dict[str, Any]) -> None:
    """Print what was or would be removed, by kind; ``--json`` lists every single thing."""
    console = make_console()
    heading = "removed" if result["applied"] else "would be removed"
    rows = [[kind, item["count"], f"{item['bytes'] / 1e6:.2f}"] for kind, item in result["counts"].items()]
    console.print(
        build_table(heading, ("what", "how many", "MB"), rows) if rows else "nothing is past its retention"
    )
    for title, items in ((heading, result["removals"]), ("old, and stays", result["kept"])):
        reason_counts = Counter((item["kind"], item["reason"]) for item in items)
        for (kind, reason), count in sorted(reason_counts.items()):
            console.print(f"  {title}: {count} x {kind}: {reason}")
    for line in result["skipped"]:
        console.print(f"  not removed: {line}")
    if rows and not result["applied"]:
        console.print("nothing was touched; --apply removes it")


def show_backfill(result: dict[str, Any]) -> None:
    """Print the windows that a backfill scored and judged, or found done."""
    show_scored_windows(result)
    if result["judged"]:
        columns = ("window", "version", "state", "new")
        rows = [
            [format_window_key(item["window"]), *(item[name] for name in columns[1:])]
            for item in result["judged"]
        ]
        make_console().print(build_table("judged windows", columns, rows))


def show_drill(result: dict[str, Any]) -> None:
    """Print the result of a drill."""
    console = make_console()
    console.print(f"drill {'passed' if result['passed'] else 'FAILED'} on {result['window']}")
    for reason in result["reasons"]:
        console.print(f"  {reason}")
    rows = [[kind, share] for kind, share in result["recall"].items()]
    console.print(build_table("injected anomalies that alerted", ("kind", "share"), rows))


def show_waiting_messages(result: dict[str, Any]) -> None:
    """Print the messages that are not delivered yet."""
    columns = ("target", "event", "severity", "title", "waits for", "error")
    rows = [
        [*(item[name] for name in columns[:4]), _describe_wait(item), item["error"]]
        for item in result["waiting"]
    ]
    make_console().print(build_table("messages that wait", columns, rows) if rows else "no message waits")


def _describe_wait(item: dict[str, Any]) -> str:
    """Return what a message waits for; the tries that failed, if it should have been delivered."""
    if item["due"]:
        return f"{item['why']} until {item['due'][:16].replace('T', ' ')}"
    return f"delivery, {item['attempts']} failed" if item["attempts"] else "delivery"


def show_deliveries(result: dict[str, Any]) -> None:
    """Print the outcome of a test message for each target."""
    rows = [
        [item["target"], "delivered" if item["delivered"] else "failed", item["reason"]]
        for item in result["targets"]
    ]
    make_console().print(build_table("test message", ("target", "outcome", "because"), rows))


def show_reproduction(result: dict[str, Any]) -> None:
    """Print whether fitting a version again gave the same scores."""
    console = make_console()
    console.print(f"v{result['version']}: {result['outcome']}")
    for reason in result["reasons"]:
        console.print(f"  {reason}")


def show_new_token(result: dict[str, Any]) -> None:
    """Print a token's secret, this once, and what it is for."""
    console, token = make_console(), result["token"]
    console.print(result["secret"], soft_wrap=True, highlight=False)
    console.print(
        f"{token['role']} of {', '.join(token['pipelines'])} for {token['actor']}, until "
        f"{format_utc(token['expires'])}; nobody can read it again"
    )


def show_tokens(result: dict[str, Any]) -> None:
    """Print the tokens on record, without their secrets."""
    console = make_console()
    if not result["tokens"]:
        console.print("no tokens yet; `pynomaly token --new NAME --for WHO` makes one")
        return
    rows = [
        [
            item["id"],
            item["name"],
            item["actor"],
            item["role"],
            ", ".join(item["pipelines"]),
            "revoked" if item["revoked"] else f"until {format_utc(item['expires'])}",
            format_utc(item["used"]),
        ]
        for item in result["tokens"]
    ]
    console.print(build_table("tokens", ("id", "name", "who", "role", "pipelines", "valid", "used"), rows))
