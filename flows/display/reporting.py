"""What the command line prints of the records: status, history, past champion, why a row alerted."""

from __future__ import annotations

from typing import Any

from flows.display.promotion import show_decision
from flows.display.scoring import format_window_key
from flows.display.tables import build_table, make_console
from pynomaly.records.formats import format_utc

__all__ = ["show_chain_check", "show_history", "show_past_champion", "show_row_explanation", "show_status"]


def show_status(result: dict[str, Any]) -> None:
    """Print the champion and the state of its pipeline."""
    console = make_console()
    champion = (
        f"v{result['champion']} since {format_utc(result['since'])}" if result["champion"] else "none yet"
    )
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
    newest = format_window_key(result["last_window"] or "-")
    console.print(f"windows scored: {result['partitions']}, newest: {newest}")
    if result["last_alerts"] is not None:
        events = f", {result['last_events']} events" if result["last_events"] is not None else ""
        console.print(f"alerting rows in the newest: {result['last_alerts']}{events}")
    if result["live"]:
        live = result["live"]
        newest_row = format_utc(live["newest"]) if live["newest"] else "none yet"
        read_at = f", last message read {format_utc(live['read_at'])}" if live["read_at"] else ""
        console.print(f"stream: newest row {newest_row}{read_at}")
        console.print(
            f"stream: {live['open_rows']} rows in {live['open_windows']} open windows, "
            f"{live['dead_letters']} dead letters"
        )
    for item in result["guarantees"]:
        console.print(f"{item['name'].replace('_', ' ')}: {_spell_guarantee(item)}")
    if result["stream"]:
        stream = result["stream"]
        silent = (
            f", {stream['silent']} of {stream['windows']} windows had nothing left"
            if stream["silent"]
            else ""
        )
        console.print(
            f"false alerts since {format_utc(stream['since'])}: {stream['spent']:.3g} by chance at most, "
            f"{stream['earned']:.3g} earned by {stream['discoveries']} discoveries{silent}"
        )
    if result["alerts_changed"]:
        console.print(
            f"warning: alerts go by the settings of v{result['champion']}, and the YAML has others: "
            f"{', '.join(result['alerts_changed'])}; `pynomaly policy` applies them",
            markup=False,
        )
    for line in result["obstacles"]:
        console.print(f"warning: {line}")
    if result["waiting"]:
        console.print(f"messages not delivered: {len(result['waiting'])}; `pynomaly notify` shows them")
    for item in result["sinks"]:
        if item["error"] or item["dead"]:
            waiting = f"{item['due'] or 0} of {item['what']} wait, {item['dead']} parts are dead letters"
            console.print(f"sink {item['sink']}: {waiting}{item['error'] and ': '}{item['error']}")
    if result["health"]:
        health = result["health"]
        console.print(f"health: {health['outcome']} in {format_window_key(health['subject'])}")


def _spell_guarantee(item: dict[str, Any]) -> str:
    """Say whether a promise of the champion holds, and why."""
    state = {"holds": "holds", "withdrawn": "WITHDRAWN", "not_computable": "not known"}[item["state"]]
    return f"{state} ({item['reasons'][0]})"


def show_history(result: dict[str, Any]) -> None:
    """Print the history of decisions, newest first: one line each, with its reasons below it."""
    console = make_console()
    console.print(f"decisions of {result['pipeline']}: {len(result['decisions'])}, newest first")
    for item in result["decisions"]:
        moment = (item["as_of"] or "")[:16].replace("T", " ")
        console.print(f"{item['seq']}. {moment} {item['kind']}: {item['subject']} ({item['outcome']})")
        for reason in item["reasons"]:
            console.print(f"    {reason}")


def show_chain_check(result: dict[str, Any]) -> None:
    """Print whether the ledger's hash chain is intact."""
    if result["intact"]:
        message = (
            f"{result['decisions']} decisions, every one fits the one before it; newest hash {result['head']}"
        )
    else:
        message = f"decision {result['broken_at']} does not fit: {result['reason']}"
    make_console().print(message)


def show_past_champion(result: dict[str, Any]) -> None:
    """Print which version was champion at a moment."""
    version = f"v{result['champion']}" if result["champion"] else "nobody"
    make_console().print(f"{result['pipeline']} at {result['at']}: {version}")
    if result["decision"]:
        show_decision(result["decision"])


def show_row_explanation(result: dict[str, Any]) -> None:
    """Print the model, threshold and reasons behind the score of a row."""
    console = make_console()
    row = result["row"]
    of = f" of {row['entity']}" if row["entity"] else ""
    at = f" at {row['time'][:16]} UTC" if row["time"] else ""
    verdict = "an alert" if row["is_anomaly"] else "no alert"
    console.print(f"row {row['number']}{of}{at}: {verdict}, {row['severity']}")
    console.print(f"  score {row['score']:.4g}, p {row['p_value']:.3g} ({row['rarity']})")
    for line in result["said"]:
        console.print(f"  {line}")
    if result["reasons"]:
        rows = [
            [
                item["column"],
                _format_cell(item["value"]),
                _format_expected(item, row["entity"]),
                f"{item['part']:+.3g}",
                f"{item['fall']:+.3g}",
            ]
            for item in result["reasons"]
        ]
        title = f"what the score rests on, by {result['method']}"
        console.print(build_table(title, ("column", "value", "expected", "part", "fall"), rows))


def _format_cell(value: float | str | None) -> str:
    return "missing" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _format_expected(reason: dict[str, Any], entity: str) -> str:
    """Spell what is expected in a column, and what is usual there for the entity, if that is known."""
    expected = _format_cell(reason["usual"])
    if reason.get("low") is None or reason.get("high") is None:
        return expected
    return f"{expected} (usual {reason['low']:.4g} to {reason['high']:.4g} on {entity})"
