"""After dead processes: what they left is closed once, silence is told of once, and its end too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pynomaly.errors import RecordError
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.operations.reconcile import (
    list_live_leases,
    name_run_lease,
    reconcile,
    record_heartbeat,
    record_silence,
)
from tests.steps.conftest import learn, plan, trained

NOW = datetime.now(UTC)


def promoted(pipeline, at: datetime) -> None:
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.record_decision(
            Decision("p", pipeline.name, "promote", "v1", "first", ("why",), {}, at, at=at)
        )


def ledger_at(pipeline, moment: datetime) -> Ledger:
    return Ledger.open(pipeline.ledger_url, clock=lambda: moment)


def test_a_silence_is_recorded_once_and_so_is_its_end(pipeline) -> None:
    quiet = pipeline(days=1, schedule={"score": "0 * * * *", "monitor": ""})
    promoted(quiet, NOW - timedelta(days=2))
    silent, recovered = record_silence(quiet, NOW)
    assert ([item.work for item in silent], recovered) == (["score"], ())
    assert record_silence(quiet, NOW + timedelta(hours=5)) == ((), ())
    with ledger_at(quiet, NOW + timedelta(hours=6)) as ledger:
        ledger.outbox.record_heartbeat(quiet.name, "score")
    assert record_silence(quiet, NOW + timedelta(hours=6, minutes=1)) == ((), ("score",))
    assert record_silence(quiet, NOW + timedelta(hours=6, minutes=2)) == ((), ())
    again, _ = record_silence(quiet, NOW + timedelta(hours=12))
    assert len(again) == 1
    with Ledger.open(quiet.ledger_url) as ledger:
        outcomes = [item.outcome for item in ledger.list_decisions(quiet.name, "silence")]
    assert outcomes == ["silent", "recovered", "silent"]


def test_a_pipeline_without_a_champion_or_a_schedule_is_not_watched(pipeline) -> None:
    young = pipeline(days=1)
    assert record_silence(young, NOW + timedelta(days=30)) == ((), ())
    promoted(young, NOW - timedelta(days=30))
    unscheduled = pipeline(days=1, schedule={"score": "", "monitor": ""})
    assert record_silence(unscheduled, NOW) == ((), ())


def test_work_that_ends_well_is_no_silence(pipeline) -> None:
    busy = pipeline(days=1, schedule={"score": "0 * * * *", "monitor": ""})
    promoted(busy, NOW - timedelta(days=2))
    record_heartbeat(busy, "score")
    assert record_silence(busy, datetime.now(UTC)) == ((), ())


def test_files_that_got_no_name_go_after_an_hour(pipeline) -> None:
    owner = pipeline(days=1)
    store = Path(owner.store_root)
    folder = store / owner.name / "scores" / "window=all"
    folder.mkdir(parents=True)
    kept, other = folder / "scores.parquet", store / "others" / ".a.draft"
    other.parent.mkdir()
    draft = folder / ".scores.parquet.x1.draft"
    for file in (kept, draft, other):
        file.write_bytes(b"rows")
    assert reconcile(owner, datetime.now(UTC) + timedelta(minutes=50)).drafts == ()
    later = datetime.now(UTC) + timedelta(minutes=61)
    assert reconcile(owner, later).drafts == (str(draft),)
    assert reconcile(owner, later).drafts == ()
    assert (kept.exists(), draft.exists(), other.exists()) == (True, False, True)


def test_dead_leases_go_and_live_ones_stay(pipeline) -> None:
    owner = pipeline(days=1)
    with ledger_at(owner, NOW - timedelta(hours=1)) as past, Ledger.open(owner.ledger_url) as ledger:
        dead = past.hold_lease("train:machines", renew=False)
        dead.__enter__()  # its process is gone: nobody leaves the body
        other = past.hold_lease("train:others", renew=False)
        other.__enter__()
        with ledger.hold_lease(name_run_lease(owner, "r1")):
            result = reconcile(owner)
            assert result.leases == ("train:machines",)
            assert list_live_leases(owner, NOW) == {name_run_lease(owner, "r1")}
        assert {item.name for item in ledger.outbox.list_lease_holders()} == {"train:others"}
    assert reconcile(owner).leases == ()


def test_runs_of_dead_processes_are_killed_unless_somebody_works(pipeline) -> None:
    owner = pipeline(days=1)
    registry = Registry.open(owner.tracking_uri, owner.home, owner.artifact_root)
    dead = registry.start_parent_run(owner.name, "monitor w1")
    run = dead.__enter__()
    later = NOW + timedelta(hours=1)
    with ledger_at(owner, later) as ledger, ledger.hold_lease("train:machines", renew=False):
        assert reconcile(owner, later).runs == ()
    assert reconcile(owner).runs == ()  # younger than a lease lives
    assert reconcile(owner, later).runs == (run,)
    assert reconcile(owner, later).runs == ()
    with pytest.raises(GeneratorExit):
        dead.gen.throw(GeneratorExit)


@pytest.mark.slow
def test_half_done_work_is_finished_where_it_can_be_and_closed_where_not(pipeline) -> None:
    owner = pipeline()
    asked = plan(owner)
    registered, decided = learn(owner, asked)
    registry = Registry.open_for(owner)
    registry._client.delete_registered_model_alias(owner.name, "champion")
    unrecorded = registry._client.create_model_version(
        owner.name, source=str(owner.home), tags={"pynomaly.key": "lost"}
    )
    with Ledger.open(owner.ledger_url) as ledger:
        whole = ledger.find_training(registered.key)
        cut = (whole.key, owner.name, whole.as_of, "h", 1, "registered", whole.detail)  # but for its end
        ledger.put_training(*cut)
        ledger.put_training("half", owner.name, whole.as_of, "h", 7, "registered")
    later = datetime.now(UTC) + timedelta(hours=1)
    with ledger_at(owner, later) as ledger, ledger.hold_lease("train:machines", renew=False):
        result = reconcile(owner, later)
        assert (result.finished, result.abandoned) == ((), ())  # somebody may be finishing it
    result = reconcile(owner, later)
    assert registry.resolve_alias(owner.name, "champion").version == 1
    assert result.champion.endswith("v1")
    assert result.finished == (f"v1 ({registered.key})",)
    assert result.abandoned == ("v7 (half)", f"v{unrecorded.version} (lost)")
    again = reconcile(owner, later)
    assert (again.finished, again.abandoned) == ((), ())
    with Ledger.open(owner.ledger_url) as ledger:
        assert (ledger.find_training(whole.key).outcome, ledger.find_training("half").outcome) == (
            decided.kind,
            "abandoned",
        )
        lines = ledger.list_decisions(owner.name, "train")
        assert [item.subject for item in lines] == ["machines v2", "machines v7"]
        assert "before a verdict" in lines[0].reasons[0]


@pytest.mark.slow
def test_a_training_that_was_closed_goes_on_when_it_is_asked_for_again(pipeline) -> None:
    owner = pipeline()
    first, _ = trained(owner, plan(owner))
    assert reconcile(owner).abandoned == ()  # younger than a lease lives
    later = datetime.now(UTC) + timedelta(hours=1)
    assert reconcile(owner, later).abandoned == (f"v1 ({first.key})",)
    again = plan(owner)
    assert again.should_train
    registered, decided = learn(owner, again)
    assert (registered.version, registered.new, decided.kind) == (1, False, "promote")
    with Ledger.open(owner.ledger_url) as ledger:
        assert ledger.find_training(first.key).outcome == "promote"
        assert ledger.verify_chain().intact


def test_a_part_that_fails_does_not_stop_the_others(pipeline, monkeypatch) -> None:
    owner = pipeline(days=1, schedule={"score": "0 * * * *", "monitor": ""})
    promoted(owner, NOW - timedelta(days=2))

    def down(*arguments: object) -> None:
        raise RecordError("the registry is down")

    monkeypatch.setattr("pynomaly.steps.operations.reconcile.Registry.open", down)
    result = reconcile(owner)
    assert result.failed[0] == "runs: the registry is down"
    assert result.silent == ("score",)
