"""The first windows of a new champion: counted, held against the one it replaced, taken back once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.model.bundle import Bundle
from pynomaly.model.dependence.dependence import INDEPENDENT
from pynomaly.model.isolated_check import IsolatedCheck
from pynomaly.records.ledger import Decision, Ledger, RegistrationResult
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps import gate as gating
from pynomaly.steps.promotion import bake as baking
from pynomaly.steps.promotion.promote import promote, rollback
from pynomaly.steps.reporting.overview import describe_status
from pynomaly.steps.scoring.score_windows import score_window
from tests.judging.comparison.test_promotion_rules import SUPERIOR
from tests.machines import make_resting_machines
from tests.steps.conftest import MOMENT, learn, plan, start_with_challenger, trained

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
LATER = MOMENT + 7 * DAY


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gating, "run_isolated_check", lambda *_: IsolatedCheck(0.0, 1.0, 1.0, 300.0))


@pytest.fixture
def promoted(pipeline: Callable[..., Pipeline], gate: None) -> tuple[Pipeline, RegistrationResult]:
    """v2 took over from v1 a moment ago, with three windows of 96 rows to go."""
    settings = pipeline(days=42, degradation={"min_rows": 50}, drift={"min_rows": 50})
    registered, _ = start_with_challenger(settings, LATER)
    assert promote(settings, registered, SUPERIOR, LATER).kind == "promote"
    return settings, registered


def champion(settings: Pipeline) -> int:
    return Registry.open(settings.tracking_uri, settings.home).resolve_alias("machines").version


def lines(settings: Pipeline, kind: str) -> list[Decision]:
    with Ledger.open(settings.ledger_url) as ledger:
        return list(ledger.list_decisions("machines", kind))


def day(number: int) -> Window:
    return Window(LATER + number * DAY, LATER + (number + 1) * DAY)


@pytest.mark.slow
def test_three_good_windows_and_the_promotion_stands(promoted: tuple[Pipeline, RegistrationResult]) -> None:
    settings, _ = promoted
    # Latency is a matter of the machine that runs the test.
    settings = settings.model_copy(
        update={"promotion": settings.promotion.model_copy(update={"max_latency_ms": 1e9})}
    )
    assert score_window(settings, Window(LATER - DAY, LATER)).bake == ""  # no news of the promotion
    waits = describe_status(settings)["baking"]
    assert (waits["version"], waits["against"], waits["seen"], waits["windows"]) == (2, 1, 0, 3)
    assert waits["until"].startswith("3 more windows")
    results = [score_window(settings, day(number)) for number in range(4)]
    assert [item.bake for item in results] == ["ok", "ok", "ok", ""]
    assert score_window(settings, day(0)).bake == ""
    assert describe_status(settings)["baking"] is None
    assert len(lines(settings, "bake")) == 3
    promise = next(item for item in describe_status(settings)["guarantees"] if item["name"] == "bake")
    assert (promise["state"], promise["window"]) == ("holds", day(2).key)
    assert champion(settings) == 2


def test_a_breach_takes_it_back_once(
    promoted: tuple[Pipeline, RegistrationResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, registered = promoted
    costs = iter([5000.0, 1.0])  # of the new champion, and of the one before
    monkeypatch.setattr(baking, "_measure_latency_ms", lambda *_: next(costs))
    assert score_window(settings, day(0)).bake == "breach"
    assert champion(settings) == 1
    taken = lines(settings, "rollback")[0]
    assert taken.actor == "bake"
    assert "5000.0 ms" in taken.reasons[0]
    broken = next(item for item in lines(settings, "account") if item.outcome == "withdrawn")
    assert (broken.version, broken.evidence["guarantee"]["name"]) == (2, "bake")
    assert score_window(settings, day(1)).bake == ""  # a rollback is not baked: no flip-flop
    assert describe_status(settings)["baking"] is None

    # By itself the same version does not come back; by a person it does, and then it stays.
    refused = promote(settings, registered, SUPERIOR, LATER + DAY)
    assert refused.kind == "refuse"
    assert "rolled back while it baked" in refused.reasons[0]
    rollback(settings, LATER + 2 * DAY, "it was the machine, not the model")
    assert champion(settings) == 2
    Registry.open(settings.tracking_uri, settings.home).set_alias("machines", "champion", 1)
    assert score_window(settings, day(2)).version == 1
    Registry.open(settings.tracking_uri, settings.home).set_alias("machines", "champion", 2)
    assert score_window(settings, day(3)).version == 2
    assert score_window(settings, day(4)).bake == ""
    assert len([item for item in lines(settings, "rollback") if item.actor == "bake"]) == 1


@pytest.mark.slow
def test_versions_of_unknown_dependence_are_not_bet_on(
    promoted: tuple[Pipeline, RegistrationResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = promoted
    settings = settings.model_copy(
        update={"promotion": settings.promotion.model_copy(update={"max_latency_ms": 1e9})}
    )
    load = Registry.load_bundle

    def load_without(registry: Registry, ref: ModelRef) -> Bundle:
        return replace(load(registry, ref), dependence=INDEPENDENT)  # as the first edition's bundles are read

    monkeypatch.setattr(Registry, "load_bundle", load_without)
    assert score_window(settings, day(0)).bake == "ok"
    bake = lines(settings, "bake")[0]
    assert bake.evidence["paired"]["blocks"] == 0
    assert "how long rows depend on each other is not known" in bake.reasons[0]
    promise = next(item for item in describe_status(settings)["guarantees"] if item["name"] == "bake")
    assert (promise["state"], promise["bets"]) == ("not_computable", 0)
    assert "was not measured when the version was trained" in promise["reasons"][0]


@pytest.mark.slow
def test_a_champion_of_the_new_regime_is_not_blamed_for_it(
    pipeline: Callable[..., Pipeline], gate: None
) -> None:
    # Everything sits elsewhere from day 15 on; v2 learned from both, v1 from the old days alone.
    settings = pipeline(
        days=42,
        shift_day=15,
        degradation={"min_rows": 50},
        drift={"min_rows": 50},
        promotion={"max_latency_ms": 1e9},
    )
    registered, _ = start_with_challenger(settings, LATER)
    promote(settings, registered, SUPERIOR, LATER)
    assert score_window(settings, day(0)).bake == "ok"
    bake = lines(settings, "bake")[0]
    assert bake.evidence["old"]["score_status"] == "drift"
    assert champion(settings) == 2


@pytest.mark.slow
def test_a_sunday_is_no_drift_of_the_scores_while_a_promotion_bakes(
    pipeline: Callable[..., Pipeline], gate: None
) -> None:
    settings = pipeline(
        table=make_resting_machines(105),
        windows={"reference": "84d"},
        degradation={"min_rows": 50},
        drift={"min_rows": 50},
        promotion={"max_latency_ms": 1e9, "bake": 5},
    )
    first = datetime(2026, 4, 6, tzinfo=UTC)
    learn(settings, plan(settings, first), first)
    later = first + 3 * DAY
    registered, _ = trained(settings, plan(settings, later, "manual"), later)
    promote(settings, registered, SUPERIOR, later)
    days = [Window(later + number * DAY, later + (number + 1) * DAY) for number in range(5)]
    # The first days hold too few independent blocks to tell versions apart, and say so.
    outcomes = []
    for window in days:
        outcomes.append(score_window(settings, window).bake)
        promise = next(item for item in describe_status(settings)["guarantees"] if item["name"] == "bake")
        blocks = sum(item.evidence["paired"]["blocks"] for item in lines(settings, "bake"))
        assert promise["state"] == ("holds" if blocks >= 3 else "not_computable"), blocks
    assert set(outcomes) <= {"ok", "insufficient_data"}
    assert outcomes[-1] == "ok"
    bakes = [item.evidence for item in lines(settings, "bake")]
    assert any(window.start.weekday() == 6 for window in days)
    assert [evidence[side]["score_status"] for evidence in bakes for side in ("new", "old")] == ["ok"] * 10


@pytest.mark.slow
def test_the_version_that_waits_scores_beside_and_alerts_nobody(
    pipeline: Callable[..., Pipeline], gate: None
) -> None:
    settings = pipeline(days=42, promotion={"mode": "approval", "shadow": True, "diff_days": 2})
    registered, _ = start_with_challenger(settings, LATER)
    assert promote(settings, registered, SUPERIOR, LATER).kind == "pending"
    done = score_window(settings, day(0))
    assert done.version == 1
    beside = list((Path(settings.store_root) / "machines" / "shadow" / "v2").rglob("*.parquet"))
    assert len(beside) == 1
    table, champions = pd.read_parquet(beside[0]), pd.read_parquet(done.path)
    assert table["model_version"].unique().tolist() == [2]
    assert table["row"].tolist() == champions["row"].tolist()
    with Ledger.open(settings.ledger_url) as ledger:
        assert [item.version for item in ledger.list_partitions("machines")] == [1]
    assert describe_status(settings)["pending"] == [2]
    assert datetime.now(UTC) < datetime.fromisoformat(lines(settings, "pending")[0].evidence["expires"])
