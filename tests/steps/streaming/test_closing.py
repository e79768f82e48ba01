"""A window scored as its rows came is the window that batch would have written, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.records.store import Store
from pynomaly.steps.scoring.scored_table import score_table
from pynomaly.steps.streaming.closing import close_due_windows
from pynomaly.steps.window_run import WindowRun
from tests.steps.streaming.conftest import LiveTable

DAY = Window(datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 1, 21, tzinfo=UTC))
LATER = datetime(2099, 1, 1, tzinfo=UTC)


def score_by_batch(table: LiveTable, window: Window) -> pd.DataFrame:
    """What the batch path computes of the same rows, without writing it."""
    with WindowRun(table.batch) as run:
        ref = run.registry.resolve_alias(table.batch.name, "champion")
        bundle = run.load_bundle(ref)
        return score_table(bundle, ref, run.read_window(window).require_clean(bundle.contract))


def close(table: LiveTable) -> list[str]:
    with WindowRun(table.live) as run:
        return [item.window for item in close_due_windows(table.live, run, LATER)]


def read_live_scores(table: LiveTable, window: Window) -> pd.DataFrame:
    with Ledger.open(table.live.ledger_url) as ledger:
        partition = ledger.find_partition(table.live.name, window)
    assert partition is not None
    return Store(table.live.store_root).read_scores(table.live.name, [window], {window.key: partition.sha256})


def rows_of(table: LiveTable, window: Window) -> pd.DataFrame:
    times = table.rows["time"]
    return table.rows[(times >= window.start) & (times < window.end)].drop(columns="anomaly")


@pytest.mark.parametrize("order", ["as they are", "shuffled"])
def test_a_closed_window_has_the_scores_of_batch(live_table: Callable[..., LiveTable], order: str) -> None:
    table = live_table()
    rows = rows_of(table, DAY)
    if order == "shuffled":
        rows = rows.sample(frac=1.0, random_state=3)
    outcomes = table.send(table.messages(rows), at_once=7)
    assert sum(item.rows for item in outcomes) == len(rows)
    assert close(table) == [DAY.key]
    expected, live = score_by_batch(table, DAY), read_live_scores(table, DAY)
    assert_frame_equal(live, expected, check_exact=True)
    scored = pd.concat([item.scored.scored for item in outcomes if item.scored is not None])
    assert sorted(scored["score"]) == sorted(live["score"])
    assert np.array_equal(np.sort(scored["p_value"].to_numpy(float)), np.sort(live["p_value"]))


def test_rows_that_fail_an_expectation_are_held_back_live_and_in_the_window(
    live_table: Callable[..., LiveTable],
) -> None:
    expectation = {
        "type": "ExpectColumnValuesToBeBetween",
        "arguments": {"column": "heat", "min_value": -50, "max_value": 25},
        "severity": "error",
    }
    table = live_table(quality={"expectations": [expectation]})
    rows = rows_of(table, DAY)
    failing = int((rows["heat"] > 25).sum())
    assert failing > 0
    outcomes = table.send(table.messages(rows))
    assert sum(item.letters for item in outcomes) == failing
    assert sum(len(item.scored.frame) for item in outcomes if item.scored is not None) == len(rows) - failing
    assert close(table) == [DAY.key]
    with Ledger.open(table.live.ledger_url) as ledger:
        partition = ledger.find_partition(table.live.name, DAY)
        rules = {item.rule for item in ledger.stream.list_letters(table.live.name)}
    assert partition is not None
    assert (partition.rows, partition.quarantined) == (len(rows) - failing, failing)
    assert rules == {expectation["type"]}
