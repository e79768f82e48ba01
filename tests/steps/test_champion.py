"""Alias and ledger in step: a move cut off is finished, a change by hand is recorded and honoured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pynomaly.config import Pipeline, Promotion
from pynomaly.model.isolated_check import IsolatedCheck
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps import gate as gating
from pynomaly.steps.champion import find_champion, honour_alias
from pynomaly.steps.promotion import promote as promoting
from pynomaly.steps.promotion.promote import rollback
from tests.steps.conftest import MOMENT, learn, plan, start_with_champion

Make = Callable[..., Pipeline]


@pytest.fixture
def two_versions(pipeline: Make) -> tuple[Pipeline, Registry]:
    """v1 is champion; v2 was refused."""
    settings = pipeline(promotion={"mode": "never"})
    start_with_champion(settings)
    later = MOMENT + timedelta(days=7)
    _, decision = learn(settings, plan(settings, later, "manual"), later)
    assert decision.kind == "refuse"
    return settings, Registry.open(settings.tracking_uri, settings.home)


@pytest.mark.slow
def test_an_alias_set_by_hand_is_recorded_once_and_honoured(two_versions: tuple[Pipeline, Registry]) -> None:
    settings, registry = two_versions
    registry.set_alias("machines", "champion", 2)
    for _ in range(2):
        honour_alias(settings)
    with Ledger.open(settings.ledger_url) as ledger:
        noticed = [item for item in ledger.list_decisions("machines", "promote") if item.outcome == "by hand"]
    assert [item.evidence["version"] for item in noticed] == [2]
    assert registry.list_aliases("machines")["champion"] == 2
    assert registry.list_aliases("machines")["previous"] == 1
    rollback(settings, MOMENT, "not so good")
    honour_alias(settings)
    assert registry.list_aliases("machines")["champion"] == 1


@pytest.mark.slow
def test_a_move_that_was_cut_off_is_finished(
    two_versions: tuple[Pipeline, Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, registry = two_versions
    registry.set_alias("machines", "champion", 2)
    honour_alias(settings)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(promoting, "move_aliases", killed)
        with pytest.raises(KeyboardInterrupt):
            rollback(settings, MOMENT, "cut off")
    assert registry.list_aliases("machines")["champion"] == 2
    honour_alias(settings)
    assert registry.list_aliases("machines")["champion"] == 1
    with Ledger.open(settings.ledger_url) as ledger:
        assert ledger.list_decisions("machines", "promote")[0].outcome == "by hand"
        assert len(ledger.list_decisions("machines", "rollback")) == 1


@pytest.mark.slow
def test_in_step_nothing_is_recorded(two_versions: tuple[Pipeline, Registry]) -> None:
    settings, _ = two_versions
    with Ledger.open(settings.ledger_url) as ledger:
        before = len(ledger.list_decisions("machines"))
        honour_alias(settings)
        assert len(ledger.list_decisions("machines")) == before


@pytest.mark.slow
def test_an_alias_set_by_hand_meets_the_gate(
    two_versions: tuple[Pipeline, Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, registry = two_versions
    monkeypatch.setattr(gating, "run_isolated_check", lambda *_: IsolatedCheck(0.0, 1e6, 1e6, 300.0))
    registry.set_alias("machines", "champion", 2)
    for _ in range(2):
        honour_alias(settings)
    assert registry.list_aliases("machines")["champion"] == 1
    honoured = settings.model_copy(
        update={"promotion": settings.promotion.model_copy(update={"by_hand": "honour"})}
    )
    registry.set_alias("machines", "champion", 2)
    honour_alias(honoured)
    assert registry.list_aliases("machines")["champion"] == 2
    with Ledger.open(settings.ledger_url) as ledger:
        refused = [item for item in ledger.list_decisions("machines", "refuse") if item.outcome == "by hand"]
        accepted = ledger.list_decisions("machines", "promote")[0]
    assert ["set back to v1: the gate refuses" in item.reasons[0] for item in refused] == [True]
    assert "the gate would refuse it" in accepted.reasons[0]


@pytest.mark.slow
def test_a_policy_that_refuses_sets_the_alias_back(
    two_versions: tuple[Pipeline, Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, registry = two_versions
    monkeypatch.setattr(gating, "run_isolated_check", lambda *_: IsolatedCheck(0.0, 1.0, 1.0, 300.0))
    strict = settings.model_copy(
        update={"promotion": settings.promotion.model_copy(update={"mode": "approval", "by_hand": "refuse"})}
    )
    registry.set_alias("machines", "champion", 2)
    honour_alias(strict)
    assert registry.list_aliases("machines")["champion"] == 1
    assert find_champion(strict, registry).version == 1


def test_some_way_to_a_champion_is_left() -> None:
    with pytest.raises(ValueError, match="leave no way to a new champion"):
        Promotion(mode="never", by_hand="refuse")
