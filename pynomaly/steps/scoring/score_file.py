"""Score a file with the champion, on request: every row of it, in its order, with its own columns.

Nothing of it is on record. A Parquet table larger than a batch is scored in parts.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.quality import validate
from pynomaly.data.sources import TracedRows, trace_rows
from pynomaly.data.sources.parts import has_more_rows, list_row_groups
from pynomaly.errors import ColumnError, ConfigError, QualityError
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.obstacles import describe_absent_features
from pynomaly.model.bundle import Bundle
from pynomaly.model.explanation.explain import explain_alerts
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.records.sheet import check_sheet_rows, render_csv, render_table, require_ending
from pynomaly.records.store import write_atomically
from pynomaly.steps.obstacles import (
    count_pooled_rows,
    describe_pooled_rows,
    describe_short_past,
    list_scoring_obstacles,
    warn_of_drift,
)
from pynomaly.steps.scoring.file_columns import (
    ALL_COLUMNS,
    arrange_file_rows,
    choose_columns,
    name_input_columns,
)
from pynomaly.steps.scoring.held_back import describe_held_back
from pynomaly.steps.scoring.join_parts import clear_folder, join_scored_parts
from pynomaly.steps.scoring.large_tables import score_parts
from pynomaly.steps.scoring.scored_table import score_table

__all__ = ["MAX_EXPLAINED_ALERTS", "FileScores", "score_file"]

MAX_EXPLAINED_ALERTS = 1000
"""Number of alerts of one file that get reasons."""


@dataclass(frozen=True)
class FileScores:
    """Result of scoring one file."""

    output: str
    version: int
    rows: int
    alerts: int
    quarantined: int
    quarantine: str
    touched: int  # rows with a missing number filled in, or a category never seen
    drift: str
    warnings: tuple[str, ...]
    renamed: dict[str, str]  # columns of the input that have another name beside the scores

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for logs and ``--json``."""
        return asdict(self)


def score_file(
    pipeline: Pipeline, source: Path, output: Path, reasons: int = 0, columns: str = ALL_COLUMNS
) -> FileScores:
    """Score a file with the champion and write the table to `output`.

    Rows stand in the order of the file. ``row`` is the line of the file, or the row's number from 1 in a
    table that is no text; of a folder or a glob of text, ``file`` is beside it. A row that cannot be scored
    has no score; ``quarantine`` says why, and these rows go to ``OUTPUT.quarantine.csv``, too. The columns of
    the file that `columns` names (``all``, ``none``, or names with commas between them) follow the scores. A
    Parquet table of more than ``runner.batch_rows`` rows is scored in parts, in bounded memory (see
    :mod:`pynomaly.steps.scoring.large_tables`).

    If `reasons` is above 0, the column ``reasons`` holds, as JSON, the `reasons` columns that cause each
    alert, for the :data:`MAX_EXPLAINED_ALERTS` highest scores; a warning counts the other alerts.

    Raises
    ------
    ConfigError
        If the output's ending is not in :data:`~pynomaly.records.sheet.TABLE_ENDINGS`, the file has no
        such column, or `reasons` is set for a table in parts.
    DataError
        If the input cannot be read or validation blocks it; no output is written then.
    """
    ending = require_ending(output, "--output")
    registry = Registry.open_for(pipeline)
    ref = registry.resolve_alias(pipeline.name, "champion")
    if has_more_rows(pipeline.data, str(source), pipeline.runner.batch_rows):
        if reasons:
            raise ConfigError(
                f"--reasons: {source} has more than {pipeline.runner.batch_rows} rows (runner.batch_rows) "
                "and is scored in parts, which name no reasons; ask pynomaly why for single rows"
            )
        return _score_in_parts(pipeline, registry, ref, source, output, columns)
    traced = trace_rows(pipeline.data, path=str(source), keep_raw=True)
    beside, named = _take_input_columns(pipeline, traced, columns)
    check_sheet_rows(len(traced.frame), output)
    bundle = registry.load_bundle(ref)
    if absent := [name for name in bundle.contract.features if name not in traced.frame]:
        raise ColumnError(describe_absent_features(absent, source))
    checked = validate(traced.frame, bundle.contract, pipeline.quality, "score", traced.origin)
    if checked.report.outcome == "block":
        raise QualityError(f"{source}: blocked: {'; '.join(checked.report.reasons)}")
    table = score_table(bundle, ref, checked.clean)
    conformed = bundle.contract.conform(checked.clean)
    table, left_out = _add_reasons(bundle, checked.clean, table, reasons) if reasons else (table, ())
    rows = arrange_file_rows(traced.frame, traced.origin, table, checked.quarantine, beside)
    quarantine = _name_quarantine_file(output)
    if len(checked.quarantine):
        write_atomically(quarantine, render_csv(checked.quarantine).encode())
    write_atomically(output, render_table(rows, ending))
    drift = compute_window_drift(bundle.sketch, bundle.contract, checked.clean, pipeline.drift)
    obstacles = (
        *list_scoring_obstacles(bundle, conformed, table["is_anomaly"]),
        *describe_short_past(bundle, checked.clean),
    )
    return FileScores(
        output=str(output),
        version=ref.version,
        rows=len(table),
        alerts=int(table["is_anomaly"].sum()),
        quarantined=len(checked.quarantine),
        quarantine=str(quarantine) if len(checked.quarantine) else "",
        touched=bundle.features.count_unusual_rows(conformed),
        drift=drift.status,
        warnings=(
            *left_out,
            *obstacles,
            *describe_held_back(table),
            *describe_pooled_rows(count_pooled_rows(bundle, checked.clean), len(table)),
            *warn_of_drift(drift),
        ),
        renamed=_list_clashes(pipeline, named),
    )


def _take_input_columns(
    pipeline: Pipeline, traced: TracedRows, asked: str
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Returns the asked columns of the input in the order of its frame, and how they are named."""
    if pipeline.data.long is None and traced.raw is not None:
        cells = traced.raw.iloc[traced.origin.places].reset_index(drop=True)
    else:  # the input has several rows for each
        cells = traced.frame
    names = [str(name) for name in cells.columns]
    named = name_input_columns(choose_columns(asked, names), names, pipeline.data)
    return cells[list(named)].rename(columns=named), named


def _list_clashes(pipeline: Pipeline, named: dict[str, str]) -> dict[str, str]:
    """Returns the columns that gave way to one of the scores; that the time does is no surprise."""
    return {name: beside for name, beside in named.items() if name not in (beside, pipeline.data.time)}


def _add_reasons(
    bundle: Bundle, rows: pd.DataFrame, table: pd.DataFrame, top: int
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Returns the table with a column of reasons, and a warning about alerts without reasons."""
    explanations, left_out = explain_alerts(bundle, rows, table, top, MAX_EXPLAINED_ALERTS)
    cells: list[str | None] = [None] * len(table)
    for place, explanation in explanations.items():
        cells[place] = json.dumps([reason.to_dict() for reason in explanation.reasons])
    warnings = (f"reasons of the {MAX_EXPLAINED_ALERTS} highest scores; {left_out} more alerts have none",)
    return table.assign(reasons=pd.Series(cells, dtype=object)), warnings if left_out else ()


def _score_in_parts(
    pipeline: Pipeline, registry: Registry, ref: ModelRef, source: Path, output: Path, columns: str
) -> FileScores:
    """Score a table larger than one batch, part by part."""
    parts = list_row_groups(str(source), pipeline.data.limits)
    check_sheet_rows(sum(part.rows for part in parts), output)
    names = [str(name) for name in parts[0].schema.names]
    named = name_input_columns(choose_columns(columns, names), names, pipeline.data)
    bundle, draft = registry.load_bundle(ref), output.with_name(f".{output.name}.draft")
    clear_folder(draft)
    try:
        total, files = score_parts(
            pipeline, registry.fetch_bundle(ref), ref.sha256, ref.version, str(source), draft, named
        )
        join_scored_parts(files, draft / output.name)
        quarantined = sorted(draft.glob("quarantine-*.parquet"))
        if quarantined:
            join_scored_parts(quarantined, draft / _name_quarantine_file(output).name)
            (draft / _name_quarantine_file(output).name).replace(_name_quarantine_file(output))
        (draft / output.name).replace(output)
    finally:
        clear_folder(draft)
    drift = compute_window_drift(bundle.sketch, bundle.contract, pd.concat(total.sample), pipeline.drift)
    return FileScores(
        output=str(output),
        version=ref.version,
        rows=total.rows - total.quarantined,
        alerts=total.alerts,
        quarantined=total.quarantined,
        quarantine=str(_name_quarantine_file(output)) if quarantined else "",
        touched=total.touched,
        drift=drift.status,
        warnings=(
            *list_scoring_obstacles(bundle, None, ()),
            *describe_pooled_rows(total.pooled, total.rows - total.quarantined),
            *warn_of_drift(drift),
        ),
        renamed=_list_clashes(pipeline, named),
    )


def _name_quarantine_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.quarantine.csv")
