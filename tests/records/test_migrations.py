"""Every ledger that was ever written becomes today's, with its rows, whoever opens it first."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.ledger.migrations import HEAD, VERSION_TABLE, upgrade_tables
from pynomaly.records.ledger.tables import metadata

VERSIONS = sorted(
    path.name[:4]
    for path in (Path(__file__).parents[2] / "pynomaly/records/ledger/migrations/versions").glob("0*.py")
)
MOMENT = datetime(2026, 1, 5, tzinfo=UTC)

# What releases before migrations created, and a row they wrote.
BEFORE = """
CREATE TABLE ledger_schema (version INTEGER NOT NULL PRIMARY KEY);
INSERT INTO ledger_schema VALUES (1);
"""


def decision(key: str) -> Decision:
    return Decision(key, "quickstart", "retrain", "v1", "none", ("Nothing has drifted.",), {}, MOMENT)


def test_head_is_the_newest_file():
    assert [f"{number:04d}" for number in range(1, len(VERSIONS) + 1)] == VERSIONS
    assert VERSIONS[-1] == HEAD


def test_migrations_build_the_tables_of_today(address):
    """A difference means: tables.py was changed without a file in migrations/versions, or the reverse."""
    Ledger.open(address).close()
    engine = create_engine(address)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize("revision", VERSIONS)
def test_a_ledger_of_every_revision_opens_and_keeps_its_rows(address, revision, tmp_path):
    (tmp_path / "home").mkdir(exist_ok=True)
    engine = create_engine(address)
    with engine.begin() as connection:
        upgrade_tables(connection, revision)
        connection.execute(
            text(
                "INSERT INTO decisions (key, pipeline, kind, subject, outcome, reasons, evidence, as_of, at, "
                "actor, previous, hash) VALUES ('old', 'quickstart', 'retrain', 'v1', 'none', '[]', '{}', "
                "'2026-01-05T00:00:00.000000Z', '2026-01-05T00:00:00.000000Z', 'pynomaly', '', '')"
            )
        )
    engine.dispose()
    with Ledger.open(address) as ledger:
        assert ledger.find_decision("old").outcome == "none"
        assert ledger.record_decision(decision("new")).seq == 2


def test_a_ledger_from_before_migrations_is_taken_over(address):
    with Ledger.open(address) as ledger:
        ledger.record_decision(decision("old"))
    engine = create_engine(address)
    with engine.begin() as connection:
        for newer in (
            VERSION_TABLE,
            "messages",
            "beats",
            "alert_events",
            "labels",
            "audits",
            "account_entries",
            "deliveries",
            "stream_positions",
            "stream_entries",
            "stream_letters",
            "alert_states",
            "access_tokens",
            "answered_requests",
            "followed_alerts",
            "sign_ins",
            "saved_views",
        ):
            connection.execute(text(f"DROP TABLE {newer}"))
        connection.execute(text("DROP INDEX ix_decisions_kind"))
        connection.execute(text("ALTER TABLE leases DROP COLUMN process"))
        for statement in BEFORE.strip().split("\n"):
            connection.execute(text(statement))
    with Ledger.open(address) as ledger:
        assert ledger.find_decision("old").outcome == "none"
    assert not inspect(engine).has_table("ledger_schema")
    engine.dispose()


def test_an_upgrade_that_fails_leaves_the_ledger_as_it_was(address, tmp_path):
    (tmp_path / "home").mkdir(exist_ok=True)
    engine = create_engine(address)
    with engine.begin() as connection:  # a table of somebody else's stands in the way of the last one
        connection.execute(text("CREATE TABLE leases (x INTEGER)"))
    with pytest.raises(Exception, match="cannot open the ledger"):
        Ledger.open(address)
    assert set(inspect(engine).get_table_names()) == {"leases"}
    engine.dispose()


def test_a_ledger_that_is_up_to_date_opens_without_alembic(tmp_path):
    place = f"sqlite:///{tmp_path / 'ledger.db'}"
    Ledger.open(place).close()
    code = (
        "import sys; from pynomaly.records.ledger import Ledger; "
        f"Ledger.open({place!r}).close(); print('alembic' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
