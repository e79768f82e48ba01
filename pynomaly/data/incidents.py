"""Declared incidents: time spans, of one entity or of all, that no model may learn as normal.

``data.incidents`` names a YAML list or a calendar (``.ics``). Called before a training is decided and while
its rows are prepared; reads one file and changes nothing. Times are in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Data
from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.data.window import Window
from pynomaly.errors import SourceError, WindowError, list_allowed

__all__ = ["Incident", "mark_incident_rows", "read_incidents", "read_spans", "warn_unmatched"]

INCIDENT_KEYS = ("start", "end", "entity", "name")


@dataclass(frozen=True, order=True)
class Incident:
    """One declared time span.

    Attributes
    ----------
    window : Window
        ``[start, end)`` in UTC.
    entity : str
        Its entity, written as in the column ``data.id``; empty means all entities.
    name : str
        Its name for people; may be empty.
    """

    window: Window
    entity: str = ""
    name: str = ""

    def __str__(self) -> str:
        of = f" of {self.entity}" if self.entity else ""
        return f"{self.name or 'incident'}{of} {self.window}"


def read_incidents(data: Data) -> tuple[Incident, ...]:
    """Return all incidents declared for `data`, oldest first, without duplicates.

    Empty without ``data.incidents``.

    Raises
    ------
    SourceError
        As :func:`read_spans`.
    """
    return read_spans(data, data.incidents, "data.incidents")


def read_spans(data: Data, path: str | None, setting: str) -> tuple[Incident, ...]:
    """Return all spans of the YAML list or calendar at `path`, oldest first, without duplicates.

    Messages name the file by `setting`. Empty if `path` is None.

    Raises
    ------
    SourceError
        If the file is missing or unreadable, or an entry has no usable start and end.
    """
    if path is None:
        return ()
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{setting}: {file} cannot be read: {error}") from error
    entries = _read_calendar(text, file) if file.suffix.lower() == ".ics" else _read_list(text, file)
    return tuple(
        sorted({_parse_incident(entry, data, f"{file}, entry {i + 1}") for i, entry in enumerate(entries)})
    )


def mark_incident_rows(data: Data, frame: pd.DataFrame, incidents: tuple[Incident, ...]) -> np.ndarray:
    """Return which rows lie in a declared incident of their entity.

    Parameters
    ----------
    data : Data
    frame : DataFrame of shape (n, d)
        Has the time column, and the entity column if one is configured.
    incidents : tuple of Incident

    Returns
    -------
    ndarray of bool, shape (n,)
        Cost: number of rows times number of incidents.
    """
    in_incident = np.zeros(len(frame), dtype=bool)
    if data.time is None or not incidents:
        return in_incident
    times = frame[data.time]
    entities = frame[data.id].astype(str) if data.id else None
    for incident in incidents:
        inside = ((times >= incident.window.start) & (times < incident.window.end)).to_numpy()
        if incident.entity and entities is not None:
            inside = inside & (entities == incident.entity).to_numpy()
        in_incident |= inside
    return in_incident


def warn_unmatched(data: Data, frame: pd.DataFrame, incidents: tuple[Incident, ...]) -> tuple[str, ...]:
    """Return one warning for each entity of an incident that no row of `frame` has; it may be misspelt."""
    if data.id is None or not len(frame):
        return ()
    known = sorted(set(frame[data.id].dropna().astype(str)))
    incident_entities = sorted({incident.entity for incident in incidents if incident.entity})
    return tuple(
        f"data.incidents: entity {name!r} matches no row of the reference; {list_allowed(name, known)}"
        for name in incident_entities
        if name not in known
    )


def _read_list(text: str, file: Path) -> list[dict[str, Any]]:
    try:
        content = parse_plain_yaml(text)
    except ValueError as error:
        raise SourceError(f"{file} is not readable YAML: {' '.join(str(error).split())}") from error
    content = [] if content is None else content
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise SourceError(f"{file}: expected a list of incidents, each with 'start' and 'end'")
    for number, item in enumerate(content, 1):
        for key in item:
            if key not in INCIDENT_KEYS:
                raise SourceError(
                    f"{file}, entry {number}: unknown key {key!r}; {list_allowed(str(key), INCIDENT_KEYS)}"
                )
    return content


def _read_calendar(text: str, file: Path) -> list[dict[str, Any]]:
    """Return the events of an iCalendar file (RFC 5545): SUMMARY is the name, LOCATION the entity."""
    from icalendar import Calendar, Event
    from icalendar.error import InvalidCalendar

    try:
        components = Calendar.from_ical(text).walk("VEVENT")
        events = [event for event in components if isinstance(event, Event)]
        entries = []
        for number, event in enumerate(events, 1):
            if str(event.get("STATUS", "")).upper() == "CANCELLED":
                continue
            if "RRULE" in event or "RDATE" in event:
                raise SourceError(
                    f"{file}, event {number} recurs; allowed: events with one start and one end"
                )
            entries.append(
                {
                    "start": event.start,
                    "end": event.end,
                    "entity": str(event.get("LOCATION", "")),
                    "name": str(event.get("SUMMARY", "")),
                }
            )
    except (ValueError, InvalidCalendar) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{file} is not a readable calendar: {' '.join(str(error).split())}") from error
    return entries


def _parse_incident(entry: dict[str, Any], data: Data, where: str) -> Incident:
    start, end = (_parse_moment(entry.get(side), data, f"{where}: {side}") for side in ("start", "end"))
    entity = "" if entry.get("entity") is None else str(entry["entity"])
    if entity and data.id is None:
        raise SourceError(f"{where}: entity {entity!r} needs data.id, the column that names entities")
    try:
        return Incident(Window(start, end), entity, str(entry.get("name") or ""))
    except WindowError as error:
        raise SourceError(f"{where}: {error}") from error


def _parse_moment(value: object, data: Data, where: str) -> datetime:
    """Return an aware time in UTC. A date means its midnight; a naive time needs ``data.timezone``."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None if not value else f"{value!r}"
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), tzinfo=data.zone or UTC)
    if not isinstance(value, datetime):
        raise SourceError(f"{where} is {value}; needed: an ISO 8601 moment like '2026-01-05T08:00:00Z'")
    if value.utcoffset() is None:
        if data.zone is None:
            raise SourceError(f"{where} {value.isoformat()} has no offset; write one, or set data.timezone")
        value = value.replace(tzinfo=data.zone)
    return value.astimezone(UTC)
