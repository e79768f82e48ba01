"""The brokers of this folder's tests: one of each kind for all of them, or a skip that names what is
missing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pynomaly.config import BROKERS
from tests.brokers import RUNNERS, BrokerServer, MissingBroker, run_broker

_RUNNING = [
    kind if kind == "memory" else pytest.param(kind, marks=pytest.mark.server) for kind in BROKERS if kind
]


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Gives the running broker of a kind, which is started when it is first asked for."""
    servers: dict[str, BrokerServer | str] = {}
    with ExitStack() as stack:

        def get_broker(kind: str) -> BrokerServer:
            if kind not in servers:
                try:
                    servers[kind] = stack.enter_context(run_broker(kind, tmp_path_factory.mktemp(kind)))
                except MissingBroker as error:
                    servers[kind] = f"{kind}: {error}"
            server = servers[kind]
            if isinstance(server, str):
                pytest.skip(server)
            return server

        yield get_broker


@pytest.fixture(params=[p for p in _RUNNING if (p if isinstance(p, str) else p.values[0]) in RUNNERS])
def broker(request: pytest.FixtureRequest, brokers: Any) -> BrokerServer:
    server: BrokerServer = brokers(request.param)
    return server


@pytest.fixture
def topic(broker: BrokerServer) -> str:
    """A new topic without messages."""
    name = f"readings-{uuid.uuid4().hex[:8]}"
    broker.create_topic(name)
    return name
