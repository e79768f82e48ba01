"""A worker that has closed many windows holds no more than after the first."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import timedelta

import pytest

from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.steps.streaming.closing import LiveCloser
from pynomaly.steps.streaming.live_alerts import LiveAlerts
from pynomaly.steps.streaming.worker import StreamWorker
from pynomaly.steps.window_run import WindowRun
from tests.steps.streaming.conftest import LiveTable
from tests.steps.streaming.test_closing import DAY, rows_of

WINDOWS = 8


def count_held() -> int:
    """Count tables and objects of ours; other threads of the process make none."""
    Window.of_key.cache_clear()  # it is bounded
    gc.collect()
    return sum(str(type(item).__module__).startswith(("pandas", "pynomaly")) for item in gc.get_objects())


@pytest.mark.slow
@pytest.mark.parametrize("quantile", [0.1, 1e-9])  # windows with alerts, and without
def test_memory_does_not_grow_with_the_windows_that_were_closed(
    live_table: Callable[..., LiveTable], quantile: float
) -> None:
    table = live_table(
        windows={"score": "6h"},
        stream={"correct": "3650d"},
        alerts={"policy": "quantile", "quantile": quantile},
    )
    rows = rows_of(table, DAY)
    held: list[int] = []
    closed = 0
    with Ledger.open(table.live.ledger_url) as ledger, WindowRun(table.live) as run:
        champion = LiveChampion(table.live)
        champion.refresh()
        worker = StreamWorker(table.live, ledger, champion)
        alerts, closer = LiveAlerts(table.live), LiveCloser(table.live)
        for day in range(6):
            later = rows.assign(time=rows["time"] + timedelta(days=day))
            messages = table.messages(later, first=day * len(rows))
            for first in range(0, len(messages), 24):
                for outcome in worker.process_each(messages[first : first + 24]):
                    if outcome.alerting is not None:
                        alerts.add(outcome.alerting)
                alerts.raise_due(run, closer.list_closing(ledger))
                while alerts.waiting:
                    alerts.raise_due(run, closer.list_closing(ledger))
                closed += len(closer.close(run))
            if day % 2 == 1:
                held.append(count_held())
    assert closed >= 2 * WINDOWS
    assert held[2] - held[1] < WINDOWS, held
