"""A table scored in parts gets what a table in memory gets, row by row, and leaves nothing half done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Candidate, Pipeline, parse_pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.quality import validate
from pynomaly.errors import QualityError
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.false_discoveries import benjamini_hochberg, find_rejection_limit
from pynomaly.records.registry import ModelRef
from pynomaly.steps.scoring import large_tables
from pynomaly.steps.scoring.join_parts import join_scored_parts
from pynomaly.steps.scoring.large_tables import score_parts
from pynomaly.steps.scoring.score_file import score_file
from pynomaly.steps.scoring.scored_table import score_table
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import start_with_champion

ROWS = 4800
RUNNER = {"batch_rows": 1000, "workers": 1}


@pytest.fixture
def table() -> pd.DataFrame:
    """Larger than a batch, in row groups that are not: fifty days of four machines, some far off."""
    frame = make_machines(50, seed=3)
    return frame.assign(power=frame["power"] + 50 * frame["anomaly"])


def settings_for(folder: Path, **blocks: dict[str, Any]) -> Pipeline:
    return parse_pipeline(make_small_settings(runner=RUNNER, **blocks), folder / "machines.yaml")


@pytest.fixture
def scored(tmp_path):
    """Fit a model under some settings; score a table in parts and in memory."""

    def score(table: pd.DataFrame, groups: int = 700, workers: int = 1, **blocks: dict[str, Any]):
        settings = settings_for(tmp_path, **blocks)
        settings = settings.model_copy(
            update={"runner": settings.runner.model_copy(update={"workers": workers})}
        )
        known = make_machines(14).query("anomaly == 0").reset_index(drop=True)
        contract = FrameContract.infer(known, settings.data)
        bundle = Bundle.fit(known[:900], known[900:], settings, Candidate(detector="knn"), contract, {})
        sha256 = bundle.save(tmp_path / f"bundle-{groups}-{workers}")
        table.to_parquet(tmp_path / "new.parquet", index=False, row_group_size=groups)
        total, files = score_parts(
            settings,
            tmp_path / f"bundle-{groups}-{workers}",
            sha256,
            1,
            str(tmp_path / "new.parquet"),
            tmp_path / f"draft-{groups}-{workers}",
        )
        join_scored_parts(files, tmp_path / "out.parquet")
        ref = ModelRef("machines", 1, "run", sha256, "models:/machines/1")
        clean = validate(table, contract, settings.quality, "score").clean
        return total, pd.read_parquet(tmp_path / "out.parquet"), score_table(bundle, ref, clean)

    return score


@pytest.mark.parametrize("policy", ["quantile", "fdr"])
def test_parts_give_what_memory_gives(scored, table, policy):
    total, streamed, expected = scored(table, alerts={"policy": policy, "fdr": 0.2})
    assert streamed.pop("quarantine").isna().all()
    expected["row"] += 1
    pd.testing.assert_frame_equal(streamed, expected, check_dtype=False)
    assert (total.rows, total.quarantined) == (ROWS, 0)
    assert 0 < total.alerts == expected["is_anomaly"].sum() < ROWS


def test_parts_count_events_as_memory_does(scored, table):
    groups = {"rows": 700, "events": 600}
    by_row, by_event = (
        scored(table, groups[count], alerts={"policy": "fdr", "fdr": 0.2, "count": count}) for count in groups
    )
    assert by_event[1]["is_anomaly"].tolist() == by_event[2]["is_anomaly"].tolist()
    assert 0 < by_event[0].alerts < by_row[0].alerts


@pytest.mark.slow
def test_processes_and_row_groups_change_nothing(scored, table, monkeypatch):
    _, one, _ = scored(table)
    monkeypatch.setattr(large_tables, "MIN_ROWS_FOR_PROCESSES", ROWS)
    _, two, _ = scored(table, groups=2500, workers=2)
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(("many", "processes"), [(ROWS, 2), (ROWS + 1, 1)])
def test_processes_are_started_for_many_rows_alone(scored, table, monkeypatch, many, processes):
    asked, spread = [], large_tables.run_parts

    def watched(pipeline, do, parts, *, processes):
        asked.append(processes)
        return spread(pipeline, do, parts, processes=1)

    monkeypatch.setattr(large_tables, "run_parts", watched)
    monkeypatch.setattr(large_tables, "MIN_ROWS_FOR_PROCESSES", many)
    scored(table, workers=2)
    assert asked == [processes]


def test_rows_that_cannot_be_scored_are_kept_with_their_place(scored, table, tmp_path):
    bad = [5, 1234, ROWS - 1]
    table.loc[bad, "heat"] = np.inf
    total, streamed, _ = scored(table)
    assert (total.rows, total.quarantined) == (ROWS, 3)
    kept = pd.concat(pd.read_parquet(file) for file in sorted(tmp_path.glob("draft-*/quarantine-*")))
    assert kept["row"].tolist() == [row + 1 for row in bad]
    assert set(kept["rule"]) == {"not_finite"}
    assert streamed["row"].tolist() == list(range(1, ROWS + 1))
    gone = streamed[streamed["score"].isna()]
    assert gone.index.tolist() == bad
    assert gone[["p_value", "severity", "is_anomaly", "rarity"]].isna().all(axis=None)
    assert gone["time"].notna().all()
    assert gone["quarantine"].iloc[1] == "not_finite: column 'heat' holds inf in row 1,235"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.assign(heat=t["heat"].where(t.index % 10 != 0, np.inf)), r"480 of 4800 .*not_finite"),
        (lambda t: t.assign(heat=np.nan), "'heat' has no value in 4800 rows"),
        (lambda t: t.drop(columns="heat"), "missing column 'heat'"),
    ],
)
def test_a_table_that_may_not_be_scored_is_refused_as_a_whole(scored, table, spoil, message):
    with pytest.raises(QualityError, match=message):
        scored(spoil(table))


def test_a_part_without_a_value_is_not_the_whole_table(scored, table):
    table.loc[: ROWS // 4, "noise"] = np.nan
    total, _, _ = scored(table)
    assert (total.rows, total.touched) == (ROWS, ROWS // 4 + 1)


@pytest.mark.slow
def test_a_file_larger_than_a_batch_is_scored_in_parts_or_leaves_nothing(pipeline, table, tmp_path):
    settings = pipeline(runner=RUNNER)
    start_with_champion(settings)
    source = tmp_path / "new.parquet"
    table.to_parquet(source, index=False, row_group_size=2000)
    (tmp_path / ".out.csv.draft").mkdir()  # as a killed run leaves it
    (tmp_path / ".out.csv.draft" / "part-000099.parquet").write_bytes(b"half")
    result = score_file(settings, source, tmp_path / "out.csv")
    streamed = pd.read_csv(tmp_path / "out.csv")
    assert (len(streamed), result.rows, result.alerts) == (ROWS, ROWS, streamed["is_anomaly"].sum())
    table.assign(heat=np.inf).to_parquet(source, index=False)
    with pytest.raises(QualityError, match="4800 of 4800"):
        score_file(settings, source, tmp_path / "second.csv")
    assert not [path for path in tmp_path.iterdir() if "second" in path.name or "draft" in path.name]


def test_the_line_of_a_table_of_any_size_is_that_of_all_its_p_values():
    rng = np.random.default_rng(0)
    for level in (0.01, 0.1, 0.4):
        p_values = rng.integers(1, 200, size=3000) / 200 * rng.choice([1, 0.01], size=3000)
        line = find_rejection_limit(*np.unique(p_values, return_counts=True), level)
        ordered = np.sort(p_values)
        passed = np.flatnonzero(ordered <= level * np.arange(1, 3001) / 3000)
        assert line == (ordered[passed[-1]] if passed.size else -1.0)
        assert (benjamini_hochberg(p_values, level) == (p_values <= line)).all()
