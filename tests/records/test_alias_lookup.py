"""The version of an alias is the same whether MLflow or the lookup in its sqlite file gives it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pynomaly.errors import NoChampionError, RecordError
from pynomaly.records.registry import Registry
from pynomaly.records.registry.alias_lookup import find_alias_version


def resolve_by_mlflow(registry: Registry, alias: str) -> int | None:
    try:
        return registry.resolve_alias("m", alias).version
    except NoChampionError:
        return None


@pytest.fixture
def pipeline(tmp_path: Path) -> Any:
    uri = f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
    (tmp_path / "mlflow").mkdir()
    return SimpleNamespace(name="m", tracking_uri=uri, home=tmp_path, artifact_root="")


def test_the_lookup_answers_as_mlflow_does(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "open_for", lambda _: pytest.fail("MLflow was opened"))
        assert find_alias_version(pipeline) is None  # no store yet, and none is made
    assert not (pipeline.home / "mlflow" / "mlflow.db").exists()
    registry = Registry.open_for(pipeline)
    client = registry.client

    def expect_both(version: int | None, alias: str = "champion") -> None:
        assert resolve_by_mlflow(registry, alias) == version
        assert find_alias_version(pipeline, alias) == version

    client.create_registered_model("m")
    client.create_registered_model("other")
    for model in ("m", "m", "other"):
        client.create_model_version(model, source=str(pipeline.home))
    registry.set_alias("other", "champion", 1)
    expect_both(None)
    registry.set_alias("m", "champion", 1)
    expect_both(1)
    registry.set_alias("m", "champion", 2)
    expect_both(2)
    expect_both(None, "previous")
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "open_for", lambda _: pytest.fail("MLflow was opened"))
        assert find_alias_version(pipeline) == 2
    registry.drop_alias("m", "champion")
    expect_both(None)


def test_what_the_file_cannot_decide_is_left_to_mlflow(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(_: object) -> Registry:
        asked.append("mlflow")
        raise RecordError("asked")

    monkeypatch.setattr(Registry, "open_for", refuse)
    mark = pipeline.home / "mlflow" / "mlflow.db.initialised"
    for make in (
        lambda: (pipeline.home / "mlflow" / "mlflow.db").write_bytes(b"no database at all"),
        lambda: mark.write_text("0.0"),  # another version of MLflow made it
        lambda: setattr(pipeline, "tracking_uri", "http://127.0.0.1:5000"),
    ):
        make()
        with pytest.raises(RecordError, match="asked"):
            find_alias_version(pipeline)
    assert len(asked) == 3
