"""The measurement of calibration runs on what it is given, and counts right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.calibration import (
    BUDGETS,
    KINDS,
    LEVELS,
    CalibrationTable,
    load_tables,
    measure_table,
    render_results,
)
from pynomaly.model.calibration.calibration import RARITIES, SEVERITIES


def table(normal: int = 600) -> CalibrationTable:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2 * normal, 3))
    return CalibrationTable("tiny", rows[:normal], rows[normal:], rng.normal(6, 1, size=(50, 3)))


def test_what_is_printed_is_what_was_counted() -> None:
    result = measure_table(table(), "knn", windows=4, seed=0)
    assert (result.held_out, result.window, result.windows) == (400, 200, 4)
    assert result.normal_rows == 800
    assert set(result.budget) == set(BUDGETS)
    assert set(result.reached) == set(SEVERITIES) | set(RARITIES)
    for kind in KINDS:
        for level in LEVELS:
            assert len(result.false_share[kind, level]) == 4
        assert np.mean(result.shares[kind, 0.1]) > 0.9
    assert np.mean(result.shares["counted", 0.05]) < 0.9  # ten anomalies: 401 held-out rows ask for eleven
    text = render_results([result], "command")
    assert text.count("| tiny |") == 5
    assert f"| low | 0.1 | {0.1 * 800:.1f} | {result.reached['low']} |" in text
    assert measure_table(table(), "knn", windows=4, seed=0) == result


def test_tables_without_enough_normal_rows_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.random.default_rng(0).normal(size=(260, 2))
    np.savez(tmp_path / "few.npz", X=rows[:150], y=np.arange(150) < 5)
    np.savez(tmp_path / "good.npz", X=rows, y=np.arange(260) < 20)
    tables = list(load_tables(tmp_path, seed=0))
    assert [item.name for item in tables] == ["good"]
    assert (len(tables[0].fit), len(tables[0].normal), len(tables[0].anomalies)) == (120, 120, 20)
    assert "left out: few, 145 normal rows" in capsys.readouterr().err
