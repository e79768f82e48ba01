"""The records inside a message: objects of JSON, lines of a delimited text, or one record of Avro.

Called by :mod:`pynomaly.data.streams.decoding`. A message that holds no record raises DataError with the
reason; nothing is guessed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any

import orjson

from pynomaly.config import Data, Stream
from pynomaly.data.sources.jsonl import flatten_record, parse_record
from pynomaly.errors import ConfigError, DataError, SourceError

__all__ = ["RecordReader", "make_record_reader"]

RecordReader = Callable[[bytes], list[dict[str, Any]]]
"""The body of a message to its records, in their order; DataError if it has none."""

_NESTED = frozenset({dict, list})

_AVRO_HEADER = 5
"""Bytes before a record whose schema a registry names: a zero byte and the number of the schema."""


def make_record_reader(stream: Stream, data: Data) -> RecordReader:
    """Return what reads the records of a message in the format of the stream.

    Raises
    ------
    ConfigError
        If the format's schema cannot be read.
    """
    if stream.format == "csv":
        return lambda body: _read_lines(body, data)
    if stream.format == "avro":
        return _make_avro_reader(str(stream.avro_schema))
    return _read_json


def _read_json(body: bytes) -> list[dict[str, Any]]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_json_slowly(body)
    if type(content) is dict and _NESTED.isdisjoint(map(type, content.values())):
        return [content]
    return list(_flatten(content))


def _read_json_slowly(body: bytes) -> list[dict[str, Any]]:
    """Read one object a line, or what Python writes for numbers that are none (NaN, Infinity)."""
    lines = [line for line in body.splitlines() if line.strip()]
    if not lines:
        raise DataError("the message is empty")
    if len(lines) > 1:
        try:
            return [row for line in lines for row in _flatten(parse_record(line, "a line"))]
        except SourceError:
            pass  # one value over several lines
    return list(_flatten(parse_record(body, "the message")))


def _flatten(content: Any) -> Iterator[dict[str, Any]]:
    for record in content if isinstance(content, list) else [content]:
        yield dict(flatten_record(record, "the message"))
    if content == []:
        raise DataError("the message is an empty array")


def _read_lines(body: bytes, data: Data) -> list[dict[str, Any]]:
    try:
        text = body.decode(data.encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"the message is not in data.encoding {data.encoding}: {error.reason}") from error
    records = []
    blanks = data.separator == "blanks"
    try:
        lines = list(
            csv.reader(
                io.StringIO(text),
                delimiter=" " if blanks else data.separator,
                quotechar=data.quote,
                skipinitialspace=blanks,
                strict=True,
            )
        )
    except csv.Error as error:
        raise DataError(f"the message is no delimited text: {error}") from error
    for cells in filter(None, lines):
        if len(cells) != len(data.names):
            raise DataError(f"a line has {len(cells)} cells; data.names has {len(data.names)}")
        records.append(dict(zip(data.names, cells, strict=True)))
    if not records:
        raise DataError("the message is empty")
    return records


def _make_avro_reader(path: str) -> RecordReader:
    try:
        from fastavro import parse_schema, schemaless_reader
        from fastavro.schema import load_schema
    except ModuleNotFoundError as error:
        raise ConfigError(
            "stream.format: avro needs fastavro; install it with `pip install 'pynomaly-mlops[stream]'`"
        ) from error
    try:
        schema = parse_schema(load_schema(path))
    except Exception as error:  # the library has errors of many kinds for a schema
        raise ConfigError(f"stream.avro_schema: {path} is no schema of Avro: {error}") from error

    def read(body: bytes) -> list[dict[str, Any]]:
        start = _AVRO_HEADER if body[:1] == b"\0" and len(body) > _AVRO_HEADER else 0
        for first in dict.fromkeys((start, 0)):
            source = io.BytesIO(body)
            source.seek(first)
            try:
                record = schemaless_reader(source, schema, None)
            except Exception as error:  # a wrong byte raises whatever it meets
                reason = error
                continue
            if source.tell() == len(body):
                flat = flatten_record(_spell_avro(record), "the message")
                return [dict(flat)]
            reason = ValueError(f"{len(body) - source.tell()} bytes are left over")
        raise DataError(f"the message is no record of the schema: {reason!r}")

    return read


def _spell_avro(value: Any) -> Any:
    """Return a value of Avro as JSON has it: moments in ISO 8601, decimals as numbers, bytes in hex."""
    if isinstance(value, dict):
        return {key: _spell_avro(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_spell_avro(item) for item in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value.hex() if isinstance(value, bytes) else value
