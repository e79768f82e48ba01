"""The guide to one's own data shows what `init` writes for such a table, and what reading it comes to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import load_pipeline
from pynomaly.data.intake import read_table, render_draft, try_reading
from pynomaly.data.sources import read_source
from tests.docs.written import snippets


def draft_pipeline(table: Path, folder: Path) -> str:
    return render_draft(try_reading(read_table(table, {"id": "press"})), folder=folder)


@pytest.fixture(scope="module")
def presses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two presses, a row every ten minutes on the clock of Berlin, as a German spreadsheet writes it."""
    clock = pd.date_range("2026-07-01", "2026-11-22 23:50", freq="10min", tz="Europe/Berlin")
    rows = np.arange(2 * len(clock))
    table = pd.DataFrame(
        {
            "time": np.repeat(clock.strftime("%Y-%m-%d %H:%M"), 2),
            "press": np.where(rows % 2 == 0, "press-1", "press-2"),
            "load": 50 + (rows % 97) / 100,
            "temperature": 48 + (rows % 89) / 100,
            "vibration": 0.9 + (rows % 83) / 1000,
            "operator": np.array(["a", "b", "c"])[rows % 3],
            "anomaly": np.where(rows % 5 == 4, "", (rows % 997 < 13).astype(int).astype(str)),
        }
    )
    file = tmp_path_factory.mktemp("own") / "presses.csv"
    table.to_csv(file, sep=";", decimal=",", index=False)
    return file


def test_the_page_shows_what_init_writes(presses: Path) -> None:
    written = draft_pipeline(presses, presses.parent / "configs").split("\nname:")[1]
    shown = next(block for block in snippets("yaml") if block.page == "docs/own-data.md")
    assert f"\nname:{written}".strip() == shown.text.strip()


def test_the_hour_that_autumn_repeats_is_told_apart(presses: Path) -> None:
    configs = presses.parent / "configs"
    configs.mkdir()
    text = draft_pipeline(presses, configs).replace('"UTC"', '"Europe/Berlin"')
    (configs / "presses.yaml").write_text(text)
    pipeline = load_pipeline(configs / "presses.yaml")
    frame = read_source(pipeline.data)
    assert frame["time"].notna().all()
    assert not frame.duplicated(["time", "press"]).any()
