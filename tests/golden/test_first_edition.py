"""A home that the first edition made opens somewhere else: ledger, models, scores, alerts and commands."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store
from pynomaly.steps.alerting.raise_alerts import raise_alerts
from pynomaly.steps.alerting.resolve_alerts import list_alerts, resolve_alert
from pynomaly.steps.monitoring.monitor_window import find_monitoring_window, monitor_window
from pynomaly.steps.operations.prune import prune
from pynomaly.steps.promotion.promote import rollback
from pynomaly.steps.reporting.overview import describe_champion_at, describe_status, verify_history
from pynomaly.steps.scoring.score_windows import score_window
from tests.flows.conftest import Answer, command

__all__ = ["command"]

HERE = Path(__file__).parent
DAY = Window(datetime(2026, 1, 28, tzinfo=UTC), datetime(2026, 1, 29, tzinfo=UTC))
NEXT_DAY = Window(datetime(2026, 1, 29, tzinfo=UTC), datetime(2026, 1, 30, tzinfo=UTC))
MOMENT = datetime(2026, 2, 2, tzinfo=UTC)
# NumPy's exponentials and powers round the last place otherwise on processors with AVX-512 than without.
LAST_PLACES = 4
HEAD = "ff86576fc0745796298b959d1030c0c00bdb47f23f548dc7ff907f39eac20b00"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pipeline's YAML, with its data and home beside it as they were."""
    monkeypatch.delenv("PYNOMALY_HOME")
    with tarfile.open(HERE / "first_edition.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "configs" / "machines.yaml"


@pytest.fixture
def pipeline(config: Path) -> Pipeline:
    return load_pipeline(config)


def test_the_ledger_opens_and_its_chain_is_intact(pipeline: Pipeline) -> None:
    proof = verify_history(pipeline)
    assert (proof["intact"], proof["decisions"], proof["head"]) == (True, 12, HEAD)
    with Ledger.open(pipeline.ledger_url) as ledger:
        kinds = [item.kind for item in reversed(ledger.list_decisions("machines"))]
        assert kinds == [
            *("retrain", "quality", "register", "promote", "degradation"),
            *("retrain", "quality", "register", "refuse", "policy", "promote", "rollback"),
        ]
        assert [item.version for item in ledger.list_trainings("machines")] == [3, 2, 1]
    assert verify_history(pipeline)["head"] == HEAD


def test_its_champion_is_known(pipeline: Pipeline) -> None:
    status = describe_status(pipeline)
    assert (status["champion"], status["partitions"]) == (1, 14)
    assert status["last_window"] == DAY.key
    assert status["health"]["outcome"] == "warning"
    assert describe_champion_at(pipeline, datetime.now(UTC))["champion"] == 1


@pytest.mark.parametrize("version", [1, 2, 3])
def test_its_models_score_their_golden_rows_as_they_did(pipeline: Pipeline, version: int) -> None:
    expected = json.loads((HERE / "first_edition_scores.json").read_text())[str(version)]
    registry = Registry.open_for(pipeline)
    ref = registry.find_version("machines", version)
    assert ref.sha256 == expected["sha256"]
    bundle = registry.load_bundle(ref)
    raw = [float.fromhex(value) for value in expected["scores"]]
    np.testing.assert_array_max_ulp(bundle.raw_scores(bundle.golden), np.array(raw), LAST_PLACES)
    scored = bundle.score(bundle.golden)
    p_values = [float.fromhex(value) for value in expected["p_values"]]
    np.testing.assert_array_max_ulp(scored["p_value"].to_numpy(), np.array(p_values), LAST_PLACES)
    assert scored["is_anomaly"].tolist() == expected["is_anomaly"]


def test_it_goes_on_scoring_judging_and_raising_alerts(pipeline: Pipeline) -> None:
    store = Store(pipeline.store_root)
    old_day = score_window(pipeline, DAY)
    assert not old_day.new  # its file is found, though the ledger names another folder
    assert Path(old_day.path).is_relative_to(pipeline.home)
    new_day = score_window(pipeline, NEXT_DAY)
    assert (new_day.new, new_day.version, new_day.rows) == (True, 1, 24)
    with Ledger.open(pipeline.ledger_url) as ledger:
        partition = ledger.find_partition("machines", NEXT_DAY)
        assert partition is not None
        assert partition.path == f"machines/scores/window={NEXT_DAY.key}/scores.parquet"
        assert store.has_file(store.locate_file(partition.path), partition.sha256)
    judged = monitor_window(pipeline, find_monitoring_window(pipeline, MOMENT), MOMENT)
    assert (judged.degradation.state, judged.report_error) == ("warning", "")
    before = {item.alert for item in list_alerts(pipeline, quiet=True)}
    [grouped] = [item for item in raise_alerts(pipeline) if item.window == NEXT_DAY.key]
    after = {item.alert for item in list_alerts(pipeline, quiet=True)}
    assert len(after - before) == grouped.opened
    assert verify_history(pipeline)["intact"]


def test_its_alerts_are_listed_and_answered(pipeline: Pipeline) -> None:
    assert {(item.alert, item.ending) for item in list_alerts(pipeline, "resolved", quiet=True)} == {
        ("4d8663641a9ea19a", "confirmed"),
        ("68518345785f1f28", "false-alarm"),
    }
    answer = resolve_alert(pipeline, "33c7", "confirmed", "ann")
    assert (answer.new, answer.labelled) == (True, 1)


@pytest.mark.slow
def test_it_rolls_back_and_forth(pipeline: Pipeline) -> None:
    assert rollback(pipeline, MOMENT, "three again").subject == "machines v3"
    assert rollback(pipeline, MOMENT, "two again").subject == "machines v1"
    assert verify_history(pipeline)["decisions"] == 14


def test_pruning_finds_every_file_where_it_is_now(pipeline: Pipeline) -> None:
    planned = prune(pipeline, apply=False, now=datetime(2036, 1, 1, tzinfo=UTC)).to_dict()
    names = [item["name"] for item in planned["removals"] if item["kind"] == "scores"]
    assert names
    assert all(Path(name).is_file() and Path(name).is_relative_to(pipeline.home) for name in names)


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        (("status",), "champion", 1),
        (("history", "--verify"), "head", HEAD),
        (("history", "--kind", "rollback"), "pipeline", "machines"),
        (("alerts",), "total", 11),
        (("resolve", "33c7", "--as", "false-alarm"), "labelled", 1),
    ],
)
def test_commands_work_on_it(
    command: Callable[..., Answer], config: Path, arguments: tuple[str, ...], key: str, value: Any
) -> None:
    name, *others = arguments
    answer = command(name, config, *others, "--json")
    assert answer.code == 0, answer.err
    assert answer.json[key] == value
