"""Writes the SQL of new databases of the installed Prefect and MLflow: ``python .ci/databases.py``.

Run it after an upgrade of either; ``pynomaly/records/databases/new_database.py`` says what the files are for.
A test compares them with what `dump_by_migrations` returns.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "pynomaly" / "records" / "databases"
LIBRARIES = ("prefect", "mlflow")


def migrate_prefect(file: Path) -> None:
    """Make the database that Prefect's settings name, by its migrations."""
    from prefect.server.database import provide_database_interface

    asyncio.run(provide_database_interface().create_db())


def migrate_mlflow(file: Path) -> None:
    """Make a database of a tracking store in `file`, by MLflow's migrations."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(f"sqlite:///{file}")
    _initialize_tables(engine)
    engine.dispose()


def dump_by_migrations(library: str) -> str:
    """Returns the SQL of a database that `library` made in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "new.db"
        settings = {
            "PREFECT_HOME": folder,
            "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{file}",
        }
        subprocess.run(
            [sys.executable, __file__, "migrate", library, str(file)],
            env={**os.environ, **settings},
            check=True,
            capture_output=True,
        )
        with closing(sqlite3.connect(file)) as connection:
            return "\n".join(connection.iterdump()) + "\n"


def main() -> None:
    """Write every file, or make one database in a process of its own."""
    if sys.argv[1:2] == ["migrate"]:
        {"prefect": migrate_prefect, "mlflow": migrate_mlflow}[sys.argv[2]](Path(sys.argv[3]))
        return
    FOLDER.mkdir(exist_ok=True)
    for library in LIBRARIES:
        for file in FOLDER.glob(f"{library}-*.sql"):
            file.unlink()
        (FOLDER / f"{library}-{version(library)}.sql").write_text(
            dump_by_migrations(library), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
