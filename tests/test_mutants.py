"""The report on mutants counts what it says it counts, and one seed asks about the same ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docs.loaded import script

mutants = script("mutants")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    room = tmp_path / "pynomaly" / "judging"
    (room / "drift").mkdir(parents=True)
    for module, codes in {
        "silence": {"s1": 1, "s2": 0, "s3": 33, "s4": -24, "s5": None},
        "drift/uniformity": {f"u{number}": 1 for number in range(40)},
        "__init__": {},
    }.items():
        (room / f"{module}.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))
    return tmp_path


def test_modules_are_read_by_name_and_those_without_mutants_left_out(work: Path) -> None:
    results = mutants.read_results(work)
    assert sorted(results) == ["drift/uniformity", "silence"]
    assert results["silence"]["s4"] == -24


def test_a_sample_is_drawn_of_each_module_by_itself(work: Path) -> None:
    results = mutants.read_results(work)
    sample = mutants.draw_sample(results, 10, seed=0)
    assert {"s1", "s2", "s3", "s4", "s5"} < sample
    assert len(sample) == 15
    alone = mutants.draw_sample({"drift/uniformity": results["drift/uniformity"]}, 10, seed=0)
    assert alone == {name for name in sample if name.startswith("u")}
    assert mutants.draw_sample(results, 10, seed=1) != sample


def test_a_mutant_without_a_test_or_not_tried_is_not_noticed(work: Path) -> None:
    results = mutants.read_results(work)
    report = mutants.summarise_results(results, set(results["silence"]) | {"u0"})
    assert report[2:] == [
        "| drift/uniformity | 40 | 1 | 1 | 0 |",
        "| silence | 5 | 5 | 2 | 3 |",
        "| all | 45 | 6 | 3 | 3 |",
        "",
        "s2",
        "s3",
        "s5",
    ]
