"""Promotions by processes at once: one champion, one line in the ledger for each, aliases that agree."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pynomaly.config import load_pipeline
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.promotion.promote import promote
from tests.databases import create_database
from tests.faults.promotions import ask, only_decisions, registered
from tests.machines import make_machines, make_small_settings
from tests.processes import make_fork_context, make_process
from tests.steps.conftest import MOMENT

pytestmark = pytest.mark.slow

N = 20 if os.environ.get("PYNOMALY_KILLS") == "all" else 5
"""Processes; starting twenty takes a minute on two cores."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("records", ["sqlite", "postgresql"])
def test_processes_that_promote_at_once_leave_one_champion(
    records: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.delenv("PYNOMALY_HOME")
    make_machines(1).to_csv(tmp_path / "machines.csv", index=False)
    blocks: dict[str, Any] = {}
    if records == "postgresql":
        server = request.getfixturevalue("postgres")
        blocks["records"] = {"ledger": create_database(server), "tracking": create_database(server)}
    config = tmp_path / "machines.yaml"
    config.write_text(yaml.safe_dump(make_small_settings(**blocks)))
    settings = load_pipeline(config)
    registry = Registry.open_for(settings)
    registry._ensure_model("machines")
    for number in range(N + 1):
        registry._client.create_model_version("machines", source=str(tmp_path / str(number)))
    with only_decisions(tmp_path):
        assert promote(settings, registered(1), None, MOMENT).kind == "promote"

    forked = make_fork_context("tests.faults.promotions")
    together, answers = forked.Barrier(N), forked.Queue()
    started = [
        make_process(forked, ask, str(config), version, together, answers) for version in range(2, N + 2)
    ]
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
        lines = ledger.list_decisions("machines")
        assert ledger.verify_chain().intact
    assert sorted(item.subject for item in lines) == sorted(f"machines v{n}" for n in range(1, N + 2))
    aliases = registry.list_aliases("machines")
    assert (aliases["champion"], aliases["previous"]) == (won, 1)
    print(f"{records}: {N} processes, v{won} of them champion", file=sys.stderr)
