"""``pynomaly doctor`` on the command line: what it says, and its exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.machine.servers import find_free_port


def test_what_is_wrong_is_said_with_what_mends_it(
    command: Any, pipeline_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pipeline_file()
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{find_free_port()}/api")
    monkeypatch.setenv("PYNOMALY_LEDGER", f"postgresql://me:s3cret@127.0.0.1:{find_free_port()}/ledger")
    answer = command("doctor", file, "--json")
    assert answer.code == 2
    wrong = {item["check"]: item for item in answer.json["checks"] if item["state"] == "wrong"}
    assert set(wrong) == {"Prefect's API", "ledger's database"}
    assert all(item["mend"] for item in wrong.values())
    assert "s3cret" not in answer.out + answer.err


def test_it_looks_without_a_pipeline_and_makes_nothing(
    command: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    answer = command("doctor")
    assert answer.code == 0, answer.out
    assert "Prefect's database" in answer.out
    assert not home.exists()


def test_the_list_for_production_is_gone_through_when_asked(
    command: Any, pipeline_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    file = pipeline_file()
    assert "somebody is told" not in command("doctor", file).out
    answer = command("doctor", file, "--production", "--json")
    assert answer.code == 2
    wrong = {item["check"] for item in answer.json["checks"] if item["state"] == "wrong"}
    assert {"somebody is told", "a server of Prefect", "a champion"} <= wrong


def test_the_list_for_production_is_one_pipeline_s(command: Any) -> None:
    answer = command("doctor", "--production")
    assert answer.code == 2
    assert "pynomaly doctor CONFIG --production" in answer.err
