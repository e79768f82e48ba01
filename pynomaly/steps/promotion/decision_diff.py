"""Scores the newest rows with champion and challenger, for the person who approves the challenger.

Stores no scores. The difference is saved with the decision in the ledger and, as ``diff/diff.json`` and
``diff/diff.md``, with the challenger's run in MLflow. Called by :mod:`~pynomaly.steps.promotion.promote`.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.quality import validate
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError, QualityError, RecordError
from pynomaly.judging.comparison.decision_diff import DecisionDiff, Side, diff_decisions
from pynomaly.model.calibration.events import count_events
from pynomaly.model.explanation.reasons import Reason
from pynomaly.model.row_times import read_row_keys
from pynomaly.records.diff_page import render_diff
from pynomaly.records.registry import ModelRef, Registry

__all__ = ["MAX_DIFF_ROWS", "compute_diff", "diff_models"]

MAX_DIFF_ROWS = 100_000
"""Most rows that are scored by both; if there are more, only the newest are used, and a note says so."""


def diff_models(
    pipeline: Pipeline, registry: Registry, champion: ModelRef, challenger: ModelRef, as_of: datetime
) -> DecisionDiff:
    """Score the rows of the last ``promotion.diff_days`` before `as_of` with both models, and compare them.

    Raises
    ------
    DataError
        If there are no such rows, or validation blocks them.
    """
    window = (
        Window(as_of - timedelta(days=pipeline.promotion.diff_days), as_of) if pipeline.data.time else None
    )
    old, new = registry.load_bundle(champion), registry.load_bundle(challenger)
    frame = read_source(pipeline.data, window, as_of)
    notes: tuple[str, ...] = ()
    if len(frame) > MAX_DIFF_ROWS:
        notes = (f"the newest {MAX_DIFF_ROWS} of {len(frame)} rows",)
        frame = frame.iloc[-MAX_DIFF_ROWS:].reset_index(drop=True)
    validation = validate(frame, new.contract, pipeline.quality, "score")
    if validation.report.outcome == "block":
        raise QualityError(f"the newest rows are blocked: {'; '.join(validation.report.reasons)}")
    rows = validation.clean.reset_index(drop=True)
    before, after = old.score_window(rows), new.score_window(rows)
    scored = {"gained": (new, rows), "lost": (old, rows)}

    def explain_row(place: int, side: Side) -> tuple[Reason, ...]:
        bundle, table = scored[side]
        return bundle.explain(table.iloc[[place]])[0].reasons

    key_columns = [name for name in (pipeline.data.time, pipeline.data.id) if name and name in rows]
    return diff_decisions(
        before,
        after,
        names=(f"v{champion.version}", f"v{challenger.version}"),
        window=window.key if window else "all",
        days=_span_days(rows, pipeline.data.time),
        where=rows[key_columns],
        explain=explain_row,
        notes=(*_compare_events(pipeline, new.contract, rows, before, after), *notes),
    )


def _compare_events(
    pipeline: Pipeline, contract: FrameContract, rows: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame
) -> tuple[str, ...]:
    """Return how many events a day the alerting rows of both make; nothing for a table without times."""
    keys, days = read_row_keys(rows, contract), _span_days(rows, pipeline.data.time)
    if keys is None or days is None:
        return ()
    old, new = (
        count_events(keys, scored["is_anomaly"], pipeline.grouping.gap) / days for scored in (before, after)
    )
    gap = f"grouping.gap {pipeline.grouping.gap / timedelta(hours=1):g} h"
    return (f"events a day: {old:.3g} -> {new:.3g} ({new - old:+.3g}; {gap})",)


def _span_days(rows: pd.DataFrame, time: str | None) -> float | None:
    """Return the days that the rows span (1 or more), so that a short history does not lower daily rates."""
    if time is None:
        return None
    span = rows[time].max() - rows[time].min()
    return max(1.0, float(span / pd.Timedelta(days=1)))


@dataclass(frozen=True)
class ShownDiff:
    """Difference between champion and challenger as plain values, or None; and what failed, or ""."""

    diff: dict[str, Any] | None
    problem: str = ""


def compute_diff(
    pipeline: Pipeline, registry: Registry, champion: ModelRef | None, challenger: ModelRef, as_of: datetime
) -> ShownDiff:
    """Return the difference as evidence, and log it in MLflow; failures are reported, not raised."""
    if champion is None:
        return ShownDiff(None, "there is no champion to differ from")
    try:
        model_diff = diff_models(pipeline, registry, champion, challenger, as_of)
    except PynomalyError as error:
        return ShownDiff(None, f"{type(error).__name__}: {error}")
    try:
        _log_diff(registry, challenger, model_diff)
    except RecordError as error:
        return ShownDiff(model_diff.to_dict(), str(error))
    return ShownDiff(model_diff.to_dict())


def _log_diff(registry: Registry, challenger: ModelRef, model_diff: DecisionDiff) -> None:
    content = model_diff.to_dict()
    with tempfile.TemporaryDirectory() as folder:
        table, page = Path(folder) / "diff.json", Path(folder) / "diff.md"
        table.write_text(json.dumps(content, indent=1, allow_nan=False))
        page.write_text(render_diff(content))
        registry.log_to_run(challenger.run_id, artifacts={"diff/diff.json": table, "diff/diff.md": page})
