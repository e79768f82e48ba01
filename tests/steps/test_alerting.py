"""Scored windows become alerts once, go on over the edge of a window, and are told of one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.records.ledger import Answers, Ledger
from pynomaly.steps.alerting import raise_alerts, standing
from pynomaly.steps.score import score_window
from tests.steps.conftest import MOMENT, learn, plan

Make = Callable[..., Pipeline]
DAY = timedelta(days=1)


def scored(settings: Pipeline, days: int) -> None:
    for day in range(days):
        score_window(settings, Window(MOMENT + day * DAY, MOMENT + (day + 1) * DAY))


def alerts_of(settings: Pipeline):
    with Ledger.open(settings.ledger_url) as ledger:
        return standing(Answers.beside(ledger), settings.name)


@pytest.fixture
def watched(pipeline: Make) -> Pipeline:
    settings = pipeline(notify={"targets": [{"name": "ops", "url_env": "OPS_URL", "on": ["alert"]}]})
    learn(settings, plan(settings))
    return settings


def test_a_window_is_grouped_once_and_each_alert_is_told_once(watched: Pipeline) -> None:
    scored(watched, 2)
    first = raise_alerts(watched)
    assert [item.window[:8] for item in first] == ["20260119", "20260120"]
    found = alerts_of(watched)
    print(first)
    for a in found.values():
        print(a)
    assert raise_alerts(watched) == ()
