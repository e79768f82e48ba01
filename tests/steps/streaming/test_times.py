"""How far a stream has come, which windows are over, and which times cannot be: rules without a clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pynomaly.config import Stream
from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger, StreamPosition
from pynomaly.steps.streaming.arrival_times import refuse_times
from pynomaly.steps.streaming.watermark import find_watermark, is_over
from tests.steps.streaming.conftest import LiveTable
from tests.steps.streaming.test_closing import DAY, close, rows_of

NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
HOUR, MINUTE, DAY_LONG = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
WINDOW = Window(NOON - HOUR, NOON)


def at(newest: datetime | None, seen: datetime | None) -> StreamPosition:
    return StreamPosition("readings/0", 1, newest, seen)


@pytest.mark.parametrize(
    ("name", "positions", "now", "watermark", "awake"),
    [
        ("nothing came", [], NOON, None, False),
        ("no row came yet", [at(None, NOON)], NOON, None, False),
        ("one part", [at(NOON, NOON)], NOON, NOON, True),
        ("the slowest holds", [at(NOON, NOON), at(NOON - HOUR, NOON)], NOON, NOON - HOUR, True),
        (
            "a silent one does not",
            [at(NOON, NOON), at(NOON - HOUR, NOON - 2 * MINUTE)],
            NOON,
            NOON,
            True,
        ),
        (
            "all are silent",
            [at(NOON - HOUR, NOON - 2 * MINUTE), at(NOON - 2 * HOUR, NOON - HOUR)],
            NOON,
            NOON - HOUR,
            False,
        ),
        ("the clock went back", [at(NOON, NOON)], NOON - DAY_LONG, NOON, True),
        ("the clock went on", [at(NOON, NOON)], NOON + DAY_LONG, NOON, False),
        ("rows of long ago", [at(NOON - 365 * DAY_LONG, NOON)], NOON, NOON - 365 * DAY_LONG, True),
    ],
)
def test_a_stream_has_come_as_far_as_its_slowest_part_that_is_awake(
    live_table: Callable[..., LiveTable],
    name: str,
    positions: list[StreamPosition],
    now: datetime,
    watermark: datetime | None,
    awake: bool,
) -> None:
    live = live_table(stream={"idle": "1m"}).live
    assert find_watermark(live, positions, now) == (watermark, awake), name


@pytest.mark.parametrize(
    ("name", "watermark", "awake", "now", "over"),
    [
        ("no row yet, and the time has passed", None, False, NOON + DAY_LONG, True),
        ("rows within lateness", NOON + 4 * MINUTE, True, NOON + DAY_LONG, False),
        ("rows after lateness", NOON + 5 * MINUTE, True, NOON, True),
        ("silent, before its time", NOON, False, NOON + 4 * MINUTE, False),
        ("silent, after its time", NOON, False, NOON + 5 * MINUTE, True),
        ("the clock is far back, the rows are not", NOON + HOUR, True, NOON - 365 * DAY_LONG, True),
        ("the clock is far on, rows still come", NOON, True, NOON + 365 * DAY_LONG, False),
    ],
)
def test_a_window_is_over_by_its_rows_or_in_silence_by_the_clock(
    live_table: Callable[..., LiveTable],
    name: str,
    watermark: datetime | None,
    awake: bool,
    now: datetime,
    over: bool,
) -> None:
    live = live_table(stream={"lateness": "5m"}).live
    assert is_over(live, WINDOW, watermark, awake, now) is over, name


YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)
YEAR_9999 = datetime(9999, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "rows", "newest", "rules"),
    [
        ("as they come", [("a", NOON, None), ("a", NOON - HOUR, None)], {}, {}),
        ("a clock is wrong", [("a", NOON + 2 * HOUR, None), ("a", NOON, None)], {}, {0: "ahead"}),
        ("just within", [("a", NOON + HOUR, None), ("a", NOON + HOUR - DAY_LONG, None)], {}, {}),
        ("older than its part allows", [("a", NOON - 2 * DAY_LONG, None)], {"a": NOON}, {0: "too_late"}),
        ("another part is far on", [("a", NOON - 2 * DAY_LONG, None)], {"b": NOON}, {}),
        (
            "young when it was sent",
            [("a", NOON - 2 * DAY_LONG, NOON - 2 * DAY_LONG)],
            {"a": NOON},
            {},
        ),
        ("old when it was sent", [("a", NOON - 2 * DAY_LONG, NOON)], {"a": NOON}, {0: "too_late"}),
        ("the year 1, first of all", [("a", YEAR_1, None)], {}, {0: "too_late"}),
        ("the year 1, sent then", [("a", YEAR_1, YEAR_1)], {"a": NOON}, {0: "too_late"}),
        ("the year 9999", [("a", YEAR_9999, None), ("b", YEAR_9999, None)], {}, {0: "ahead", 1: "ahead"}),
    ],
)
def test_times_that_cannot_be_are_refused(
    name: str,
    rows: list[tuple[str, datetime, datetime | None]],
    newest: dict[str, datetime],
    rules: dict[int, str],
) -> None:
    stream = Stream(broker="memory", topic="readings", correct=DAY_LONG, ahead=HOUR)
    times = pd.Series([moment for _, moment, _ in rows], dtype="datetime64[us, UTC]")
    sources = [(part, sent) for part, _, sent in rows]
    refused = refuse_times(stream, times, sources, newest, NOON)
    assert {row: rule for row, (rule, _) in refused.items()} == rules, name


def test_a_late_row_is_in_its_window_before_and_after_the_close_and_too_old_it_is_a_letter(
    live_table: Callable[..., LiveTable],
) -> None:
    table = live_table(stream={"correct": "2d"})
    rows = rows_of(table, DAY)
    messages = table.messages(rows)
    table.send([*messages[:40], *messages[44:]])
    assert close(table) == [DAY.key]

    def count_rows() -> tuple[int, int]:
        with Ledger.open(table.live.ledger_url) as ledger:
            partition = ledger.find_partition(table.live.name, DAY)
            again = [item for item in ledger.list_decisions(table.live.name) if item.outcome == "again"]
        assert partition is not None
        return partition.rows, len(again)

    assert count_rows() == (len(rows) - 4, 0)
    late = table.messages(rows.iloc[40:44], first=1000)
    (outcome,) = table.send(late)
    assert (outcome.rows, outcome.late, outcome.letters) == (4, 4, 0)
    assert close(table) == [DAY.key]
    assert count_rows() == (len(rows), 1)
    old = table.messages(rows.iloc[:1].assign(time=DAY.start - timedelta(days=3)), first=2000)
    (outcome,) = table.send(old)
    assert (outcome.rows, outcome.letters) == (0, 1)
    assert close(table) == []
