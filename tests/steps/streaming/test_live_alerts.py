"""Alerts open while the rows of their window still come, and are those of the closed window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from pynomaly.data.window import Window
from pynomaly.errors import SourceError
from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.ledger import Ledger
from pynomaly.steps.alerting.carriers import find_carriers
from pynomaly.steps.alerting.raise_alerts import raise_alerts, read_alerts
from pynomaly.steps.streaming.closing import LiveCloser, keep_window_rows
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


def send_past_the_end(table: LiveTable) -> tuple[list[BatchOutcome], set[str]]:
    """Send the rows of a day and of the morning after, when the day is over; return the open windows, too."""
    rows = rows_of(table, Window(DAY.start, datetime(2026, 1, 21, 6, tzinfo=UTC)))
    outcomes = table.send(table.messages(rows))
    with Ledger.open(table.live.ledger_url) as ledger:
        return outcomes, {item.window for item in ledger.stream.list_open_windows(table.live.name)}


def test_a_window_that_is_over_is_left_to_its_close(live_table: Callable[..., LiveTable]) -> None:
    table = live_table(alerts={"policy": "quantile", "quantile": 0.1})
    outcomes, windows = send_past_the_end(table)
    alerts, closer = LiveAlerts(table.live), LiveCloser(table.live)
    for item in outcomes:
        if item.alerting is not None:
            alerts.add(item.alerting)
    with WindowRun(table.live) as run:
        closing = closer.list_closing(run.ledger)
        assert closing == {DAY.key} < windows
        while alerts.waiting:
            assert {item.window for item in alerts.raise_due(run, closing)} == windows - closing
        assert [item.window for item in closer.close(run)] == [DAY.key]
        assert {item.window for item in run.ledger.stream.list_open_windows(table.live.name)} < windows
        assert closer.close(run) == ()
    of_day = [item for item in find_alerts(table).values() if DAY.key in item.windows]
    assert of_day
    assert all(item.carriers for item in of_day)


@pytest.mark.parametrize("broken", ["score_window", "keep_window_rows"])  # it waits alone; none can be closed
def test_alerts_of_a_window_that_cannot_be_closed_open_all_the_same(
    live_table: Callable[..., LiveTable], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    table = live_table(alerts={"policy": "quantile", "quantile": 0.1})
    send_past_the_end(table)
    alerts, closer = LiveAlerts(table.live), LiveCloser(table.live)

    def refuse(*arguments: object, **named: object) -> None:
        raise SourceError("its rows cannot be read")

    with WindowRun(table.live) as run:
        with monkeypatch.context() as patch, suppress(SourceError):
            patch.setattr(f"pynomaly.steps.streaming.closing.{broken}", refuse)
            assert [item.stays_open for item in closer.close(run)] == [True]
        closing = closer.list_closing(run.ledger)
        assert DAY.key in {item.window for item in alerts.raise_due(run, closing)}
        assert DAY.key in [item.window for item in closer.close(run)]
        assert closer.list_closing(run.ledger) == frozenset()
