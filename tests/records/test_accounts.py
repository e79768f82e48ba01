"""Entries of accounts are only added, the first with a key stays, and the newest is where bets go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from pynomaly.records.ledger import AccountEntry, Ledger


def entry(window: str, value: int, guarantee: str = "alert_rate", account: str = "v1:2") -> AccountEntry:
    return AccountEntry("machines", account, guarantee, window, {"value": value})


def test_the_first_entry_of_a_window_stays(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        accounts = ledger.accounts
        assert accounts.find_newest("machines", "v1:2", "alert_rate") is None
        first = accounts.add_entry(entry("w1", 1))
        assert first.at is not None
        assert accounts.add_entry(entry("w1", 2)).content == {"value": 1}
        accounts.add_entry(entry("w0", 3))
        accounts.add_entry(entry("w1", 4, guarantee="bake"))
        accounts.add_entry(entry("w1", 5, account="v2:9"))
        newest = accounts.find_newest("machines", "v1:2", "alert_rate")
        assert newest is not None
        assert newest.window == "w0", "the one that was written last, not the latest window"
        assert [
            item.content["value"] for item in accounts.list_entries("machines", "v1:2", "alert_rate")
        ] == [1, 3]
        other = accounts.find_entry("machines", "v2:9", "alert_rate", "w1")
        assert other is not None
        assert other.content == {"value": 5}
        assert accounts.find_entry("machines", "v2:9", "alert_rate", "w0") is None


@pytest.mark.parametrize(
    "statement", ["DELETE FROM account_entries", "UPDATE account_entries SET content = '{}'"]
)
def test_the_database_refuses_to_change_them(tmp_path: Path, statement: str) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.accounts.add_entry(entry("w1", 1))
    engine = create_engine(f"sqlite:///{tmp_path}/ledger.db")
    with pytest.raises(DatabaseError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
