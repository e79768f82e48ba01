"""Reading a pipeline YAML: every key once, every refusal by name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pynomaly.config import Pipeline, find_home, list_pipeline_files, load_pipeline, parse_pipeline
from pynomaly.config.spelling.units import parse_duration, spell_duration
from pynomaly.errors import ConfigError
from tests.machines import make_small_settings

ROOT = Path(__file__).parents[2]
MINIMAL: dict[str, Any] = {
    "name": "tiny",
    "data": {"source": "csv", "path": "tiny.csv"},
    "training": {"candidates": ["iforest"]},
}


def write(folder: Path, content: dict[str, Any]) -> Path:
    file = folder / "pipeline.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda file: file.name)
def test_shipped_pipelines_load(file: Path) -> None:
    assert load_pipeline(file).name == file.stem


def test_quickstart_names_every_key_once_with_its_default() -> None:
    written = yaml.safe_load((ROOT / "configs" / "quickstart.yaml").read_text())
    public = {name for name, field in Pipeline.model_fields.items() if not field.exclude}
    assert set(written) == public
    for block in public - {"name", "description", "sinks"}:
        model = Pipeline.model_fields[block].annotation
        assert set(written[block]) == set(model.model_fields), block  # type: ignore[union-attr]


def test_paths_start_at_the_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    (tmp_path / "own").mkdir()
    file = write(folder, MINIMAL | {"reports": {"templates": "../own"}})
    monkeypatch.delenv("PYNOMALY_HOME", raising=False)
    pipeline = load_pipeline(file)
    assert pipeline.reports.templates == str(tmp_path / "own")
    assert pipeline.data.path == str(folder / "tiny.csv")
    assert pipeline.home == tmp_path / ".pynomaly"


def test_home_is_found_like_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYNOMALY_HOME", raising=False)
    (tmp_path / ".pynomaly").mkdir()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_home(deep) == tmp_path / ".pynomaly"
    monkeypatch.setenv("PYNOMALY_HOME", str(tmp_path / "elsewhere"))
    assert find_home(deep) == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainings": {}}, "did you mean 'training'?"),
        ({"data": {"source": "csv", "path": "a", "seperator": ";"}}, "did you mean 'separator'?"),
        ({"data": {"source": "cvs", "path": "a"}}, "data.source: 'cvs'"),
        ({"data": {"source": "csv"}}, "needs data.path"),
        ({"data": {"source": "csv", "path": "a", "timezone": "Berlin"}}, "'Berlin' is not an IANA time zone"),
        ({"name": "Not A Name"}, "name: 'Not A Name'"),
        ({"reports": {"schedule": "weekly"}}, "reports.schedule: 'weekly' is not allowed: it is no cron"),
        ({"reports": {"templates": "nowhere"}}, "reports.templates: no folder at"),
        ({"reports": {"windows": 0}}, "reports.windows: 0"),
        ({"windows": {"score": "1 fortnight"}}, "'1 fortnight' is not a duration"),
        ({"windows": {"score": "0d"}}, "must be longer than nothing"),
        ({"windows": {"score": "2d", "monitor": "7d"}}, "whole number of windows.score"),
        ({"training": {"candidates": []}}, "training.candidates"),
        ({"training": {"candidates": ["iforest"], "start": "2026-01-05T00:00:00"}}, "training.start"),
        ({"training": {"candidates": [{"detectr": "iforest"}]}}, "did you mean 'detector'?"),
        ({"alerts": {"quantile": 0.9}}, "alerts.quantile: 0.9"),
        ({"degradation": {"minor": 0.5}}, "must not decrease"),
        ({"degradation": {"violated": 9}}, "must not exceed degradation.windows"),
        ({"drift": {"strong_effect": 0.01}}, "must not decrease"),
        ({"home": "/tmp"}, "unknown key 'home'"),
        ({"training": None}, "training"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pipeline(write(tmp_path, MINIMAL | change))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    with pytest.raises(ConfigError, match=r"did you mean .*pipeline\.yaml"):
        load_pipeline(tmp_path / "pipelin.yaml")


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "just words", ""])
def test_not_a_pipeline_at_all(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"odd\.yaml"):
        load_pipeline(file)


def test_settings_are_frozen_and_survive_a_round_trip(tmp_path: Path) -> None:
    pipeline = load_pipeline(ROOT / "configs" / "quickstart.yaml")
    again = parse_pipeline(pipeline.model_dump(mode="json"), origin=pipeline.origin)
    assert again == pipeline
    with pytest.raises(ValueError, match="frozen"):
        pipeline.windows.score = timedelta(days=2)  # type: ignore[misc]


@pytest.mark.parametrize("text", ["15m", "6h", "3d", "8w", "90s"])
def test_durations_read_back(text: str) -> None:
    assert parse_duration(spell_duration(parse_duration(text))) == parse_duration(text)


def test_on_needs_no_quotes_as_the_quickstart_writes_it(tmp_path: Path) -> None:
    file = write(tmp_path, MINIMAL)
    file.write_text(file.read_text() + "notify: {targets: [{name: ops, url_env: OPS_URL, on: [alert]}]}\n")
    assert load_pipeline(file).notify.targets[0].on == ("alert",)


def test_planned_work_starts_at_the_yaml(tmp_path: Path) -> None:
    file = write(tmp_path, {**MINIMAL, "grouping": {"planned": "work.ics"}})
    assert load_pipeline(file).grouping.planned == str(tmp_path / "work.ics")


def test_incidents_beside_pipelines_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(make_small_settings(name="a")))
    (tmp_path / "a-incidents.yaml").write_text("- {start: 2026-01-05T00:00Z, end: 2026-01-06T00:00Z}\n")
    (tmp_path / "broken.yaml").write_text("name: [")
    assert [file.name for file in list_pipeline_files(tmp_path)] == ["a.yaml", "broken.yaml"]
