"""MLflow's file addresses after a home folder was moved or copied."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pynomaly.records.registry import Registry
from pynomaly.records.registry.moved_home import correct_addresses, list_former_homes


def open_registry(home: Path, artifacts: str = "") -> Registry:
    return Registry.open(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}", home, artifacts)


def make_home(home: Path, artifacts: str = "") -> str:
    """A home with one run that has one file; returns the run's id."""
    registry = open_registry(home, artifacts)
    with registry.start_parent_run("machines", "a run") as run:
        registry.log_to_run(run, figures={"plots/scores.txt": b"seven"})
    return run


def list_locations(home: Path) -> set[str]:
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as connection:
        rows = connection.execute(
            "SELECT artifact_location FROM experiments WHERE name LIKE 'pynomaly/%' "
            "UNION SELECT artifact_uri FROM runs"
        )
        return {str(row[0]) for row in rows}


def test_a_moved_home_reads_its_files_and_writes_beside_them(tmp_path: Path, caplog: Any) -> None:
    run = make_home(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new place")
    with caplog.at_level(logging.WARNING):
        registry = open_registry(tmp_path / "new place")
    assert f"moved from {tmp_path / 'old'} to {tmp_path / 'new place'}" in caplog.text
    assert registry.read_run_file(run, "plots/scores.txt") == "seven"
    make_home(tmp_path / "new place")
    assert not (tmp_path / "old").exists()
    assert all(
        location.startswith((tmp_path / "new place").as_uri()) for location in list_locations(registry.home)
    )


def test_a_copy_reads_its_own_files_and_leaves_the_original(tmp_path: Path) -> None:
    run = make_home(tmp_path / "old")
    before = list_locations(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    shutil.rmtree(tmp_path / "old" / "mlflow" / "artifacts")
    assert open_registry(tmp_path / "new").read_run_file(run, "plots/scores.txt") == "seven"
    assert list_locations(tmp_path / "old") == before


def test_it_is_said_once(tmp_path: Path) -> None:
    make_home(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    address = f"sqlite:///{tmp_path / 'new' / 'mlflow' / 'mlflow.db'}"
    assert list_former_homes(address, tmp_path / "new") == (tmp_path / "old",)
    assert correct_addresses(address, tmp_path / "new") == (tmp_path / "old",)
    assert correct_addresses(address, tmp_path / "new") == ()
    assert list_former_homes(address, tmp_path / "new") == ()


def test_a_folder_of_its_own_for_artifacts_is_no_former_home(tmp_path: Path) -> None:
    artifacts = (tmp_path / "shared" / "mlflow" / "artifacts").as_uri()
    run = make_home(tmp_path / "old", artifacts)
    (tmp_path / "old").rename(tmp_path / "new")
    for configured in (artifacts, ""):  # the files are there, with or without the setting
        registry = open_registry(tmp_path / "new", configured)
        assert registry.read_run_file(run, "plots/scores.txt") == "seven"
    assert all(artifacts in location for location in list_locations(tmp_path / "new"))


def test_a_store_that_homes_share_belongs_to_none(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'shared.db'}"
    for name in ("one", "two"):
        Registry.open(address, tmp_path / name).ensure_experiment(name)
    assert list_former_homes(address, tmp_path / "two") == ()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "postgresql://nowhere/mlflow"])
def test_a_server_keeps_its_own_addresses(tmp_path: Path, address: str) -> None:
    assert list_former_homes(address, tmp_path) == ()
    assert correct_addresses(address, tmp_path) == ()
