"""Events of alerts as grouping a window writes them, for tests that need no scored rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pynomaly.records.ledger import AlertEvent

START = datetime(2026, 1, 5, tzinfo=UTC)


def build_sighting(entity: str, hour: int, rarity: str, cause: str, rows: int = 1) -> dict[str, Any]:
    """Returns the content of the event that an alert has rows, at one hour."""
    moment = (START + timedelta(hours=hour)).isoformat()
    return {
        "entity": entity,
        "rows": rows,
        "first": moment,
        "last": moment,
        "peak": moment,
        "score": 1.0,
        "p_value": 0.001,
        "severity": "low",
        "rarity": rarity,
        "extrapolated": False,
        "version": 1,
        "carriers": [{"feature": cause, "actual": 1.0, "expected": 0.0, "share": 1.0, "tail": 0.01}],
        "causes": [cause],
        "collective": 3,
        "row_keys": [[entity, moment]] * rows,
    }


def build_events(name: str, pipeline: str, place: int, content: dict[str, Any]) -> list[AlertEvent]:
    """Returns the events of a new alert; every fifth is quiet."""
    quiet = "planned work" if place % 5 == 4 else ""
    return [
        AlertEvent(f"o{pipeline}{name}", pipeline, name, "opened", "w", {"quiet": quiet}),
        AlertEvent(f"s{pipeline}{name}", pipeline, name, "seen", "w", content),
    ]
