"""Rows as CloudEvents 1.0 in JSON, for web hooks and topics.

The id of an event is the key of its row; where a row of the same key may come with other values (a window
that is scored again), a digest of the values follows, so that a receiver that drops events it knows already
drops repetitions and nothing else. ``partitionkey`` is the entity, so that a broker keeps its order.

References
----------
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, and ``formats/json-format.md`` beside it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from pynomaly.records.sinks.content.cells import hash_record, list_records
from pynomaly.records.sinks.kind import Part

__all__ = ["build_events", "render_batch"]


def build_events(part: Part) -> list[dict[str, Any]]:
    """Return an event for each row of a part, in the JSON format's order of attributes."""
    source = f"/pynomaly/{quote(part.pipeline)}"
    return [_build_event(part, source, record) for record in list_records(part.rows)]


def render_batch(events: list[dict[str, Any]]) -> bytes:
    """Return events as one document of the media type ``application/cloudevents-batch+json``."""
    return orjson.dumps(events)


def _build_event(part: Part, source: str, record: dict[str, Any]) -> dict[str, Any]:
    key = str(record["key"])
    event = {
        "specversion": "1.0",
        "id": f"{key}#{hash_record(record).hex()[:16]}" if part.what == "scores" else key,
        "source": source,
        "type": _name_type(part.what, record),
        "datacontenttype": "application/json",
    }
    if subject := record.get("entity") or record.get("subject"):
        event["subject"] = subject
    if moment := record.get("at") or record.get("time"):
        event["time"] = moment
    if entity := record.get("entity"):
        event["partitionkey"] = entity
    return event | {"data": record}


def _name_type(what: str, record: dict[str, Any]) -> str:
    detail = {"alerts": "event", "decisions": "kind"}.get(what)
    kind = what.removesuffix("s")
    return f"org.pynomaly.{kind}.{record[detail]}" if detail else f"org.pynomaly.{kind}"
