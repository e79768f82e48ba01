"""One YAML and what differs in an environment: merged, checked, explained, hashed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.config import list_settings, load_pipeline
from pynomaly.config.overlay import _merge_mappings, list_environments
from pynomaly.errors import ConfigError
from pynomaly.steps.keys import compute_work_key, hash_settings

BASE: dict[str, Any] = {
    "name": "tiny",
    "data": {"source": "csv", "path": "tiny.csv", "ignore": ["a", "b"]},
    "training": {"candidates": ["iforest", "hbos"], "holdout": 0.4},
}
ROOT = Path(__file__).parents[2]
VALUES = st.sampled_from([1, 2, "x", None, [], [1], [2, 3]])
INNER = st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2)
BLOCKS = st.dictionaries(st.sampled_from("abc"), VALUES | INNER, max_size=3)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write the base and an overlay for production; returns the base's path."""

    def make(over: object = None, base: dict[str, Any] = BASE) -> Path:
        file = tmp_path / "tiny.yaml"
        file.write_text(yaml.safe_dump(base))
        folder = tmp_path / "production"
        folder.mkdir(exist_ok=True)
        (folder / "other.yaml").write_text("name: other\n")
        if over is not None:
            (folder / "tiny.yaml").write_text(over if isinstance(over, str) else yaml.safe_dump(over))
        return file

    return make


def test_blocks_are_merged_and_lists_replaced(write: Any) -> None:
    file = write({"training": {"holdout": 0.2}, "data": {"ignore": ["c"]}})
    pipeline = load_pipeline(file, "production")
    assert (pipeline.training.holdout, pipeline.data.ignore) == (0.2, ("c",))
    assert [item.detector for item in pipeline.training.candidates] == ["iforest", "hbos"]
    assert pipeline.environment == "production"
    assert load_pipeline(file).training.holdout == 0.4


def test_the_environment_variable_counts_everywhere(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write({"training": {"holdout": 0.2}})
    monkeypatch.setenv("PYNOMALY_ENV", "production")
    assert load_pipeline(file).training.holdout == 0.2
    assert load_pipeline(file, "").training.holdout == 0.4


def test_a_pipeline_without_an_overlay_is_what_its_yaml_says(write: Any) -> None:
    file = write()
    assert load_pipeline(file, "production").model_dump() == load_pipeline(file).model_dump()


@pytest.mark.parametrize("name", ["prodution", "../production", "Production", "/etc", "nowhere"])
def test_an_environment_that_is_not_there_is_refused(write: Any, name: str) -> None:
    with pytest.raises(ConfigError, match="no environment") as caught:
        load_pipeline(write({}), name)
    assert "production" in str(caught.value)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"trainings": {"holdout": 0.2}}, "did you mean 'training'?"),
        ({"training": {"holdot": 0.2}}, "did you mean 'holdout'?"),
        ({"training": {"holdout": 7}}, "training.holdout: 7"),
        ({"training": 3}, "training: 3"),
        ({"home": "/tmp"}, "unknown key 'home'"),
        ({"environment": "x"}, "unknown key 'environment'"),
        (["training"], "got list"),
        ("a: [", "not readable YAML"),
    ],
)
def test_what_is_wrong_in_an_overlay_names_the_overlay(write: Any, over: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pipeline(write(over), "production")
    assert message in str(caught.value)
    if "home" not in message and "environment" not in message:
        assert str(Path("production") / "tiny.yaml") in str(caught.value)


def test_what_is_wrong_in_the_base_names_the_base(write: Any) -> None:
    broken = BASE | {"alerts": {"quantile": 0.9}}
    with pytest.raises(ConfigError) as caught:
        load_pipeline(write({"training": {"holdout": 0.2}}, broken), "production")
    assert "production" not in str(caught.value)


def test_each_value_says_where_it_came_from(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNOMALY_LEDGER", "postgresql+psycopg://me:s3cret@db/ledger")
    file = write({"training": {"holdout": 0.2}, "records": {"store": "s3://scores"}})
    listing = list_settings(file, "production")
    rows = {item["key"]: (item["value"], item["from"]) for item in listing["settings"]}
    over = str(file.parent / "production" / "tiny.yaml")
    assert rows["training.holdout"] == (0.2, over)
    assert rows["records.store"] == ("s3://scores", over)
    assert rows["data.ignore"] == (["a", "b"], str(file))
    assert rows["alerts.policy"][1] == "default"
    assert rows["records.ledger"] == ("postgresql+psycopg://me:***@db/ledger", "$PYNOMALY_LEDGER")
    assert "s3cret" not in str(listing)
    assert load_pipeline(file).ledger_url == "postgresql+psycopg://me:s3cret@db/ledger"


def test_the_yaml_comes_before_the_environment_of_the_process(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNOMALY_STORE", "s3://from-the-process")
    assert (
        load_pipeline(write({"records": {"store": "s3://written"}}), "production").store_root
        == "s3://written"
    )
    assert load_pipeline(write({}), "").store_root == "s3://from-the-process"


def test_hashes_cover_what_counts_and_not_where_it_is_written(write: Any, tmp_path: Path) -> None:
    def keys(pipeline: Any) -> tuple[str, str]:
        return hash_settings(pipeline), compute_work_key(
            pipeline, "train", "w", "d", pipeline.training.candidates
        )

    plain = keys(load_pipeline(write({}), "production"))
    over = keys(load_pipeline(write({"training": {"holdout": 0.2}}), "production"))
    inline = keys(
        load_pipeline(write({}, BASE | {"training": {**BASE["training"], "holdout": 0.2}}), "production")
    )
    assert plain[0] != over[0] == inline[0]
    assert plain[1] != over[1] == inline[1]


@given(base=BLOCKS, over=BLOCKS, again=BLOCKS)
def test_merging_keeps_to_its_rules(base: Any, over: Any, again: Any) -> None:
    assert _merge_mappings(base, {}) == base
    assert _merge_mappings(base, base) == base
    assert _merge_mappings(_merge_mappings(base, over), over) == _merge_mappings(base, over)
    merged = _merge_mappings(base, over)
    assert set(merged) == set(base) | set(over)
    for key in set(base) - set(over):
        assert merged[key] == base[key]
    for key, value in over.items():
        if not isinstance(value, dict) or not isinstance(base.get(key), dict):
            assert merged[key] == value


@pytest.mark.parametrize("environment", list_environments(ROOT / "configs"))
@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda file: file.name)
def test_shipped_environments_load(file: Path, environment: str) -> None:
    assert load_pipeline(file, environment).environment == environment


def test_an_overlay_without_a_pipeline_is_a_mistake_we_do_not_ship() -> None:
    for environment in list_environments(ROOT / "configs"):
        for file in (ROOT / "configs" / environment).glob("*.yaml"):
            assert (ROOT / "configs" / file.name).is_file(), file
