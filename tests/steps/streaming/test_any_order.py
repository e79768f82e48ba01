"""Whatever order rows come in, whoever reads them and dies: the windows are those of batch, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, strategies
from hypothesis import settings as hypothesis_settings
from pandas.testing import assert_frame_equal

from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.records.store import Store
from pynomaly.steps.window_run import WindowRun
from tests.steps.streaming.conftest import LiveTable
from tests.steps.streaming.test_closing import rows_of
from tests.steps.streaming.trials import StreamTrial, deal_messages, reset_records, score_by_batch

DAYS = Window(datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 1, 22, tzinfo=UTC))
SERIES = {"past": 12, "step": "1h", "gap": 2}
EDGES = {"source": "machine", "target": "noise", "weight": "heat", "windows": ["6h"], "history": "1d"}
SHAPES: dict[str, dict[str, Any]] = {
    "rows alone": {},
    "features of the past": {"data": {"counters": ["power"], "series": {"columns": ["heat"], "rows": 4}}},
    "edges": {"data": {"graph": EDGES}},
    "looks back": {"data": {"series": SERIES}, "training": {"candidates": ["series_knn"]}},
    "looks back, and waits": {
        "data": {"series": SERIES | {"delay": "2h"}},
        "training": {"candidates": ["series_knn"]},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_windows_are_those_of_batch_whatever_happens(
    live_table: Callable[..., LiveTable], tmp_path: Path, shape: str
) -> None:
    table = live_table(
        stream={"lateness": "1h", "correct": "3650d"}, windows={"score": "6h"}, **SHAPES[shape]
    )
    rows = rows_of(table, DAYS)
    expected = score_by_batch(table.batch, rows, tmp_path)
    champion = LiveChampion(table.live)
    champion.refresh()
    trials = iter(range(10_000))

    @given(seed=strategies.integers(0, 2**32))
    @hypothesis_settings(
        max_examples=6,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def holds(seed: int) -> None:
        reset_records(table, tmp_path / "ledger.kept")
        data = table.live.data.model_copy(update={"path": str(tmp_path / f"kept{next(trials)}")})
        live = table.live.model_copy(update={"data": data})
        draw = Random(seed)
        parts = deal_messages(table, rows, draw, timedelta(hours=10))
        with Ledger.open(live.ledger_url) as ledger, WindowRun(live) as closing:
            trial = StreamTrial(live, parts, draw, champion, ledger, closing)
            trial.run()
            assert ledger.stream.list_open_windows(live.name) == ()
            partitions = {item.window: item for item in ledger.list_partitions(live.name)}
            assert partitions.keys() == expected.keys(), trial.problems
            store = Store(live.store_root)
            for key, partition in partitions.items():
                window = Window.of_key(key)
                scores = store.read_scores(live.name, [window], {key: partition.sha256})
                assert_frame_equal(scores, expected[key], check_exact=True)
        print(shape, seed, trial.kills)

    holds()
