"""The rows that sinks receive, with a key for each: tables of the same columns, whatever the pipeline.

A key is the same however often and by whoever the row is sent. Of a score it names pipeline, window, entity,
time and model version; of an alert the alert and the position of the event; of a decision it is the ledger's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.judging.alerts.alert import Alert, build_alert
from pynomaly.records.ledger import AlertEvent, Decision
from pynomaly.records.sinks.content.cells import list_records
from pynomaly.records.sinks.content.columns import conform_rows
from pynomaly.steps.alerting.alert_rows import read_entities

__all__ = ["list_alert_rows", "list_decision_rows", "list_score_rows"]

_LONGEST_ENTITY = 200
_SCORE_COLUMNS = ("score", "p_value", "severity", "rarity", "is_anomaly", "extrapolated", "held_back")


def list_score_rows(pipeline: Pipeline, window: str, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of a window as rows for sinks.

    Parameters
    ----------
    pipeline : Pipeline
    window : str
        Its key.
    scores : DataFrame of shape (n, k)
        As the store holds them.

    Returns
    -------
    DataFrame of shape (n, 13)
        ``key``, ``pipeline``, ``window``, ``time``, ``entity``, the columns of
        :meth:`pynomaly.model.bundle.Bundle.score` and ``version``. Rows of one entity and time are told
        apart in the key by their order, rows without times by their position.
    """
    time = pipeline.data.time
    columns = {
        "pipeline": pipeline.name,
        "window": window,
        "time": scores[time] if time is not None and time in scores else pd.NaT,
        "entity": read_entities(pipeline, scores),
        **{name: scores[name] for name in _SCORE_COLUMNS if name in scores},
        "version": scores["model_version"],
    }
    rows = conform_rows("scores", pd.DataFrame(columns, index=scores.index))
    return rows.assign(key=_name_scores(rows, scores["row"]))


def _name_scores(rows: pd.DataFrame, numbers: pd.Series[Any]) -> list[str]:
    moments = pd.Series([cell["time"] for cell in list_records(rows[["time"]])], dtype=object)
    places = numbers.reset_index(drop=True).map("row:{}".format)
    moments = moments.where(moments.notna(), places)
    entities = rows["entity"].map({name: _spell_entity(str(name)) for name in rows["entity"].unique()})
    again = pd.DataFrame({"entity": entities, "time": moments}).groupby(["entity", "time"]).cumcount()
    return [
        f"{pipeline}/{window}/{entity}/{moment}/v{version}{f'/{number}' if number else ''}"
        for pipeline, window, entity, moment, version, number in zip(
            rows["pipeline"], rows["window"], entities, moments, rows["version"], again, strict=True
        )
    ]


def _spell_entity(name: str) -> str:
    """Return an entity as a part of a key; of a long one the beginning and a digest: indexes have limits."""
    quoted = quote(name, safe="")
    if len(quoted) <= _LONGEST_ENTITY:
        return quoted
    return f"{quoted[: _LONGEST_ENTITY // 2]}~{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def list_alert_rows(
    events: Sequence[tuple[int, AlertEvent]], history: Sequence[tuple[int, AlertEvent]]
) -> pd.DataFrame:
    """Return events of alerts as rows for sinks, each with the state of its alert after it.

    Parameters
    ----------
    events : sequence of tuple
        Events to be delivered, with their positions in the ledger.
    history : sequence of tuple
        All events of these alerts, oldest first.
    """
    by_alert: dict[str, list[tuple[int, AlertEvent]]] = {}
    for item in history:
        by_alert.setdefault(item[1].alert, []).append(item)
    rows = [_build_alert_row(seq, event, _build_state(seq, by_alert[event.alert])) for seq, event in events]
    return conform_rows("alerts", pd.DataFrame(rows))


def _build_state(seq: int, history: Sequence[tuple[int, AlertEvent]]) -> Alert:
    """Return the alert after an event; when it opens, with the rows that it opened for."""
    first_rows = next(place for place, event in history if event.event == "seen")
    events = [event for place, event in history if place <= max(seq, first_rows)]
    return build_alert(events[0].alert, [vars(event) for event in events])


def _build_alert_row(seq: int, event: AlertEvent, alert: Alert) -> dict[str, Any]:
    return {
        "key": f"{event.pipeline}/{event.alert}/{seq}",
        "pipeline": event.pipeline,
        "alert": event.alert,
        "event": event.event,
        "seq": seq,
        "at": event.at,
        "entity": alert.entity,
        "state": alert.state,
        "severity": alert.severity,
        "category": alert.category,
        "rows": alert.rows,
        "first": alert.first,
        "last": alert.last,
        "peak": alert.peak,
        "score": alert.score,
        "p_value": alert.p_value,
        "rarity": alert.rarity,
        "cause": alert.cause,
        "carriers": "; ".join(map(str, alert.carriers)),
        "version": alert.version,
        "window": event.window,
        "quiet": alert.quiet,
        "ending": alert.ending,
        "note": alert.note,
        "actor": event.actor,
    }


def list_decision_rows(decisions: Sequence[Decision]) -> pd.DataFrame:
    """Return decisions as rows for sinks."""
    rows = [vars(item) | {"version": item.version, "reasons": " ".join(item.reasons)} for item in decisions]
    return conform_rows("decisions", pd.DataFrame(rows))
