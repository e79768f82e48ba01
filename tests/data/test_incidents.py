"""Declared incidents: two formats, one meaning, and one message for each bad entry."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pynomaly.config import Data
from pynomaly.data.incidents import Incident, mark_incident_rows, read_incidents
from pynomaly.data.window import Window
from pynomaly.errors import SourceError

YAML = """
- {start: 2026-01-06T00:00:00Z, end: 2026-01-07, name: pump}
- {start: "2026-01-05T01:00:00+01:00", end: 2026-01-05T02:00:00Z, entity: a}
"""
ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//plant//log//EN
BEGIN:VEVENT
UID:1
SUMMARY:pump
DTSTART;VALUE=DATE:20260106
END:VEVENT
BEGIN:VEVENT
UID:2
LOCATION:a
DTSTART:20260105T000000Z
DURATION:PT2H
END:VEVENT
BEGIN:VEVENT
UID:3
STATUS:CANCELLED
DTSTART:20260301T000000Z
DTEND:20260302T000000Z
END:VEVENT
END:VCALENDAR
"""
FOUND = (
    Incident(Window.parse("2026-01-05T00:00:00Z", "2026-01-05T02:00:00Z"), "a"),
    Incident(Window.parse("2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z"), "", "pump"),
)


def settings(folder: Path, text: str, name: str = "incidents.yaml", **more: str | None) -> Data:
    (folder / name).write_text(text)
    settings_given = {"source": "csv", "path": "x.csv", "time": "time", "id": "machine"}
    return Data.model_validate(settings_given | {"incidents": str(folder / name)} | more)


@pytest.mark.parametrize(("name", "text"), [("incidents.yaml", YAML), ("plant.ics", ICS)])
def test_both_formats_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    assert read_incidents(settings(tmp_path, text, name)) == FOUND


def test_a_row_is_covered_in_the_span_of_its_entity_and_not_at_its_end(tmp_path: Path) -> None:
    times = ["2026-01-05T00:00Z", "2026-01-05T01:59Z", "2026-01-05T02:00Z", "2026-01-06T00:00Z"]
    frame = pd.DataFrame({"time": pd.to_datetime(times * 2), "machine": ["a"] * 4 + ["b"] * 4})
    marked = mark_incident_rows(settings(tmp_path, YAML), frame, FOUND)
    assert marked.tolist() == [True, True, False, True, False, False, False, True]


@pytest.mark.parametrize(
    ("text", "name", "more", "message"),
    [
        ("start: 1", "i.yaml", {}, "expected a list"),
        ("- [1", "i.yaml", {}, "not readable YAML"),
        ("- {start: 2026-01-05T00:00:00Z}", "i.yaml", {}, "entry 1: end is None"),
        ("- {start: soon, end: 2026-01-06}", "i.yaml", {}, "start is 'soon'"),
        ("- {start: 2026-01-07, end: 2026-01-06}", "i.yaml", {}, "reversed"),
        ("- {start: 2026-01-05 10:00:00, end: 2026-01-06}", "i.yaml", {}, "no offset"),
        ("- {begin: 2026-01-05, end: 2026-01-06}", "i.yaml", {}, "unknown key 'begin'"),
        ("- {start: 2026-01-05, end: 2026-01-06, entity: a}", "i.yaml", {"id": None}, "needs data.id"),
        ("nothing", "i.ics", {}, "not a readable calendar"),
        (ICS.replace("UID:1", "RRULE:FREQ=DAILY"), "i.ics", {}, "recurs"),
    ],
)
def test_bad_entries_are_one_message(
    tmp_path: Path, text: str, name: str, more: dict[str, str | None], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        read_incidents(settings(tmp_path, text, name, **more))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.yaml"):
        read_incidents(settings(tmp_path, "").model_copy(update={"incidents": str(tmp_path / "gone.yaml")}))
