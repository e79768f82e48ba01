"""Read which version an alias points to, without MLflow where its store is a sqlite file.

Importing MLflow and opening its store takes two seconds, most of what a command that only reads takes. The
answer is the one of :meth:`Registry.resolve_alias`: whatever this query cannot decide is left to MLflow.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from pynomaly.errors import NoChampionError
from pynomaly.records.registry.connection import BUSY_SECONDS, find_sqlite_file, is_initialised
from pynomaly.records.registry.versions import Registry

if TYPE_CHECKING:
    from pynomaly.config import Pipeline

__all__ = ["find_alias_version"]

_QUERY = """
select alias.version, version.current_stage
from registered_model_aliases as alias
left join model_versions as version
on version.workspace = alias.workspace and version.name = alias.name and version.version = alias.version
where alias.workspace = 'default' and alias.name = ? and alias.alias = ?
"""


def find_alias_version(pipeline: Pipeline, alias: str = "champion") -> int | None:
    """Returns the number of the version that `alias` points to; None if there is no such alias or model.

    Raises
    ------
    ConfigError, RecordError
        As :meth:`Registry.open` and :meth:`Registry.resolve_alias`.
    """
    is_decided, version = _query_alias(pipeline, alias)
    if is_decided:
        return version
    try:
        return Registry.open_for(pipeline).resolve_alias(pipeline.name, alias).version
    except NoChampionError:
        return None


def _query_alias(pipeline: Pipeline, alias: str) -> tuple[bool, int | None]:
    """Returns whether the file alone decides, and the version."""
    file = find_sqlite_file(pipeline.tracking_uri)
    workspaces = any(name.startswith("MLFLOW_") and "WORKSPACE" in name for name in os.environ)
    if file is None or workspaces:
        return False, None
    if not os.path.lexists(file):  # a new home: no store, so no model; reading makes none
        return True, None
    if not is_initialised(file):
        return False, None
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
            rows = connection.execute(_QUERY, (pipeline.name, alias)).fetchall()
    except sqlite3.Error:
        return False, None
    if not rows:
        return True, None
    version, stage = rows[0]
    is_there = stage is not None and stage != "Deleted_Internal"  # else MLflow says what is wrong
    return is_there, int(version)
