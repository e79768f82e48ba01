"""Points of InfluxDB, in line protocol by ``POST /api/v2/write``, which versions 1.8, 2 and 3 take.

A point is what its measurement, tags and time say: the same row written again is the same point. Text that is
looked up (pipeline, entity, severity ...) is a tag, the rest are fields. Alerts and decisions have the
microsecond at which they were written down; the three digits below tell those of one moment apart.

References
----------
https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pynomaly.config.delivery import InfluxSink
from pynomaly.errors import RefusedError
from pynomaly.records.sinks.content.cells import list_records
from pynomaly.records.sinks.content.columns import COLUMNS
from pynomaly.records.sinks.http import HttpClient
from pynomaly.records.sinks.kind import Part, Receiver, SinkKind

__all__ = ["SINK", "render_point"]

_TAGS = {
    "scores": ("pipeline", "entity"),
    "alerts": ("pipeline", "entity", "alert", "event"),
    "decisions": ("pipeline", "kind", "outcome"),
}
_TAG_ESCAPES = str.maketrans(
    {",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\0": ""}
)
_FIELD_ESCAPES = str.maketrans({'"': r"\"", "\\": r"\\", "\0": ""})


def render_point(measurement: str, what: str, record: Mapping[str, Any]) -> str:
    """Return a row as one line, without the line break.

    Raises
    ------
    RefusedError
        If the row has no time.
    """
    time_name = "time" if what == "scores" else "at"
    if record[time_name] is None:
        raise RefusedError("a point of InfluxDB has a time, and these rows have none (data.time)")
    tags = _TAGS[what]
    tag_text = "".join(
        f",{name}={_escape_tag(str(record[name]))}" for name in tags if record[name] not in (None, "")
    )
    fields = [
        f"{name}={_render_field(kind, record[name])}"
        for name, kind in COLUMNS[what].items()
        if name not in tags and name != time_name and record[name] not in (None, "")
    ]
    nanoseconds = _count_nanoseconds(record[time_name]) + (0 if what == "scores" else record["seq"] % 1000)
    return f"{measurement.translate(_TAG_ESCAPES)}{tag_text} {','.join(fields)} {nanoseconds}"


def _escape_tag(value: str) -> str:
    """Return a tag value; a single backslash at its end would hide the comma that follows: it is doubled."""
    escaped = value.translate(_TAG_ESCAPES)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"{escaped}\\" if trailing % 2 else escaped


def _render_field(kind: str, value: Any) -> str:
    if kind in ("text", "time"):
        return f'"{str(value).translate(_FIELD_ESCAPES)}"'
    if kind == "truth":
        return "true" if value else "false"
    return f"{value}i" if kind == "integer" else repr(float(value))


def _count_nanoseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1000


class InfluxReceiver(Receiver):
    """A bucket of InfluxDB."""

    def __init__(self, settings: InfluxSink, secrets: Mapping[str, str]) -> None:
        self._address, self._prefix = settings.address.rstrip("/"), settings.prefix
        self._place = {"org": settings.org, "bucket": settings.bucket, "precision": "ns"}
        self._client = HttpClient(
            settings.timeout, {"Authorization": f"Token {secrets['token']}"}, waits_for_login=True
        )

    def deliver(self, part: Part) -> None:
        """Write the points of a part, in one request."""
        lines = [
            render_point(f"{self._prefix}{part.what}", part.what, row) for row in list_records(part.rows)
        ]
        if lines:
            self._client.request(
                "POST",
                f"{self._address}/api/v2/write",
                params=self._place,
                headers={"Content-Type": "text/plain; charset=utf-8"},
                content="\n".join(lines).encode(),
            )

    def check(self) -> str:
        """Ask whether the server is there."""
        return f"InfluxDB answers {self._client.probe(f'{self._address}/ping', 'GET')}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


SINK = SinkKind(InfluxReceiver)
