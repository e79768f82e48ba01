"""Rows of scored windows that alert, as grouping takes them: with entity, time and what carries them.

Called by :mod:`pynomaly.steps.alerting` and by the preview of a policy; reads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.judging.grouping import Flag, confirmed

__all__ = ["entities", "flags_of", "row_key"]


def flags_of(
    pipeline: Pipeline,
    scores: pd.DataFrame,
    before: pd.DataFrame | None,
    causes: Mapping[int, Sequence[str]],
) -> list[Flag]:
    """Rows of a window that alert and are confirmed.

    Parameters
    ----------
    scores : DataFrame of shape (n, k)
        As a partition holds them, with a fresh index.
    before : DataFrame or None
        Rows of the windows before it, which count towards ``grouping.needed``.
    causes : mapping
        Position in `scores` to the columns that carry the row.
    """
    settings, data = pipeline.grouping, pipeline.data
    rows = scores if before is None else pd.concat([before, scores], ignore_index=True)
    skip = len(rows) - len(scores)
    entity = entities(pipeline, rows)
    alerted = rows["is_anomaly"].to_numpy(dtype=bool)
    times = rows[data.time] if data.time else None
    order = np.argsort(times.to_numpy(), kind="stable") if times is not None else np.arange(len(rows))
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[order] = confirmed(entity[order], alerted[order], settings.needed, settings.of)
    found = []
    for place in np.flatnonzero(chosen):
        if place < skip:
            continue
        at = _time(times, int(place))
        found.append(
            Flag(
                entity=str(entity[place]),
                time=at,
                place=int(place) - skip,
                p_value=float(rows["p_value"].iloc[place]),
                causes=tuple(causes.get(int(place) - skip, ())),
                began=_began(order, entity, alerted, times, int(place), settings.of),
            )
        )
    return found


def entities(pipeline: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    """Entity of every row as text, array of shape (n,); "" where there are none."""
    if pipeline.data.id is None or pipeline.data.id not in rows:
        return np.full(len(rows), "", dtype=object)
    return rows[pipeline.data.id].astype(str).to_numpy(dtype=object)


def _time(times: pd.Series[Any] | None, place: int) -> datetime | None:
    if times is None or pd.isna(times.iloc[place]):
        return None
    moment: datetime = times.iloc[place].to_pydatetime()
    return moment


def _began(
    order: np.ndarray,
    entity: np.ndarray,
    alerted: np.ndarray,
    times: pd.Series[Any] | None,
    place: int,
    of: int,
) -> datetime | None:
    """Time of the oldest alerting row among the `of` newest of the entity, up to `place`."""
    if of <= 1:
        return _time(times, place)
    mine = order[: int(np.flatnonzero(order == place)[0]) + 1]
    mine = mine[entity[mine] == entity[place]][-of:]
    return _time(times, int(mine[alerted[mine]][0]))


def row_key(flag: Flag, number: int) -> tuple[str, str]:
    """How labels call a row: its entity and time in UTC; without time, ``row:N`` by position."""
    return flag.entity, flag.time.isoformat() if flag.time else f"row:{number}"
