"""Alerts on record as grouping writes them, for tests of what is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.judging.alerts.alert import Alert, build_alert
from pynomaly.records.ledger import AlertEvent, Ledger
from pynomaly.steps.alerting.group_window import queue_alert

RARITIES = {"critical": "one a year", "high": "one a month", "medium": "one a week", "low": "one a day"}
P_VALUES = {"critical": 1e-5, "high": 1e-4, "medium": 1e-3, "low": 1e-2}


def see_alert(pipeline: Pipeline, name: str, severity: str, now: datetime, **more: Any) -> None:
    """Write down that a window brought rows of an alert, or none any more; nobody is told here."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.answers.add_facts(build_sighting(pipeline, name, severity, now, **more))


def build_sighting(
    pipeline: Pipeline,
    name: str,
    severity: str,
    now: datetime,
    *,
    entity: str = "m1",
    rows: int = 1,
    window: datetime | None = None,
) -> AlertEvent:
    content = {
        "entity": entity,
        "rows": rows,
        "first": now.isoformat(),
        "last": now.isoformat(),
        "peak": now.isoformat(),
        "score": 1.0,
        "p_value": P_VALUES[severity],
        "severity": severity,
        "rarity": RARITIES[severity],
        "extrapolated": False,
        "version": 1,
        "carriers": [],
        "causes": [],
        "collective": 5,
        "row_keys": [[entity, now.isoformat()]] * rows,
    }
    return build_event(pipeline, name, "seen", content, now, f"{window or now:%Y%m%dT%H%M%S}")


def open_alert(pipeline: Pipeline, name: str, severity: str, now: datetime, *, entity: str = "m1") -> Alert:
    """Open an alert as a scored window does: what is told of it is queued first, then it is on record."""
    opened = build_event(pipeline, name, "opened", {"quiet": "", "alike": []}, now)
    seen = build_sighting(pipeline, name, severity, now, entity=entity)
    alert = build_alert(name, [vars(opened), vars(seen)])
    with Ledger.open(pipeline.ledger_url) as ledger:
        queue_alert(pipeline, ledger, alert, now)
        ledger.answers.add_facts(opened, seen)
    return alert


def build_event(
    pipeline: Pipeline, name: str, event: str, content: Mapping[str, Any], now: datetime, window: str = ""
) -> AlertEvent:
    key = f"{event}:{pipeline.name}:{name}:{now.isoformat()}"
    return AlertEvent(key, pipeline.name, name, event, window, content, "ann", now)


def answer_alert(pipeline: Pipeline, name: str, event: str, now: datetime) -> None:
    """Acknowledge an alert, or resolve it as confirmed."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        content = {"as": "confirmed", "note": "belt slipped"}
        ledger.answers.add_facts(build_event(pipeline, name, event, content, now))
