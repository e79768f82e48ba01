"""Retention on real records: what is old and free goes, once; what matters stays, and so does the chain."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.data.places import resolve_place
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, LeaseHeldError, NoChampionError
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.ledger.reads.retention import RetentionRows
from pynomaly.records.registry import Registry
from pynomaly.records.registry.removal import list_runs
from pynomaly.records.store import Store
from pynomaly.steps.alerting.audit_sample import draw_audit
from pynomaly.steps.alerting.raise_alerts import raise_alerts
from pynomaly.steps.alerting.resolve_alerts import list_alerts, resolve_alert
from pynomaly.steps.operations.prune import override_retention, prune
from pynomaly.steps.scoring.score_windows import score_window
from tests.databases import create_database
from tests.homes import start_from
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import MOMENT, learn, plan, start_with_champion

pytestmark = pytest.mark.slow

LATER = datetime.now(UTC) + timedelta(days=1000)


@pytest.fixture(params=["folder", pytest.param("shared", marks=pytest.mark.server)])
def grown(request: pytest.FixtureRequest, tmp_path: Path) -> Pipeline:
    """A champion that trained and scored for three days, and older versions nobody needs."""
    settings: dict[str, Any] = {"retention": {"newest": 1}}
    table = make_machines(28).assign(time=lambda frame: pd.to_datetime(frame["time"], utc=True))
    root = str(tmp_path)
    if request.param == "shared":
        root = request.getfixturevalue("bucket")
        postgres = request.getfixturevalue("postgres")
        addresses = {"ledger": create_database(postgres), "tracking": create_database(postgres)}
        settings["records"] = {**addresses, "artifacts": f"{root}/mlflow", "store": f"{root}/store"}
    (resolve_place(root) / "machines.parquet").write(table.to_parquet(index=False))
    settings["data"] = {"source": "parquet", "path": f"{root}/machines.parquet"}
    pipeline = parse_pipeline(make_small_settings(**settings), tmp_path / "machines.yaml")
    if request.param == "shared":
        grow(pipeline)
    else:
        start_from(pipeline, grow)
    return pipeline


def grow(pipeline: Pipeline) -> None:
    learn(pipeline, plan(pipeline))
    for number in range(3):
        score_window(pipeline, days(number))


def days(number: int) -> Window:
    return Window(MOMENT + timedelta(days=number), MOMENT + timedelta(days=number + 1))


def another(pipeline: Pipeline, key: str, alias: str = "") -> int:
    """One more version, the champion's files under another key, with a run and rows of its own."""
    registry, store = Registry.open_for(pipeline), Store(pipeline.store_root)
    champion = registry.resolve_alias(pipeline.name)
    bundle = registry.load_bundle(champion)
    with registry.start_parent_run(pipeline.name, f"train {key}") as parent:
        registry.log_to_run(parent, figures={"picture.png": b"0" * 1000})
        with registry.start_child_run(parent, "candidate") as child:
            pass
    folder = pipeline.home / "scratch" / key
    sha256 = bundle.recalibrate(bundle.golden, {"made": key}).save(folder)
    ref = registry.register(
        pipeline.name, child, folder, sha256, example=bundle.golden, key=key, pip_requirements=["numpy"]
    )
    store.write_reference(pipeline.name, sha256, bundle.golden)
    if alias:
        registry.set_alias(pipeline.name, alias, ref.version)
    return ref.version


@dataclass(frozen=True)
class Left:
    """What there is: versions, runs, files and scored windows."""

    versions: frozenset[int]
    runs: int
    files: frozenset[str]
    windows: frozenset[str]
    decisions: int


def left(pipeline: Pipeline) -> Left:
    registry = Registry.open_for(pipeline)
    with Ledger.open(pipeline.ledger_url) as ledger:
        assert ledger.verify_chain().intact
        return Left(
            frozenset(ref.version for ref in registry.list_versions(pipeline.name)),
            len(list_runs(registry, pipeline.name)),
            frozenset(entry.address for entry in Store(pipeline.store_root).list_files(pipeline.name)),
            frozenset(item.window for item in ledger.list_partitions(pipeline.name)),
            len(ledger.list_decisions(pipeline.name)),
        )


@pytest.mark.slow
def test_old_and_free_goes_once_and_what_matters_stays(grown: Pipeline) -> None:
    registry, store = Registry.open_for(grown), Store(grown.store_root)
    free, previous = another(grown, "free"), another(grown, "previous", "previous")
    newest = another(grown, "newest")
    store.write_quarantine(grown.name, days(1).key, pd.DataFrame({"a": [1]}))
    store.write_report(grown.name, f"drift-{days(0).key}-v{free}", "<html></html>")
    store.write_report(grown.name, f"drift-{days(1).key}-v{free}", "<html></html>")
    store.write_facts(grown.name, f"training-v{free}", {"made": "once"})
    before = left(grown)

    assert prune(grown, apply=True).removals == ()  # nothing is old yet
    planned = prune(grown, apply=False, now=LATER)
    assert left(grown) == before
    assert (planned.applied, planned.decision) == (False, "")
    assert {kind: item["count"] for kind, item in planned.counts.items()} == {
        "version": 1,
        "run": 2,
        "scores": 2,
        "report": 2,
        "quarantine": 1,
        "rows": 1,
    }
    assert planned.counts["run"]["bytes"] == 1000
    assert planned.counts["version"]["bytes"] > 10_000
    assert {item["name"]: item["reason"] for item in planned.kept}["v1"] == "it is champion"

    done = prune(grown, apply=True, now=LATER)
    assert (done.removals, done.skipped) == (planned.removals, ())
    after = left(grown)
    assert after.versions == {1, previous, newest}
    assert after.windows == {days(2).key}
    assert after.runs == before.runs - 2
    lists = after.files - before.files
    assert before.files - after.files == {
        item["name"] for item in planned.removals if item["kind"] not in ("version", "run")
    }
    with Ledger.open(grown.ledger_url) as ledger:
        line = ledger.find_last_decision(grown.name, "prune")
        assert line is not None
        assert line.key == done.decision
        removal_list = store.locate_file(line.evidence["list"])
        assert {str(removal_list)} == lists
        assert store.has_file(removal_list, line.evidence["sha256"])
    assert json.loads(resolve_place(next(iter(lists))).read())["bytes"] == done.bytes

    assert prune(grown, apply=True, now=LATER).removals == ()
    assert left(grown) == after
    for version in sorted(after.versions):
        assert registry.load_bundle(registry.find_version(grown.name, version)).verify_golden() <= 1e-9
    assert score_window(grown, days(0)).new  # what was removed can be made again
    assert not score_window(grown, days(2)).new


@pytest.mark.slow
def test_a_prune_that_dies_at_every_single_act_is_finished_under_one_line(
    grown: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("one", "two", "newest"):
        another(grown, key)
    goal = prune(grown, apply=False, now=LATER)
    assert set(goal.counts) == {"version", "run", "scores", "rows"}

    class Killed(BaseException):
        """The process is gone."""

    with monkeypatch.context() as patched:
        lives = {"acts": 0}

        def dying(act: Callable[..., Any], after: bool) -> Callable[..., Any]:
            def acted(*arguments: Any, **named: Any) -> Any:
                lives["acts"] += 1
                if lives["acts"] > 1 and not after:
                    raise Killed
                result = act(*arguments, **named)
                if after and lives["acts"] > 1:
                    raise Killed
                return result

            return acted

        for owner, name in (
            (Store, "remove_file"),
            (RetentionRows, "drop_partition"),
            (MlflowClient, "delete_run"),
            (MlflowClient, "delete_logged_model"),
            (MlflowClient, "delete_model_version"),
        ):
            patched.setattr(owner, name, dying(getattr(owner, name), after=name != "delete_model_version"))
        deaths = 0
        while True:
            lives["acts"] = 0
            try:
                prune(grown, apply=True, now=LATER)
                break
            except Killed:
                deaths += 1
        assert deaths >= 8
    assert prune(grown, apply=True, now=LATER).removals == ()
    with Ledger.open(grown.ledger_url) as ledger:
        assert len(ledger.list_decisions(grown.name, "prune")) == 1
        assert ledger.verify_chain().intact
    assert left(grown).versions == {1, 4}
    assert not {item["name"] for item in goal.removals} & left(grown).files


@pytest.mark.slow
def test_a_version_that_became_champion_in_between_stays(
    grown: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = another(grown, "old")
    another(grown, "newest")

    def promoted(*arguments: Any) -> Any:
        Registry.open_for(grown).set_alias(grown.name, "champion", old)
        return recorded(*arguments)

    import pynomaly.steps.operations.prune as module

    recorded = module._record_plan
    monkeypatch.setattr(module, "_record_plan", promoted)
    done = prune(grown, apply=True, now=LATER)
    assert f"v{old}" in {item["name"] for item in done.removals}
    registry = Registry.open_for(grown)
    assert registry.load_bundle(registry.resolve_alias(grown.name)).verify_golden() <= 1e-9


@pytest.mark.slow
def test_a_promotion_that_waits_keeps_its_version(pipeline: Callable[..., Pipeline]) -> None:
    owner = pipeline(retention={"newest": 1})
    start_with_champion(owner)
    waiting, free = another(owner, "waiting"), another(owner, "free")
    another(owner, "newest")
    evidence = {"version": waiting, "replaces": 1, "expires": LATER, "verdict": {}}
    with Ledger.open(owner.ledger_url) as ledger:
        pending = Decision(
            "w", owner.name, "pending", f"machines v{waiting}", "pending", (), evidence, MOMENT
        )
        ledger.record_decision(pending)
    gone = {item["name"] for item in prune(owner, apply=False, now=LATER).removals}
    assert (f"v{free}" in gone, f"v{waiting}" in gone) == (True, False)


@pytest.mark.slow
def test_scores_that_wait_for_an_answer_stay_until_it_comes(
    pipeline: Callable[..., Pipeline], tmp_path: Path
) -> None:
    owner = pipeline(retention={"newest": 1}, alerts={"quantile": 0.05})
    start_with_champion(owner)
    for number in range(3):
        score_window(owner, days(number))
    raise_alerts(owner)
    asked = {window for alert in list_alerts(owner) for window in alert.windows}
    assert days(0).key in asked
    with Ledger.open(owner.ledger_url) as ledger:
        first = ledger.find_partition(owner.name, days(0).key)
    assert first is not None
    path = str(Store(owner.store_root).locate_file(first.path))

    def going() -> set[str]:
        return {item["name"] for item in prune(owner, apply=False, now=LATER).removals}

    assert path not in going()
    for alert in list_alerts(owner):
        resolve_alert(owner, alert.alert, "confirmed", "somebody")
    assert path in going()
    draw_audit(owner, 5, timedelta(days=30), tmp_path / "audit.csv", "somebody", seed=0)
    drawn = pd.read_csv(tmp_path / "audit.csv")
    assert len(drawn) == 5
    assert len(going()) < 3


def test_nothing_of_others_is_touched(pipeline: Callable[..., Pipeline]) -> None:
    """A model version somebody registered by hand, a file of another tool, another prune at work."""
    owner = pipeline(retention={"newest": 1})
    start_with_champion(owner)
    registry = Registry.open_for(owner)
    with registry.start_parent_run(owner.name, "by hand") as run:
        pass
    registry._client.create_model_version(owner.name, "file:///elsewhere", run)
    registry._client.create_logged_model(
        registry.ensure_experiment(owner.name), name="theirs", source_run_id=run
    )
    foreign = resolve_place(owner.store_root) / owner.name / "notes" / "mine.txt"
    foreign.write(b"keep me")
    kinds = {item["kind"] for item in prune(owner, apply=True, now=LATER).removals}
    assert not kinds & {"version", "leftover"}
    assert foreign.exists()
    assert len(registry.list_versions(owner.name)) == 2
    with (
        Ledger.open(owner.ledger_url) as ledger,
        ledger.hold_lease(f"prune:{owner.name}", renew=False),
        pytest.raises(LeaseHeldError),
    ):
        prune(owner, apply=True, now=LATER)


def test_where_a_server_keeps_the_bin_a_run_goes_there_once(
    pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = pipeline(retention={"newest": 1})
    start_with_champion(owner)
    with Registry.open_for(owner).start_parent_run(owner.name, "old"):
        pass
    with monkeypatch.context() as patched:
        patched.delattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore._hard_delete_run")
        assert [item["kind"] for item in prune(owner, apply=True, now=LATER).removals] == ["run"]
        assert prune(owner, apply=True, now=LATER).removals == ()
    # The database itself gets it out of the bin.
    assert [item["kind"] for item in prune(owner, apply=True, now=LATER).removals] == ["run"]
    assert prune(owner, apply=True, now=LATER).removals == ()


def test_a_pipeline_without_anything_has_nothing_to_prune(pipeline: Callable[..., Pipeline]) -> None:
    empty = pipeline(days=1)
    assert prune(empty, apply=True, now=LATER).removals == ()
    with pytest.raises(NoChampionError):
        Registry.open_for(empty).resolve_alias(empty.name)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("scores", "write it like scores=30d"),
        ("score=30d", "scores"),
        ("scores=never", "not a duration"),
        ("scores=1h", "greater than or equal"),
        ("newest=0", "greater than or equal"),
        ("when_scheduled=apply", "write it like"),
    ],
)
def test_a_retention_that_is_none_is_refused(
    pipeline: Callable[..., Pipeline], asked: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        override_retention(pipeline(days=1), (asked,))
    assert override_retention(pipeline(days=1), ("scores=30d",)).retention.scores == timedelta(days=30)
