"""``pynomaly stream``: rows of a file as past windows, messages as rows, dead letters, one clear message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pynomaly.config import load_pipeline
from pynomaly.data.sources import read_source
from tests.flows.conftest import Answer, publish_rows
from tests.machines import make_machines

ROWS = make_machines(3)


@pytest.fixture
def readings(live_file: Path) -> Path:
    """The rows as a file beside the settings."""
    file = live_file.parent / "readings.csv"
    ROWS.to_csv(file, index=False)
    return file


def test_rows_of_a_file_become_past_windows_once(
    command: Callable[..., Answer], live_file: Path, readings: Path
) -> None:
    first = command("stream", live_file, "--import", readings, "--json")
    assert (first.json["rows"], first.json["windows"]) == (len(ROWS), 3)
    again = command("stream", live_file, "--import", readings, "--json").json
    assert (again["rows"], len(again["present"])) == (0, 3)
    kept = read_source(load_pipeline(live_file).data)
    assert len(kept) == len(ROWS)
    assert kept["heat"].tolist() == ROWS.sort_values(["time", "machine"])["heat"].tolist()


def test_messages_are_rows_before_there_is_a_champion(
    command: Callable[..., Answer], live_file: Path
) -> None:
    publish_rows(live_file, ROWS, b"{", b'{"time": "2026-01-06T00:00:00Z", "machine": "a", "heat": "hot"}')
    answer = command("stream", live_file, "--until-idle", "1", "--json")
    assert answer.code == 0, answer.err
    result: dict[str, Any] = answer.json
    assert (result["rows"], result["scored"], result["letters"]) == (len(ROWS), 0, 2)
    assert any("no version is champion" in text or "promoted" in text for text in result["problems"])
    letters = command("stream", live_file, "--letters", "5", "--json").json
    assert letters["counts"] == {"unreadable": 1, "not_a_number": 1}
    assert command("stream", live_file, "--until-idle", "1", "--json").json["messages"] == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stream": {"broker": "memory", "topic": "reading"}}, "does not exist"),
        ({"stream": {"broker": "kafak", "topic": "readings"}}, "did you mean 'kafka'"),
        ({"stream": {"broker": "redis"}}, "needs stream.topic"),
        ({"stream": {"broker": "redis", "topic": "t", "address": "redis://:secret@h"}}, "address_env"),
        ({"stream": {"broker": "memory", "topic": "readings", "format": "csv"}}, "data.names"),
        ({"stream": {"broker": "memory", "topic": "readings", "format": "avro"}}, "avro_schema"),
        ({"stream": {}}, "reads no stream"),
        ({"data": {"source": "csv", "path": "readings.csv"}}, "data.source: stream"),
    ],
)
def test_what_cannot_be_read_ends_in_one_message(
    command: Callable[..., Answer], live_file: Path, change: dict[str, Any], sentence: str
) -> None:
    settings = yaml.safe_load(live_file.read_text())
    for block, keys in change.items():
        settings[block] = keys if block == "stream" else {**settings[block], **keys}
    live_file.write_text(yaml.safe_dump(settings))
    answer = command("stream", live_file, "--until-idle", "1")
    assert (answer.code, answer.out) == (2, "")
    assert sentence in answer.err
    assert "secret" not in answer.err
