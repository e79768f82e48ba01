"""The settings beside ``data`` that a draft needs: windows, seasons, and limits that fit the rows. Pure.

Called by ``reading``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Graph
from pynomaly.config.spelling.units import parse_duration, spell_duration
from pynomaly.data.intake.context import SERIES_CANDIDATES, Context
from pynomaly.data.intake.own_levels import measure_entities, scale_entities
from pynomaly.data.intake.seasons import find_seasons
from pynomaly.data.intake.times.moments import Moments
from pynomaly.data.intake.windows import WindowPlan, plan_windows

__all__ = ["plan_blocks"]

_TRAIN_ROWS = 100
_RETRAIN_ROWS = 600
_FEW_ROWS = 30
_COLUMNS_SHOWN = 2

Blocks = dict[str, dict[str, tuple[Any, str]]]


def plan_blocks(
    moments: Moments | None,
    codes: np.ndarray[Any, Any],
    numbers: Mapping[str, np.ndarray[Any, Any]],
    table_rows: int,
    counters: Collection[str] = (),
    context: Context | None = None,
    graph: Mapping[str, Any] | None = None,
) -> tuple[Blocks, list[str], list[str]]:
    """Return the settings of the blocks with their comments, notes, and why a draft could not train.

    Parameters
    ----------
    moments : Moments or None
        The time of the rows that were looked at.
    codes : ndarray of shape (n,), int
        Number of the entity of each of these rows.
    numbers : mapping of name to ndarray of shape (n,)
        Numeric features; counters as their increase.
    table_rows : int
        Rows of the whole table.
    counters : collection of str
        Those of `numbers` that are read as their increase, so that their own level says nothing.
    context : Context, optional
        What the rows show of time; where it asks for detectors that look back, they come first.
    graph : mapping, optional
        ``data.graph`` as it is drafted: how far edges look back.
    """
    blocks: Blocks = {}
    notes: list[str] = []
    problems: list[str] = []
    rows, plan = table_rows, None
    own_levels = _explain_own_levels(moments, codes, numbers, table_rows, counters)
    if moments is not None:
        times = moments.times.dropna()
        series, past = _select_series(moments.times, codes), _read_history(graph)
        plan = plan_windows(series, times.min(), times.max(), table_rows, past)
        rows = plan.reference_rows
        values_by_column = scale_entities(codes, numbers) if own_levels else numbers
        if seasons := find_seasons(moments.times, values_by_column, plan.step, plan.span):
            why = f"the values follow the {' and the '.join(seasons)}, so a model must know when a row is"
            blocks["features"] = {"calendar": (True, why)}
            notes.append(f"{why} (features.calendar)")
    if own_levels:
        blocks.setdefault("features", {})["entities"] = ("own", own_levels)
        notes.append(f"{own_levels} (features.entities)")
        blocks["training"] = {"calibrate_by": ("entity", "so that no entity takes the alerts of the others")}
    if rows < _TRAIN_ROWS:
        low = max(10, rows // 2)
        blocks["quality"] = {"min_train_rows": (low, f"the reference has about {rows} rows, default is 100")}
        if rows < 10:
            problems.append(f"the reference has {rows} rows; at least 10 are needed (quality.min_train_rows)")
        elif rows < _FEW_ROWS:
            notes.append(f"the reference has {rows} rows; a model of so few tells little")
    if plan is not None:
        windows = _write_windows(plan)
        blocks |= {**windows, "training": {**windows["training"], **blocks.get("training", {})}}
    if context is not None and context.past:
        why = "the first is the baseline: it looks back on rows; see `pynomaly detectors`"
        candidates: list[Any] = list(SERIES_CANDIDATES)
        if "calendar" in blocks.get("features", {}):
            candidates[0] = {"detector": candidates[0], "params": {"smoothing": "narrow"}}
            why = f"{why}; smoothing is narrow, so that an alert ends with its incident"
        blocks.setdefault("training", {})["candidates"] = (candidates, why)
        notes.append(f"{context.why}, so detectors that look back come first (data.series)")
    if rows < _RETRAIN_ROWS:
        comment = f"the reference has about {rows} rows, default is 300"
        blocks["retraining"] = {"min_rows": (max(100, rows // 2), comment)}
    return blocks, notes, problems


def _explain_own_levels(
    moments: Moments | None,
    codes: np.ndarray[Any, Any],
    numbers: Mapping[str, np.ndarray[Any, Any]],
    table_rows: int,
    counters: Collection[str],
) -> str:
    """Return why each entity needs its own baseline, "" if it needs none."""
    order = np.arange(len(codes))
    if moments is not None:
        order = np.argsort(moments.times.dt.tz_localize(None).to_numpy(), kind="stable")
    measured = {name: values for name, values in numbers.items() if name not in counters}
    columns = measure_entities(codes, measured, order, table_rows)
    if not columns:
        return ""
    shown = "; ".join(column.describe() for column in columns[:_COLUMNS_SHOWN])
    more = f" and {len(columns) - _COLUMNS_SHOWN} more columns" if len(columns) > _COLUMNS_SHOWN else ""
    return f"entities have their own level or scale ({shown}{more}), so each is measured by its own"


def _select_series(times: pd.Series[Any], codes: np.ndarray[Any, Any]) -> pd.Series[Any]:
    """Return the times of the entity with the most rows, so that the step is that of a series."""
    known = codes[codes >= 0]
    return times[codes == np.bincount(known).argmax()] if len(known) else times


def _read_history(graph: Mapping[str, Any] | None) -> timedelta:
    """Return how far edges look back; nothing where rows are no edges."""
    if not graph:
        return timedelta(0)
    default: timedelta = Graph.model_fields["history"].default
    try:
        return parse_duration(graph.get("history", default))
    except ValueError:  # the check of the whole draft says what is wrong with it
        return default


def _write_windows(plan: WindowPlan) -> Blocks:
    monitor = "what one verdict looks back on; a whole number of windows.score"
    return {
        "windows": {
            "score": (spell_duration(plan.score), "one partition of scores"),
            "monitor": (spell_duration(plan.monitor), monitor),
            "reference": (spell_duration(plan.reference), plan.why),
        },
        "training": {"start": (plan.start.isoformat(), plan.why_start)},
    }
