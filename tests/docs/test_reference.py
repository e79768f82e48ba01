"""The pages written from the code say what the code says now, all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from pynomaly.config import Pipeline
from pynomaly.detectors.catalogue import DETECTORS, make_detector
from pynomaly.errors import DetectorError
from tests.docs.loaded import ROOT, script

reference = script("reference")
SETTINGS, CATALOGUE = reference.configuration(), reference.detectors()


@pytest.mark.parametrize("name", reference.PAGES)
def test_what_is_committed_is_what_is_written_now(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == reference.PAGES[name](), "run: make reference"


def test_writing_twice_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    (tmp_path / "docs" / "pictures").mkdir(parents=True)

    def written() -> dict[str, bytes]:
        assert reference.main() == 0
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        return {file.relative_to(tmp_path).as_posix(): file.read_bytes() for file in files}

    first = written()
    assert set(first) == set(reference.PAGES)
    assert written() == first


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(section: str) -> dict[str, list[str]]:
    """First cell without its code marks -> the cells after it."""
    table_rows = [
        re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("| `")
    ]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in table_rows}


@pytest.mark.parametrize("key", reference.keys())
def test_every_key_has_a_type_and_says_what_it_is_for(key: str) -> None:
    above, _, name = key.rpartition(".")
    kind, _, _, unit, meaning = rows(sections(SETTINGS)[above or "The pipeline"])[name]
    assert kind
    assert len(meaning) > 8
    assert unit or kind not in ("time span", "number")


@pytest.mark.parametrize(
    ("block", "key", "cells"),
    [
        (
            "data",
            "source",
            [
                "word",
                "**required**",
                "`csv`, `parquet`, `excel`, `jsonl`, `feather`, `sql`, `bundled`, `stream`",
                "",
            ],
        ),
        ("data", "label_delay", ["time span", "`0s`", "", "s, m, h, d, w"]),
        ("data", "quote", ["text", '`"`', "one character", ""]),
        ("training", "holdout", ["number", "`0.3`", "above 0, below 0.9", "share"]),
        ("training", "max_rows", ["whole number", "`50000`", "from 100", "rows"]),
        ("training", "start", ["time with an offset", "`null`", "", ""]),
        ("retention", "scores", ["time span", "`400d`", "from 1d to 36500d", "s, m, h, d, w"]),
        ("serving", "max_megabytes", ["number", "`32.0`", "above 0 to 1,024", "MB"]),
        ("comparison", "injected_sizes", ["list of numbers", "`[0.5, 1.0, 2.0]`", None, ""]),
        ("data.limits", "line_kib", ["whole number", "`1024`", "from 1", "KiB"]),
    ],
)
def test_rows_of_every_kind(block: str, key: str, cells: list[str | None]) -> None:
    written = rows(sections(SETTINGS)[block])[key]
    assert all(wanted is None or wanted == cell for wanted, cell in zip(cells, written, strict=False)), (
        written
    )


@pytest.mark.parametrize(
    ("block", "key", "value"),
    [("training", "holdout", 0.9), ("training", "max_rows", 99), ("data.limits", "line_kib", 0)],
)
def test_what_the_page_leaves_out_is_refused(block: str, key: str, value: object) -> None:
    settings: object = {key: value}
    for name in reversed(block.split(".")):
        settings = {name: settings}
    with pytest.raises(ValidationError, match=key):
        Pipeline.model_validate(settings)


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_is_there_with_every_parameter_and_a_source(name: str) -> None:
    section = sections(CATALOGUE)[name]
    parameters = DETECTORS[name].resolve().parameters
    assert set(rows(section)) == set(parameters)
    assert re.search(r"^Source: .+ \d{4}", section, re.M)
    assert DETECTORS[name].limits in section


def test_bounds_of_parameters_are_those_that_hold() -> None:
    assert rows(sections(CATALOGUE)["knn"])["n_neighbors"][1] == "whole number from 1 to 1,000"
    make_detector("knn", n_neighbors=1000)
    with pytest.raises(DetectorError):
        make_detector("knn", n_neighbors=1001)
    assert rows(sections(CATALOGUE)["iforest"])["max_features"][1] == "number above 0 to 1"
    with pytest.raises(DetectorError):
        make_detector("iforest", max_features=0.0)
