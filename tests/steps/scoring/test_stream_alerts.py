"""The rate of false alerts over a stream is kept in the ledger: the same window has the same share again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.dependence.dependence import Dependence
from pynomaly.records.ledger import AlertEvent, Ledger
from pynomaly.records.ledger.tables import account_entries
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store
from pynomaly.steps.alerting.raise_alerts import read_alerts as read_recorded_alerts
from pynomaly.steps.reporting.overview import describe_status
from pynomaly.steps.scoring import stream_alerts
from pynomaly.steps.scoring.score_windows import score_window
from pynomaly.steps.scoring.stream_alerts import enter_discoveries, take_share
from tests.steps.conftest import MOMENT, start_with_champion

Make = Callable[..., Pipeline]
DAY = timedelta(days=1)
STREAM = {"policy": "fdr", "fdr_over": "stream", "fdr_period": "7d", "count": "rows", "fdr": 0.45}


def day(number: int) -> Window:
    return Window(MOMENT + number * DAY, MOMENT + (number + 1) * DAY)


def read_alerts(settings: Pipeline, window: Window) -> list[bool]:
    table: pd.DataFrame = Store(settings.store_root).read_scores("machines", [window.key])
    return list(table["is_anomaly"])


@pytest.mark.slow
def test_a_window_scored_after_a_kill_has_its_share_again(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pipeline(alerts=STREAM)
    start_with_champion(settings)
    bundle = Registry.open_for(settings).load_bundle(
        Registry.open_for(settings).resolve_alias("machines", "champion")
    )
    with Ledger.open(settings.ledger_url) as ledger:
        rows = read_source(settings.data, day(0))
        first = take_share(settings, ledger, bundle, day(0), rows)
        assert first is not None
        # A day of 96 rows against a few hundred held-out ones: the first window spends most of the allowance.
        assert first.allowed == pytest.approx(max(0.45 / 7, len(rows) * bundle.calibration.resolution))
        assert take_share(settings, ledger, bundle, None, rows) is None
    score_window(settings, day(0))
    write = Store.write_scores

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "write_scores", die)
    with pytest.raises(KeyboardInterrupt):
        score_window(settings, day(3))
    monkeypatch.setattr(Store, "write_scores", write)
    with Ledger.open(settings.ledger_url) as ledger:
        killed = take_share(settings, ledger, bundle, day(3), rows)
    score_window(settings, day(1))  # what is scored in between changes nothing
    with Ledger.open(settings.ledger_url) as ledger:
        assert take_share(settings, ledger, bundle, day(3), rows) == killed
        entries = ledger.accounts.list_entries("machines", "alerts:202601", "fdr")
    assert [item.content["start"] for item in entries] == [
        day(number).start.isoformat() for number in (0, 3, 1)
    ]
    result = score_window(settings, day(3))
    status = describe_status(settings)["stream"]
    other = pipeline(alerts=STREAM | {"fdr_period": "2d", "fdr": 0.2})
    unapplied = describe_status(other)
    assert unapplied["stream"] == status, "the champion goes by its own settings"
    assert unapplied["alerts_changed"] == ["fdr 0.45 (now 0.2)", "fdr_period 7d (now 2d)"]
    for same in ({}, {"quantile": 0.2}):  # a figure of another policy changes nothing
        assert describe_status(pipeline(alerts=STREAM | same))["alerts_changed"] == []
    assert status["windows"] == 3
    assert status["spent"] <= status["earned"]
    assert entries[1].content["discoveries"] == result.alerts == sum(read_alerts(settings, day(3)))


def test_the_longest_key_of_a_window_fits_the_ledger(pipeline: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = pipeline(alerts=STREAM)
    policy = AlertPolicy("fdr", 0.0, level=0.45, period=timedelta(days=7))
    window = Window(MOMENT + timedelta(microseconds=123456), MOMENT + timedelta(microseconds=654321))
    monkeypatch.setattr(stream_alerts, "count_discoveries", lambda *_: (1, {}))
    bundle: Any = SimpleNamespace(policy=policy, contract=None)
    with Ledger.open(settings.ledger_url) as ledger:
        enter_discoveries(settings, ledger, bundle, window, "f" * 64, pd.DataFrame(), np.zeros(0, dtype=bool))
        enter_discoveries(settings, ledger, bundle, window, "e" * 64, pd.DataFrame(), np.zeros(0, dtype=bool))
        entries = ledger.accounts.list_entries("machines", "alerts:202601", "fdr")
    assert len(entries) == 2, "other data, another entry"
    for entry in entries:
        for name in ("pipeline", "account", "guarantee", "window"):
            assert len(getattr(entry, name)) <= account_entries.c[name].type.length


def test_another_period_is_no_second_allowance(pipeline: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = pipeline(alerts=STREAM)
    monkeypatch.setattr(stream_alerts, "spend_at_finest", lambda *_: 0.3)

    def take(number: int, days: int) -> float:
        policy = AlertPolicy("fdr", 0.0, level=0.45, period=timedelta(days=days))
        bundle: Any = SimpleNamespace(policy=policy, dependence=Dependence())
        with Ledger.open(settings.ledger_url) as ledger:
            share = take_share(settings, ledger, bundle, day(number), pd.DataFrame())
        assert share is not None
        return share.allowed

    assert [take(0, 7), take(1, 7)] == [0.3, 0.0]
    assert take(2, 30) == 0.0, "a longer period holds what was spent before"
    assert take(1, 2) == 0.0, "what a window has, it keeps"
    assert take(7, 7) == 0.3, "the next week"
    assert take(8, 30) == 0.0, "a period from the 11th of January over the end of the month"
    assert take(21, 30) == 0.0
    assert take(22, 30) == 0.3, "from the 10th of February"


def test_only_the_alerts_of_a_period_are_read(pipeline: Make) -> None:
    settings = pipeline(alerts=STREAM)
    row = {"rows": 1, "entity": "", "p_value": 0.01, "rarity": "usual", "severity": "low", "score": 1.0}
    row |= {
        "version": 1,
        "extrapolated": False,
        "carriers": [],
        "causes": [],
        "collective": 9,
        "row_keys": [],
    }
    events = []
    for number in (-1, 0, 6, 7):
        name, start = f"alert{number}", day(number).start
        content = row | {"first": start.isoformat(), "last": start.isoformat(), "peak": start.isoformat()}
        events += [
            AlertEvent(f"seen{number}", "machines", name, "seen", day(number).key, content),
            AlertEvent(f"end{number}", "machines", name, "resolved", content={"as": "false-alarm"}),
        ]
    with Ledger.open(settings.ledger_url) as ledger:
        ledger.answers.add_facts(*events)
        week = read_recorded_alerts(ledger.answers, "machines", (day(0).start, day(7).start))
    assert {name: item.ending for name, item in week.items()} == {
        "alert0": "false-alarm",
        "alert6": "false-alarm",
    }


def test_settings_refuse_a_stream_that_cannot_be(pipeline: Make) -> None:
    with pytest.raises(ConfigError, match="fdr_period"):
        pipeline(alerts=STREAM | {"fdr_period": "6h"})
