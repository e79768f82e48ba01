"""Sinks through flows and the command line: every run delivers, a block of Prefect opens a receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.flows.conftest import Answer
from tests.receivers import Receiving, Reply, run_receiver

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api")]

FIRST = "2026-01-19T00:00:00+00:00"


@pytest.fixture
def hook() -> Iterator[Receiving]:
    with run_receiver() as receiving:
        yield receiving


def test_every_run_delivers_what_it_wrote_down(
    command: Callable[..., Answer],
    pipeline_file: Callable[..., Path],
    hook: Receiving,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect.blocks.system import Secret

    Secret(value=f"{hook.address}/hook").save("ops-hook", overwrite=True, _sync=True)
    monkeypatch.setenv("OPS_SECRET", "a secret of some length")
    sinks: list[dict[str, Any]] = [
        {
            "name": "ops",
            "kind": "webhook",
            "what": ["alerts", "decisions"],
            "address_block": "secret/ops-hook",
            "secret_env": "OPS_SECRET",
            "retry": {"attempts": 1},
        },
        {"name": "lake", "kind": "parquet", "what": ["scores"], "folder": "lake"},
    ]
    config = pipeline_file(sinks=sinks, alerts={"quantile": 0.05})
    planned = command("deliver", config, "--dry-run", "--json")
    assert planned.code == 0, planned.err
    assert planned.json["answers"]["lake"] == ""
    assert "Prefect flow" in planned.json["answers"]["ops"]
    assert [item["due"] for item in planned.json["sinks"]] == [None, None, None]

    assert command("train", config, "--as-of", FIRST, "--json").code == 0
    kinds = {event["type"] for event in hook.events()}
    assert "org.pynomaly.decision.promote" in kinds
    hook.answer = lambda asked: Reply(503)
    scored = command("score", config, "--as-of", FIRST, "--json")
    assert scored.code == 0, scored.err
    files = sorted((config.parent / "lake" / "machines" / "scores").glob("*.parquet"))
    assert len(files) == len(scored.json["windows"])
    rows = pd.concat([pd.read_parquet(file) for file in files])
    assert rows["key"].is_unique
    assert len(rows) == sum(item["rows"] for item in scored.json["windows"])

    waiting = command("status", config)
    assert "sink ops" in waiting.out
    assert "503" in waiting.out
    tried = command("deliver", config, "--sink", "ops", "--json")
    assert tried.code == 1
    hook.answer = lambda asked: Reply()
    hook.asked.clear()
    tried = command("deliver", config, "--json")
    assert tried.code == 0, tried.err
    opened = [event for event in hook.events() if event["type"] == "org.pynomaly.alert.opened"]
    assert len(opened) == sum(item["opened"] for item in scored.json["alerts"])
    assert command("deliver", config, "--json").json["channels"][0]["rows"] == 0

    wrong = command("deliver", config, "--sink", "opps")
    assert wrong.code == 2
    assert "did you mean 'ops'" in wrong.err
