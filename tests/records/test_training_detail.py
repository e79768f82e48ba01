"""What the ledger keeps of a training: the keys on disk, and what other editions wrote."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pynomaly.errors import RecordError
from pynomaly.records.ledger import Ledger, RegistrationResult, TrainedBaseline, TrainingFacts, TrainingRecord

MOMENT = datetime(2026, 1, 5, tzinfo=UTC)
REGISTERED = RegistrationResult(
    pipeline="machines",
    key="k1",
    version=2,
    run_id="r",
    parent_run_id="p",
    sha256="s",
    detector="hbos",
    metric="average_precision",
    value=0.5,
    rung="labels",
    expected_alert_rate=0.01,
    recalibrated=False,
    notes=("small",),
    new=True,
)
GOLDEN = Path(__file__).parents[1] / "golden" / "first_edition.tar.gz"


@pytest.mark.parametrize(
    ("facts", "keys"),
    [
        (TrainingFacts(REGISTERED, window="all", asked=""), {"registered", "window", "asked"}),
        (TrainingFacts(REGISTERED, window="all", policy="a -> b"), {"registered", "window", "policy"}),
        (TrainingFacts(window="all", asked="k", reasons=()), {"window", "asked", "reasons"}),
        (TrainingFacts(), set()),
    ],
)
def test_the_ledger_keeps_the_fields_that_are_given(
    tmp_path: Path, facts: TrainingFacts, keys: set[str]
) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.put_training("k1", "machines", MOMENT, "h", 2, "registered", facts)
        stored = ledger.find_training("k1")
    assert stored is not None
    assert set(stored.detail) == keys
    registered = replace(REGISTERED, new=False) if facts.registered else None
    assert stored.facts == replace(facts, registered=registered)
    assert stored.baseline == (REGISTERED.baseline if facts.registered else TrainedBaseline())


def test_a_training_ends_and_keeps_its_facts(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        detail = {"registered": REGISTERED.to_dict(), "of a later edition": 1}
        begun = ledger.put_training("k1", "machines", MOMENT, "h", 2, "registered", detail)
        ledger.end_training(begun, "promote")
        ended = ledger.find_training("k1")
        assert ended is not None
        assert (ended.outcome, dict(ended.detail)) == ("promote", dict(begun.detail))
        assert ledger.find_version_training("machines", 2) == ended
        assert ledger.find_version_training("machines", 3) is None


def test_an_incomplete_registration_names_what_it_lacks() -> None:
    record = TrainingRecord("k", "p", MOMENT, "h", 1, "registered", {"registered": {"version": 1}})
    with pytest.raises(RecordError, match="lacks pipeline, key, run_id"):
        _ = record.registered


def test_trainings_of_the_first_edition_are_read_and_written_alike(tmp_path: Path) -> None:
    with tarfile.open(GOLDEN) as archive:
        archive.extractall(tmp_path, filter="data")
    with Ledger.open(f"sqlite:///{tmp_path}/.pynomaly/ledger.db") as ledger:
        trainings = ledger.list_trainings("machines")
        assert len(trainings) == 3
        for item in trainings:
            assert item.registered is not None
            assert item.registered.version == item.version
            written = ledger.put_training(
                item.key, item.pipeline, item.as_of, item.data_hash, item.version, item.outcome, item.facts
            )
            old = dict(item.detail)
            assert dict(written.detail) == old | {"registered": {**old["registered"], "new": False}}
