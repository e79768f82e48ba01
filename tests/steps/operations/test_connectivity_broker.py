"""Whether a stream's broker takes a connection, as ``pynomaly doctor`` asks."""

from __future__ import annotations

import socket

import pytest

from pynomaly.config import Stream
from pynomaly.steps.operations.connectivity import check_broker


def make_stream(**settings: str) -> Stream:
    return Stream.model_validate({"broker": "redis", "topic": "readings", **settings})


def test_a_broker_that_answers_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"redis://me:secret@127.0.0.1:{server.getsockname()[1]}/1"
        monkeypatch.setenv("OPS_BROKER", address)
        finding = check_broker(make_stream(address_env="OPS_BROKER"))
    assert finding.state == "ok"
    assert "secret" not in finding.fact


def test_one_of_several_addresses_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as gone:
        port, other = server.getsockname()[1], gone.getsockname()[1]
        gone.close()
        kafka = make_stream(broker="kafka", address=f"127.0.0.1:{other},127.0.0.1:{port}")
        assert check_broker(kafka).state == "ok"


def test_nobody_there_or_no_address_is_said_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    finding = check_broker(make_stream(address=f"redis://127.0.0.1:{port}"))
    assert (finding.state, str(port) in finding.fact) == ("wrong", True)
    assert "stream.address" in finding.mend
    unset = check_broker(make_stream(address_env="NOBODY_SET_THIS"))
    assert unset.state == "wrong"
    assert "NOBODY_SET_THIS" in unset.fact
