"""The champion's account: opened on record, one entry a window, withdrawn once, anew under a new champion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.judging.account.guarantees import Guarantee
from pynomaly.model.bundle import Bundle
from pynomaly.model.dependence.dependence import INDEPENDENT
from pynomaly.records.ledger import Ledger
from pynomaly.records.ledger.decision_evidence import AccountEvidence
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.account import find_account, open_account
from pynomaly.steps.monitoring.monitor_window import monitor_window
from pynomaly.steps.notify import classify_decision
from pynomaly.steps.reporting.overview import describe_status
from tests.steps.conftest import MOMENT, start_with_champion

Make = Callable[..., Pipeline]
WEEK = timedelta(days=7)


@pytest.mark.slow
def test_windows_are_entered_once_and_status_says_what_holds(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    assert describe_status(settings)["guarantees"] == []
    window = Window(MOMENT, MOMENT + WEEK)
    monitor_window(settings, window, MOMENT + WEEK)
    first = {item["name"]: item for item in describe_status(settings)["guarantees"]}
    assert list(first) == ["exchangeability", "alert_rate", "bake", "incidents"]
    assert first["alert_rate"]["state"] == "holds"
    assert first["alert_rate"]["bets"] > 0
    assert first["exchangeability"]["alpha"] == pytest.approx(0.001)
    assert first["incidents"]["state"] == "not_computable", "0 of 22 were caught: any share may be missed"
    assert (
        "(of the 22 that judged it, 0 were caught): 100 missed incidents in"
        in first["incidents"]["reasons"][0]
    )
    assert (first["bake"]["state"], first["bake"]["window"]) == ("not_computable", None), "nothing bakes"
    monitor_window(settings, window, MOMENT + 2 * WEEK)
    again = {item["name"]: item for item in describe_status(settings)["guarantees"]}
    assert again == first
    with Ledger.open(settings.ledger_url) as ledger:
        opened = ledger.list_decisions("machines", "account")
    assert [item.outcome for item in opened] == ["opened"]
    assert sum(AccountEvidence.of(opened[0]).shares.values()) == pytest.approx(settings.account.alpha)
    assert "exchangeability 0.001, alert rate 0.004, bake 0.01, incidents 0.005" in opened[0].reasons[0]


@pytest.mark.slow
def test_a_version_of_unknown_dependence_is_not_bet_on(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pipeline()
    start_with_champion(settings)
    load = Registry.load_bundle

    def load_without(registry: Registry, ref: ModelRef) -> Bundle:
        return replace(load(registry, ref), dependence=INDEPENDENT)  # as the first edition's bundles are read

    monkeypatch.setattr(Registry, "load_bundle", load_without)
    monitor_window(settings, Window(MOMENT, MOMENT + WEEK), MOMENT + WEEK)
    status = {item["name"]: item for item in describe_status(settings)["guarantees"]}
    for name in ("exchangeability", "alert_rate", "incidents"):
        assert (status[name]["state"], status[name]["bets"]) == ("not_computable", 0)
        assert "was not measured when the version was trained" in status[name]["reasons"][0]


@pytest.mark.slow
def test_a_flood_of_alerts_withdraws_the_promise_once(pipeline: Make) -> None:
    settings = pipeline(shift_day=15)
    start_with_champion(settings)
    monitor_window(settings, Window(MOMENT, MOMENT + WEEK), MOMENT + WEEK)
    monitor_window(settings, Window(MOMENT + WEEK, MOMENT + 2 * WEEK), MOMENT + 2 * WEEK)
    status = {item["name"]: item["state"] for item in describe_status(settings)["guarantees"]}
    assert status["alert_rate"] == "withdrawn"
    with Ledger.open(settings.ledger_url) as ledger:
        withdrawn = ledger.list_decisions("machines", "account", outcome="withdrawn")
    names = [(AccountEvidence.of(item).guarantee or {})["name"] for item in withdrawn]
    assert sorted(names) == ["alert_rate", "exchangeability"]
    assert {classify_decision(item) for item in withdrawn} == {"guarantee"}


def test_what_is_withdrawn_stays_so_and_a_new_champion_starts_anew(pipeline: Make) -> None:
    settings, moment = pipeline(), datetime(2026, 2, 1, tzinfo=UTC)
    good = Guarantee("alert_rate", "holds", 0.004, 5, 1.0, ("kept",))
    bad = replace(good, state="withdrawn", bets=6, largest=900.0, reasons=("broken",))
    with Ledger.open(settings.ledger_url) as ledger:
        account = open_account(settings, ledger, 1, moment)
        assert account.read_state("alert_rate") == {}
        account.enter("w1", good, {"rows": 1}, moment)
        account.enter("w2", bad, {"rows": 2}, moment)
        kept = account.enter("w3", replace(good, bets=9), {"rows": 3}, moment)
        assert (kept.state, kept.bets, kept.reasons) == ("withdrawn", 9, ("broken",))
        assert account.enter("w1", bad, {}, moment).state == "holds", "the first entry stays"
        assert account.read_state("alert_rate") == {"rows": 3}
        assert len(ledger.list_decisions("machines", "account", outcome="withdrawn")) == 1
        assert find_account(settings, ledger, 2) is None
        other = open_account(settings, ledger, 2, moment)
        assert other.read_state("alert_rate") == {}
        assert [item["state"] for item in other.list_guarantees()] == ["not_computable"] * 4


def test_a_budget_is_that_of_the_day_it_was_opened(pipeline: Make) -> None:
    settings, moment = pipeline(), datetime(2026, 2, 1, tzinfo=UTC)
    with Ledger.open(settings.ledger_url) as ledger:
        open_account(settings, ledger, 1, moment)
        later = settings.model_copy(update={"account": settings.account.model_copy(update={"alpha": 0.2})})
        assert open_account(later, ledger, 1, moment).shares["bake"] == pytest.approx(0.01)
