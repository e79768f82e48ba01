"""From a window whose thresholds alone moved to new p-values, and what is refused on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError, NoChampionError
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.monitoring.monitor_window import MonitoredWindow, find_monitoring_window, monitor_window
from pynomaly.steps.promotion.promote import promote
from pynomaly.steps.rejections import count_rejections
from pynomaly.steps.replay.replay import replay
from pynomaly.steps.training.compare_models import choose_winner, compare_with_champion
from pynomaly.steps.training.fit_candidates import recalibrate_champion
from pynomaly.steps.training.planning import TrainingPlan, plan_training
from pynomaly.steps.training.prepare import prepare_reference
from pynomaly.steps.training.recalibration.new_p_values import (
    find_learned_end,
    name_detector_window,
    read_baseline,
)
from pynomaly.steps.training.recalibration.rehearsal import rehearse_recalibration
from pynomaly.steps.training.register import register_training
from tests.steps.conftest import learn, plan

pytestmark = pytest.mark.slow

Make = Callable[..., Pipeline]
START = pd.Timestamp("2026-01-05T00:00Z")
WEEK = timedelta(days=7)
FIRST = (START + 4 * WEEK).to_pydatetime()
CHANGE = START + 6 * WEEK
AFTER = (START + 8 * WEEK).to_pydatetime()
SETTINGS: dict[str, dict[str, Any]] = {
    "data": {"label": None, "ignore": ["anomaly"]},
    "windows": {"reference": "28d"},
    "training": {"candidates": ["mahalanobis"]},
}


def draw_table(seed: int = 1, weeks: int = 11) -> pd.DataFrame:
    """Four machines, a row an hour, without anomalies: three quantities that go together."""
    rng = np.random.default_rng(seed)
    times = pd.date_range(START, periods=weeks * 168, freq="h").repeat(4)
    cells = rng.normal(size=(len(times), 2)) @ np.array([[3, 2, 0.5], [1, -0.5, 1.5]])
    cells += rng.normal(size=cells.shape) * [1.0, 0.5, 1.0]
    table = pd.DataFrame(cells, columns=["heat", "power", "noise"])
    machines = np.tile(["a", "b", "c", "d"], weeks * 168)
    return table.assign(time=times, machine=machines, anomaly=0)


def widen(table: pd.DataFrame, factor: float = 1.3) -> pd.DataFrame:
    """Every score moves, and no row's place among the others."""
    cells = table[["heat", "power", "noise"]].to_numpy().copy()
    cells[table["time"] >= CHANGE] *= factor
    return table.assign(**dict(zip(("heat", "power", "noise"), cells.T, strict=True)))


def monitor(settings: Pipeline, weeks: int) -> MonitoredWindow:
    at = (START + weeks * WEEK).to_pydatetime()
    return monitor_window(settings, find_monitoring_window(settings, at), at)


def load_champion(settings: Pipeline) -> Bundle:
    registry = Registry.open_for(settings)
    return registry.load_bundle(registry.resolve_alias(settings.name, "champion"))


def recalibrate(settings: Pipeline, planned: TrainingPlan, at: datetime) -> Decision:
    """Everything after the decision to recalibrate, as the flow wires it."""
    prepared = prepare_reference(
        settings, planned.window, at, planned.candidates, planned.asked, recalibrates=True
    )
    registry = Registry.open_for(settings)
    ref = registry.resolve_alias(settings.name, "champion")
    champion, baseline = registry.load_bundle(ref), read_baseline(settings, ref)
    fitted = recalibrate_champion(settings, prepared, champion, baseline)
    choice = choose_winner(settings, prepared, [fitted])
    registered = register_training(settings, prepared, [fitted], choice)
    verdict = compare_with_champion(settings, prepared, fitted)
    return promote(settings, registered, verdict, at)


def start(settings: Pipeline) -> None:
    _, decision = learn(settings, plan(settings, FIRST), FIRST)
    assert decision.kind == "promote", decision.reasons


def ask(settings: Pipeline, at: datetime = AFTER) -> TrainingPlan:
    return plan_training(settings, at, "manual", "a test", (), "recalibrate")


def test_thresholds_that_moved_are_set_again_and_alerts_are_as_promised(pipeline: Make) -> None:
    settings = pipeline(table=widen(draw_table()), **SETTINGS)
    start(settings)
    assert monitor(settings, 6).degradation.state == "normal"
    early = monitor(settings, 7).degradation  # one bad window, and a promise that is withdrawn
    assert (early.state, early.action) == ("warning", "recalibrate")
    asked = monitor(settings, 8)
    assert asked.degradation.action == "recalibrate", asked.degradation.reasons
    assert asked.observation.alert_status == "violated"
    before = rehearse_recalibration(settings, AFTER, "a test")
    planned = plan(settings, AFTER, "event", "; ".join(asked.degradation.reasons))
    assert planned.decision.remedy == "recalibrate", planned.decision.reasons
    assert planned.window is not None
    assert planned.window.start == CHANGE
    champion = load_champion(settings)
    decision = recalibrate(settings, planned, AFTER)
    assert (decision.kind, decision.outcome) == ("promote", "recalibrated"), decision.reasons
    assert before["ruling"]["kind"] == "promote"
    assert before["alert_rate_before"] > 2 * before["promised"] > before["alert_rate_after"]
    fresh, rows = load_champion(settings), draw_table(seed=2)
    first, second = champion.score(rows), fresh.score(rows)
    assert (first["score"] == second["score"]).all()
    assert (first["p_value"] <= second["p_value"]).mean() > 0.95
    assert find_learned_end(fresh) == AFTER
    registry = Registry.open_for(settings)
    first_ref, second_ref = (registry.find_version(settings.name, version) for version in (1, 2))
    probes = [read_baseline(settings, ref).probe for ref in (first_ref, second_ref)]
    assert probes[0] == probes[1], "a ranking that stays is held against the same measurement"
    learned = name_detector_window(champion, recalibrated=False)
    assert name_detector_window(fresh, recalibrated=True) == learned
    alerts = []
    for week in (9, 10):
        kept = monitor(settings, week)
        assert (kept.version, kept.degradation.state, kept.bake) == (2, "normal", "ok")
        alerts.append(kept.observation.alert_rate)
    assert 0 < max(rate for rate in alerts if rate is not None) < 0.03
    assert (
        ask(settings, AFTER + timedelta(days=1)).decision.remedy == "none"
    )  # the champion learned those rows


def test_a_promise_that_is_withdrawn_asks_for_a_recalibration_after_one_bad_window(pipeline: Make) -> None:
    settings = pipeline(table=widen(draw_table(), 1.15), **SETTINGS)
    start(settings)
    asked = monitor(settings, 7).degradation
    assert (asked.state, asked.action, len(asked.violated)) == ("warning", "recalibrate", 1)
    assert any("withdrawn promises" in reason for reason in asked.reasons)
    at = (START + 7 * WEEK).to_pydatetime()
    assert plan(settings, at, "event", "a test").decision.remedy == "recalibrate"
    replayed = replay(settings, FIRST, at + WEEK, ("ours",))["policies"]["ours"]["decisions"]
    assert [item["at"] for item in replayed] == [at.isoformat()], "a replay has the account, too"
    assert replayed[0]["reasons"][0].startswith("thresholds moved")


def test_a_bad_window_is_checked_at_once_where_that_decides(pipeline: Make) -> None:
    checks = {"degradation": {"check_every": "28d"}}
    settings = pipeline(table=widen(draw_table()), **SETTINGS, **checks)
    start(settings)
    assert monitor(settings, 6).observation.agreement_status == "ok"
    assert monitor(settings, 7).observation.agreement_status == "ok"  # not due, and the window is bad
    asked = monitor(settings, 8)
    assert (asked.observation.agreement_status, asked.degradation.action) == ("not_due", "recalibrate")


@pytest.mark.parametrize(
    ("spread", "part"),
    [(False, "more than 5.0%"), (True, "more than 5.0%"), (None, "alerts lie close together")],
)
def test_rows_with_an_incident_set_no_p_values(pipeline: Make, spread: bool | None, part: str) -> None:
    table = draw_table()
    rng = np.random.default_rng(3)
    late = (table["time"] >= CHANGE).to_numpy()
    if spread:
        bad = late & (rng.random(len(table)) < 0.08)
    elif spread is None:  # two days of one machine: under the cap
        bad = table["time"].between(CHANGE + WEEK, CHANGE + WEEK + timedelta(days=1)).to_numpy().copy()
        bad &= table["machine"].isin(["a", "b"]).to_numpy()
    else:
        bad = late & (table["time"] < CHANGE + timedelta(days=1.12)).to_numpy()
    table.loc[bad, "heat"] += 20
    settings = pipeline(table=table, **SETTINGS)
    start(settings)
    planned = ask(settings)
    assert planned.decision.remedy == "recalibrate"
    decision = recalibrate(settings, planned, AFTER)
    assert (decision.kind, decision.outcome) == ("refuse", "inferior"), decision.reasons
    assert any(part in reason for reason in decision.reasons), decision.reasons
    rehearsed = rehearse_recalibration(settings, AFTER + timedelta(days=2), "a test")
    assert rehearsed["ruling"]["kind"] == "refuse"
    with Ledger.open(settings.ledger_url) as ledger:
        assert count_rejections(ledger.list_decisions("machines"), AFTER, timedelta(days=90)).count == 1


def test_a_change_of_relations_retrains(pipeline: Make) -> None:
    table = draw_table()
    table.loc[table["time"] >= CHANGE, "power"] *= -1
    settings = pipeline(table=table, **SETTINGS)
    start(settings)
    actions = [monitor(settings, week).degradation.action for week in (7, 8)]
    assert actions == ["watch", "retrain"]
    assert plan(settings, AFTER, "event", "a test").decision.remedy in ("refit", "search")
    decision = recalibrate(settings, ask(settings), AFTER)
    assert decision.kind == "refuse"
    assert any("the ranking is not shown to be intact" in reason for reason in decision.reasons)


def test_a_recalibration_needs_a_champion_times_and_rows_that_are_new(pipeline: Make) -> None:
    settings = pipeline(table=draw_table(), **SETTINGS)
    with pytest.raises(NoChampionError, match="no champion to recalibrate"):
        ask(settings)
    start(settings)
    with Ledger.open(settings.ledger_url) as ledger:
        decisions = len(ledger.list_decisions("machines"))
    early = rehearse_recalibration(settings, FIRST + timedelta(days=1), "a test")
    assert early["decision"]["remedy"] == "none"
    assert "of which the champion has learned no row" in early["decision"]["reasons"][0]
    assert "ruling" not in early
    rehearse_recalibration(settings, AFTER, "a test")
    with Ledger.open(settings.ledger_url) as ledger:
        assert len(ledger.list_decisions("machines")) == decisions  # a rehearsal writes nothing
    assert ask(settings, FIRST).decision.remedy == "none"
    timeless = pipeline(table=draw_table(), **SETTINGS | {"data": SETTINGS["data"] | {"time": None}})
    with pytest.raises(ConfigError, match=r"no time column \(data.time\)"):
        ask(timeless)


def test_a_recalibration_takes_the_configured_policy(pipeline: Make) -> None:
    settings = pipeline(table=widen(draw_table()), **SETTINGS)
    start(settings)
    alerts = settings.alerts.model_copy(update={"policy": "fdr"})
    changed = settings.model_copy(update={"alerts": alerts})
    champion = load_champion(settings)
    monitor(settings, 7)
    decision = recalibrate(changed, ask(changed), AFTER)
    assert decision.kind == "promote", decision.reasons
    assert (champion.policy.kind, load_champion(settings).policy.kind) == ("quantile", "fdr")
