"""Columns, entities and categories with hostile names, through a whole life: they stay names."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pynomaly.config import Data, Pipeline, load_pipeline
from pynomaly.config.data import SCORE_COLUMNS
from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.steps.monitoring.monitor_window import MonitoredWindow, find_monitoring_window, monitor_window
from pynomaly.steps.scoring.score_file import score_file
from pynomaly.steps.scoring.score_windows import score_window
from tests.machines import make_machines, make_small_settings
from tests.security.test_poisoned_text import SCRIPT, Tags
from tests.steps.conftest import MOMENT, learn, plan

pytestmark = pytest.mark.slow

COLUMNS = {
    "heat": SCRIPT,
    "power": "=HYPERLINK(\"http://evil.example\",'x')",
    "noise": "../../up: [{%&}] |`![x](http://evil.example/p.png)`",
    "kind": "{{ 7 * 7 }}{% raw %}$x^{2}$",
    "machine": "../id",
}
ENTITIES = ("../../../etc/passwd", "s3://other/x", "=1+1", "/absolute")
KINDS = (SCRIPT, "a\x1b[31m", "-1+1", "‮right to left", "🐍")


@dataclass(frozen=True)
class Lived:
    """What a short life under hostile names left."""

    pipeline: Pipeline
    folder: Path
    monitored: MonitoredWindow


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("deep") / "down" / "project"
    folder.mkdir(parents=True)
    table = make_machines(28)
    table["kind"] = np.random.default_rng(1).choice(KINDS, len(table))
    table["machine"] = np.tile(ENTITIES, len(table) // 4)
    table = table.rename(columns=COLUMNS)
    table.to_csv(folder / "machines.csv", index=False)
    settings = make_small_settings(data={"id": COLUMNS["machine"]}, features={"missing": "indicate"})
    (folder / "machines.yaml").write_text(yaml.safe_dump(settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYNOMALY_HOME", str(folder / "home"))
        pipeline = load_pipeline(folder / "machines.yaml")
    registered, decision = learn(pipeline, plan(pipeline))
    assert (registered.version, decision.kind) == (1, "promote")
    assert score_window(pipeline, Window(MOMENT, MOMENT + timedelta(days=1))).rows == 96
    fresh = table.iloc[:200].drop(columns="anomaly").astype({SCRIPT: object})
    fresh.loc[3, SCRIPT] = "=not a number"
    fresh.to_csv(folder / "fresh.csv", index=False)
    done = score_file(pipeline, folder / "fresh.csv", folder / "scores.csv")
    assert (done.rows, done.quarantined) == (199, 1)
    later = MOMENT + timedelta(days=7)
    return Lived(pipeline, folder, monitor_window(pipeline, find_monitoring_window(pipeline, later), later))


@pytest.mark.slow
def test_nothing_is_written_beyond_the_home_folder(lived: Lived) -> None:
    top = lived.folder.parents[1]
    assert [item.name for item in top.iterdir()] == ["down"]
    assert [item.name for item in lived.folder.parent.iterdir()] == ["project"]
    beside = {"machines.csv", "machines.yaml", "fresh.csv", "scores.csv", "scores.csv.quarantine.csv", "home"}
    assert {item.name for item in lived.folder.iterdir()} == beside


def test_no_page_holds_a_tag_that_came_from_a_name(lived: Lived) -> None:
    assert lived.monitored.report_error == ""
    pages = [file for file in lived.folder.rglob("*.html") if file.is_file()]
    assert pages
    for page in pages:
        tags = Tags(page.read_text())
        assert not [attributes for tag, attributes in tags.elements if tag == "img"], page
        assert "<script>pwned" not in page.read_text()


def test_no_markdown_holds_markup_that_came_from_a_name(lived: Lived) -> None:
    cards = [file for file in lived.folder.rglob("*.md") if file.is_file()]
    assert cards
    for card in cards:
        text = card.read_text()
        assert "<script" not in text
        assert "<img" not in text
        assert "![x](" not in text


def test_csv_output_holds_no_formula(lived: Lived) -> None:
    for name in ("scores.csv", "scores.csv.quarantine.csv"):
        with (lived.folder / name).open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert "'=1+1" in cells or name.endswith("quarantine.csv")
        formulas = [cell for cell in cells if cell[:1] in "=+@" and cell[:1]]
        assert not formulas
        assert not [cell for cell in cells if cell.startswith("-") and not is_number(cell)]


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_parquet_output_keeps_every_name_to_the_byte(lived: Lived) -> None:
    (kept,) = (lived.folder / "home" / "store" / "machines" / "scores").rglob("scores.parquet")
    assert set(pd.read_parquet(kept)[COLUMNS["machine"]]) == set(ENTITIES)


@pytest.mark.parametrize("role", ["time", "id"])
@pytest.mark.parametrize("name", SCORE_COLUMNS)
def test_no_column_takes_the_place_of_a_score(role: str, name: str) -> None:
    with pytest.raises(ValueError, match=rf"data\.{role} is '{name}', a column that scores have"):
        Data(source="csv", path="t.csv", **{"time": "at", role: name})


def test_the_names_of_scores_are_these(lived: Lived) -> None:
    (kept,) = (lived.folder / "home" / "store" / "machines" / "scores").rglob("scores.parquet")
    assert set(SCORE_COLUMNS) == set(pd.read_parquet(kept)) - {"time", COLUMNS["machine"]}


def test_the_ledger_holds_and_verifies_the_names(lived: Lived) -> None:
    with Ledger.open(lived.pipeline.ledger_url) as ledger:
        assert ledger.verify_chain().intact
