"""Alerts open while the rows of their window still come, and are those of the closed window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from pynomaly.data.window import Window
from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.ledger import Ledger
from pynomaly.steps.alerting.carriers import find_carriers
from pynomaly.steps.alerting.raise_alerts import raise_alerts, read_alerts
from pynomaly.steps.streaming.closing import keep_window_rows
from pynomaly.steps.streaming.live_alerts import LiveAlerts
from pynomaly.steps.streaming.worker import BatchOutcome
from pynomaly.steps.window_run import WindowRun
from tests.steps.streaming.conftest import LiveTable
from tests.steps.streaming.test_closing import DAY, close, rows_of

HALF = Window(DAY.start, datetime(2026, 1, 20, 12, tzinfo=UTC))


def raise_live(table: LiveTable, alerts: LiveAlerts, outcomes: Sequence[BatchOutcome] = ()) -> int:
    for item in outcomes:
        if item.alerting is not None:
            alerts.add(item.alerting)
    opened = 0
    with WindowRun(table.live) as run:
        while raised := alerts.raise_due(run):
            opened += sum(item.opened for item in raised)
    return opened


def find_alerts(table: LiveTable) -> dict[str, Alert]:
    with Ledger.open(table.live.ledger_url) as ledger:
        return read_alerts(ledger.answers, table.live.name)


def describe(alert: Alert) -> tuple[object, ...]:
    return alert.entity, alert.first, alert.last, alert.rows, alert.row_keys, alert.cause, alert.p_value


@pytest.mark.parametrize("needed", [1, 2])
@pytest.mark.parametrize("moved", [False, True])
def test_an_alert_opens_with_its_row_and_goes_on_when_the_window_closes(
    live_table: Callable[..., LiveTable], needed: int, moved: bool
) -> None:
    table = live_table(
        alerts={"policy": "quantile", "quantile": 0.1}, grouping={"needed": needed, "of": 2 * needed - 1}
    )
    alerts = LiveAlerts(table.live)
    outcomes = table.send(table.messages(rows_of(table, HALF)))
    assert raise_live(table, alerts, outcomes) > 0
    at_noon = find_alerts(table)
    assert raise_live(table, alerts) == 0  # nothing new came
    again = LiveAlerts(table.live)
    assert raise_live(table, again) == 0  # after a start
    if moved and needed == 1:
        with Ledger.open(table.live.ledger_url) as ledger:
            keep_window_rows(table.live, ledger, DAY)
    rest = rows_of(table, Window(HALF.end, DAY.end))
    raise_live(table, alerts, table.send(table.messages(rest, first=len(rows_of(table, HALF)))))
    before = {name: describe(item) for name, item in find_alerts(table).items()}
    assert set(at_noon) <= set(before)
    assert close(table) == [DAY.key]
    after = {name: describe(item) for name, item in find_alerts(table).items()}
    assert before == after
    assert {item.state for item in find_alerts(table).values()} == {"open"}


def test_alerts_of_a_closed_window_are_those_of_batch(live_table: Callable[..., LiveTable]) -> None:
    table = live_table(alerts={"policy": "quantile", "quantile": 0.1})
    raise_live(table, LiveAlerts(table.live), table.send(table.messages(rows_of(table, DAY))))
    close(table)
    with WindowRun(table.live) as run:
        assert raise_alerts(table.live, run) == ()
    carriers = [item.carriers for item in find_alerts(table).values()]
    assert all(carriers)


def test_what_was_explained_live_is_not_explained_again_when_the_window_closes(
    live_table: Callable[..., LiveTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = live_table(alerts={"policy": "quantile", "quantile": 0.1})
    raise_live(table, LiveAlerts(table.live), table.send(table.messages(rows_of(table, DAY))))
    live = {name: item.carriers for name, item in find_alerts(table).items()}
    with monkeypatch.context() as patch:
        patch.setattr("pynomaly.steps.alerting.raise_alerts.find_carriers", refuse_to_explain)
        assert close(table) == [DAY.key]
    assert {name: item.carriers for name, item in find_alerts(table).items()} == live
    with WindowRun(table.live) as run:
        bundle = run.load_bundle(run.registry.resolve_alias(table.live.name, "champion"))
        rows = run.read_window(DAY).require_clean(bundle.contract)
        flagged = bundle.score(rows)["is_anomaly"].to_numpy(dtype=bool)
        assert set(live.values()) <= set(find_carriers(bundle, rows[flagged]))


def refuse_to_explain(*arguments: object) -> None:
    raise AssertionError("it was explained while the window was open")


def test_a_window_that_closed_before_its_alerts_were_explained_stays_closed(
    live_table: Callable[..., LiveTable],
) -> None:
    table = live_table(alerts={"policy": "quantile", "quantile": 0.1})
    outcomes = table.send(table.messages(rows_of(table, DAY)))
    assert close(table) == [DAY.key]
    assert raise_live(table, LiveAlerts(table.live), outcomes) == 0
    with Ledger.open(table.live.ledger_url) as ledger:
        assert ledger.stream.list_open_windows(table.live.name) == ()
    assert all(item.carriers for item in find_alerts(table).values())
