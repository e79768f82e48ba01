"""The pages on reading show what `init` prints and writes for the tables they speak of."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from flows.cli import app
from pynomaly.config import Data, Quality, Windows, load_pipeline
from pynomaly.data.intake import ROLES
from pynomaly.data.sources import read_source
from tests.docs import tables
from tests.docs.loaded import ROOT
from tests.docs.written import Snippet, snippets

PAGES = ("docs/own-data.md", "docs/reading.md")
WIDTH = "100"
READING = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every table of the pages."""
    place = tmp_path_factory.mktemp("own")
    for write in tables.WRITERS:
        write(place)
    return place


def run_words(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", WIDTH)
    outcome = CliRunner().invoke(app, shlex.split(words)[1:])
    return "\n".join(line.rstrip() for line in outcome.output.strip().splitlines())


def list_screens() -> list[tuple[Snippet, str, str]]:
    """Each `pynomaly init` of the pages with what is shown below it."""
    screens = []
    for block in snippets("console"):
        for part in f"\n{block.text}".split("\n$ ")[1:]:
            words, _, shown = part.partition("\n")
            if block.page in PAGES and words.startswith("pynomaly init"):
                screens.append((block, words, shown.strip()))
    return screens


SCREENS = list_screens()


def test_both_pages_show_screens() -> None:
    assert {block.page for block, _, _ in SCREENS} == set(PAGES)


@pytest.mark.slow
@pytest.mark.parametrize(("block", "words", "shown"), SCREENS, ids=[words for _, words, _ in SCREENS])
def test_the_pages_show_what_init_prints(
    block: Snippet, words: str, shown: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--explain" not in words and "--force" not in words:
        words += " --force"
    assert run_words(words, folder, monkeypatch) == shown, block


@pytest.mark.slow
def test_the_page_shows_what_init_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_words("pynomaly init presses.csv --timezone Europe/Berlin --force", folder, monkeypatch)
    written = (folder / "configs" / "presses.yaml").read_text().split("\nname:")[1]
    shown = next(block for block in snippets("yaml") if block.page == "docs/own-data.md")
    assert f"name:{written}".strip() == shown.text.strip()


def test_the_page_shows_the_first_lines_of_the_table(folder: Path) -> None:
    page = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    lines = (folder / "presses.csv").read_text(encoding="cp1252").splitlines()[:7]
    assert "\n".join(lines) in page


@pytest.mark.slow
def test_the_hour_that_autumn_repeats_is_told_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_words("pynomaly init presses.csv --timezone Europe/Berlin --force", folder, monkeypatch)
    pipeline = load_pipeline(folder / "configs" / "presses.yaml")
    frame = read_source(pipeline.data)
    assert frame["Date Time"].notna().all()
    assert not frame.duplicated(["Date Time", "press"]).any()


def read_rows_below(heading: str) -> list[list[str]]:
    """Cells of the table below a heading of the reference, without its first two lines."""
    section = READING.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in re.findall(r"^\|.*", section, re.M)[2:]
    ]


def test_the_reference_lists_all_that_json_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = json.loads(run_words("pynomaly init probe.jsonl --force --json", folder, monkeypatch))
    rows = {
        key: cells for first, cells in read_rows_below("What `init --json` holds") for key in names_in(first)
    }
    assert set(rows) == set(held)
    assert set(held["time"]) <= set(names_in(rows["time"]))
    assert set(held["columns"][0]) <= set(names_in(rows["columns"]))
    assert set(held["choices"][0]) <= set(names_in(rows["choices"]))


def test_the_reference_has_every_role() -> None:
    named = {name for row in read_rows_below("Roles of columns") for name in names_in(row[0])}
    assert named == set(ROLES)


def test_the_reference_quotes_messages_of_the_code() -> None:
    sources = "".join(
        file.read_text(encoding="utf-8")
        for top in ("pynomaly", "flows")
        for file in (ROOT / top).rglob("*.py")
    )
    for row in read_rows_below("What cannot be read"):
        assert all(message in sources for message in names_in(row[0])), row


def test_settings_and_options_of_the_reference_exist() -> None:
    group: Any = typer.main.get_command(app)
    parameters = [*group.commands["init"].params, *group.commands["score"].params]
    options = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"`(--[a-z][a-z-]*)", READING)) <= options
    for block, model in (("data", Data), ("quality", Quality), ("windows", Windows)):
        assert set(re.findall(rf"`{block}\.(\w+)", READING)) <= set(model.model_fields)
    assert {
        name for row in read_rows_below("Text into cells") for name in names_in(row[2]) if name[0] != "-"
    } <= set(Data.model_fields)


def names_in(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)
