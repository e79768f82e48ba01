"""Where the servers that ``pynomaly up`` starts keep records: by address, from settings and environment.

Called by :mod:`flows.servers`. Opens nothing; a password never enters a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from pynomaly.config import Pipeline, shown
from pynomaly.errors import ConfigError

__all__ = ["DATABASE", "artifacts_of", "prefect_database", "tracking_of"]

DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


def prefect_database() -> str:
    """Address of Prefect's database with the driver that Prefect needs; empty means sqlite under its home.

    Raises
    ------
    ConfigError
        If it is neither PostgreSQL nor sqlite.
    """
    address = os.environ.get(DATABASE, "")
    scheme = address.partition("://")[0]
    if not address or scheme == "sqlite+aiosqlite":
        return address
    if scheme == "sqlite":
        return address.replace("sqlite://", "sqlite+aiosqlite://", 1)
    if scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise ConfigError(
            f"${DATABASE}: {scheme!r} is not supported; write postgresql://USER:PASSWORD@HOST/NAME"
        )
    return re.sub(r"^[^:]+://", "postgresql+asyncpg://", address)


def tracking_of(pipelines: Iterable[Pipeline]) -> str:
    """The one place where all pipelines keep runs and models.

    Raises
    ------
    ConfigError
        If there are several: one server shows one of them.
    """
    return _one({pipeline.tracking_uri for pipeline in pipelines}, "records.tracking")


def artifacts_of(pipelines: Iterable[Pipeline]) -> str:
    """The one place where all pipelines keep MLflow's files."""
    return _one({pipeline.artifact_root for pipeline in pipelines}, "records.artifacts")


def _one(places: set[str], key: str) -> str:
    if len(places) > 1:
        named = ", ".join(sorted(shown(item) for item in places))
        raise ConfigError(f"{key} differs between the pipelines ({named}); one `up` serves one place")
    return places.pop()
