"""The rows around an alert: a column of its entity with what is usual, and their p-values.

Rows come from the pipeline's source and scores from the store, both at most some windows; what is usual is of
the reference of the model that scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.console.bundles import BundleCache
from pynomaly.console.schemas import AlertSeries
from pynomaly.data.sources.checked_window import read_checked_window
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError, RecordError
from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.ledger import Ledger, Partition
from pynomaly.records.store import Store
from pynomaly.steps.alerting.alert_rows import read_entities

__all__ = ["read_alert_series"]

MAX_ROWS = 1500
"""Rows of the entity that are shown; those nearest to the alert."""
_MAX_WINDOWS = 30
_BAND = (0.05, 0.95)


def read_alert_series(pipeline: Pipeline, ledger: Ledger, alert: Alert, bundles: BundleCache) -> AlertSeries:
    """Return the rows around an alert.

    Rows that cannot be read leave the p-values alone, with a note; without scores there is the note alone.

    Raises
    ------
    IntegrityError
        If scores are not those on record.
    """
    partitions = _list_partitions(pipeline, ledger, alert)
    if not partitions:
        return AlertSeries.of_note("its windows are no longer on record")
    store, time = Store(pipeline.store_root), pipeline.data.time
    hashes = {item.window: item.sha256 for item in partitions}
    try:
        scores = store.read_scores(pipeline.name, list(hashes), hashes)
    except RecordError as error:
        return AlertSeries.of_note(str(error))
    if time is None or time not in scores:
        return AlertSeries.of_note("its rows have no time")
    scores = scores.loc[np.asarray(read_entities(pipeline, scores)) == alert.entity]
    scores = scores.assign(_time=pd.to_datetime(scores[time], utc=True)).sort_values("_time", kind="stable")
    scores = _keep_nearest(scores, alert)
    notes: list[str] = []
    values = _read_values(pipeline, partitions, alert, scores["_time"], notes) if alert.cause else None
    low, high = _read_band(pipeline, alert, bundles, notes) if values is not None else (None, None)
    expected = alert.carriers[0].expected if alert.carriers else None
    return AlertSeries(
        column=alert.cause if values is not None else "",
        times=tuple(moment.timestamp() for moment in scores["_time"]),
        values=tuple(values) if values is not None else (),
        p_values=tuple(_or_none(scores["p_value"])),
        alerting=tuple(map(bool, scores["is_anomaly"])),
        expected=float(expected) if isinstance(expected, int | float) else None,
        low=low,
        high=high,
        first=alert.first,
        last=alert.last,
        notes=tuple(notes),
    )


def _list_partitions(pipeline: Pipeline, ledger: Ledger, alert: Alert) -> Sequence[Partition]:
    """Return the windows of the alert, and as many around them as show what was before."""
    if alert.first is None or alert.last is None:
        return [part for name in alert.windows if (part := ledger.find_partition(pipeline.name, name))]
    around = max(3 * (alert.last - alert.first), timedelta(days=2))
    partitions = ledger.list_partitions(pipeline.name, alert.first - around, alert.last + around / 2)
    if len(partitions) <= _MAX_WINDOWS:
        return partitions
    peak = alert.peak or alert.first
    nearest = sorted(partitions, key=lambda item: abs((item.start or peak) - peak))[:_MAX_WINDOWS]
    return sorted(nearest, key=lambda item: item.window)


def _keep_nearest(scores: pd.DataFrame, alert: Alert) -> pd.DataFrame:
    peak = alert.peak or alert.first
    if len(scores) <= MAX_ROWS or peak is None:
        return scores
    place = int(scores["_time"].searchsorted(pd.Timestamp(peak)))
    start = min(max(0, place - MAX_ROWS * 2 // 3), len(scores) - MAX_ROWS)
    return scores.iloc[start : start + MAX_ROWS]


def _read_values(
    pipeline: Pipeline, partitions: Sequence[Partition], alert: Alert, times: pd.Series, notes: list[str]
) -> list[float | None] | None:
    """Return the column that contributes most, at the times of the scores; None if it cannot be read."""
    starts = [item.start for item in partitions if item.start]
    ends = [item.end for item in partitions if item.end]
    time = pipeline.data.time
    if not starts or not ends or time is None:
        return None
    try:
        rows = read_checked_window(pipeline, Window(min(starts), max(ends))).frame
    except PynomalyError as error:
        notes.append(f"the rows cannot be read: {error}")
        return None
    if alert.cause not in rows:
        return None
    rows = rows.loc[np.asarray(read_entities(pipeline, rows)) == alert.entity]
    column = pd.to_numeric(rows[alert.cause], errors="coerce")
    if column.isna().all():
        notes.append(f"{alert.cause} holds categories; only p-values are drawn")
        return None
    by_time = pd.Series(column.to_numpy(dtype=float), index=pd.to_datetime(rows[time], utc=True))
    by_time = by_time[~by_time.index.duplicated()]
    return _or_none(by_time.reindex(pd.DatetimeIndex(times)))


def _read_band(
    pipeline: Pipeline, alert: Alert, bundles: BundleCache, notes: list[str]
) -> tuple[float | None, float | None]:
    """Return between what nine of ten values of the reference lie."""
    try:
        bundle = bundles.load_bundle(pipeline, alert.version)
        sketch = bundle.sketch.numeric.get(alert.cause)
        if sketch is None:
            return None, None
        return float(sketch.quantile(_BAND[0])), float(sketch.quantile(_BAND[1]))
    except PynomalyError as error:
        notes.append(f"what is usual is not known: {error}")
        return None, None


def _or_none(values: pd.Series | Mapping[str, float]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in np.asarray(values, dtype=float)]
