"""What cannot be a row: one dead letter with a reason that helps, and the rows beside it are scored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from pynomaly.data.brokers import memory, open_publisher
from pynomaly.data.brokers.messages import Message, Outgoing
from pynomaly.data.streams.decoding import MessageDecoder
from pynomaly.records.ledger import Ledger
from pynomaly.steps.operations.prune import prune
from pynomaly.steps.streaming.dead_letters import MAX_OF_MESSAGE, build_letters
from pynomaly.steps.streaming.run_stream import StreamRun
from tests.steps.streaming.conftest import LiveTable
from tests.steps.streaming.test_closing import DAY, close, rows_of

TIME = '"time": "2026-01-20T00:30:00Z"'
GOOD = '"heat": 20.0, "power": 5.0, "noise": 0.0'
BAD: dict[str, tuple[bytes, str, str]] = {
    "50 MB": (b'{"note": "' + b"a" * 50 * 2**20 + b'"}', "unreadable", "stream.max_message_kib"),
    "deep": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "unreadable", "no JSON"),
    "deep array": (b"[" * 100_000, "unreadable", "no JSON"),
    "objects in objects": (b'{"a":' * 30 + b"1" + b"}" * 30, "unreadable", "16 deep"),
    "empty": (b"", "unreadable", "empty"),
    "empty array": (b"[]", "unreadable", "empty array"),
    "a number": (b"5", "unreadable", "no object"),
    "invalid UTF-8": (b'{"time": "\xff\xfe"}', "unreadable", "no JSON"),
    "zeros": (b"\0" * 20, "unreadable", "no JSON"),
    "another schema": (b'{"ts": 1, "sensor": "x", "v": 3}', "no_key", "'ts', 'sensor', 'v'"),
    "no entity": (f"{{{TIME}, {GOOD}}}".encode(), "no_key", "'machine'"),
    "null time": (f'{{"time": null, "machine": "a", {GOOD}}}'.encode(), "no_key", "'time'"),
    "no time": (f'{{"time": "noon", "machine": "a", {GOOD}}}'.encode(), "bad_time", "noon"),
    "year 1": (
        f'{{"time": "0001-01-01T00:00:00Z", "machine": "a", {GOOD}}}'.encode(),
        "too_late",
        "0001-01-01",
    ),
    "year 9999": (
        f'{{"time": "9999-12-31T23:59:59Z", "machine": "a", {GOOD}}}'.encode(),
        "ahead",
        "9999-12-31",
    ),
    "year 99999": (
        f'{{"time": "99999-01-01T00:00:00Z", "machine": "a", {GOOD}}}'.encode(),
        "bad_time",
        "99999",
    ),
    "Infinity": (
        f'{{{TIME}, "machine": "a", "heat": Infinity, "power": 5.0, "noise": 0.0}}'.encode(),
        "not_finite",
        "heat",
    ),
    "text for a number": (
        f'{{{TIME}, "machine": "b", "heat": "hot", "power": 5.0, "noise": 0.0}}'.encode(),
        "not_a_number",
        "hot",
    ),
    "a name that is none": (f'{{{TIME}, "machine": "a\\u0000b", {GOOD}}}'.encode(), "bad_id", "machine"),
    "a name without end": (f'{{{TIME}, "machine": "{"m" * 5000}", {GOOD}}}'.encode(), "bad_id", "machine"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_message_is_one_letter_and_stops_no_other(
    live_table: Callable[..., LiveTable], name: str
) -> None:
    table = live_table(stream={"correct": "3650d"})
    body, rule, reason = BAD[name]
    good = table.messages(rows_of(table, DAY).head(8), first=1)
    outcomes = table.send([Message(body, "readings/0", 0), *good])
    assert [(item.rows - (name == "Infinity"), item.letters, item.problem) for item in outcomes] == [
        (8, 1, "")
    ]
    assert outcomes[0].scored is not None
    assert len(outcomes[0].scored.frame) == 8
    with Ledger.open(table.live.ledger_url) as ledger:
        (letter,) = ledger.stream.list_letters(table.live.name)
    assert letter.rule == rule
    assert reason in letter.reason
    assert (letter.offset, letter.size) == (0, len(body))
    again = table.send([Message(body, "readings/0", 0), *good])
    assert [(item.rows, item.letters) for item in again] == [(0, 0)]
    assert close(table) == [DAY.key]


def test_a_first_message_decides_no_columns_unless_it_is_a_row(live_table: Callable[..., LiveTable]) -> None:
    table = live_table()
    strange = b'{"foo": 1, "pynomaly.version": 7}'
    lacking = b'{"time": "2026-01-20T00:15:00Z", "machine": "a", "pynomaly.score": 1.0}'
    table.send([Message(strange, "readings/0", 0)])
    table.send([Message(lacking, "readings/0", 1)])
    (outcome,) = table.send(table.messages(rows_of(table, DAY).head(8), first=2))
    assert (outcome.rows, outcome.letters, outcome.problem) == (8, 0, "")
    assert outcome.scored is not None
    assert outcome.scored.frame["heat"].notna().all()


@pytest.mark.parametrize("text", ["NaN", "null"])
def test_a_missing_number_is_a_missing_number(live_table: Callable[..., LiveTable], text: str) -> None:
    table = live_table()
    body = f'{{{TIME}, "machine": "a", "heat": {text}, "power": 5.0, "noise": 0.0}}'.encode()
    (outcome,) = table.send([Message(body, "readings/0", 0)])
    assert (outcome.messages, outcome.rows) == (1, 1)


def test_what_breaks_a_library_is_found_and_refused_alone(
    live_table: Callable[..., LiveTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = live_table()
    messages = table.messages(rows_of(table, DAY).head(20))
    decode = MessageDecoder.decode

    def decode_or_break(self: MessageDecoder, batch: list[Message]) -> Any:
        if any(message.offset == 13 for message in batch):
            raise ValueError("a cell that nobody thought of")
        return decode(self, batch)

    monkeypatch.setattr(MessageDecoder, "decode", decode_or_break)
    outcomes = table.send(messages)
    assert sum(item.rows for item in outcomes) == 19
    with Ledger.open(table.live.ledger_url) as ledger:
        (letter,) = ledger.stream.list_letters(table.live.name)
        assert ledger.stream.read_positions(table.live.name)["readings/0"].offset == 19
    assert (letter.offset, letter.rule) == (13, "unusable")
    assert "ValueError: a cell that nobody thought of" in letter.reason


def test_ten_thousand_keys_that_nobody_knows_are_rows_and_hold_nobody_up(
    live_table: Callable[..., LiveTable],
) -> None:
    table = live_table()
    strangers = [
        Message(f'{{{TIME}, "machine": "x{number}", {GOOD}}}'.encode(), "readings/1", number)
        for number in range(10_000)
    ]
    outcomes = table.send(strangers, at_once=2000)
    assert sum(item.rows for item in outcomes) == len(strangers)
    (outcome,) = table.send(table.messages(rows_of(table, DAY).head(8)))
    assert (outcome.rows, outcome.problem) == (8, "")


def test_one_message_with_many_bad_rows_fills_no_topic(live_table: Callable[..., LiveTable]) -> None:
    table = live_table()
    message = Message(orjson.dumps([{}] * 5000), "readings/0", 0)
    decoded = MessageDecoder(table.live.stream, table.live.data).decode([message])
    letters = build_letters("machines", decoded.letters)
    assert len(letters) == MAX_OF_MESSAGE + 1
    assert "more than" in letters[-1].reason
    assert len({letter.key for letter in letters}) == len(letters)


AVRO = """{"type": "record", "name": "Reading", "fields": [{"name": "time", "type": "string"},
    {"name": "machine", "type": "string"}, {"name": "heat", "type": "double"}]}"""


@pytest.mark.parametrize(
    ("settings", "body", "reason"),
    [
        ("avro", b"\x02\x04garbage", "no record of the schema"),
        ("avro", b"", "no record of the schema"),
        ("csv", b"2026-01-20T00:30:00Z,a,20.0", "3 cells; data.names has 5"),
        ("csv", b"\xff\xfe\xfa", "data.encoding"),
        ("csv", b'2026-01-20T00:30:00Z,"a', "delimited"),
        ("csv", b"\n\n", "empty"),
    ],
)
def test_other_formats_say_what_is_wrong(
    live_table: Callable[..., LiveTable], tmp_path: Path, settings: str, body: bytes, reason: str
) -> None:
    table = live_table()
    data = table.live.data.model_copy(update={"names": ("time", "machine", "heat", "power", "noise")})
    (tmp_path / "reading.avsc").write_text(AVRO)
    changes = {
        "format": settings,
        "avro_schema": str(tmp_path / "reading.avsc") if settings == "avro" else None,
    }
    stream = table.live.stream.model_copy(update=changes)
    decoded = MessageDecoder(stream, data).decode([Message(body, "readings/0", 0)])
    (letter,) = decoded.letters
    assert letter.rule == "unreadable"
    assert reason in letter.reason


@pytest.fixture
def topics() -> Iterator[None]:
    memory.drop_topics()
    yield
    memory.drop_topics()


@pytest.mark.slow
def test_dead_letters_are_published_once_by_two_workers(
    live_table: Callable[..., LiveTable], topics: None
) -> None:
    table = live_table(stream={"linger_ms": 1, "lateness": "52w"})
    bodies = [f"bad {number}".encode() for number in range(300)]
    asyncio.run(open_publisher(table.live.stream).publish("readings", [Outgoing(body) for body in bodies]))

    async def work() -> None:
        await asyncio.gather(*(StreamRun(table.live, name).run(until_idle_s=0.5) for name in ("one", "two")))

    asyncio.run(work())
    published = [message for part in memory._TOPICS["readings.dead"].parts for message in part]
    assert sorted(orjson.loads(item.body)["message"].encode() for item in published) == sorted(bodies)


def test_dead_letters_without_a_topic_go_when_their_retention_is_over(
    live_table: Callable[..., LiveTable],
) -> None:
    table = live_table()
    table.send([Message(b"{", "readings/0", 0)])
    later = datetime.now(UTC) + timedelta(days=91)
    assert prune(table.live, apply=True).counts.get("letters") is None
    assert prune(table.live, apply=True, now=later).counts["letters"] == {"count": 1, "bytes": 1}
    with Ledger.open(table.live.ledger_url) as ledger:
        assert ledger.stream.list_letters(table.live.name) == ()
