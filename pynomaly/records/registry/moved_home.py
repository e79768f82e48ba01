"""Correct MLflow's file addresses after a home folder was moved or copied.

MLflow keeps an absolute address for every experiment, run, model and version. Files under a home that is now
somewhere else are looked for where they were; in a copy, they would be those of the original. So whoever
opens the sqlite store of a home first has its addresses corrected, under the store's file lock and in one
transaction. Addresses outside a home (``s3://``, a folder of its own, a server's) stay as they are.
Called by :mod:`~pynomaly.records.registry.runs`, and read by ``pynomaly doctor``.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pynomaly.records.locks import hold_file_lock
from pynomaly.records.registry.connection import BUSY_SECONDS, find_sqlite_file, translate_errors

__all__ = ["correct_addresses", "list_former_homes"]

_LOGGER = logging.getLogger(__name__)

_ARTIFACTS = Path("mlflow", "artifacts")  # below a home, unless the settings say otherwise
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),  # the tag mlflow.artifactLocation
)


def list_former_homes(tracking_uri: str, home: Path, artifacts: str = "") -> tuple[Path, ...]:
    """Return other homes under which the store of `home` looks for files that are here; usually none.

    A folder that is the configured place (`artifacts`), or that has files which this home has not, is not
    one of them: nothing was moved from there.

    Raises
    ------
    RecordError
        If the store cannot be read.
    """
    file = _find_own_store(tracking_uri, home)
    if file is None or not file.is_file():
        return ()
    with (
        translate_errors(f"read {tracking_uri}"),
        closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as connection,
    ):
        return tuple(_find_former_homes(connection, home, artifacts))


def correct_addresses(tracking_uri: str, home: Path, artifacts: str = "") -> tuple[Path, ...]:
    """Point the addresses under a former home to `home`; returns the former homes, and logs them.

    Does nothing unless the store is the sqlite file of this home. Many processes may call it at once.

    Raises
    ------
    RecordError
        If the store cannot be read or written.
    """
    if not list_former_homes(tracking_uri, home, artifacts):
        return ()
    file = home / "mlflow" / "mlflow.db"
    with (
        hold_file_lock(file.with_name(f"{file.name}.lock")),
        translate_errors(f"correct the addresses in {tracking_uri}"),
        closing(sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)) as connection,
    ):
        connection.execute("BEGIN IMMEDIATE")
        former_homes = tuple(_find_former_homes(connection, home, artifacts))
        for former in former_homes:
            _replace_home(connection, former, home)
        connection.execute("COMMIT")
    for former in former_homes:
        _LOGGER.warning("this home was moved from %s to %s: MLflow's file addresses follow", former, home)
    return former_homes


def _find_own_store(tracking_uri: str, home: Path) -> Path | None:
    """Return the sqlite file if it is the store of this home; a store shared by homes belongs to none."""
    file = find_sqlite_file(tracking_uri)
    own = home / "mlflow" / "mlflow.db"
    return own if file is not None and file.resolve() == own.resolve() else None


def _find_former_homes(connection: sqlite3.Connection, home: Path, artifacts: str) -> Iterator[Path]:
    configured = _to_path(artifacts) if artifacts else None
    rows = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    for folder in sorted({_to_path(str(row[0] or "")) for row in rows} - {None, configured}, key=str):
        if folder is None or folder.parts[-2:] != _ARTIFACTS.parts:
            continue
        former = folder.parents[1]
        if former != home and _is_moved(connection, former, home):
            yield former


def _is_moved(connection: sqlite3.Connection, former: Path, home: Path) -> bool:
    """Whether files of `former` are in `home`, or are nowhere."""
    in_former = False
    for address in _list_addresses(connection, former):
        if (home / address.relative_to(former)).exists():
            return True
        in_former = in_former or address.exists()
    return not in_former


def _list_addresses(connection: sqlite3.Connection, former: Path) -> Iterator[Path]:
    for query in ("SELECT artifact_location FROM logged_models", "SELECT artifact_uri FROM runs"):
        for (text,) in connection.execute(query):
            path = _to_path(str(text or ""))
            if path is not None and path.is_relative_to(former):
                yield path


def _replace_home(connection: sqlite3.Connection, former: Path, home: Path) -> None:
    """Replace the start of every address in the artifact folder of `former`, as a URI or as a path."""
    for before, after in (
        ((former / _ARTIFACTS).as_uri(), (home / _ARTIFACTS).as_uri()),
        (str(former / _ARTIFACTS), str(home / _ARTIFACTS)),
    ):
        for table, column in _ADDRESSES:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                continue
            condition = f"({column} = :before OR substr({column}, 1, length(:before) + 1) = :before || '/')"
            if table == "trace_tags":
                condition += " AND key = 'mlflow.artifactLocation'"
            change = f"{column} = :after || substr({column}, length(:before) + 1)"
            statement = f"UPDATE {table} SET {change} WHERE {condition}"  # nosec B608  # constants; values are bound
            connection.execute(statement, {"before": before, "after": after})


def _to_path(address: str) -> Path | None:
    """Return the absolute path that an address names; None for another kind of address."""
    parts = urlsplit(address)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(url2pathname(parts.path))
    elif address.startswith("/"):
        path = Path(address)
    else:
        return None
    return path if path.is_absolute() else None
