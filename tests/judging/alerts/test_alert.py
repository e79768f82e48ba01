"""What an alert is called, who is told of it, what was like it, and how its events fold."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynomaly.errors import RecordError
from pynomaly.judging.alerts.alert import (
    Alert,
    Carrier,
    assess_severity,
    build_alert,
    categorize_alert,
    grade_p_value,
)
from pynomaly.judging.alerts.past_alerts import find_quiet_reason, find_similar_alerts

NOON = datetime(2026, 1, 19, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SETTINGS: dict[str, Any] = {"mute": 7 * DAY, "flapping": 3, "within": DAY}


def carrier(feature: str = "heat", tail: float | None = 0.5, share: float = 1.0) -> Carrier:
    return Carrier(feature, 90.0, 20.0, share, tail)


def part(rows: int = 1, first: datetime = NOON, p: float = 0.001, **more: Any) -> dict[str, Any]:
    last = first + (rows - 1) * HOUR if rows else first
    return {
        "entity": "a",
        "rows": rows,
        "first": first.isoformat(),
        "last": last.isoformat(),
        "peak": first.isoformat(),
        "score": 3.0,
        "p_value": p,
        "severity": "high",
        "rarity": "one a week",
        "extrapolated": False,
        "version": 1,
        "carriers": [asdict(carrier())],
        "causes": ["heat"],
        "collective": 3,
        "row_keys": [["a", (first + number * HOUR).isoformat()] for number in range(rows)],
        **more,
    }


def event(
    kind: str, content: dict[str, Any] | None = None, window: str = "", who: str = "ann"
) -> dict[str, Any]:
    return {
        "pipeline": "p",
        "event": kind,
        "window": window,
        "actor": who,
        "at": NOON,
        "content": content or {},
    }


def alert(name: str = "one", first: datetime = NOON, **more: Any) -> Alert:
    made = build_alert(
        name, [event("opened", {"quiet": "", "alike": []}, "w"), event("seen", part(first=first), "w")]
    )
    return replace(made, **more)


@pytest.mark.parametrize(
    ("rows", "tails", "expected"),
    [
        (3, [0.0], "collective"),
        (2, [0.5, 0.01], "point"),
        (1, [0.5, 0.2], "contextual"),
        (1, [], "point"),
        (1, [None], "point"),
        (1, [0.05], "point"),
        (1, [0.051], "contextual"),
    ],
)
def test_category(rows: int, tails: list[float | None], expected: str) -> None:
    category, why = categorize_alert(rows, [carrier(tail=tail) for tail in tails], 3)
    assert category == expected
    assert why


def test_a_category_says_what_it_rests_on() -> None:
    assert categorize_alert(4, [], 3)[1] == "4 rows belong together, 3 or more"
    assert categorize_alert(1, [], 3)[1] == "a row of its own; which columns carry it is not known"
    columns = [carrier("heat", 0.4), carrier("noise", 0.02), carrier("power", None)]
    assert categorize_alert(1, columns, 3)[1].startswith("noise is unusual by itself: 2.00% of")
    assert "(heat: 40% of the reference" in categorize_alert(1, columns[::2], 3)[1]


@pytest.mark.parametrize(
    ("rarity", "by_p", "expected"),
    [
        ("one a year", "low", "critical"),
        ("one a month", "low", "high"),
        ("one a week", "critical", "medium"),
        ("one a day", "none", "low"),
        ("usual", "critical", "low"),
        ("not_computable", "critical", "critical"),
        ("not_computable", "none", "low"),
    ],
)
def test_severity_is_how_rare_it_is(rarity: str, by_p: str, expected: str) -> None:
    assert assess_severity(0.001, rarity, by_p)[0] == expected


def test_the_grade_rises_from_nothing_to_one() -> None:
    assert [grade_p_value(p) for p in (1.0, 0.1, 0.01, 1e-4, 0.0)] == [0.0, 0.25, 0.5, 1.0, 1.0]
    assert grade_p_value(math.nan) == 0.0


def find_quiet(first: datetime = NOON, causes: tuple[str, ...] = ("heat",), **more: Any) -> str:
    arguments = {"past": (), "planned": (), **SETTINGS, **more}
    past, planned = arguments.pop("past"), arguments.pop("planned")
    return find_quiet_reason("a", causes, first, first + HOUR, past, planned, **arguments)


def test_planned_work_is_quiet_for_its_entity_and_its_time_alone() -> None:
    work = [(NOON - HOUR, NOON + HOUR, "a", "belt")]
    assert find_quiet(planned=work) == "planned work: belt, until 2026-01-19 13:00 UTC"
    assert find_quiet(NOON + 2 * HOUR, planned=work) == ""
    assert find_quiet(NOON + HOUR, planned=work) == ""  # its end does not belong to it
    assert find_quiet(planned=[(NOON - HOUR, NOON + HOUR, "b", "belt")]) == ""
    assert find_quiet(planned=[(NOON - HOUR, NOON + HOUR, "", "belt")]) != ""
    assert find_quiet(planned=[(NOON + HOUR, NOON + DAY, "a", "belt")]) != ""  # begins with the last row
    assert find_quiet(planned=[(NOON + HOUR + timedelta(seconds=1), NOON + DAY, "a", "belt")]) == ""
    assert find_quiet(planned=[(NOON, NOON + HOUR, "a", "")]).startswith("planned work: not named, until")


def test_the_like_of_a_false_alarm_is_mute_for_a_while() -> None:
    false = alert(state="resolved", ending="false-alarm")
    assert find_quiet(NOON + DAY, past=[false]) == "muted: one, the like of it, was a false alarm"
    assert find_quiet(NOON + 8 * DAY, past=[false]) == ""
    assert find_quiet(NOON + DAY, causes=("noise",), past=[false]) == ""
    assert find_quiet(NOON + DAY, past=[replace(false, entity="b")]) == ""
    assert find_quiet(NOON + DAY, past=[replace(false, ending="confirmed")]) == ""
    assert find_quiet(NOON + DAY, past=[replace(false, state="withdrawn")]) == ""


def test_what_opens_too_often_flaps() -> None:
    past = [alert(str(number), NOON + number * HOUR) for number in range(3)]
    assert find_quiet(NOON + 3 * HOUR, past=past).startswith("flapping: 3 alike alerts in the 24 hours")
    assert find_quiet(NOON + 3 * HOUR, past=past[1:]) == ""
    assert find_quiet(NOON + 30 * HOUR, past=past) == ""
    assert find_quiet(NOON + DAY, past=past) != ""  # the first of them began just a day before
    assert find_quiet(NOON + DAY + timedelta(seconds=1), past=past) == ""


def test_an_alert_without_columns_is_like_those_without_columns() -> None:
    false = alert(state="resolved", ending="false-alarm")
    assert find_quiet(NOON + DAY, causes=(), past=[replace(false, causes=())]).startswith("muted")
    assert find_quiet(NOON + DAY, causes=(), past=[false]) == ""


@pytest.mark.parametrize(("first", "last"), [(None, None), (None, NOON), (NOON, None)])
def test_without_time_nobody_is_kept_from_telling(first: datetime | None, last: datetime | None) -> None:
    work = [(NOON - DAY, NOON + DAY, "", "belt")]
    assert find_quiet_reason("a", (), first, last, (), work, **SETTINGS) == ""


def test_the_most_alike_come_first_and_strangers_never() -> None:
    past = [
        alert("far", causes=("noise",)),
        alert("half", causes=("heat", "noise")),
        alert("other machine", entity="b", causes=("heat",)),
        alert("same, older", NOON - DAY, causes=("heat",), ending="confirmed"),
        alert("same", causes=("heat",)),
    ]
    names = [item.alert for item in find_similar_alerts("a", ("heat",), past, most=9)]
    assert names == ["same, older", "same", "other machine", "half"]
    assert len(find_similar_alerts("a", ("heat",), past)) == 3
    assert find_similar_alerts("a", (), past) == ()


def test_parts_add_up_and_the_rarest_row_speaks() -> None:
    events = [
        event("opened", {"quiet": "", "alike": []}, "w1"),
        event("seen", part(2), "w1"),
        event("seen", part(1, NOON + 5 * HOUR, p=0.0001, score=9.0), "w2"),
    ]
    grown = build_alert("x", events)
    assert (grown.rows, grown.score, grown.windows) == (3, 9.0, ("w1", "w2"))
    assert (grown.first, grown.last, grown.peak) == (NOON, NOON + 5 * HOUR, NOON + 5 * HOUR)
    assert grown.category == "collective"
    assert len(grown.row_keys) == 3


def test_a_window_scored_again_replaces_its_part_and_may_withdraw_the_alert() -> None:
    events = [event("opened", {"quiet": "", "alike": []}, "w"), event("seen", part(3), "w")]
    assert build_alert("x", [*events, event("seen", part(1), "w")]).rows == 1
    gone = build_alert("x", [*events, event("seen", part(0), "w")])
    assert (gone.state, gone.rows) == ("withdrawn", 0)
    assert (
        build_alert("x", [*events, event("seen", part(0), "w"), event("seen", part(2), "w")]).state == "open"
    )


def test_answers_follow_one_another() -> None:
    opened = [event("opened", {"quiet": "", "alike": []}, "w"), event("seen", part(), "w")]
    looked = event("acknowledged", {"note": "on it"})
    false, true = (event("resolved", {"as": ending}, who="bob") for ending in ("false-alarm", "confirmed"))
    assert build_alert("x", opened).state == "open"
    assert build_alert("x", [*opened, looked]).state == "acknowledged"
    assert build_alert("x", [*opened, looked, false]).ending == "false-alarm"
    last = build_alert("x", [*opened, false, true, looked])
    assert (last.state, last.ending, last.by) == ("resolved", "confirmed", "bob")


def test_an_alert_without_rows_is_none() -> None:
    with pytest.raises(RecordError, match="no rows on record"):
        build_alert("x", [event("opened", {"quiet": "", "alike": []}, "w")])


def test_an_alert_is_plain_json() -> None:
    content = json.loads(json.dumps(alert(causes=("heat", "noise")).to_dict()))
    assert [content[name] for name in ("first", "last", "peak", "opened")] == [NOON.isoformat()] * 4
    assert content["cause"] == "heat"
    assert content["carriers"] == [asdict(carrier())]
    assert content["row_keys"] == [["a", NOON.isoformat()]]
    timeless = alert(first=NOON, opened=None, causes=()).to_dict()
    assert (timeless["opened"], timeless["cause"]) == (None, "")


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (90.123456, None, "heat 90.12 instead of missing (50%)"),
        (None, "red", "heat missing instead of red (50%)"),
    ],
)
def test_a_column_is_described_with_what_was_expected(actual: Any, expected: Any, words: str) -> None:
    assert str(Carrier("heat", actual, expected, 0.5, None)) == words


def test_what_was_not_said_is_empty() -> None:
    sighting = event("seen", part(causes=[]), "w")
    made = build_alert("x", [event("opened", {}, "w"), sighting, event("acknowledged")])
    assert (made.quiet, made.alike, made.causes, made.note, made.by) == ("", (), (), "", "ann")
    assert build_alert("x", [sighting, event("resolved", {"as": "confirmed"})]).note == ""
    assert build_alert("x", [sighting]).opened is None
