"""A challenger that misses an incident that the champion caught is refused, and the incident is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.errors import IntegrityError
from pynomaly.judging.comparison.compare import Verdict, VerdictOutcome
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import RegistrationResult
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.promotion.past_incidents import replay_incidents
from pynomaly.steps.promotion.promote import promote
from tests.steps.conftest import plan, start_with_champion, trained

Make = Callable[..., Pipeline]

LATER = datetime(2026, 1, 26, tzinfo=UTC)
PUMP = "- {start: 2026-01-12T00:00:00Z, end: 2026-01-18T00:00:00Z, entity: a, name: pump}\n"
CALM = "- {start: 2026-01-13T00:00:00Z, end: 2026-01-13T02:00:00Z, entity: b, name: calm}\n"


def taught_wrong(
    pipeline: Make, folder: Path, **blocks: object
) -> tuple[Pipeline, RegistrationResult, Verdict]:
    """A challenger that learned six bad days of machine a as normal, for nobody had declared them yet."""
    file = folder / "incidents.yaml"
    file.write_text("")
    settings = pipeline(data={"label": None, "ignore": ["anomaly"], "incidents": "incidents.yaml"}, **blocks)
    start_with_champion(settings)
    frame = pd.read_csv(settings.data.path)
    bad = (frame["machine"] == "a") & frame["time"].between("2026-01-12", "2026-01-18")
    frame.loc[bad, ["heat", "power", "noise"]] = [60.0, -30.0, 9.0]
    frame.to_csv(settings.data.path, index=False)
    registered, verdict = trained(settings, plan(settings, LATER, "manual"), LATER)
    assert verdict is not None
    return settings, registered, replace(verdict, outcome=VerdictOutcome.SUPERIOR)


@pytest.mark.slow
def test_a_missed_incident_is_refused_and_named(pipeline: Make, tmp_path: Path) -> None:
    settings, registered, verdict = taught_wrong(pipeline, tmp_path)
    (tmp_path / "incidents.yaml").write_text(PUMP + CALM)
    decision = promote(settings, registered, verdict, LATER)
    assert decision.kind == "refuse"
    assert decision.outcome.startswith("misses pump of a")
    assert "calm" not in decision.outcome
    assert decision.reasons[0].startswith("It misses what the champion caught: pump of a")
    assert decision.evidence["incidents"]["incidents"] == 2
    assert len(decision.evidence["incidents"]["champion"]) >= 1
    assert (
        Registry.open(settings.tracking_uri, settings.home).resolve_alias("machines", "champion").version == 1
    )


@pytest.mark.slow
def test_a_person_is_asked_with_that_reason_first(pipeline: Make, tmp_path: Path) -> None:
    settings, registered, verdict = taught_wrong(pipeline, tmp_path, promotion={"mode": "approval"})
    (tmp_path / "incidents.yaml").write_text(PUMP)
    decision = promote(settings, registered, verdict, LATER)
    assert decision.kind == "pending"
    assert decision.reasons[0].startswith("It misses what the champion caught: pump of a")


@pytest.mark.slow
@pytest.mark.parametrize(
    "declared", ["", CALM, PUMP.replace("entity: a", "entity: zz"), PUMP.replace("2026", "2027"), PUMP + CALM]
)
def test_what_is_not_missed_or_not_past_or_not_among_the_newest_holds_nothing_back(
    pipeline: Make, tmp_path: Path, declared: str
) -> None:
    # The newest one alone: calm ended before pump did, unless it is moved behind it.
    settings, registered, verdict = taught_wrong(pipeline, tmp_path, promotion={"incidents": 1})
    late = CALM.replace("01-13", "01-19")
    (tmp_path / "incidents.yaml").write_text(declared.replace(CALM, late))
    decision = promote(settings, registered, verdict, LATER)
    assert decision.kind == "promote", decision.reasons


@pytest.mark.slow
def test_labelled_episodes_of_the_held_out_rows_are_incidents(pipeline: Make) -> None:
    settings = pipeline(promotion={"incidents": 7})
    start_with_champion(settings)
    registered, _ = trained(settings, plan(settings, LATER, "manual"), LATER)
    registry = Registry.open(settings.tracking_uri, settings.home)
    champion = registry.resolve_alias("machines", "champion")
    challenger = registry.find_version("machines", registered.version)
    comparison = replay_incidents(settings, registry, champion, challenger, LATER)
    assert comparison is not None
    assert comparison.incidents == 7
    assert all(name.startswith("labelled anomaly of ") for name in comparison.champion)
    assert set(comparison.missed) == set(comparison.champion) - set(comparison.challenger)
    same = replay_incidents(settings, registry, champion, champion, LATER)
    assert same is not None
    assert same.missed == ()


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "kind"), [("automatic", "refuse"), ("approval", "pending")])
def test_a_champion_that_cannot_be_read_holds_the_promotion_back_and_that_is_on_record(
    pipeline: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kind: str
) -> None:
    settings, registered, verdict = taught_wrong(pipeline, tmp_path, promotion={"mode": mode})
    (tmp_path / "incidents.yaml").write_text(PUMP)
    whole = Registry.load_bundle

    def damaged(self: Registry, ref: ModelRef) -> Bundle:
        if ref.version == 1:
            raise IntegrityError("calibration.npz is not what was registered")
        return whole(self, ref)

    monkeypatch.setattr(Registry, "load_bundle", damaged)
    decision = promote(settings, registered, verdict, LATER)
    assert decision.kind == kind
    why = "What past incidents say of it is not computable: calibration.npz is not what was registered"
    assert why in decision.reasons
    assert decision.evidence["incidents"]["computable"] is False
    assert Registry.open_for(settings).resolve_alias("machines", "champion").version == 1
