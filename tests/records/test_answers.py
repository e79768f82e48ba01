"""Answers are only ever added, once each, and the database itself refuses to change them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from pynomaly.errors import RecordError
from pynomaly.records.ledger import AlertEvent, Audit, Label, Ledger

FACTS = (
    AlertEvent("e1", "p", "a1", "opened", "w", {"quiet": ""}),
    Label("l1", "p", "m", "2026-01-05T00:00:00+00:00", 1, "csv", "ann"),
    Audit("a1", "p", {"rows": []}, "ann"),
)


def test_each_is_written_once_and_read_back(address):
    with Ledger.open(address) as ledger:
        answers = ledger.answers
        assert answers.add_facts(*FACTS) == 3
        assert answers.add_facts(*FACTS, AlertEvent("e2", "p", "a1", "acknowledged", actor="ann")) == 1
        assert [item.event for item in answers.list_events("p", "a1")] == ["opened", "acknowledged"]
        assert answers.list_events("other") == ()
        (label,) = answers.list_labels("p")
        assert (label.truth, label.author) == (1, "ann")
        assert label.at.tzinfo is not None
        assert [item.key for item in answers.list_audits("p")] == ["a1"]


def test_all_or_none(address):
    with Ledger.open(address) as ledger:
        answers = ledger.answers
        with pytest.raises(RecordError, match="has no key"):
            answers.add_facts(FACTS[0], Label("", "p", "m", "row", 1, "csv", "ann"))
        assert answers.list_events("p") == ()


def test_the_mark_of_a_grouped_window_is_no_alert(address):
    with Ledger.open(address) as ledger:
        answers = ledger.answers
        answers.add_facts(AlertEvent("grouped:p:w", "p", "", "grouped", "w"))
        assert answers.list_events("p") == ()
        assert answers.list_grouped_windows("p") == {"grouped:p:w"}


@pytest.mark.parametrize("table", ["alert_events", "labels", "audits"])
@pytest.mark.parametrize("change", ["UPDATE {} SET pipeline = 'q'", "DELETE FROM {}"])
def test_the_database_refuses_to_change_them(address, table, change):
    with Ledger.open(address) as ledger:
        ledger.answers.add_facts(*FACTS)
    engine = create_engine(address)
    with pytest.raises(DBAPIError, match=f"{table} are append-only"), engine.begin() as connection:
        connection.execute(text(change.format(table)))
    engine.dispose()


def test_times_are_those_of_the_ledger(address):
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    with Ledger.open(address, clock=lambda: moment) as ledger:
        answers = ledger.answers
        answers.add_facts(*FACTS)
        assert answers.list_events("p")[0].at == moment
