"""Score the newest past incidents with champion and challenger, before the champion may change.

Incidents are those declared (``data.incidents``) and, among rows that the challenger was not fitted on,
episodes of labelled anomalies. Called once a promotion, before its lease. Reads the held-out span, and
of older incidents their own windows; writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.data.incidents import Incident, covered, declared
from pynomaly.data.quality import validate
from pynomaly.data.sources import read
from pynomaly.data.window import Window
from pynomaly.errors import SourceError, WindowError
from pynomaly.judging.incidents import Past, Regression, episodes, regression
from pynomaly.model.bundle import Bundle
from pynomaly.records.registry import ModelRef, Registry

__all__ = ["MOST_ROWS", "past_incidents"]

MOST_ROWS = 100_000
"""Newest rows of one span that are read for incidents; older ones are not looked at."""

LEAST_SHARE = 0.01
"""Alerts on no more than this share of ordinary rows, times ``degradation.alert_rate_factor``, are usual."""

FEWEST = 100
"""Fewer ordinary rows than this say nothing of how often the champion alerts outside incidents."""


@dataclass(frozen=True)
class _Found:
    """An incident in one of the frames that were read; `rows` are places in that frame."""

    end: datetime
    name: str
    frame: int
    rows: tuple[int, ...]
    taught: bool


def past_incidents(
    pipeline: Pipeline, registry: Registry, champion: ModelRef, challenger: ModelRef, as_of: datetime
) -> Regression | None:
    """What the newest ``promotion.incidents`` incidents that ended before `as_of` say of the challenger.

    Returns
    -------
    Regression or None
        None for a table without time, or without a single incident that can be read.

    Raises
    ------
    DataError, ModelError
        If either model cannot score the rows.
    """
    if pipeline.data.time is None:
        return None
    old, new = registry.load(champion), registry.load(challenger)
    ended = [item for item in declared(pipeline.data) if item.window.end <= as_of]
    ended = sorted(ended, key=lambda item: item.window.end)[-pipeline.promotion.incidents :]
    frames, found = _gather(pipeline, new, ended, as_of)
    newest = sorted(found, key=lambda item: (item.end, item.name))[-pipeline.promotion.incidents :]
    if not newest:
        return None
    used = sorted({item.frame for item in newest} | ({0} if len(frames[0]) else set()))
    starts = dict(zip(used, np.cumsum([0, *(len(frames[place]) for place in used)]).tolist(), strict=False))
    alerts = [
        np.concatenate([_alerts(pipeline, bundle, frames[place]) for place in used]) for bundle in (old, new)
    ]
    past = [
        Past(item.name, tuple(starts[item.frame] + row for row in item.rows), item.taught) for item in newest
    ]
    usual = max(old.policy.threshold, LEAST_SHARE) * pipeline.degradation.alert_rate_factor
    rate = _elsewhere(pipeline, frames[0], alerts[0][: len(frames[0])])
    return regression(alerts[0], alerts[1], past, elsewhere=rate, most=min(usual, 1.0))


def _gather(
    pipeline: Pipeline, new: Bundle, ended: Sequence[Incident], as_of: datetime
) -> tuple[list[pd.DataFrame], list[_Found]]:
    """The held-out span first, then the windows of declared incidents that lie before it."""
    data, said = pipeline.data, str(new.facts.get("held_from") or "")
    assert data.time is not None
    held_from = min(datetime.fromisoformat(said), as_of) if said else as_of
    span = _rows(pipeline, new, Window(held_from, as_of), as_of) if held_from < as_of else None
    frames = [pd.DataFrame() if span is None else span]
    found: list[_Found] = []
    if span is not None and data.label:
        for rows in episodes(span[data.label], span[data.id].astype(str) if data.id else None):
            first, last = (span[data.time].iloc[place] for place in (rows[0], rows[-1]))
            of = f" of {span[data.id].iloc[rows[0]]}" if data.id else ""
            said = f"labelled anomaly{of} {first.isoformat()} to {last.isoformat()}"
            found.append(_Found(last.to_pydatetime(), said, 0, rows, False))
    teaches = bool((new.facts.get("known_anomalies") or {}).get("used"))
    for incident in ended:
        place = 0
        if span is None or incident.window.start < span[data.time].min():
            own = _rows(pipeline, new, incident.window, as_of)
            if own is None:
                continue
            frames.append(own)
            place = len(frames) - 1
        frame = frames[place]
        inside = covered(data, frame, (incident,))
        marked = (frame[data.label] == 1).to_numpy() if data.label else np.zeros(len(frame), dtype=bool)
        early = (frame[data.time] < held_from).to_numpy()
        taught = teaches and bool((inside & marked & early).any())
        rows = tuple(int(row) for row in np.flatnonzero(inside))
        if rows:
            found.append(_Found(incident.window.end, str(incident), place, rows, taught))
    return frames, found


def _rows(pipeline: Pipeline, bundle: Bundle, window: Window, as_of: datetime) -> pd.DataFrame | None:
    """Usable rows of `window`, the newest :data:`MOST_ROWS`; None where the source has none."""
    try:
        frame = read(pipeline.data, window, as_of)
    except (SourceError, WindowError):
        return None
    if not len(frame):
        return None
    frame = frame.iloc[-MOST_ROWS:].reset_index(drop=True)
    clean = validate(frame, bundle.contract, pipeline.quality, "score").clean.reset_index(drop=True)
    return clean if len(clean) else None


def _alerts(pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Alerts by the model's own policy; decided window by window, as in operation."""
    p_values = bundle.score(frame)["p_value"].to_numpy()
    windows = frame[str(pipeline.data.time)].dt.floor(pd.Timedelta(pipeline.windows.score)).to_numpy()
    alerts = np.zeros(len(frame), dtype=bool)
    for window in np.unique(windows):
        inside = windows == window
        alerts[inside] = bundle.policy.decide(p_values[inside], bundle.calibration.resolution)
    return alerts


def _elsewhere(pipeline: Pipeline, frame: pd.DataFrame, alerts: NDArray[np.bool_]) -> float | None:
    """Share of alerts among rows of the held-out span that lie in no incident."""
    if not len(frame):
        return None
    usual = ~covered(pipeline.data, frame, declared(pipeline.data))
    if pipeline.data.label:
        usual &= (frame[pipeline.data.label] != 1).to_numpy()
    return float(alerts[usual].mean()) if usual.sum() >= FEWEST else None
