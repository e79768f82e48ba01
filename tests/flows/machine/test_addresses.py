"""Addresses of the servers' databases, before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.machine.addresses import (
    DATABASE_VARIABLE,
    find_shared_artifact_root,
    find_shared_tracking_uri,
    read_prefect_database_url,
)
from pynomaly.config import load_pipeline
from pynomaly.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("", ""),
        ("postgresql://me:a%40b@db:5432/prefect", "postgresql+asyncpg://me:a%40b@db:5432/prefect"),
        ("postgresql+psycopg://me@/p?host=/run/db", "postgresql+asyncpg://me@/p?host=/run/db"),
        ("postgres://db/p", "postgresql+asyncpg://db/p"),
        ("postgresql+asyncpg://db/p", "postgresql+asyncpg://db/p"),
        ("sqlite:////srv/p.db", "sqlite+aiosqlite:////srv/p.db"),
        ("sqlite+aiosqlite:////srv/p.db", "sqlite+aiosqlite:////srv/p.db"),
    ],
)
def test_prefect_gets_the_driver_it_needs(written: str, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, written)
    assert read_prefect_database_url() == used


@pytest.mark.parametrize("address", ["mysql://me:s3cret@db/p", "db/p"])
def test_another_database_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, address)
    with pytest.raises(ConfigError, match="is not supported") as caught:
        read_prefect_database_url()
    assert "s3cret" not in str(caught.value)


def test_one_server_serves_one_place(
    pipeline_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNOMALY_ARTIFACTS", "s3://models/mlflow")
    there = load_pipeline(pipeline_file(records={"tracking": "postgresql://me@db/mlflow"}))
    here = load_pipeline(pipeline_file(records={"tracking": "sqlite:////srv/mlflow.db"}))
    assert find_shared_tracking_uri([there, there]) == "postgresql://me@db/mlflow"
    assert find_shared_artifact_root([there, here]) == "s3://models/mlflow"
    with pytest.raises(ConfigError, match=r"records\.tracking differs") as caught:
        find_shared_tracking_uri([there, here])
    assert "postgresql://me@db/mlflow" in str(caught.value)


def test_up_refuses_before_it_starts_anything(
    command: Any, pipeline_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pipeline_file()
    monkeypatch.setenv(DATABASE_VARIABLE, "mysql://db/p")
    answer = command("up", "--configs", file.parent)
    assert answer.code == 2
    assert "'mysql' is not supported" in answer.err
    assert not (load_pipeline(file).home / "logs").exists()
