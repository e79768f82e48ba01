"""Make a new sqlite database of Prefect or MLflow in one step instead of by a hundred migrations.

Both make a new database by every migration they ever had, which takes seconds of each new home. The tables
that come out are the same each time, so they are kept here as SQL, one file for each library, named by its
version. Where another version is installed there is no file, and the library migrates as it always does. A
test compares each file with what the migrations of the installed version make; ``.ci/databases.py`` writes
the files anew.

Called by :mod:`pynomaly.records.registry` and the servers of :mod:`flows.machine`.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Literal

__all__ = ["make_new_database", "read_database_sql"]


def read_database_sql(library: Literal["prefect", "mlflow"]) -> str:
    """Return the SQL of a new database of the installed version; "" if it is not kept."""
    name = f"{library}-{version(library)}.sql"
    file = files("pynomaly.records.databases") / name
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def make_new_database(library: Literal["prefect", "mlflow"], file: Path) -> bool:
    """Make the database `file` unless there is one; many processes may do so at once.

    Returns
    -------
    bool
        False if nothing was made: there is a file already, or the installed version's tables are not kept.
    """
    if file.exists() or not (statements := read_database_sql(library)):
        return False
    draft = file.with_name(f".{file.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(draft)) as connection:
            connection.executescript(statements)
        with suppress(FileExistsError):  # another process was first
            os.link(draft, file)
            return True
        return False
    finally:
        draft.unlink(missing_ok=True)
