"""Homes that are made once in a run of the tests and copied: a training takes seconds, a copy milliseconds.

`start_from` leaves an empty home as a function of the settings leaves it. The first test that asks does the
work in its own home, of which a copy is kept; later tests of the same run, in any process of it, get that
copy and what the function returned. A kept home is found by the function's name, the settings and the files
beside them. `copy_new_stores` does the same for an empty MLflow store, whose migrations take seconds.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pynomaly.config import Pipeline
from pynomaly.records.locks import hold_file_lock

SHARED = "PYNOMALY_TESTS_SHARED"  # the folder for all processes of a run, set in conftest.py
T = TypeVar("T")

_PLACES = {f"PYNOMALY_{name}" for name in ("TRACKING", "LEDGER", "ARTIFACTS", "STORE", "ENV")}


def start_from(settings: Pipeline, fill_home: Callable[[Pipeline], T]) -> T:
    """Leave the home as `fill_home(settings)` leaves it, and return what it returns.

    Parameters
    ----------
    settings : Pipeline
        Settings of a table in the folder that holds the home, with every record in the home.
    fill_home : callable
        A function of a module, or a partial of one, whose work depends on nothing but its arguments and the
        table. A test that patches something first calls its function directly.

    Raises
    ------
    RuntimeError
        If the home is not empty, or addresses of records stand in the environment.
    """
    home, folder = settings.home, settings.origin.parent
    _require_untouched(home)
    kept = Path(os.environ[SHARED]) / "homes" / _key(settings, fill_home, folder)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with hold_file_lock(kept.with_suffix(".lock"), timeout=600):
        if not (kept / "result").is_file():
            result = fill_home(settings)
            shutil.rmtree(kept, ignore_errors=True)
            copy_home(home, kept / "home")
            (kept / "result").write_bytes(pickle.dumps(result))
            return result
    copy_home(kept / "home", home)  # whoever opens it first corrects its addresses, as after any move
    kept_result: T = pickle.loads((kept / "result").read_bytes())
    return kept_result


def copy_home(source: Path, target: Path) -> None:
    """Copy a home; databases through sqlite, which knows what stands in their write-ahead logs."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.db", "*.db-wal", "*.db-shm", "*.lock"))
    for file in source.rglob("*.db"):
        copy_database(file, target / file.relative_to(source))


def copy_new_stores(migrate_store: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that creates MLflow stores as `migrate_store` does, but migrates only the first."""

    def create_store(tracking_uri: str) -> None:
        file = Path(urlsplit(tracking_uri).path[1:])
        kept = Path(os.environ[SHARED]) / "mlflow.db"
        if file.exists():
            migrate_store(tracking_uri)  # one of an older version
            return
        with hold_file_lock(kept.with_suffix(".lock"), timeout=600):
            if not kept.is_file():
                migrate_store(tracking_uri)
                copy_database(file, kept.with_suffix(".draft"))
                kept.with_suffix(".draft").replace(kept)
                return
        copy_database(kept, file)

    return create_store


def copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _require_untouched(home: Path) -> None:
    if home.exists() and any(home.iterdir()):
        names = sorted(path.name for path in home.iterdir())
        raise RuntimeError(f"{home} holds {names}: call the function that fills a home directly")
    if elsewhere := sorted(_PLACES & set(os.environ)):
        raise RuntimeError(f"records lie elsewhere, by {elsewhere}: call the function directly")


def _key(settings: Pipeline, fill_home: Callable[..., Any], folder: Path) -> str:
    text = settings.model_dump_json().replace(str(folder), "")
    called = fill_home if isinstance(fill_home, partial) else partial(fill_home)
    name = f"{called.func.__module__}.{called.func.__qualname__}"
    digest = hashlib.sha256(f"{name} {called.args} {called.keywords} {text}".encode())
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:24]
