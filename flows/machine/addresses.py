"""Addresses of the databases and file stores that the servers of ``pynomaly up`` use.

They come from the settings and the environment. Called by :mod:`flows.machine.servers`. Opens no connection;
error messages contain no password.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from pynomaly.config import Pipeline, hide_password
from pynomaly.errors import ConfigError

__all__ = [
    "DATABASE_VARIABLE",
    "find_shared_artifact_root",
    "find_shared_tracking_uri",
    "read_prefect_database_url",
]

DATABASE_VARIABLE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


def read_prefect_database_url() -> str:
    """Returns the URL of Prefect's database with the driver that Prefect needs; empty: sqlite under its home.

    Raises
    ------
    ConfigError
        If it is neither PostgreSQL nor sqlite.
    """
    address = os.environ.get(DATABASE_VARIABLE, "")
    scheme = address.partition("://")[0]
    if not address or scheme == "sqlite+aiosqlite":
        return address
    if scheme == "sqlite":
        return address.replace("sqlite://", "sqlite+aiosqlite://", 1)
    if scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise ConfigError(
            f"${DATABASE_VARIABLE}: {scheme!r} is not supported; write postgresql://USER:PASSWORD@HOST/NAME"
        )
    return re.sub(r"^[^:]+://", "postgresql+asyncpg://", address)


def find_shared_tracking_uri(pipelines: Iterable[Pipeline]) -> str:
    """Returns the tracking URI that all pipelines share: where they keep runs and models.

    Raises
    ------
    ConfigError
        If the pipelines name several: one MLflow server shows one of them.
    """
    return _require_one_place({pipeline.tracking_uri for pipeline in pipelines}, "records.tracking")


def find_shared_artifact_root(pipelines: Iterable[Pipeline]) -> str:
    """Returns the place that all pipelines share for MLflow's files; fails if there are several."""
    return _require_one_place({pipeline.artifact_root for pipeline in pipelines}, "records.artifacts")


def _require_one_place(places: set[str], key: str) -> str:
    if len(places) > 1:
        listed_places = ", ".join(sorted(hide_password(item) for item in places))
        raise ConfigError(f"{key} differs between the pipelines ({listed_places}); one `up` serves one place")
    return places.pop()
