"""Messages in each format become the rows that a file would give."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pynomaly.config import Data, Stream
from pynomaly.data.brokers import Message
from pynomaly.data.streams.decoding import DecodedRows, MessageDecoder

DATA: dict[str, Any] = {"source": "stream", "path": "-", "time": "at", "id": "machine"}
MOMENT = datetime(2026, 1, 20, 12, 30, tzinfo=UTC)


def decode(bodies: list[bytes], data: dict[str, Any] | None = None, **stream: Any) -> DecodedRows:
    settings = Stream.model_validate({"broker": "memory", "topic": "t", **stream})
    decoder = MessageDecoder(settings, Data.model_validate({**DATA, **(data or {})}))
    return decoder.decode([Message(body) for body in bodies])


def check(rows: DecodedRows, heats: list[float]) -> None:
    assert [letter.reason for letter in rows.letters] == []
    assert rows.frame["at"].tolist() == [pd.Timestamp(MOMENT)] * len(heats)
    assert rows.frame["machine"].tolist() == ["7"] * len(heats)
    assert rows.frame["heat"].tolist() == heats


@pytest.mark.parametrize("header", [b"", b"\0\0\0\0\x07"])
@pytest.mark.parametrize("kind", ["timestamp-micros", "timestamp-millis", "string"])
def test_avro_by_schema_with_and_without_a_registry_header(tmp_path: Path, kind: str, header: bytes) -> None:
    fastavro = pytest.importorskip("fastavro")
    plain = "string" if kind == "string" else {"type": "long", "logicalType": kind}
    schema = {
        "type": "record",
        "name": "reading",
        "fields": [
            {"name": "at", "type": plain},
            {"name": "machine", "type": "int"},
            {"name": "heat", "type": ["null", "double"]},
        ],
    }
    file = tmp_path / "reading.avsc"
    file.write_text(json.dumps(schema))
    sink = io.BytesIO()
    moment = MOMENT.isoformat() if kind == "string" else MOMENT
    fastavro.schemaless_writer(sink, schema, {"at": moment, "machine": 7, "heat": 20.5})
    check(decode([header + sink.getvalue()], format="avro", avro_schema=str(file)), [20.5])


def test_json_as_an_object_an_array_and_a_line_each() -> None:
    rows = [{"at": "2026-01-20T13:30:00+01:00", "machine": 7, "heat": heat} for heat in (1, 2.5, 3)]
    bodies = [
        json.dumps(rows[0]).encode(),
        json.dumps(rows[1:2]).encode(),
        b"\n".join(json.dumps(row).encode() for row in rows[1:]),
    ]
    check(decode(bodies), [1.0, 2.5, 2.5, 3.0])


def test_csv_lines_by_the_settings_of_a_file() -> None:
    settings = {
        "time_format": "%d.%m.%Y %H:%M",
        "timezone": "UTC",
        "separator": ";",
        "decimal": ",",
        "names": ["at", "machine", "heat"],
    }
    check(decode([b"20.01.2026 12:30;7;20,5\n20.01.2026 12:30;7;21\n"], settings, format="csv"), [20.5, 21.0])


def test_numbers_in_text_and_epochs_read_as_in_a_file() -> None:
    epoch = int(MOMENT.timestamp())
    rows = decode([json.dumps({"at": epoch, "machine": 7, "heat": "20.5"}).encode()] * 2, {"epoch": "s"})
    check(rows, [20.5, 20.5])
