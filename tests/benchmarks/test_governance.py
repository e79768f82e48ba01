"""The measurement of whole lives draws what it says, and counts what a replay reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import governance
from benchmarks.governance import CHANGE, COLUMNS, REFERENCE, WALK
from benchmarks.lives import Life, PolicyLife
from pynomaly.config import Pipeline

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
    scenario = BY_NAME["regime"]
    life = governance.live(scenario, 70_000)
    assert {len(own.weekly) for own in life.values()} == {4}
    assert (life["never"].trainings, life["never"].promotions) == (0, 0)
    assert (life["weekly"].trainings, life["weekly"].promotions) == (3, 3)
    assert governance.find_broken_bounds(BY_NAME["steady"], [life]) == []
    worse = replace(
        life["ours"], false=1, weekly=tuple(value and value - 0.1 for value in life["never"].weekly)
    )
    assert len(governance.find_broken_bounds(scenario, [life | {"ours": worse}])) == 3
    rows = governance.summarize(scenario, [life, life])
    assert [len(row) for row in rows] == [len(governance.HEADER)] * len(governance.POLICIES)


@pytest.mark.slow
def test_the_quick_form_holds_its_bounds_and_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert governance.main(["--quick", "--seed", "70000"]) == 0
    real = governance.make_pipeline

    def promote_nothing(scenario: governance.Scenario, table: Path) -> Pipeline:
        settings = real(scenario, table)
        return settings.model_copy(
            update={"promotion": settings.promotion.model_copy(update={"mode": "never"})}
        )

    monkeypatch.setattr(governance, "make_pipeline", promote_nothing)
    monkeypatch.setattr(governance, "QUICK", ("regime",))
    assert governance.main(["--quick", "--seed", "70000"]) == 1


def test_a_promotion_is_false_by_what_it_ranks_afterwards() -> None:
    figures = {
        "promoted_at": ["2026-03-02", "2026-03-09", "2026-03-16", "2026-05-04", "2026-05-11"],
        "gains": [0.1, -0.01, -0.01, -0.03],
        "windows": [{"average_precision": 0.5}],
        "alerts_per_day": None, "caught_share": None, "trainings": 5, "recalibrations": 1,
    }  # fmt: skip
    life = PolicyLife.of(figures, "2026-04-27")
    assert (life.false, life.promotions, life.trainings, life.recalibrations) == (2, 4, 4, 1)


def test_a_killed_run_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = PolicyLife((0.5, None, 0.7), 1.0, 0.5, 2, 1, 0, 0)
    lived: list[tuple[str, int]] = []

    def live(scenario: governance.Scenario, seed: int) -> Life:
        lived.append((scenario.name, seed))
        return dict.fromkeys(governance.POLICIES, own)

    monkeypatch.setattr(governance, "live", live)
    file = tmp_path / "lives.jsonl"
    asked = ["--only", "steady,contaminated", "--seed", "7", "--out", str(file), "--resume"]
    assert governance.main([*asked, "--lives", "2"]) == 0
    table = capsys.readouterr().out
    file.write_text(file.read_text()[:-40])  # the last line is cut short
    assert governance.main([*asked, "--lives", "2"]) == 0
    assert lived == [
        ("steady", 7),
        ("contaminated", 7),
        ("steady", 8),
        ("contaminated", 8),
        ("contaminated", 8),
    ]
    assert capsys.readouterr().out == table
    assert "0.600 (0.600 to 0.600)" in table
    assert "0.00 (0.00 to 3.69)" in table
