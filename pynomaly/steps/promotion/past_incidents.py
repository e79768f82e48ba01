"""Score the newest past incidents with champion and challenger, before the champion may change.

Incidents are those declared (``data.incidents``) and, among rows that the challenger was not fitted on,
episodes of labelled anomalies. Called once per promotion, before its lease. Reads the held-out span and the
windows of older incidents; writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.data.incidents import Incident, mark_incident_rows, read_incidents
from pynomaly.data.quality import validate
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from pynomaly.errors import SourceError, WindowError
from pynomaly.judging.comparison.past_incidents import (
    IncidentRegression,
    PastIncident,
    compare_on_incidents,
    find_labelled_episodes,
)
from pynomaly.model.bundle import Bundle
from pynomaly.model.window_alerts import flag_rows
from pynomaly.records.registry import ModelRef, Registry

__all__ = ["MAX_INCIDENT_ROWS", "replay_incidents"]

MAX_INCIDENT_ROWS = 100_000
"""Number of newest rows of one span that are scored; older rows are ignored."""

MIN_ALERT_SHARE = 0.01
"""An alert rate on ordinary rows up to this, times ``degradation.alert_rate_factor``, is acceptable."""

MIN_ORDINARY_ROWS = 100
"""Fewest ordinary rows from which the alert rate outside incidents is measured."""


@dataclass(frozen=True)
class _PastIncident:
    """An incident in one of the frames that were read; `rows` are positions in that frame."""

    end: datetime
    name: str
    frame: int
    rows: tuple[int, ...]
    taught: bool


def replay_incidents(
    pipeline: Pipeline, registry: Registry, champion: ModelRef, challenger: ModelRef, as_of: datetime
) -> IncidentRegression | None:
    """Compare both models on the newest ``promotion.incidents`` incidents that ended before `as_of`.

    Returns
    -------
    Regression or None
        None for a table without time, or if no incident can be read.

    Raises
    ------
    DataError, ModelError
        If either model cannot score the rows.
    """
    if pipeline.data.time is None:
        return None
    old_bundle, new_bundle = registry.load_bundle(champion), registry.load_bundle(challenger)
    ended_incidents = [item for item in read_incidents(pipeline.data) if item.window.end <= as_of]
    ended_incidents = sorted(ended_incidents, key=lambda item: item.window.end)[
        -pipeline.promotion.incidents :
    ]
    frames, incidents = _gather_incidents(pipeline, new_bundle, ended_incidents, as_of)
    newest = sorted(incidents, key=lambda item: (item.end, item.name))[-pipeline.promotion.incidents :]
    if not newest:
        return None
    used_frames = sorted({item.frame for item in newest} | ({0} if len(frames[0]) else set()))
    starts = dict(
        zip(
            used_frames, np.cumsum([0, *(len(frames[place]) for place in used_frames)]).tolist(), strict=False
        )
    )
    alerts = [
        np.concatenate([_decide_alerts(pipeline, bundle, frames[place]) for place in used_frames])
        for bundle in (old_bundle, new_bundle)
    ]
    scored_incidents = [
        PastIncident(item.name, tuple(starts[item.frame] + row for row in item.rows), item.taught)
        for item in newest
    ]
    usual_rate = max(old_bundle.policy.threshold, MIN_ALERT_SHARE) * pipeline.degradation.alert_rate_factor
    rate = _measure_ordinary_rate(pipeline, frames[0], alerts[0][: len(frames[0])])
    return compare_on_incidents(
        alerts[0], alerts[1], scored_incidents, elsewhere=rate, most=min(usual_rate, 1.0)
    )


def _gather_incidents(
    pipeline: Pipeline, new: Bundle, ended: Sequence[Incident], as_of: datetime
) -> tuple[list[pd.DataFrame], list[_PastIncident]]:
    """Returns frames and their incidents: the held-out span, then windows of older declared incidents."""
    data, held_from_text = pipeline.data, str(new.facts.get("held_from") or "")
    assert data.time is not None
    held_from = min(datetime.fromisoformat(held_from_text), as_of) if held_from_text else as_of
    span = _read_rows(pipeline, new, Window(held_from, as_of), as_of) if held_from < as_of else None
    frames = [pd.DataFrame() if span is None else span]
    incidents: list[_PastIncident] = []
    if span is not None and data.label:
        for rows in find_labelled_episodes(span[data.label], span[data.id].astype(str) if data.id else None):
            first, last = (span[data.time].iloc[place] for place in (rows[0], rows[-1]))
            of_entity = f" of {span[data.id].iloc[rows[0]]}" if data.id else ""
            incident_name = f"labelled anomaly{of_entity} {first.isoformat()} to {last.isoformat()}"
            incidents.append(_PastIncident(last.to_pydatetime(), incident_name, 0, rows, False))
    teaches = bool((new.facts.get("known_anomalies") or {}).get("used"))
    for incident in ended:
        place = 0
        if span is None or incident.window.start < span[data.time].min():
            own_rows = _read_rows(pipeline, new, incident.window, as_of)
            if own_rows is None:
                continue
            frames.append(own_rows)
            place = len(frames) - 1
        frame = frames[place]
        inside = mark_incident_rows(data, frame, (incident,))
        labelled = (frame[data.label] == 1).to_numpy() if data.label else np.zeros(len(frame), dtype=bool)
        before_held_out = (frame[data.time] < held_from).to_numpy()
        taught = teaches and bool((inside & labelled & before_held_out).any())
        rows = tuple(int(row) for row in np.flatnonzero(inside))
        if rows:
            incidents.append(_PastIncident(incident.window.end, str(incident), place, rows, taught))
    return frames, incidents


def _read_rows(pipeline: Pipeline, bundle: Bundle, window: Window, as_of: datetime) -> pd.DataFrame | None:
    """Returns usable rows of `window`, at most :data:`MAX_INCIDENT_ROWS`, newest; None if there are none."""
    try:
        frame = read_source(pipeline.data, window, as_of)
    except (SourceError, WindowError):
        return None
    if not len(frame):
        return None
    frame = frame.iloc[-MAX_INCIDENT_ROWS:].reset_index(drop=True)
    clean = validate(frame, bundle.contract, pipeline.quality, "score").clean.reset_index(drop=True)
    return clean if len(clean) else None


def _decide_alerts(pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Returns alerts by the model's own policy, decided window by window as in operation."""
    p_values = bundle.score(frame)["p_value"].to_numpy()
    windows = frame[str(pipeline.data.time)].dt.floor(pd.Timedelta(pipeline.windows.score)).to_numpy()
    alerts = np.zeros(len(frame), dtype=bool)
    for window in np.unique(windows):
        inside = windows == window
        alerts[inside] = flag_rows(bundle, frame[inside], p_values[inside])
    return alerts


def _measure_ordinary_rate(
    pipeline: Pipeline, frame: pd.DataFrame, alerts: NDArray[np.bool_]
) -> float | None:
    """Returns the share of alerts among held-out rows outside incidents; None if there are too few."""
    if not len(frame):
        return None
    ordinary = ~mark_incident_rows(pipeline.data, frame, read_incidents(pipeline.data))
    if pipeline.data.label:
        ordinary &= (frame[pipeline.data.label] != 1).to_numpy()
    return float(alerts[ordinary].mean()) if ordinary.sum() >= MIN_ORDINARY_ROWS else None
