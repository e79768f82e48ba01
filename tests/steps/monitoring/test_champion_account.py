"""The champion's account: opened on record, one entry a window, withdrawn once, anew under a new champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.judging.account.guarantees import Guarantee, explain_missing
from pynomaly.model.bundle import Bundle
from pynomaly.model.dependence.dependence import INDEPENDENT
from pynomaly.records.ledger import Ledger
from pynomaly.records.ledger.decision_evidence import AccountEvidence
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.account import find_account, open_account
from pynomaly.steps.monitoring.monitor_window import monitor_window
from pynomaly.steps.notices.send import classify_decision
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
        states = []

        def enter(window: str, guarantee: Guarantee) -> dict[str, Any]:
            def bet(state: Mapping[str, Any]) -> tuple[Guarantee, Mapping[str, Any]]:
                states.append(dict(state))
                return guarantee, {"windows": state.get("windows", 0) + 1}

            entry = account.bet_on_window("alert_rate", window, bet, moment)
            assert entry.content["bets"]["windows"] >= 1
            return dict(entry.content["guarantee"])

        enter("w1", good)
        enter("w2", bad)
        kept = enter("w3", replace(good, bets=9))
        assert (kept["state"], kept["bets"], kept["reasons"]) == ("withdrawn", 9, ["broken"])
        unknown = enter("w4", explain_missing("alert_rate", 0.004, "too short"))
        assert (unknown["state"], unknown["bets"]) == ("withdrawn", 9), "what was bet on is not forgotten"
        assert enter("w1", bad)["state"] == "holds", "the first entry stays"
        assert states == [{}, {"windows": 1}, {"windows": 2}, {"windows": 3}]
        assert len(ledger.list_decisions("machines", "account", outcome="withdrawn")) == 1
        assert find_account(settings, ledger, 2) is None
        other = open_account(settings, ledger, 2, moment)
        assert ledger.accounts.find_newest("machines", other.name, "alert_rate") is None
        assert [item["state"] for item in other.list_guarantees()] == ["not_computable"] * 4


def test_two_windows_that_are_judged_at_once_go_on_from_each_other(pipeline: Make) -> None:
    settings, moment = pipeline(), datetime(2026, 2, 1, tzinfo=UTC)
    good, both_bet = Guarantee("alert_rate", "holds", 0.004, 5, 1.0, ("kept",)), Barrier(2)
    with Ledger.open(settings.ledger_url) as ledger:
        name = open_account(settings, ledger, 1, moment).name

    def bet(state: Mapping[str, Any]) -> tuple[Guarantee, Mapping[str, Any]]:
        with suppress(BrokenBarrierError):
            both_bet.wait(0.5)  # reached by one alone: the other waits for its turn
        return good, {"windows": state.get("windows", 0) + 1}

    def enter(window: str) -> None:
        with Ledger.open(settings.ledger_url) as ledger:
            open_account(settings, ledger, 1, moment).bet_on_window("alert_rate", window, bet, moment)

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(enter, ["w1", "w2"]))
    with Ledger.open(settings.ledger_url) as ledger:
        entries = ledger.accounts.list_entries("machines", name, "alert_rate")
    assert [item.content["bets"]["windows"] for item in entries] == [1, 2]


def test_the_first_champion_replaced_no_version(pipeline: Make) -> None:
    settings, moment = pipeline(), datetime(2026, 2, 1, tzinfo=UTC)
    with Ledger.open(settings.ledger_url) as ledger:
        account = open_account(settings, ledger, 1, moment)
        reasons = {item["name"]: item["reasons"] for item in account.list_guarantees()}
    assert reasons["bake"] == ["it replaced no version"]
    assert reasons["alert_rate"] == ["no window was judged yet that says anything about it"]


def test_a_budget_is_that_of_the_day_it_was_opened(pipeline: Make) -> None:
    settings, moment = pipeline(), datetime(2026, 2, 1, tzinfo=UTC)
    with Ledger.open(settings.ledger_url) as ledger:
        open_account(settings, ledger, 1, moment)
        later = settings.model_copy(update={"account": settings.account.model_copy(update={"alpha": 0.2})})
        assert open_account(later, ledger, 1, moment).shares["bake"] == pytest.approx(0.01)
