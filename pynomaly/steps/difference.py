"""The newest rows through champion and challenger, for whoever is to approve the challenger.

Reads and scores; writes no scores. What it finds is kept with the decision in the ledger and, as
``diff/diff.json`` and ``diff/diff.md``, with the challenger's run in MLflow.
"""

from __future__ import annotations

import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.quality import validate
from pynomaly.data.sources import read
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError, QualityError, RecordError
from pynomaly.judging.diff import Diff, Side, diff
from pynomaly.model.explain import Reason
from pynomaly.records.diff_page import diff_markdown
from pynomaly.records.registry import ModelRef, Registry

__all__ = ["MOST_ROWS", "difference", "shown_difference"]

MOST_ROWS = 100_000
"""Newest rows that are scored twice; more are left out, and that is said."""


def difference(
    pipeline: Pipeline, registry: Registry, champion: ModelRef, challenger: ModelRef, as_of: datetime
) -> Diff:
    """Score the rows of the last ``promotion.diff_days`` before `as_of` with both models.

    Raises
    ------
    DataError
        If there are no such rows, or validation blocks them.
    """
    window = (
        Window(as_of - timedelta(days=pipeline.promotion.diff_days), as_of) if pipeline.data.time else None
    )
    old, new = registry.load(champion), registry.load(challenger)
    frame = read(pipeline.data, window, as_of)
    notes: tuple[str, ...] = ()
    if len(frame) > MOST_ROWS:
        notes = (f"the newest {MOST_ROWS} of {len(frame)} rows",)
        frame = frame.iloc[-MOST_ROWS:].reset_index(drop=True)
    checked = validate(frame, new.contract, pipeline.quality, "score")
    if checked.report.outcome == "block":
        raise QualityError(f"the newest rows are blocked: {'; '.join(checked.report.reasons)}")
    rows = checked.clean.reset_index(drop=True)
    before, after = old.score_window(rows), new.score_window(rows)
    scored = {"gained": (new, rows), "lost": (old, rows)}

    def explain(place: int, side: Side) -> tuple[Reason, ...]:
        bundle, table = scored[side]
        return bundle.explain(table.iloc[[place]])[0].reasons

    known = [name for name in (pipeline.data.time, pipeline.data.id) if name and name in rows]
    return diff(
        before,
        after,
        names=(f"v{champion.version}", f"v{challenger.version}"),
        window=window.key if window else "all",
        days=_days(rows, pipeline.data.time),
        where=rows[known],
        explain=explain,
        notes=notes,
    )


def _days(rows: pd.DataFrame, time: str | None) -> float | None:
    """Span of the rows that there are: a source that holds fewer days is not thinned out."""
    if time is None:
        return None
    span = rows[time].max() - rows[time].min()
    return max(1.0, float(span / pd.Timedelta(days=1)))


def shown_difference(
    pipeline: Pipeline, registry: Registry, champion: ModelRef | None, challenger: ModelRef, as_of: datetime
) -> dict[str, Any]:
    """The difference as evidence of a decision, and kept in MLflow; what failed is said and stops nothing."""
    if champion is None:
        return {"diff": None, "diff_error": "there is no champion to differ from"}
    try:
        found = difference(pipeline, registry, champion, challenger, as_of)
    except PynomalyError as error:
        return {"diff": None, "diff_error": f"{type(error).__name__}: {error}"}
    try:
        _keep(registry, challenger, found)
    except RecordError as error:
        return {"diff": found.to_dict(), "diff_error": str(error)}
    return {"diff": found.to_dict(), "diff_error": ""}


def _keep(registry: Registry, challenger: ModelRef, found: Diff) -> None:
    content = found.to_dict()
    with tempfile.TemporaryDirectory() as folder:
        table, page = Path(folder) / "diff.json", Path(folder) / "diff.md"
        table.write_text(json.dumps(content, indent=1, allow_nan=False))
        page.write_text(diff_markdown(content))
        registry.log(challenger.run_id, artifacts={"diff/diff.json": table, "diff/diff.md": page})
