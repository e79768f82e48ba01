"""Promotions by processes at once: one champion, one line in the ledger for each, aliases that agree."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pynomaly.config import load
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.promote import promote
from tests.databases import new_database
from tests.faults.promotions import ask, only_decisions, registered
from tests.machines import machines, small_settings
from tests.processes import context, process
from tests.steps.conftest import MOMENT

N = 20 if os.environ.get("PYNOMALY_KILLS") == "all" else 5
"""Processes; starting twenty takes a minute on two cores."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("records", ["sqlite", "postgresql"])
def test_processes_that_promote_at_once_leave_one_champion(
    records: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.delenv("PYNOMALY_HOME")
    machines(1).to_csv(tmp_path / "machines.csv", index=False)
    blocks: dict[str, Any] = {}
    if records == "postgresql":
        server = request.getfixturevalue("postgres")
        blocks["records"] = {"ledger": new_database(server), "tracking": new_database(server)}
    config = tmp_path / "machines.yaml"
    config.write_text(yaml.safe_dump(small_settings(**blocks)))
    settings = load(config)
    registry = Registry.of(settings)
    registry._ensure_model("machines")
    for number in range(N + 1):
        registry._client.create_model_version("machines", source=str(tmp_path / str(number)))
    with only_decisions(tmp_path):
        assert promote(settings, registered(1), None, MOMENT).kind == "promote"

    forked = context("tests.faults.promotions")
    together, answers = forked.Barrier(N), forked.Queue()
    started = [process(forked, ask, str(config), version, together, answers) for version in range(2, N + 2)]
    for asking in started:
        asking.start()
    kinds = dict(answers.get(timeout=500) for _ in started)
    for asking in started:
        asking.join()
        assert asking.exitcode == 0
    assert sorted(kinds) == list(range(2, N + 2))
    [won] = [version for version, kind in kinds.items() if kind == "promote"]
    assert set(kinds.values()) == {"promote", "refuse"}
    with Ledger.open(settings.ledger_url) as ledger:
        lines = ledger.decisions("machines")
        assert ledger.verify().intact
    assert sorted(item.subject for item in lines) == sorted(f"machines v{n}" for n in range(1, N + 2))
    aliases = registry.aliases("machines")
    assert (aliases["champion"], aliases["previous"]) == (won, 1)
    print(f"{records}: {N} processes, v{won} of them champion", file=sys.stderr)
