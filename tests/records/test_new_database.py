"""New databases of Prefect and MLflow come from kept SQL, and are what their own migrations make."""

from __future__ import annotations

import importlib.util
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest

from pynomaly.records.databases import make_new_database, new_database, read_database_sql

ROOT = Path(__file__).resolve().parents[2]
Library = Literal["prefect", "mlflow"]
LIBRARIES: tuple[Library, ...] = ("prefect", "mlflow")


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("databases", ROOT / ".ci" / "databases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sort_lines(statements: str) -> list[str]:
    """The lines without the commas between them: the order of a table's constraints is that of hashes."""
    return sorted(line.strip().removesuffix(",") for line in statements.splitlines())


@pytest.mark.parametrize("library", LIBRARIES)
def test_sql_is_kept_for_the_pinned_version(library: Library) -> None:
    """After an upgrade: ``python .ci/databases.py``."""
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    folder = ROOT / "pynomaly" / "records" / "databases"
    assert (folder / f"{library}-{pins[library]}.sql").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_kept_sql_is_what_the_librarys_migrations_make(library: Library) -> None:
    kept = read_database_sql(library)
    if not kept:
        pytest.skip(f"no SQL is kept for {library} {version(library)}: it migrates by itself")
    assert sort_lines(load_script().dump_by_migrations(library)) == sort_lines(kept)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_database_is_made_once(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_database, "read_database_sql", lambda name: f"CREATE TABLE {name} (a INTEGER);")
    file = tmp_path / "new.db"
    assert make_new_database(library, file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"INSERT INTO {library} VALUES (1)")
        connection.commit()
    assert not make_new_database(library, file)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute(f"SELECT a FROM {library}").fetchall() == [(1,)]
    assert [path.name for path in tmp_path.iterdir()] == ["new.db"]


def test_a_library_of_another_version_migrates_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_database, "version", lambda library: "0.1")
    assert not make_new_database("prefect", tmp_path / "new.db")
    assert list(tmp_path.iterdir()) == []


def test_incomplete_sql_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_database, "read_database_sql", lambda name: "CREATE TABLE a (b); CREATE NONSENSE")
    with pytest.raises(sqlite3.Error):
        make_new_database("mlflow", tmp_path / "new.db")
    assert list(tmp_path.iterdir()) == []
