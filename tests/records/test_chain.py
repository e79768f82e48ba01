"""The chain of decisions: whoever changes, drops or slips in a line is told on."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pynomaly.records.ledger import Decision, Ledger

MOMENT = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A ledger of five decisions."""
    place = tmp_path / "ledger.db"
    with Ledger.open(f"sqlite:///{place}") as ledger:
        for number in range(5):
            evidence = {"a": number, "b": [1.5, None]}
            ledger.record_decision(
                Decision(f"k{number}", "p", "promote", f"v{number}", "first", ("Ja, ä.",), evidence, MOMENT)
            )
        ledger.record_decision(Decision("k4", "p", "promote", "again", "first", (), {}, MOMENT))
    return place


def check(file: Path) -> tuple[bool, int | None]:
    with Ledger.open(f"sqlite:///{file}") as ledger:
        chain = ledger.verify_chain()
    return chain.intact, chain.broken_at


def tamper(file: Path, statement: str) -> None:
    """What somebody with the file in hand can do."""
    connection = sqlite3.connect(file)
    for name in ("decisions_no_update", "decisions_no_delete"):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_an_untouched_ledger_holds(file: Path) -> None:
    assert check(file) == (True, None)
    with Ledger.open(f"sqlite:///{file}") as ledger:
        assert ledger.verify_chain().decisions == 5
        assert ledger.verify_chain().head == ledger.list_decisions(limit=1)[0].hash


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE decisions SET outcome = 'superior' WHERE seq = 3", 3),
        ("UPDATE decisions SET evidence = '{}' WHERE seq = 1", 1),
        ("UPDATE decisions SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 5", 5),
        ("DELETE FROM decisions WHERE seq = 2", 3),
        ("UPDATE decisions SET previous = hash WHERE seq = 4", 4),
    ],
)
def test_a_touched_line_is_named(file: Path, statement: str, seq: int) -> None:
    tamper(file, statement)
    assert check(file) == (False, seq)


def test_an_empty_ledger_holds(tmp_path: Path) -> None:
    assert check(tmp_path / "new.db") == (True, None)
