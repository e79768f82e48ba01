"""A run reads the rows of its windows once, opens its records once, and writes what windows one by one do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data import sources
from pynomaly.data.frame import FrameContract
from pynomaly.data.sources import checked_window
from pynomaly.data.sources.checked_window import read_checked_window
from pynomaly.data.window import Window
from pynomaly.errors import QualityError
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.alerting.raise_alerts import raise_alerts, read_alerts
from pynomaly.steps.monitoring.monitor_window import monitor_window
from pynomaly.steps.scoring.score_windows import score_window
from pynomaly.steps.window_run import WindowRun
from tests.steps.conftest import MOMENT, start_with_champion

DAY = timedelta(days=1)
DAYS = [Window(MOMENT + number * DAY, MOMENT + (number + 1) * DAY) for number in range(3)]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Number of calls of what a run does at most once a window, or once."""
    calls: Counter[str] = Counter()

    def count(owner: Any, name: str, bound: bool = False) -> None:
        call = getattr(owner, name)

        def counting(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            return call(*(arguments[1:] if bound else arguments), **named)

        monkeypatch.setattr(owner, name, classmethod(counting) if bound else counting)

    count(sources, "_parse_rows")
    count(sources, "_select_rows")
    count(checked_window, "hash_frame")
    count(checked_window, "validate")
    count(Registry, "load_bundle")
    count(Registry, "open_for", bound=True)
    count(Ledger, "open", bound=True)
    return calls


def test_a_run_of_windows_with_alerts_reads_each_once(
    pipeline: Callable[..., Pipeline], counted: Counter[str]
) -> None:
    settings = pipeline(alerts={"policy": "quantile", "quantile": 0.1})
    start_with_champion(settings)
    counted.clear()
    with WindowRun(settings) as run:
        assert all(score_window(settings, day, run).alerts for day in DAYS)
        raised = raise_alerts(settings, run)
    assert [item.note for item in raised] == ["", "", ""]
    assert counted == {
        "_parse_rows": 1,  # the file of text, for all windows
        "_select_rows": 3,
        "hash_frame": 3,
        "validate": 3,
        "load_bundle": 1,
        "open_for": 1,
        "open": 1,
    }


def test_a_run_writes_what_windows_one_by_one_write(pipeline: Callable[..., Pipeline]) -> None:
    settings = pipeline()
    start_with_champion(settings)
    with WindowRun(settings) as run:
        together = [score_window(settings, day, run) for day in DAYS]
        raise_alerts(settings, run)
    with Ledger.open(settings.ledger_url) as ledger:
        alerts = read_alerts(ledger.answers, settings.name)
        assert any(alert.carriers for alert in alerts.values())
    for item in together:
        Path(item.path).unlink()
    alone = [score_window(settings, day) for day in DAYS]
    raise_alerts(settings)
    assert [item.sha256 for item in alone] == [item.sha256 for item in together]
    with Ledger.open(settings.ledger_url) as ledger:
        assert read_alerts(ledger.answers, settings.name) == alerts


def test_a_verdict_on_a_window_reads_its_rows_once(
    pipeline: Callable[..., Pipeline], counted: Counter[str]
) -> None:
    settings = pipeline()
    start_with_champion(settings)
    counted.clear()
    monitor_window(settings, DAYS[0], DAYS[0].end)
    assert (counted["_parse_rows"], counted["validate"], counted["load_bundle"]) == (1, 1, 1)
    assert counted["hash_frame"] == 0  # only a blocked window is recorded by its hash


def test_rows_that_changed_in_between_are_not_explained_by_the_old_ones(
    pipeline: Callable[..., Pipeline],
) -> None:
    settings = pipeline()
    start_with_champion(settings)
    with WindowRun(settings) as run:
        score_window(settings, DAYS[0], run)
    table = pd.read_csv(settings.data.path)
    table["heat"] += 1.0
    table.to_csv(settings.data.path, index=False)
    (raised,) = raise_alerts(settings)
    assert "its rows changed since they were scored" in raised.note


def test_a_window_is_hashed_and_validated_once_for_a_contract(
    pipeline: Callable[..., Pipeline], counted: Counter[str]
) -> None:
    settings = pipeline(days=1)
    rows = read_checked_window(settings, None)
    contract = FrameContract(("heat", "power"), (), time="time", id="machine", label="anomaly")
    assert rows.check(contract) is rows.check(contract)
    assert rows.data_hash == rows.data_hash
    assert (rows.key, counted["validate"], counted["hash_frame"]) == ("all", 1, 1)
    assert len(rows.require_clean(contract)) == 96
    with pytest.raises(QualityError, match=r"machines: window all is blocked: .*pressure"):
        rows.require_clean(FrameContract(("pressure",), (), time="time"))
