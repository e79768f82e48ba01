"""Open MLflow's store, and convert MLflow's errors to Pynomaly's.

A new sqlite store is initialised under a file lock: without it, six processes that create one at once all
fail in its migrations. It runs in write-ahead mode, and a writer waits 30 s for another instead of 5.
MLflow's global tracking URI is neither read nor set. Only ``runs.py`` opens a store here.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pynomaly.errors import ConfigError, RecordError, mask_addresses
from pynomaly.records.databases import make_new_database
from pynomaly.records.locks import hold_file_lock

__all__ = [
    "find_sqlite_file",
    "get_error_code",
    "import_mlflow",
    "is_initialised",
    "open_client",
    "translate_errors",
]

BUSY_SECONDS = 30


def import_mlflow() -> None:
    """Import MLflow ahead of the first store, while the caller waits for something else."""
    import_module("mlflow.tracking")


def open_client(tracking_uri: str) -> Any:
    """Return a client of the MLflow store or server at `tracking_uri`; a new sqlite store is created.

    Raises
    ------
    ConfigError
        If MLflow does not support such an address; file stores are refused since 3.13.
    RecordError
        If the store cannot be opened.
    """
    from mlflow.tracking import MlflowClient

    file = find_sqlite_file(tracking_uri)
    if file is None:
        if urlsplit(tracking_uri).scheme.split("+")[0] not in (
            "http",
            "https",
            "postgresql",
            "mysql",
            "mssql",
        ):
            raise ConfigError(
                f"records.tracking: {mask_addresses(tracking_uri)!r} is not supported; write "
                "sqlite:////folder/mlflow.db, a database URL or the http address of a server"
            )
        with translate_errors(f"open {_mask_address(tracking_uri)}"):
            return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    query = parse_qs(urlsplit(tracking_uri).query)
    timeout_query = f"{'&' if query else '?'}timeout={BUSY_SECONDS}" if "timeout" not in query else ""
    # Otherwise the migrations of a new store print to every terminal.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    with translate_errors(f"open {tracking_uri}"):
        _initialise_store(tracking_uri + timeout_query, file)
        return MlflowClient(
            tracking_uri=tracking_uri + timeout_query, registry_uri=tracking_uri + timeout_query
        )


def find_sqlite_file(tracking_uri: str) -> Path | None:
    """Return the file of a sqlite store; None for any other address."""
    if not tracking_uri.startswith("sqlite:"):
        return None
    path = tracking_uri.partition("?")[0].removeprefix("sqlite:///")
    if path in ("", ":memory:") or path.startswith("sqlite:"):
        raise ConfigError(
            f"records.tracking: {tracking_uri!r} names no file; write sqlite:////folder/mlflow.db"
        )
    return Path(path)


def _initialise_store(tracking_uri: str, file: Path) -> None:
    """Create or migrate the store once for each MLflow version, one process at a time."""
    if is_initialised(file):
        return
    with hold_file_lock(file.with_name(f"{file.name}.lock")):
        if is_initialised(file):
            return
        if not file.is_file():
            # MLflow's migrations are many transactions: if they are interrupted, they can neither continue
            # nor start again. So a new store is made in another file, which is renamed when it is complete.
            draft = file.with_name(f".{file.name}.draft")
            draft.unlink(missing_ok=True)
            make_new_database("mlflow", draft)  # whatever it lacks is migrated
            _migrate_store(tracking_uri.replace(str(file), str(draft), 1))
            draft.replace(file)
        else:
            _migrate_store(tracking_uri)
        with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        _name_mark(file).write_text(version("mlflow"))


def _migrate_store(tracking_uri: str) -> None:
    from mlflow.tracking import MlflowClient

    MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri).search_experiments(max_results=1)


def _name_mark(file: Path) -> Path:
    return file.with_name(f"{file.name}.initialised")


def is_initialised(file: Path) -> bool:
    """Return whether the installed version of MLflow has created or migrated the sqlite store."""
    mark = _name_mark(file)
    return file.is_file() and mark.is_file() and mark.read_text() == version("mlflow")


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Convert an error of MLflow to a RecordError that says what could not be done."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError, sqlite3.Error) as error:
        text = " ".join(str(error).split())
        raise RecordError(f"MLflow could not {what}: {text[:500]}") from error


def get_error_code(error: RecordError) -> str:
    """Return MLflow's code of the cause of `error`, e.g. ``"RESOURCE_ALREADY_EXISTS"``; "" if none."""
    return str(getattr(error.__cause__, "error_code", ""))


def _mask_address(address: str) -> str:
    """Return the address without user and password."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
