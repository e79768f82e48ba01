from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly.data.intake import read_table
from pynomaly.data.intake.draft import render_draft
from pynomaly.data.intake.own_levels import measure_entities, scale_entities

Make = Callable[[np.random.Generator, int, int], np.ndarray]


def autocorrelated(rng: np.random.Generator, _: int, rows: int) -> np.ndarray:
    values = np.zeros(rows)
    for at in range(1, rows):
        values[at] = 0.95 * values[at - 1] + rng.normal()
    return values


SAME: dict[str, Make] = {
    "normal": lambda rng, _, rows: rng.normal(0, 1, rows),
    "heavy tails": lambda rng, _, rows: rng.standard_t(2, rows),
    "skewed": lambda rng, _, rows: np.exp(rng.normal(0, 1.5, rows)),
    "counts": lambda rng, _, rows: rng.poisson(0.5, rows).astype(float),
    "constant": lambda rng, _, rows: np.full(rows, 7.0),
    "autocorrelated": autocorrelated,
    "season shifted": lambda rng, e, rows: np.sin((np.arange(rows) + 3 * e) / 4) + rng.normal(0, 0.2, rows),
    "levels that change": lambda rng, e, rows: (
        np.where(np.arange(rows) < rows / 2, 0, 3 * (e % 2)) + rng.normal(0, 1, rows)
    ),
    "slightly apart": lambda rng, e, rows: 0.5 * (e % 2) + rng.normal(0, 1, rows),
}
OWN: dict[str, Make] = {
    "levels": lambda rng, e, rows: 3.0 * e + rng.normal(0, 1, rows),
    "ratios": lambda rng, e, rows: 1.5**e * (1 + 0.1 * rng.normal(0, 1, rows)),
    "one far": lambda rng, e, rows: 6.0 * (e == 3) + rng.normal(0, 1, rows),
    "one wide": lambda rng, e, rows: rng.normal(0, 1 + 4 * (e == 3), rows),
    "each constant": lambda rng, e, rows: np.full(rows, float(e)),
}


def measure(make: Make, entities: int = 10, rows: int = 400, seed: int = 0, table_rows: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    values = np.stack([make(rng, entity, rows) for entity in range(entities)], axis=1).ravel()
    codes, order = np.tile(np.arange(entities), rows), np.arange(len(values))
    noise = rng.normal(0, 1, len(values))
    columns = measure_entities(codes, {"noise": noise, "a": values}, order, table_rows or len(values))
    return [column.column for column in columns]


@pytest.mark.parametrize("name", SAME)
def test_entities_that_behave_alike_have_no_own_level(name: str) -> None:
    assert [measure(SAME[name], seed=seed) for seed in range(3)] == [[]] * 3


@pytest.mark.parametrize("name", OWN)
def test_entities_with_their_own_level_or_scale_are_noticed(name: str) -> None:
    assert [measure(OWN[name], seed=seed) for seed in range(3)] == [["a"]] * 3


def test_rows_decide_whether_entities_are_measured() -> None:
    levels = OWN["levels"]
    assert measure(levels, entities=100, rows=10, table_rows=50_000) == ["a"]  # a sample of a long table
    assert measure(levels, entities=100, rows=10) == []  # ten rows each, and no more
    assert measure(levels, entities=1) == []
    assert measure_entities(np.full(5, -1), {"a": np.arange(5.0)}, np.arange(5), 5) == []


def test_scaled_entities_show_what_they_share() -> None:
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(200) / 5)
    values = np.concatenate([10**e * (5 + wave) for e in range(4)]) + rng.normal(0, 1e-3, 800)
    scaled = scale_entities(np.repeat([0, 1, 2, -1], 200), {"a": values})["a"]
    assert np.corrcoef(np.tile(wave, 3), scaled[:600])[0, 1] > 0.99
    assert np.isnan(scaled[600:]).all()


def write_feeders(path: Path, levels: tuple[float, ...], days: int = 15) -> Path:
    rng = np.random.default_rng(0)
    times = pd.date_range("2026-01-05", periods=days * 24, freq="h")
    parts = [
        pd.DataFrame(
            {
                "time": times,
                "feeder": f"f{place}",
                "current": level * (1 + 0.1 * np.sin(times.hour / 24 * 2 * np.pi))
                + rng.normal(0, 0.3, len(times)),
                "energy": np.cumsum(rng.uniform(0, 5, len(times))) + 1000 * level,
            }
        )
        for place, level in enumerate(levels)
    ]
    pd.concat(parts).sort_values("time", kind="stable").to_csv(path, index=False)
    return path


def test_a_draft_measures_each_entity_by_its_own_and_says_why(tmp_path: Path) -> None:
    reading = read_table(write_feeders(tmp_path / "feeders.csv", (20.0, 120.0, 500.0)))
    assert reading.blocks["features"]["entities"][0] == "own"
    assert reading.blocks["features"]["calendar"][0] is True  # hidden in the pool by the three levels
    draft = render_draft(reading)
    assert "entities: \"own\"  # entities have their own level or scale ('current': level " in draft
    assert any(note.endswith("(features.entities)") for note in reading.notes)


def test_a_draft_pools_entities_that_behave_alike(tmp_path: Path) -> None:
    reading = read_table(write_feeders(tmp_path / "feeders.csv", (20.0, 20.0, 20.0)))
    assert reading.id == "feeder"
    assert "entities" not in reading.blocks.get("features", {})  # a counter's own start says nothing
