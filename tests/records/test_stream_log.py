"""What a stream brought, on each database: a batch once, by the worker that holds its part."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pynomaly.errors import RecordError
from pynomaly.records.ledger import (
    Ledger,
    StreamEntry,
    StreamLetter,
    StreamLog,
    StreamMovedError,
    StreamPosition,
)
from pynomaly.records.ledger.transit import stream_log

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)


@pytest.fixture
def log(address: str) -> Iterator[StreamLog]:
    with Ledger.open(address) as ledger:
        yield ledger.stream


def make_letter(number: int, reason: str = "why") -> StreamLetter:
    return StreamLetter(f"machines:t/0:{number}:0", "t/0", number, "unreadable", reason, 3, b"bad")


def record(log: StreamLog, offset: int, before: int | None, *letters: StreamLetter) -> tuple[int, ...]:
    position = StreamPosition("t/0", offset, NOON)
    return log.record_batch(
        "machines", [StreamEntry("w", 2, 1, b"rows")], letters, [position], {"t/0": before}
    )


def test_of_two_workers_that_hold_one_part_the_first_records(log: StreamLog, address: str) -> None:
    with Ledger.open(address) as other:
        record(log, 9, None, make_letter(1))
        with pytest.raises(StreamMovedError, match="up to 9 by another worker, and up to None by this one"):
            record(other.stream, 7, None, make_letter(2))
        assert [item.rows for item in log.list_open_windows("machines")] == [2]
        assert [item.offset for item in log.list_letters("machines")] == [1]
        assert log.read_positions("machines")["t/0"].offset == 9
        record(other.stream, 12, 9)
        with pytest.raises(StreamMovedError):
            record(log, 12, 9)
        assert [item.entries for item in log.list_open_windows("machines")] == [2]


def test_a_position_never_goes_back_in_time_of_rows(log: StreamLog) -> None:
    record(log, 1, None)
    earlier = StreamPosition("t/0", 2, datetime(2026, 1, 1, tzinfo=UTC))
    log.record_batch("machines", [], [], [earlier], {"t/0": 1})
    assert log.read_positions("machines")["t/0"].newest == NOON


def test_numbers_of_entries_do_not_come_again(log: StreamLog) -> None:
    (first,) = record(log, 1, None)
    mark = log.remove_entries("machines", "w", [first], StreamEntry("w", 0, 0, b""))
    assert [item.seq for item in log.read_entries("machines", "w")] == [mark]
    assert log.remove_entries("machines", "w", [mark]) == 0
    (second,) = record(log, 2, 1)
    assert first < mark < second


def test_a_letter_that_comes_again_is_one_letter_and_any_text_can_be_its_reason(log: StreamLog) -> None:
    record(log, 1, None, make_letter(1))
    record(log, 2, 1, make_letter(1), make_letter(2, "half a character \\ud800, and ☃"))
    assert [item.offset for item in log.list_letters("machines", unpublished=True)] == [1, 2]


def test_only_published_letters_are_forgotten(log: StreamLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_log, "MAX_LETTERS", 3)
    record(log, 1, None, *(make_letter(number) for number in range(8)))
    first = log.list_letters("machines", unpublished=True, limit=2)
    log.mark_published("machines", [item.seq for item in first])
    left = log.list_letters("machines", unpublished=True)
    assert [item.offset for item in left] == [2, 3, 4, 5, 6, 7]
    log.mark_published("machines", [item.seq for item in left])
    assert [item.offset for item in log.list_letters("machines")] == [7, 6, 5]


def test_a_batch_that_cannot_be_recorded_leaves_nothing(log: StreamLog) -> None:
    position = StreamPosition("t/0", 1, datetime(2026, 1, 1))  # no zone
    with pytest.raises(RecordError):
        log.record_batch("machines", [StreamEntry("w", 2, 1, b"rows")], [], [position], {"t/0": None})
    assert log.list_open_windows("machines") == ()
    assert log.read_positions("machines") == {}


def test_what_waits_in_a_part_is_noted_beside_its_position(log: StreamLog) -> None:
    record(log, 1, None)
    log.note_lag("machines", {"t/0": 41, "t/1": 7})
    assert {part: item.lag for part, item in log.read_positions("machines").items()} == {"t/0": 41}
    record(log, 2, 1)
    position = log.read_positions("machines")["t/0"]
    assert (position.offset, position.lag) == (2, 41)
    assert position.measured is not None


def test_dead_letters_are_removed_by_the_day(address: str) -> None:
    with Ledger.open(address) as ledger:
        record(ledger.stream, 1, None, make_letter(1), make_letter(2))
        (day,) = ledger.retention.list_letter_days("machines")
        assert day.size == 6
        assert day.day == f"{day.at:%Y-%m-%d}"
        ledger.retention.drop_letters("machines", "2001-01-01")
        ledger.retention.drop_letters("others", day.day)
        assert len(ledger.stream.list_letters("machines")) == 2
        ledger.retention.drop_letters("machines", day.day)
        assert ledger.retention.list_letter_days("machines") == ()
        assert ledger.stream.list_letters("machines") == ()
