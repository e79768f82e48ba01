"""The champion changes while the rows of a window come: each row keeps the version that scored it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.brokers.messages import Message
from pynomaly.detectors.numerics import compiled
from pynomaly.errors import IntegrityError
from pynomaly.model.bundle import Bundle
from pynomaly.model.isolated_check import IsolatedCheck
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.steps import gate as gating
from pynomaly.steps.alerting.raise_alerts import raise_alerts
from pynomaly.steps.promotion.promote import promote, rollback
from pynomaly.steps.streaming.closing import close_due_windows
from pynomaly.steps.streaming.worker import StreamWorker
from pynomaly.steps.window_run import WindowRun
from tests.judging.comparison.test_promotion_rules import SUPERIOR
from tests.steps.conftest import MOMENT, start_with_challenger
from tests.steps.streaming.conftest import LiveTable
from tests.steps.streaming.test_closing import DAY, read_live_scores, rows_of
from tests.steps.streaming.trials import LATER

pytestmark = pytest.mark.slow

LATER_TRAINING = MOMENT + timedelta(days=7)
SHAPES: dict[str, dict[str, Any]] = {
    "each row alone": {},
    "rows that wait": {
        "data": {"series": {"past": 12, "step": "1h", "gap": 2, "delay": "2h"}},
        "training": {"candidates": ["series_knn"]},
    },
}


@pytest.fixture
def challenged(
    live_table: Callable[..., LiveTable], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., LiveTable]:
    """v1 is champion, and v2 may be promoted."""
    monkeypatch.setattr(gating, "run_isolated_check", lambda *_: IsolatedCheck(0.0, 1.0, 1.0, 300.0))
    registered: list[Any] = []

    def start(settings: Pipeline) -> None:
        registered.append(start_with_challenger(settings, LATER_TRAINING)[0])

    def make(**blocks: Any) -> LiveTable:
        table = live_table(start=start, alerts={"policy": "quantile", "quantile": 0.1}, **blocks)
        promote_next = partial(promote, table.live, registered[0], SUPERIOR, LATER_TRAINING)
        vars(table)["promote"] = promote_next
        return table

    return make


class LiveVersions:
    """Sends rows, and remembers which version scored each when it did."""

    def __init__(self, table: LiveTable, ledger: Ledger) -> None:
        self.champion = LiveChampion(table.live)
        self.table, self._worker = table, StreamWorker(table.live, ledger, self.champion)
        self.versions: dict[tuple[Any, str], int] = {}
        self._sent = 0

    def send(self, rows: pd.DataFrame) -> None:
        self.champion.refresh()
        messages: list[Message] = self.table.messages(rows, first=self._sent)
        self._sent += len(rows)
        for first in range(0, len(messages), 16):
            scored = self._worker.process(messages[first : first + 16]).scored
            assert scored is not None
            keys = zip(scored.frame["time"], scored.frame["machine"], strict=True)
            self.versions |= dict(zip(keys, scored.versions.tolist(), strict=True))

    def close(self) -> list[str]:
        with WindowRun(self.table.live) as run:
            closed = close_due_windows(self.table.live, run, LATER)
        return [item.problem for item in closed]

    def expect(self, scores: pd.DataFrame, others: int) -> None:
        keys = zip(scores["time"], scores["machine"], strict=True)
        expected = [self.versions.get(key, others) for key in keys]
        assert scores["model_version"].tolist() == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_each_row_of_a_window_names_the_version_that_scored_it_when_it_came(
    challenged: Callable[..., LiveTable], shape: str
) -> None:
    table = challenged(**SHAPES[shape])
    rows = rows_of(table, DAY)
    with Ledger.open(table.live.ledger_url) as ledger:
        live = LiveVersions(table, ledger)
        live.send(rows.iloc[:32])
        assert vars(table)["promote"]().kind == "promote"
        live.send(rows.iloc[32:64])
        rollback(table.live, LATER_TRAINING, "a test")
        live.send(rows.iloc[64:92])
        assert set(live.versions.values()) == {1, 2}
        assert live.close() == [""]
        scores = read_live_scores(table, DAY)
        live.expect(scores, others=1)
        assert set(scores["model_version"]) == {1, 2}
        with WindowRun(table.live) as run:
            assert raise_alerts(table.live, run) == ()  # they are raised already
        live.send(rows.iloc[92:])  # late
        assert live.close()[0] == ""
        again = read_live_scores(table, DAY)
        live.expect(again, others=1)
        assert len(again) == len(rows)


def test_rows_of_each_version_have_the_scores_of_that_version(challenged: Callable[..., LiveTable]) -> None:
    table = challenged()
    rows = rows_of(table, DAY)
    with Ledger.open(table.live.ledger_url) as ledger, WindowRun(table.live) as run:
        live = LiveVersions(table, ledger)
        live.send(rows.iloc[:48])
        vars(table)["promote"]()
        live.send(rows.iloc[48:])
        live.close()
        scores = read_live_scores(table, DAY)
        for version in (1, 2):
            bundle = run.load_bundle(run.registry.find_version(table.live.name, version))
            own = (scores["model_version"] == version).to_numpy()
            assert own.sum() == 48
            expected = bundle.score(rows.reset_index(drop=True))["score"].to_numpy()[own]
            assert np.array_equal(scores["score"].to_numpy()[own], expected)


def test_a_champion_that_cannot_be_loaded_scores_nothing_and_its_window_waits(
    challenged: Callable[..., LiveTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = challenged()
    rows = rows_of(table, DAY)
    load = Registry.load_bundle

    def load_or_fail(self: Registry, ref: ModelRef) -> Bundle:
        if ref.version == 2:
            raise IntegrityError("version 2 is damaged")
        return load(self, ref)

    with Ledger.open(table.live.ledger_url) as ledger:
        live = LiveVersions(table, ledger)
        live.send(rows.iloc[:48])
        vars(table)["promote"]()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Registry, "load_bundle", load_or_fail)
            live.send(rows.iloc[48:])
            assert "damaged" in live.champion.problem
            assert set(live.versions.values()) == {1}
            assert live.close() == ["version 2 is damaged"]
            assert [item.window for item in ledger.stream.list_open_windows(table.live.name)] == [DAY.key]
        assert live.close() == [""]
        assert ledger.stream.list_open_windows(table.live.name) == ()
        scores = read_live_scores(table, DAY)
        assert set(scores["model_version"]) == {1}
        assert len(scores) == len(rows)


def test_what_many_rows_take_is_loaded_before_the_first(
    live_table: Callable[..., LiveTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = live_table()
    monkeypatch.setattr(compiled, "_work_counted", [0.0])
    champion = LiveChampion(table.live, warm=True)
    champion.refresh()
    assert champion.problem == ""
    assert compiled.prefer_compiled(1.0)
