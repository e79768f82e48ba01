"""Builds the alerting rows of scored windows as grouping needs them: with entity, time and carrying columns.

Called by :mod:`pynomaly.steps.alerting.raise_alerts` and by the preview of an alert policy; does no input or
output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.judging.alerts.grouping import AlertRow, RowName, confirm_rows

__all__ = ["build_flags", "build_row_key", "name_rows", "read_entities"]


def build_flags(
    pipeline: Pipeline,
    scores: pd.DataFrame,
    before: pd.DataFrame | None,
    causes: Mapping[int, Sequence[str]],
) -> list[AlertRow]:
    """Return the rows of a window that alert and that ``grouping.needed`` confirms.

    Parameters
    ----------
    scores : DataFrame of shape (n, k)
        The rows of a partition, with a fresh index.
    before : DataFrame or None
        Rows of earlier windows, which count towards ``grouping.needed``.
    causes : mapping
        Columns that carry a row, by its position in `scores`.
    """
    settings, data = pipeline.grouping, pipeline.data
    rows = scores if before is None else pd.concat([before, scores], ignore_index=True)
    skip = len(rows) - len(scores)
    entity = read_entities(pipeline, rows)
    alerted = rows["is_anomaly"].to_numpy(dtype=bool)
    times = rows[data.time] if data.time else None
    order = times.array.argsort(kind="stable") if times is not None else np.arange(len(rows))
    is_confirmed = np.zeros(len(rows), dtype=bool)
    is_confirmed[order] = confirm_rows(entity[order], alerted[order], settings.needed, settings.of)
    flags = []
    for place in np.flatnonzero(is_confirmed):
        if place < skip:
            continue
        at = _read_time(times, int(place))
        flags.append(
            AlertRow(
                entity=str(entity[place]),
                time=at,
                place=int(place) - skip,
                p_value=float(rows["p_value"].iloc[place]),
                causes=tuple(causes.get(int(place) - skip, ())),
                began=_find_start(order, entity, alerted, times, int(place), settings.of),
            )
        )
    return flags


def read_entities(pipeline: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    """Return the entity of every row as text, array of shape (n,); "" if there is no entity column."""
    if pipeline.data.id is None or pipeline.data.id not in rows:
        return np.full(len(rows), "", dtype=object)
    return rows[pipeline.data.id].astype(str).to_numpy(dtype=object)


def name_rows(pipeline: Pipeline, scores: pd.DataFrame) -> list[RowName]:
    """Return what names each row of a table of scores, of a source with times, wherever it lies in it."""
    times, entities = scores[str(pipeline.data.time)].tolist(), read_entities(pipeline, scores).tolist()
    return list(zip(times, entities, scores["score"].tolist(), scores["model_version"].tolist(), strict=True))


def _read_time(times: pd.Series[Any] | None, place: int) -> datetime | None:
    if times is None or pd.isna(times.iloc[place]):
        return None
    moment: datetime = times.iloc[place].to_pydatetime()
    return moment


def _find_start(
    order: np.ndarray,
    entity: np.ndarray,
    alerted: np.ndarray,
    times: pd.Series[Any] | None,
    place: int,
    of: int,
) -> datetime | None:
    """Return the time of the oldest alerting row among the entity's `of` newest rows up to `place`."""
    if of <= 1:
        return _read_time(times, place)
    entity_rows = order[: int(np.flatnonzero(order == place)[0]) + 1]
    entity_rows = entity_rows[entity[entity_rows] == entity[place]][-of:]
    return _read_time(times, int(entity_rows[alerted[entity_rows]][0]))


def build_row_key(flag: AlertRow, number: int) -> tuple[str, str]:
    """Return a row's key in labels: its entity and time in UTC; without time, ``row:N`` by position."""
    return flag.entity, flag.time.isoformat() if flag.time else f"row:{number}"
