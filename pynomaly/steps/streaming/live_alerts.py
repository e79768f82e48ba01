"""Alerts of windows whose rows still come: opened, and sent on, within moments of their row."""

from __future__ import annotations

import numpy as np
import orjson
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.judging.alerts.alert import Carrier
from pynomaly.records.ledger import Ledger, StreamEntry
from pynomaly.steps.alerting.group_window import AlertingWindow
from pynomaly.steps.alerting.raise_alerts import RaisedAlerts, raise_open_alerts
from pynomaly.steps.streaming.entry_rows import EntryRows, unpack_rows
from pynomaly.steps.window_run import WindowRun

__all__ = ["LiveAlerts", "build_scores"]


class LiveAlerts:
    """Groups the alerting rows of open windows as they come; one a process.

    A window is looked at again when it has new entries that alert. After a start all open windows are, which
    writes nothing anew.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._newest: dict[str, int] = {}

    def raise_due(self, run: WindowRun) -> tuple[RaisedAlerts, ...]:
        """Group the open windows with alerts that were not grouped yet.

        Raises
        ------
        LeaseHeldError
            If alerts of the pipeline are being grouped; the next call does what is left.
        RecordError, SourceError, ConfigError
            As :func:`pynomaly.steps.alerting.raise_alerts.raise_alerts`.
        """
        log, name = run.ledger.stream, self._pipeline.name
        windows, newest = [], {}
        for item in log.list_open_windows(name):
            if not item.alerts or item.newest_alert <= self._newest.get(item.window, 0):
                continue
            entries = _read_alerting(run.ledger, name, item.window, whole=self._pipeline.grouping.needed > 1)
            newest[item.window] = entries[-1].seq
            windows.append(self._build_window(item.window, entries))
        raised = raise_open_alerts(run, windows)
        self._newest |= newest
        return raised

    def _build_window(self, key: str, entries: list[StreamEntry]) -> AlertingWindow:
        rows = unpack_rows([entry.content for entry in entries])
        wanted = rows.versions > 0 if self._pipeline.grouping.needed > 1 else rows.alerted
        scores = build_scores(self._pipeline, rows.take(wanted))
        carriers = {
            place: tuple(Carrier(**item) for item in orjson.loads(text))
            for place, text in enumerate(rows.carriers[wanted])
            if text
        }
        window = Window.of_key(key)
        start = None if window is None else window.start
        return AlertingWindow(key, start, f"{key}:live:{entries[-1].seq}", scores, carriers, is_over=False)


def _read_alerting(ledger: Ledger, pipeline: str, window: str, *, whole: bool) -> list[StreamEntry]:
    entries: list[StreamEntry] = []
    while more := ledger.stream.read_entries(
        pipeline, window, entries[-1].seq if entries else 0, alerting=not whole
    ):
        entries += more
    return entries


def build_scores(pipeline: Pipeline, rows: EntryRows) -> pd.DataFrame:
    """Return the rows as a partition holds them; without times, they are numbered as they came."""
    keys = [str(pipeline.data.time), *([pipeline.data.id] if pipeline.data.id else [])]
    table = pd.concat([rows.frame[keys].reset_index(drop=True), rows.scored.reset_index(drop=True)], axis=1)
    return table.assign(is_anomaly=rows.alerted, model_version=rows.versions, row=np.arange(len(table)))
