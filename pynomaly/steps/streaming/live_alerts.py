"""Alerts of windows whose rows still come: opened, and sent on, within moments of their row."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import asdict

import numpy as np
import orjson
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.streams.window_keys import name_windows
from pynomaly.data.window import Window
from pynomaly.judging.alerts.alert import Carrier
from pynomaly.judging.alerts.grouping import RowName
from pynomaly.records.ledger import Ledger, StreamEntry
from pynomaly.steps.alerting.alert_rows import name_rows
from pynomaly.steps.alerting.carriers import find_carriers
from pynomaly.steps.alerting.group_window import AlertingWindow
from pynomaly.steps.alerting.raise_alerts import RaisedAlerts, raise_open_alerts
from pynomaly.steps.streaming.entry_rows import EntryRows, pack_rows, unpack_rows
from pynomaly.steps.streaming.live_scorer import AlertingRows
from pynomaly.steps.window_run import WindowRun

__all__ = ["LiveAlerts", "build_scores", "read_live_carriers"]

_EXPLAINED_AT_ONCE = 20
"""Alerts whose columns are named before alerts are grouped again; each takes up to 25 ms."""


class LiveAlerts:
    """Groups the alerting rows of open windows as they come; one a process.

    A window is looked at again when it has new entries that alert. After a start all open windows are, which
    writes nothing anew. The columns that carry an alert are kept in an entry of their own.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._newest: dict[str, int] = {}
        self._waiting: deque[AlertingRows] = deque()
        self._explained: Counter[str] = Counter()

    @property
    def waiting(self) -> bool:
        """Whether there are alerts whose columns are still to be named."""
        return bool(self._waiting)

    def add(self, rows: AlertingRows) -> None:
        """Take rows that alert, to say later which columns carry them; ``grouping.explained`` of a window."""
        data, most = self._pipeline.data, self._pipeline.grouping.explained
        keys = name_windows(rows.frame[str(data.time)], self._pipeline.windows.score)
        left = np.zeros(len(keys), dtype=bool)
        for place, key in enumerate(keys.tolist()):
            left[place] = self._explained[key] < most
            self._explained[key] += int(left[place])
        for first in range(0, int(left.sum()), _EXPLAINED_AT_ONCE):
            places = np.flatnonzero(left)[first : first + _EXPLAINED_AT_ONCE]
            part = AlertingRows(rows.frame.iloc[places], rows.scored.iloc[places], rows.served)
            self._waiting.append(part)

    def _explain_next(self, ledger: Ledger, closing: Collection[str]) -> None:
        """Keep the columns that carry the rows that have waited longest."""
        if not self._waiting:
            return
        rows = self._drop_closed_windows(ledger, self._waiting.popleft(), closing)
        if not len(rows.frame):
            return
        frame = rows.frame
        texts = [
            orjson.dumps([asdict(item) for item in carriers])
            for carriers in find_carriers(rows.served.bundle, frame)
        ]
        entry = EntryRows(
            frame[_list_keys(self._pipeline)],
            rows.scored,
            np.full(len(frame), rows.served.ref.version, dtype=np.int64),
            np.zeros(len(frame), dtype=bool),
            np.array([text.decode() for text in texts], dtype=object),
        )
        keys = name_windows(frame[str(self._pipeline.data.time)], self._pipeline.windows.score)
        for key in dict.fromkeys(keys.tolist()):
            own = entry.take(keys == key)
            ledger.stream.add_entry(self._pipeline.name, StreamEntry(key, 0, len(own.frame), pack_rows(own)))

    def _drop_closed_windows(
        self, ledger: Ledger, rows: AlertingRows, closing: Collection[str]
    ) -> AlertingRows:
        """Return the rows of windows that stay open; the close of the others names their columns."""
        windows = {item.window for item in ledger.stream.list_open_windows(self._pipeline.name)}
        windows -= set(closing)
        keys = name_windows(rows.frame[str(self._pipeline.data.time)], self._pipeline.windows.score)
        is_open = np.array([key in windows for key in keys], dtype=bool)
        frame, scored = (part[is_open].reset_index(drop=True) for part in (rows.frame, rows.scored))
        return AlertingRows(frame, scored, rows.served)

    def raise_due(self, run: WindowRun, closing: Collection[str] = ()) -> tuple[RaisedAlerts, ...]:
        """Group the open windows with alerts that were not grouped yet.

        Parameters
        ----------
        run : WindowRun
        closing : collection of str
            Windows that are left to their close, which groups and explains their rows: doing so here, too,
            is work done twice, and an entry that explains a row would open them again.

        Raises
        ------
        LeaseHeldError
            If alerts of the pipeline are being grouped; the next call does what is left.
        RecordError, SourceError, ConfigError
            As :func:`pynomaly.steps.alerting.raise_alerts.raise_alerts`.
        """
        self._explain_next(run.ledger, closing)
        if not self._list_due(run.ledger, closing):
            return ()
        newest: dict[str, int] = {}

        def read_windows() -> list[AlertingWindow]:
            """Read them while nobody groups alerts: a window may have closed since."""
            whole, windows = self._pipeline.grouping.needed > 1, []
            for key in self._list_due(run.ledger, closing):
                if entries := _read_alerting(run.ledger, self._pipeline.name, key, whole=whole):
                    newest[key] = entries[-1].seq
                    windows.append(self._build_window(key, entries))
            return windows

        raised = raise_open_alerts(run, read_windows)
        self._newest |= newest
        return raised

    def _list_due(self, ledger: Ledger, closing: Collection[str]) -> list[str]:
        """Return the open windows with alerts that were not grouped yet."""
        windows = ledger.stream.list_open_windows(self._pipeline.name)
        self._forget_others({item.window for item in windows})
        return [
            item.window
            for item in windows
            if item.alerts
            and item.window not in closing
            and item.newest_alert > self._newest.get(item.window, 0)
        ]

    def _forget_others(self, windows: Collection[str]) -> None:
        """Forget what is known of windows that are closed."""
        self._newest = {key: seq for key, seq in self._newest.items() if key in windows}
        self._explained = Counter({key: n for key, n in self._explained.items() if key in windows})

    def _build_window(self, key: str, entries: list[StreamEntry]) -> AlertingWindow:
        whole = self._pipeline.grouping.needed > 1
        rows = unpack_rows([entry.content for entry in entries], alerting=not whole)
        scores, texts = _join_carriers(self._pipeline, rows.take(rows.versions > 0) if whole else rows)
        carriers = {place: _parse_carriers(text) for place, text in enumerate(texts) if text}
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
    frame, scored = (part.reset_index(drop=True) for part in (rows.frame[_list_keys(pipeline)], rows.scored))
    return pd.concat([frame, scored], axis=1).assign(
        is_anomaly=rows.alerted, model_version=rows.versions, row=np.arange(len(frame))
    )


def read_live_carriers(pipeline: Pipeline, ledger: Ledger, window: str) -> dict[RowName, tuple[Carrier, ...]]:
    """Return the columns that were named while a window was open, by row.

    None where a row's score does not tell what it was explained from: its past may have been another one, and
    without entities two rows may have one name.
    """
    if pipeline.data.lookback or not pipeline.data.id:
        return {}
    if not (entries := _read_alerting(ledger, pipeline.name, window, whole=False)):
        return {}
    rows = unpack_rows([entry.content for entry in entries], alerting=True)
    rows = rows.take(rows.carriers != "")
    names = name_rows(pipeline, build_scores(pipeline, rows))
    return dict(zip(names, map(_parse_carriers, rows.carriers.tolist()), strict=True))


def _parse_carriers(text: str) -> tuple[Carrier, ...]:
    return tuple(Carrier(**item) for item in orjson.loads(text))


def _join_carriers(pipeline: Pipeline, rows: EntryRows) -> tuple[pd.DataFrame, list[str]]:
    """Return each row once, as a partition holds it, and what carries it; a row may be in several entries."""
    table, same = build_scores(pipeline, rows), [*_list_keys(pipeline), "score"]
    is_named = rows.carriers != ""
    texts = pd.Series(rows.carriers[is_named], index=pd.MultiIndex.from_frame(table.loc[is_named, same]))
    texts = texts[~texts.index.duplicated()]
    is_copy = ~rows.kept & table.duplicated(same, keep="first").to_numpy()
    table = table[~is_copy].reset_index(drop=True)
    carriers = texts.reindex(pd.MultiIndex.from_frame(table[same])).fillna("") if len(texts) else texts
    return table, carriers.tolist()


def _list_keys(pipeline: Pipeline) -> list[str]:
    """Return the columns that name a row."""
    return [str(pipeline.data.time), *([pipeline.data.id] if pipeline.data.id else [])]
