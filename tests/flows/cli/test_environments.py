"""``pynomaly config`` and ``--env`` on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command sets for its children is taken back."""
    monkeypatch.setenv("PYNOMALY_ENV", "")


def test_config_shows_what_counts(command: Any, pipeline_file: Callable[..., Path]) -> None:
    file = pipeline_file()
    over = file.parent / "production" / file.name
    over.parent.mkdir()
    over.write_text("alerts: {quantile: 0.02}\n")
    plain = command("config", file, "--json").json
    for asked in (("config", file, "--env", "production"), ("--env", "production", "config", file)):
        answer = command(*asked, "--json").json
        row = next(item for item in answer["settings"] if item["key"] == "alerts.quantile")
        assert (row["value"], row["from"]) == (0.02, str(over))
        assert answer["sha256"] != plain["sha256"]
    readable = command("config", file, "--env", "production")
    assert readable.code == 0
    assert "alerts.quantile" in readable.out


def test_an_unknown_environment_ends_in_one_message(command: Any, pipeline_file: Callable[..., Path]) -> None:
    answer = command("--env", "prod", "status", pipeline_file())
    assert answer.code == 2
    assert "no environment 'prod'" in answer.err
    assert "Traceback" not in answer.err
