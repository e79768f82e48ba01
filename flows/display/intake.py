"""What ``pynomaly init`` and ``convert`` print: what was read as what and why, and the next step."""

from __future__ import annotations

from typing import Any

from flows.display.tables import build_table, make_console

__all__ = ["show_column", "show_conversion", "show_draft", "show_example"]

_MOST_COLUMNS = 40
_SHOWN = 3


def show_draft(result: dict[str, Any]) -> None:
    """Print how the table was read: each column with its role, what was left out, and what to change."""
    console = make_console()
    about = "" if result["rows_looked_at"] >= result["rows"] else "about "
    parts = [f"{about}{result['rows']:,} rows", f"{len(result['columns'])} columns", result["kind"]]
    if result["kind"] == "csv":
        parts.append(f"{result['encoding']}, separator {_spell_mark(result['separator'])}")
        line = result["header_line"]
        parts.append(f"header in line {line}" if line else "no header")
    console.print(f"{result['file']}: {', '.join(parts)}")
    if time := result["time"]:
        joined = " + ".join(time["columns"])
        zone = _describe_zone(time["zone"])
        console.print(
            f"time {joined} ({time['format']}): {time['first'][:19]} to {time['last'][:19]} UTC{zone}"
        )
    else:
        console.print("no column reads as times: the table is one window (--time names one)")
    if not result["label"]:
        console.print("no label: candidates are compared on injected anomalies (--label names one)")
    columns = result["columns"]
    shown = columns if len(columns) <= _MOST_COLUMNS else _pick_columns(columns)
    rows = [(c["name"], _spell_role(c), c["why"], _shorten(c["example"])) for c in shown]
    console.print(build_table("Columns", ("column", "role", "why", "example"), rows))
    if len(shown) < len(columns):
        rest = [c["name"] for c in columns if c not in shown]
        console.print(f"and {len(rest)} more columns of numbers: {', '.join(rest)}")
    _show_decisions(console, result)
    console.print(f"wrote {result['config']}")
    if result["problems"]:
        console.print("It cannot train yet:")
        for problem in result["problems"]:
            console.print(f"  - {problem}")
        return
    console.print(f"next: pynomaly train {result['config']}")


def _show_decisions(console: Any, result: dict[str, Any]) -> None:
    """Print what was left out, joined, mapped or converted, and the cells that could not be read."""
    if left_out := result["left_out"]:
        console.print("left out: " + ", ".join(f"{item['name']} ({item['role']})" for item in left_out))
    if values := result["label_values"]:
        words = ", ".join(
            f"{word} = {'unknown' if value is None else value}" for word, value in list(values.items())[:8]
        )
        console.print(f"label {result['label']}: {words} (data.label_values)")
    for choice in result["choices"]:
        if choice["setting"] not in ("encoding", "separator") or choice["sure"] != "sure":
            console.print(f"{_spell_choice(choice)}: {choice['why']}")
    unreadable = [column for column in result["columns"] if column["unreadable"]]
    for column in unreadable:
        cells = "; ".join(f"line {cell['line']}: {cell['cell'][:40]!r}" for cell in column["cells"][:_SHOWN])
        console.print(
            f"{column['name']}: cells that cannot be read, whose rows go to quarantine: "
            f"{column['unreadable']:,} ({cells}); --missing makes them missing values"
        )
    for note in result["notes"]:
        console.print(f"note: {note}")
    if any(column["sure"] != "sure" for column in result["columns"]):
        console.print("? is not sure: --explain COLUMN says more; --ask asks about each")


def _describe_zone(zone: str | None) -> str:
    """Return how times without an offset are read; empty if they have one."""
    if zone is None:
        return ""
    return ", no offset: UTC is assumed (--timezone)" if zone == "UTC" else f", no offset: read as {zone}"


def _spell_choice(choice: dict[str, Any]) -> str:
    """Return a choice with how sure it is and what else it could be."""
    value = choice["value"]
    shown = repr(_spell_mark(value)) if isinstance(value, str) else str(value)
    doubt = [] if choice["sure"] == "sure" else [choice["sure"]]
    if choice["otherwise"]:
        doubt.append(f"or {' or '.join(map(repr, choice['otherwise']))}")
    return f"data.{choice['setting']} {shown}" + (f" ({', '.join(doubt)})" if doubt else "")


def _pick_columns(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return every column that is no plain number, and some that are."""
    plain = [c for c in columns if c["role"] == "number" and not c["unreadable"] and c["sure"] == "sure"]
    kept = {c["name"] for c in plain[: max(5, _MOST_COLUMNS - (len(columns) - len(plain)))]}
    names = {c["name"] for c in plain}
    return [c for c in columns if c["name"] not in names or c["name"] in kept]


def _spell_role(column: dict[str, Any]) -> str:
    return str(column["role"]) + ("" if column["sure"] == "sure" else "?")


def _spell_mark(mark: object) -> str:
    return {"\t": "tab", " ": "blank"}.get(str(mark), str(mark)) if isinstance(mark, str) else str(mark)


def _shorten(text: str, most: int = 24) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def show_example(result: dict[str, Any]) -> None:
    """Print which file was written, and the next command."""
    console = make_console()
    console.print(f"wrote {result['config']}")
    console.print(f"next: pynomaly train {result['config']}")


def show_column(result: dict[str, Any]) -> None:
    """Print what is known of one column, and which settings change it."""
    console = make_console()
    column = result["column"]
    console.print(f"{column['name']}: {column['role']} ({column['sure']}), {result['meaning']}")
    console.print(f"why: {column['why']}")
    console.print(f"example: {column['example']!r}")
    for cell in column["cells"]:
        console.print(f"not readable: line {cell['line']}: {cell['cell']!r}")
    for choice in result["choices"]:
        console.print(f"{_spell_choice(choice)}: {choice['why']}")
    if past := result["past"]:
        console.print(_describe_past(past))
    for key in result["settings"]:
        console.print(f"stands in data.{key}")
    if column["otherwise"]:
        console.print(f"to change it: {column['otherwise']}")


def _describe_past(past: dict[str, Any]) -> str:
    """Return what the past of a column tells of its present."""
    shares = {key: f"{max(0.0, past[key]):.0%}" for key in ("past", "chance", "season")}
    period = f"period {past['period']} rows" if past["period"] else "no period of 6 to 300 rows"
    return (
        f"in time: the rows before a row take away {shares['past']} of its squared error (of shuffled rows "
        f"{shares['chance']}), the hour of the week {shares['season']}; {period}"
    )


def show_conversion(result: dict[str, Any]) -> None:
    """Print the files written, the settings carried over or left out, and the next command."""
    console = make_console()
    console.print(f"{result['product']}: wrote {', '.join((*result['files'], result['config']))}")
    carried_rows = list(result["carried"].items())
    console.print(build_table("Carried over", ("setting", "from"), carried_rows))
    if result["left_out"]:
        console.print(build_table("Not carried over", ("what", "why"), list(result["left_out"].items())))
    if not result["data"]:
        console.print(f"bring its rows to {result['settings']['data']['path']} (as seen from configs/)")
    if variable := result["settings"]["data"].get("connection"):
        console.print(f"set {variable} to the database's URL")
    console.print(f"next: pynomaly train {result['config']}")
