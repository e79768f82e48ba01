"""The measurement of whole lives draws what it says, and counts what a replay reports."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import governance
from benchmarks.governance import CHANGE, COLUMNS, REFERENCE, WALK

BY_NAME = {scenario.name: scenario for scenario in governance.SCENARIOS}
BORDER = (REFERENCE + CHANGE) * 168


@pytest.mark.parametrize("name", list(BY_NAME))
def test_a_life_is_what_its_scenario_says(name: str) -> None:
    scenario = BY_NAME[name]
    table = governance.draw_life(scenario, np.random.default_rng(3))
    assert len(table) == scenario.entities * (REFERENCE + WALK) * 168
    assert table["fault"].notna().any() == scenario.labels
    known = table["fault"].notna()
    assert (table["fault"][known] == table["truth"][known]).all()
    assert 0.02 < table["truth"].mean() < 0.3
    machine = table[(table["machine"] == "m0") & (table["truth"] == 0)]
    moment = machine["time"] < governance.START + governance.pd.Timedelta(hours=BORDER)
    moved = (machine[~moment][list(COLUMNS)].mean() - machine[moment][list(COLUMNS)].mean()).abs().max()
    assert (moved > 0.8) == bool(scenario.change)


@pytest.mark.slow
def test_a_life_is_replayed_under_every_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(governance, "WALK", 4)
    monkeypatch.setattr(governance, "CHANGE", 1)
    results = {policy: governance.PolicyLives() for policy in governance.POLICIES}
    governance.live(BY_NAME["regime"], 70_000, results)
    assert {len(own.weekly[0]) for own in results.values()} == {4}
    assert (results["never"].trainings, results["never"].promotions) == ([1], [0])
    assert results["weekly"].promotions == [3]
    assert governance.find_broken_bounds(BY_NAME["regime"], results) == []
    results["ours"].idle[0] = 1
    results["ours"].weekly[0] = results["never"].weekly[0] - 0.1
    assert len(governance.find_broken_bounds(BY_NAME["regime"], results)) == 2
    rows = governance.summarize(BY_NAME["regime"], results)
    assert [len(row) for row in rows] == [len(governance.HEADER)] * len(governance.POLICIES)
