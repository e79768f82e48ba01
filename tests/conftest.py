"""Fixtures of every test: its own home folder, no telemetry, no network beyond this machine."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

# A busy machine is slow: tests check results, never how long they take.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
# `make mutants`: that an example fails is enough; the smallest one is not looked for, and none is kept.
settings.register_profile(
    "mutants",
    settings.get_profile("any machine"),
    phases=(Phase.explicit, Phase.generate),
    database=None,
    max_examples=30,
)

# Set before anything imports prefect or mlflow: they read their settings at import.
_SESSION = tempfile.mkdtemp(prefix="pynomaly-tests-")
os.environ.update(
    {
        "PREFECT_HOME": f"{_SESSION}/prefect",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "MPLBACKEND": "Agg",
    }
)
_ADDRESSES = ("ENV", "TRACKING", "LEDGER", "ARTIFACTS", "STORE", "EVIDENTLY")
os.environ.setdefault("PYNOMALY_TESTS_SHARED", _SESSION)  # processes beside this one take it over
for _name in (
    "PYNOMALY_HOME",
    "PREFECT_API_URL",
    "MLFLOW_TRACKING_URI",
    *(f"PYNOMALY_{name}" for name in _ADDRESSES),
):
    os.environ.pop(_name, None)

_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


_SERVERS = {"postgres", "s3_server", "bucket"}
_LONGEST_FIRST = ("flow", "server", "slow")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", help="folder that pictures of the console go to, as docs/pictures")
    parser.addoption("--pictures-of", help="address of the console that they are taken of")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a server, and put files that take long first: nobody waits for one last file."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "prefect_api" in fixtures:
            item.add_marker("flow")
        if fixtures & _SERVERS:
            item.add_marker("server")
    places: dict[Path, int] = {}
    for item in items:
        own = [place for place, mark in enumerate(_LONGEST_FIRST) if item.get_closest_marker(mark)]
        places[item.path] = min([*own, places.get(item.path, len(_LONGEST_FIRST))])
    items.sort(key=lambda item: places[item.path])  # stable: the order within a file stays


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test that connects to another machine."""
    connect = socket.socket.connect

    def connect_to_loopback(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(_LOOPBACK):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_to_loopback)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the state of the code under test into the test's own folder."""
    monkeypatch.setenv("PYNOMALY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def keys_of_this_test() -> Iterator[None]:
    """Forget the S3 keys after a test: boto3 and MLflow keep them for the whole process."""
    yield
    if "boto3" in sys.modules:
        sys.modules["boto3"].DEFAULT_SESSION = None
    if s3_repository := sys.modules.get("mlflow.store.artifact.s3_artifact_repo"):
        s3_repository._cached_get_s3_client.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def new_stores_are_copied() -> Iterator[None]:
    """Migrate an empty MLflow store once in a run: it takes seconds, and half of the tests begin with one."""
    connection = sys.modules.get("pynomaly.records.registry.connection")
    with pytest.MonkeyPatch.context() as patch:
        if connection is not None:  # imported by a test that was collected
            from tests.homes import copy_new_stores

            patch.setattr(connection, "_migrate_store", copy_new_stores(connection._migrate_store))
        yield


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real PostgreSQL for the tests of a module; each test creates its own database in it.

    There is not one for the whole run: after ten idle minutes a server had stopped. A start takes a second.
    """
    from tests.databases import run_postgres

    with run_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One real S3 server for all tests of a run."""
    from tests.buckets import run_s3_server

    with run_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3_server: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty address in the S3 server; the environment holds what is needed to reach it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://pynomaly/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[None]:
    """One Prefect server for all flow tests; starting it takes half a minute."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield
