"""The report on the house counts what it says it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.loaded import script

house = script("house")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    wing = tmp_path / "pynomaly" / "steps"
    wing.mkdir(parents=True)
    for folder in ("tasks", "flows"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    (wing / "__init__.py").write_text("")
    (wing / "low.py").write_text("class Row: ...\n\ndef kept(a, b, *, c): ...\n")
    (wing / "high.py").write_text(
        "from pynomaly.steps.low import kept\n\n"
        "class Row:\n    def read_row(self, path):\n        found = path\n        return found\n"
    )
    return tmp_path


def test_it_counts_floors_names_and_parameters(project: Path) -> None:
    report = list(house.describe_house(project))
    assert report[0] == "modules 5, lines 9"
    assert next(line for line in report if "pynomaly.steps" in line).split() == [
        "pynomaly.steps", "3", "9", "2", "1", "3",
    ]  # fmt: skip
    assert "functions 2: one word 50% (1)" in report
    assert "participles 50.0% (1)" in report
    assert "  Row: pynomaly/steps/high.py, pynomaly/steps/low.py" in report
    assert report[report.index("longest parameter lists") + 1].split()[:2] == ["3", "kept"]
    assert "values named by an empty word in pynomaly, tasks, flows: found 1" in report


def test_a_circle_is_said_in_place_of_floors(project: Path) -> None:
    low = project / "pynomaly" / "steps" / "low.py"
    low.write_text("from pynomaly.steps.high import Row\n")
    assert "circle" in next(line for line in house.describe_house(project) if "pynomaly.steps" in line)


@pytest.mark.parametrize("name", ["kept", "_told", "searching", "refitted"])
def test_participles(name: str) -> None:
    assert house.is_participle(name)


@pytest.mark.parametrize("name", ["fit", "training", "keep_rows", "is_kept", "seed", "read", "red"])
def test_no_participles(name: str) -> None:
    assert not house.is_participle(name)
