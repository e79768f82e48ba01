"""What the command line prints about alerts, labels and audits; at most 80 columns wide."""

from __future__ import annotations

from typing import Any

from flows.display.tables import build_table, make_console

__all__ = [
    "show_alert",
    "show_alert_list",
    "show_answer",
    "show_audit",
    "show_drawn_audit",
    "show_export",
    "show_labels",
    "show_preview",
    "show_remark",
]


def show_alert_list(result: dict[str, Any]) -> None:
    """Print a list of alerts, the most severe first."""
    console = make_console()
    if not result["alerts"]:
        console.print(f"{result['pipeline']}: no alert ({result['state']})")
        return
    rows = [
        [
            item["alert"][:8],
            item["severity"],
            item["category"],
            item["entity"] or "-",
            item["rows"],
            (item["last"] or "-")[5:16].replace("T", " "),
            item["cause"] or "-",
            item["ending"] or ("quiet" if item["quiet"] else item["state"]),
        ]
        for item in result["alerts"]
    ]
    columns = ("alert", "severity", "kind", "entity", "rows", "last (UTC)", "cause", "state")
    console.print(build_table(f"{len(rows)} of {result['total']} alerts", columns, rows))


def show_alert(result: dict[str, Any]) -> None:
    """Print everything about one alert."""
    console = make_console()
    of = f" of {result['entity']}" if result["entity"] else ""
    console.print(f"alert {result['alert']}{of}: {result['state']} {result['ending']}".rstrip())
    console.print(f"  {result['severity']}, {result['category']}, {result['rows']} rows")
    if result["first"]:
        console.print(f"  from {result['first'][:16]} to {result['last'][:16]} UTC")
    extrapolated = ", extrapolated" if result["extrapolated"] else ""
    significance = f"p {result['p_value']:.3g}{extrapolated}, {result['rarity']}, by v{result['version']}"
    console.print(f"  score {result['score']:.4g}, {significance}")
    for reason in result["reasons"]:
        console.print(f"  {reason}")
    if result["carriers"]:
        rows = [
            [item["feature"], item["actual"], item["expected"], f"{item['share']:.0%}"]
            for item in result["carriers"]
        ]
        console.print(build_table("what carries it", ("column", "actual", "expected", "share"), rows))
        for item in result["carriers"]:
            if item.get("past"):
                console.print(f"  {item['feature']}: {item['past']}")
    if result["alike"]:
        rows = [
            [
                item["alert"][:8],
                item["entity"] or "-",
                str(item["first"] or "-")[:10],
                item["ending"] or "open",
            ]
            for item in result["alike"]
        ]
        console.print(build_table("like it, when it opened", ("alert", "entity", "first", "ended"), rows))
    if result["quiet"]:
        console.print(f"  nobody was told: {result['quiet']}")
    if result["by"]:
        console.print(f"  answered by {result['by']}: {result['note'] or 'no note'}")


def show_answer(result: dict[str, Any]) -> None:
    """Print the state of an alert after an answer."""
    alert, console = result["alert"], make_console()
    state = f"{alert['state']} {alert['ending']}".rstrip()
    again = "" if result["new"] else " (as before; nothing is new)"
    console.print(f"alert {alert['alert']} is {state}, by {alert['by']}{again}")
    if result["labelled"]:
        console.print(f"  {result['labelled']} rows labelled")


def show_remark(result: dict[str, Any]) -> None:
    """Print who looks at an alert, until when its like are muted, and its newest remark."""
    alert, console = result["alert"], make_console()
    again = "" if result["new"] else " (as before; nothing is new)"
    console.print(f"alert {alert['alert']}: {alert['state']}{again}")
    if alert["assignee"]:
        console.print(f"  for {alert['assignee']}")
    if alert["muted_until"]:
        console.print(f"  its like are muted until {alert['muted_until'][:16].replace('T', ' ')} UTC")
    for item in alert["comments"][-1:]:
        console.print(f"  {item['by']}: {item['text']}")


def show_export(result: dict[str, Any]) -> None:
    """Print how many alerts were exported, and to which file."""
    make_console().print(f"{result['alerts']} alerts -> {result['output']}")


def show_preview(result: dict[str, Any]) -> None:
    """Print what another alert policy would have alerted on, beside what is on record."""
    console = make_console()
    span = f", {result['from'][:10]} to {result['to'][:10]}" if result["from"] else ""
    console.print(f"{result['pipeline']}: {result['windows']} windows{span}")
    names = (
        ("policy", "policy"),
        ("rows alerted", "rows"),
        ("events they make", "events"),
        ("events a day", "per_day"),
        ("rows people confirmed", "confirmed"),
        ("rows people called false", "false_alarms"),
    )
    rows = [[label, result["now"][key], result["then"][key]] for label, key in names]
    console.print(build_table(f"of {result['scored']} rows", ("", "on record", "preview"), rows))
    console.print(f"  {result['gained']} rows more would alert, {result['lost']} would not")
    for side in ("now", "then"):
        if result[side]["entities"]:
            most = ", ".join(f"{name} {count}" for name, count in result[side]["entities"].items())
            console.print(f"  most events, {'on record' if side == 'now' else 'preview'}: {most}")
    for note in result["notes"]:
        console.print(f"  note: {note}")


def show_drawn_audit(result: dict[str, Any]) -> None:
    """Print the sample that an audit drew for labelling."""
    console = make_console()
    console.print(f"audit {result['audit']}: {result['rows']} rows -> {result['output']}")
    columns = ("name", "population", "sampled")
    rows = [[item[name] for name in columns] for item in result["strata"]]
    console.print(
        build_table(f"drawn from {result['windows']} windows", ("rows", "there are", "drawn"), rows)
    )
    console.print("  fill in its column label with 1 (anomaly) or 0 (normal), then give it to --labels")
    if result["against"]:
        versions = "v{champion} and v{challenger}".format(**result["against"])
        console.print(f"  it decides between {versions}: answer from the top, and ask after any answer")


def show_audit(result: dict[str, Any]) -> None:
    """Print what an audit says: of the alerts, or of champion and challenger where it was drawn for them."""
    console = make_console()
    console.print(
        f"audit {result['audit']}: {result['answered']} rows labelled, {result['waiting']} wait",
        markup=False,
    )
    against = result["against"]
    names = ("average_precision", "powered")
    sides = {"": {name: result.get(name) for name in names} | {"alerts": result}}
    if against:
        sides = {f"v{against[side]}, {side}": result[side] for side in ("champion", "challenger")}
    alerts = next(iter(sides.values()))["alerts"]
    rows = [row for side, model in sides.items() for row in _list_figures(side, model)]
    columns = ("", "estimate", "at least", "at most")
    console.print(build_table(f"{alerts['level']:.0%} intervals", columns, rows))
    counts = ("name", "population", "sampled", "labelled", "anomalies")
    stratum_rows = [[item[name] for name in counts] for item in alerts["strata"]]
    console.print(
        build_table("the sample", ("rows", "there are", "drawn", "labelled", "anomalies"), stratum_rows)
    )
    if against:
        for reason in (*result["verdict"]["reasons"], *result["notes"]):
            console.print(f"  {reason}", markup=False)
        console.print(f"  {result['forecast']}", markup=False)
        if result["more_answers"] == 0:
            console.print("  pynomaly audit CONFIG --decide takes it to the gate", markup=False)
        return
    if result["waiting"]:
        console.print("  rows that wait may be either: the intervals allow for both")
    powered, exact = result.get("powered"), result["precision"]
    if powered and powered["share"]:
        without = f"without them precision is {exact['low']:.2f} to {exact['high']:.2f}"
        console.print(f"  {powered['reason']}; {without}", markup=False)
    elif powered:
        console.print(f"  precision by the answers alone: {powered['reason']}", markup=False)


def _list_figures(side: str, model: dict[str, Any]) -> list[list[Any]]:
    """Returns the lines of one model's figures; a figure that is not known has none."""
    powered = model.get("powered") or {"share": None}
    figures = {
        "average precision": model["average_precision"],
        "precision": powered["share"] or model["alerts"]["precision"],
        "recall": model["alerts"]["recall"],
    }
    return [
        [f"{side}: {name}" if side else name, figure["value"], figure["low"], figure["high"]]
        for name, figure in figures.items()
        if figure is not None
    ]


def _describe_match(match: dict[str, Any] | None) -> list[str]:
    """Returns in words how many labels meet a row, and what those that do not may mean."""
    if not match:
        return []
    if match["note"]:
        return [f"  {match['note']}"]
    lines = [f"  {match['met']} meet a row, {match['unmet']} meet none"]
    for item in match["examples"]:
        entity = f" of {item['entity']}" if item["entity"] else ""
        nearest = f"; the nearest row: {item['nearest']}" if item["nearest"] else ""
        lines.append(f"  no row at {item['time']}{entity}{nearest}")
    if match["shift_hours"]:
        hours = match["shift_hours"]
        lines.append(f"  {hours:+d} h later all of them meet one: is it the time zone? data.timezone sets it")
    return lines


def show_labels(result: dict[str, Any]) -> None:
    """Print the labels on record, and those read by this command."""
    console = make_console()
    if result["read"]:
        batch = result["read"]
        source_line = (
            f"{batch['rows']} rows read from {batch['source']}: "
            f"{batch['new']} new labels, {batch['empty']} empty"
        )
        if batch["source"] == "mlflow":
            source_line = f"{batch['rows']} assessments in MLflow: {batch['new']} alerts answered by them now"
        console.print(source_line)
        for line in _describe_match(batch.get("match")):
            console.print(line)
        for line in batch.get("unread", ()):
            console.print(f"  {line}")
    total = f"{result['labels']} labels of {result['rows']} rows, {result['anomalies']} anomalies"
    console.print(f"{result['pipeline']}: {total}, {result['disputed']} rows disputed")
    if result["given"]:
        columns = ("source", "author", "labels")
        rows = [[item[name] for name in columns] for item in result["given"]]
        console.print(build_table("by source and author", columns, rows))
