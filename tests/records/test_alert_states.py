"""The kept state of an alert is what its events make of it, and a list of states what a loop would choose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from pynomaly.config import SEVERITIES
from pynomaly.judging.alerts.alert import Alert, build_alert
from pynomaly.records.ledger import AlertEvent, AlertFilter, AlertPlace, Ledger
from tests.alerts import START, build_events, build_sighting

RARITIES = ("one a year", "one a month", "one a week", "one a day")


ANSWERS = {
    "acknowledged": {"note": "on it"},
    "resolved": {"as": "confirmed", "note": "bearing"},
    "assigned": {"to": "ben"},
    "muted": {"until": (START + timedelta(days=9)).isoformat(), "note": ""},
    "commented": {"text": "seen before"},
    "withdrawn": {},
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    answers=st.lists(st.sampled_from([*ANSWERS]), max_size=8), cuts=st.lists(st.integers(0, 9), max_size=3)
)
def test_a_state_is_its_events_however_they_were_written(
    tmp_path_factory: Any, answers: list[str], cuts: list[int]
) -> None:
    seen = build_sighting("a", 3, "one a week", "heat")
    events = build_events("a1", "p", 0, seen)
    for number, event in enumerate(answers):
        if event == "withdrawn":
            empty = {**seen, "rows": 0, "row_keys": []}
            events.append(AlertEvent(f"k{number}", "p", "a1", "seen", "w", empty))
        else:
            events.append(AlertEvent(f"k{number}", "p", "a1", event, content=ANSWERS[event], actor="ann"))
    with Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('states')}/ledger.db") as ledger:
        edges = sorted({0, len(events), *(min(cut + 1, len(events)) for cut in cuts)})
        for first, last in pairwise(edges):
            ledger.answers.add_facts(*events[first:last])
            ledger.answers.add_facts(*events[first:last])
        written = [vars(item) for item in ledger.answers.list_events("p", "a1")]
        alert = ledger.alert_states.find_alert("p", "a1")
        assert alert == build_alert("a1", written)
        assert Alert.from_dict(alert.to_dict()) == alert
        assert (ledger.alert_states.list_muted("p", START) == ()) is ("muted" not in answers)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('filled')}/ledger.db") as ledger:
        events: list[AlertEvent] = []
        for place in range(60):
            content = build_sighting(
                "abc"[place % 3], place // 2, RARITIES[place % 4], ("heat", "noise")[place % 2]
            )
            events += build_events(f"n{place}", "pq"[place % 7 == 0], place, content)
        for place in range(0, 60, 4):
            pipeline = "pq"[place % 7 == 0]
            events.append(
                AlertEvent(f"r{place}", pipeline, f"n{place}", "resolved", content=ANSWERS["resolved"])
            )
            events.append(AlertEvent(f"t{place}", pipeline, f"n{place}", "assigned", content={"to": "ben"}))
        ledger.answers.add_facts(*events)
        yield ledger


FILTERS = (
    AlertFilter(),
    AlertFilter(pipelines=("q",)),
    AlertFilter(pipelines=("p", "q"), states=("open",), quiet=False),
    AlertFilter(severities=("critical", "low"), entity="b"),
    AlertFilter(cause="noise", assignee="ben"),
    AlertFilter(words="NOI"),
    AlertFilter(words="n1", until=START + timedelta(hours=12)),
    AlertFilter(since=START + timedelta(hours=20), until=START + timedelta(hours=22)),
    AlertFilter(words="%"),
)


def choose_naively(alerts: Sequence[Alert], chosen: AlertFilter) -> list[Alert]:
    return [
        item
        for item in alerts
        if (not chosen.pipelines or item.pipeline in chosen.pipelines)
        and (not chosen.states or item.state in chosen.states)
        and (not chosen.severities or item.severity in chosen.severities)
        and (not chosen.entity or item.entity == chosen.entity)
        and (not chosen.cause or item.cause == chosen.cause)
        and (not chosen.assignee or item.assignee == chosen.assignee)
        and (chosen.quiet or not item.quiet)
        and (chosen.since is None or item.last >= chosen.since)
        and (chosen.until is None or item.last < chosen.until)
        and any(chosen.words.lower() in word.lower() for word in (item.entity, item.cause, item.alert))
    ]


@pytest.mark.parametrize("order", ["severity", "newest"])
@pytest.mark.parametrize("chosen", FILTERS)
def test_a_list_is_filtered_and_paged_as_a_loop_would(
    filled: Ledger, chosen: AlertFilter, order: Any
) -> None:
    states = filled.alert_states
    every = [
        build_alert(name, [vars(event) for event in filled.answers.list_events(pipeline, name)])
        for pipeline in "pq"
        for name in states.list_names(pipeline, "", 99)
    ]
    right = choose_naively(every, chosen)
    right.sort(key=lambda item: (item.pipeline, item.alert))
    right.sort(key=lambda item: item.last, reverse=True)
    if order == "severity":
        right.sort(key=lambda item: SEVERITIES.index(item.severity))
    assert [alert for _, alert in states.list_alerts(chosen, order)] == right
    paged: list[Alert] = []
    place: AlertPlace | None = None
    while page := states.list_alerts(chosen, order, 7, place):
        paged += [alert for _, alert in page]
        place = page[-1][0]
    assert paged == right
    counts = states.count_alerts(chosen)
    assert sum(counts.values()) == len(right)
    for (pipeline, state, severity), count in counts.items():
        same = [
            item
            for item in right
            if (item.pipeline, item.state, item.severity) == (pipeline, state, severity)
        ]
        assert len(same) == count
    by_severity = Counter((item.state, item.severity) for item in right)
    assert states.count_by_severity(chosen) == by_severity
    lanes = states.list_lanes(chosen, "hour", 99)
    assert sum(lane.total for lane in lanes) == len(right)
    for lane in lanes:
        own = [item for item in right if (item.pipeline, item.entity) == (lane.pipeline, lane.entity)]
        assert lane.total == len(own) == sum(sum(cell.values()) for cell in lane.counts.values())
        assert {f"{item.last:%Y-%m-%dT%H}" for item in own} == set(lane.counts)


def test_changes_are_read_from_a_position_on(filled: Ledger) -> None:
    states = filled.alert_states
    position = states.read_position()
    assert states.list_changed(position, 9) == ()
    filled.answers.add_facts(AlertEvent("late", "p", "n1", "commented", content={"text": "hm"}, actor="ann"))
    ((newest, alert),) = states.list_changed(position, 9)
    assert (newest, alert.alert, alert.comments[0]["by"]) == (states.read_position(), "n1", "ann")


def test_an_answer_without_rows_has_no_state(address: str) -> None:
    with Ledger.open(address) as ledger:
        ledger.answers.add_facts(AlertEvent("e", "p", "a1", "acknowledged", actor="ann"))
        assert ledger.alert_states.find_alert("p", "a1") is None


def test_a_ledger_of_before_gets_the_states_of_its_alerts(address: str) -> None:
    with Ledger.open(address) as ledger:
        ledger.answers.add_facts(*build_events("a1", "p", 0, build_sighting("a", 1, "one a week", "heat")))
        before = ledger.alert_states.find_alert("p", "a1")
    engine = create_engine(address)
    with engine.begin() as connection:
        for table in ("alert_states", "access_tokens", "answered_requests", "sign_ins", "saved_views"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DROP INDEX ix_decisions_kind"))
        connection.execute(text("ALTER TABLE leases DROP COLUMN process"))
        connection.execute(text("UPDATE ledger_version SET version_num = '0010'"))
    engine.dispose()
    with Ledger.open(address) as ledger:
        assert ledger.alert_states.find_alert("p", "a1") == before
