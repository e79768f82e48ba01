"""Score a window with the champion at that moment, or a file on request.

Each window has one partition: scoring a window twice gives the same bytes and no second copy. A window whose
data changed since is scored again, and that is recorded.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.quality import validate
from pynomaly.data.sources import read_source
from pynomaly.data.sources.checked_window import CheckedWindow
from pynomaly.data.sources.parts import has_more_rows
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, ConfigError, PynomalyError, QualityError
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.obstacles import describe_absent_features
from pynomaly.model.bundle import Bundle
from pynomaly.model.explanation.explain import explain_alerts
from pynomaly.records.ledger import Decision, Partition
from pynomaly.records.ledger.decision_evidence import QualityEvidence, RescoreEvidence
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.records.sheet import render_csv
from pynomaly.records.store import Store, write_atomically
from pynomaly.steps.alerting.carriers import choose_explained_rows
from pynomaly.steps.champion import honour_alias
from pynomaly.steps.obstacles import list_scoring_obstacles, warn_of_drift
from pynomaly.steps.promotion.bake import judge_baking_window
from pynomaly.steps.scoring.join_parts import clear_folder, join_scored_parts
from pynomaly.steps.scoring.large_tables import score_parts
from pynomaly.steps.window_run import WindowRun, use_window_run

__all__ = [
    "MAX_EXPLAINED_ALERTS",
    "FileScores",
    "WindowScores",
    "score_file",
    "score_shadow_window",
    "score_table",
    "score_window",
]

MAX_EXPLAINED_ALERTS = 1000
"""Number of alerts of one file that get reasons."""


@dataclass(frozen=True)
class WindowScores:
    """Result of scoring one window."""

    window: str
    version: int
    rows: int
    alerts: int
    quarantined: int
    path: str
    sha256: str
    new: bool
    bake: str = ""  # verdict of the window on a recent promotion; see steps.bake
    touched: int | None = (
        None  # rows with a missing number filled in, or a category never seen; None: not new
    )
    warnings: tuple[str, ...] = ()  # what cannot work; see judging.obstacles

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for logs and artifacts."""
        return asdict(self)


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

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for logs and ``--json``."""
        return asdict(self)


def score_table(bundle: Bundle, ref: ModelRef, frame: pd.DataFrame) -> pd.DataFrame:
    """Returns time, id, the columns of :meth:`Bundle.score` and model version per row of one window."""
    scored = bundle.score_window(frame)
    key_columns = [name for name in (bundle.contract.time, bundle.contract.id) if name and name in frame]
    return (
        pd.concat([frame[key_columns], scored], axis=1)
        .assign(model_version=ref.version)
        .reset_index(names="row")
    )


def score_window(pipeline: Pipeline, window: Window | None, run: WindowRun | None = None) -> WindowScores:
    """Score one window (None: the whole table) and store its partition.

    Parameters
    ----------
    pipeline : Pipeline
    window : Window or None
    run : WindowRun, optional
        Shared by the windows of one run; it keeps the alerting rows for the grouping of alerts.

    Raises
    ------
    NoChampionError
        If nothing was promoted yet.
    DataError
        If the window has no rows, or validation blocks it; only the decision is recorded then.
    """
    with use_window_run(pipeline, run) as records:
        registry, ledger = records.registry, records.ledger
        ref = honour_alias(pipeline, registry, ledger) or registry.resolve_alias(pipeline.name, "champion")
        rows = records.read_window(window)
        store = Store(pipeline.store_root)
        with ledger.hold_lease(f"score:{pipeline.name}:{rows.key}"):
            partition_before = ledger.find_partition(pipeline.name, rows.key)
            if (
                partition_before is not None
                and partition_before.data_hash == rows.data_hash
                and store.has_file(store.locate_file(partition_before.path), partition_before.sha256)
            ):
                return _describe_partition(store, partition_before, new=False)
            return _score_rows(records, ref, window, rows, again=partition_before is not None)


def _score_rows(
    run: WindowRun, ref: ModelRef, window: Window | None, rows: CheckedWindow, *, again: bool
) -> WindowScores:
    """Score the rows of a window and write its partition; `again` if there is an older one."""
    pipeline, store, key = run.pipeline, Store(run.pipeline.store_root), rows.key
    bundle = run.load_bundle(ref)
    checked = rows.check(bundle.contract)
    report = checked.report
    if len(checked.quarantine):
        store.write_quarantine(pipeline.name, key, checked.quarantine)
    if report.outcome == "block" or again:
        run.ledger.record_decision(
            _build_remark(pipeline, key, rows.data_hash, ref, report.outcome, report.reasons)
        )
    clean = rows.require_clean(bundle.contract)
    table = score_table(bundle, ref, clean)
    path, sha256 = store.write_scores(pipeline.name, key, table)
    partition = Partition(
        pipeline=pipeline.name,
        window=key,
        version=ref.version,
        path=store.relative_path(path),
        sha256=sha256,
        data_hash=rows.data_hash,
        rows=len(table),
        alerts=int(table["is_anomaly"].sum()),
        quarantined=len(checked.quarantine),
        start=window.start if window else None,
        end=window.end if window else None,
        scored_at=datetime.now(UTC),
    )
    run.ledger.put_partition(partition)
    places = table["row"].to_numpy()[choose_explained_rows(table, pipeline.grouping.explained)]
    run.keep_alert_rows(key, rows.data_hash, clean.iloc[places].set_axis(places))
    score_shadow_window(pipeline, run, key, clean)
    bake_verdict = judge_baking_window(pipeline, ref, bundle, key, clean, table, run)
    conformed = bundle.contract.conform(clean)
    return replace(
        _describe_partition(store, partition, new=True, bake=bake_verdict),
        touched=bundle.features.count_unusual_rows(conformed),
        warnings=list_scoring_obstacles(bundle, conformed, table["is_anomaly"]),
    )


def score_shadow_window(pipeline: Pipeline, run: WindowRun, key: str, rows: pd.DataFrame) -> str:
    """Score the window with the pending version if ``promotion.shadow`` is set; this raises no alerts.

    Returns
    -------
    str
        Path of the scores, or "" without a shadow. A failure is recorded as tag ``pynomaly.shadow_error``
        of the version, and stops nothing.
    """
    if not pipeline.promotion.shadow:
        return ""
    registry = run.registry
    version = registry.list_aliases(pipeline.name).get("shadow")
    if version is None:
        return ""
    ref = registry.find_version(pipeline.name, version)
    try:
        table = score_table(run.load_bundle(ref), ref, rows)
        path, _ = Store(pipeline.store_root).write_shadow(pipeline.name, version, key, table)
        return str(path)
    except PynomalyError as error:
        registry.tag_version(pipeline.name, version, "pynomaly.shadow_error", f"{key}: {error}"[:500])
        return ""


def _describe_partition(store: Store, partition: Partition, *, new: bool, bake: str = "") -> WindowScores:
    return WindowScores(
        window=partition.window,
        version=partition.version,
        rows=partition.rows,
        alerts=partition.alerts,
        quarantined=partition.quarantined,
        path=str(store.locate_file(partition.path)),
        sha256=partition.sha256,
        new=new,
        bake=bake,
    )


def _build_remark(
    pipeline: Pipeline, key: str, data_hash: str, ref: ModelRef, outcome: str, reasons: tuple[str, ...]
) -> Decision:
    """Returns the decision for a blocked window, or for one whose data changed after it was scored."""
    blocked = outcome == "block"
    return Decision(
        key=f"{'quality' if blocked else 'rescore'}:{pipeline.name}:{key}:{data_hash[:16]}",
        pipeline=pipeline.name,
        kind="quality" if blocked else "score",
        subject=key,
        outcome=outcome if blocked else "again",
        reasons=reasons if blocked else ("the window's data changed after it was scored",),
        evidence=QualityEvidence(version=ref.version, data_hash=data_hash)
        if blocked
        else RescoreEvidence(ref.version, data_hash),
        as_of=datetime.now(UTC),
    )


def score_file(pipeline: Pipeline, source: Path, output: Path, reasons: int = 0) -> FileScores:
    """Score a file with the champion and write the table to `output`.

    Rows that cannot be scored go to ``OUTPUT.quarantine.csv`` with the rule they broke. A Parquet table of
    more than ``runner.batch_rows`` rows is scored in parts (see :mod:`pynomaly.steps.scoring.large_tables`):
    in its own order, in bounded memory. If `reasons` is above 0, the column ``reasons`` holds, as JSON, the
    `reasons` columns that cause each alert, for the :data:`MAX_EXPLAINED_ALERTS` highest scores; a warning
    counts the other alerts.

    Raises
    ------
    ConfigError
        If the output is neither ``.csv`` nor ``.parquet``, or `reasons` is set for a table in parts.
    DataError
        If the input cannot be read or validation blocks it; no output is written then.
    """
    if output.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"--output {str(output)!r}: expected a name that ends in .csv or .parquet")
    registry = Registry.open_for(pipeline)
    ref = registry.resolve_alias(pipeline.name, "champion")
    if has_more_rows(pipeline.data, str(source), pipeline.runner.batch_rows):
        if reasons:
            raise ConfigError(
                f"--reasons: {source} has more than {pipeline.runner.batch_rows} rows (runner.batch_rows) "
                "and is scored in parts, which name no reasons; ask pynomaly why for single rows"
            )
        return _score_in_parts(pipeline, registry, ref, source, output)
    frame = read_source(pipeline.data, path=str(source))
    bundle = registry.load_bundle(ref)
    if absent := [name for name in bundle.contract.features if name not in frame]:
        raise ColumnError(describe_absent_features(absent, source))
    checked = validate(frame, bundle.contract, pipeline.quality, "score")
    if checked.report.outcome == "block":
        raise QualityError(f"{source}: blocked: {'; '.join(checked.report.reasons)}")
    table = score_table(bundle, ref, checked.clean)
    conformed = bundle.contract.conform(checked.clean)
    table, left_out = _add_reasons(bundle, checked.clean, table, reasons) if reasons else (table, ())
    content = render_csv(table).encode() if output.suffix == ".csv" else table.to_parquet(index=False)
    quarantine = _name_quarantine_file(output)
    if len(checked.quarantine):
        write_atomically(quarantine, render_csv(checked.quarantine).encode())
    write_atomically(output, content)
    drift = compute_window_drift(bundle.sketch, bundle.contract, checked.clean, pipeline.drift)
    obstacles = list_scoring_obstacles(bundle, conformed, table["is_anomaly"])
    return FileScores(
        output=str(output),
        version=ref.version,
        rows=len(table),
        alerts=int(table["is_anomaly"].sum()),
        quarantined=len(checked.quarantine),
        quarantine=str(quarantine) if len(checked.quarantine) else "",
        touched=bundle.features.count_unusual_rows(conformed),
        drift=drift.status,
        warnings=(*left_out, *obstacles, *warn_of_drift(drift)),
    )


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
    pipeline: Pipeline, registry: Registry, ref: ModelRef, source: Path, output: Path
) -> FileScores:
    """Score a table larger than one batch, part by part."""
    bundle, draft = registry.load_bundle(ref), output.with_name(f".{output.name}.draft")
    clear_folder(draft)
    try:
        total, files = score_parts(
            pipeline, registry.fetch_bundle(ref), ref.sha256, ref.version, str(source), draft
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
        warnings=(*list_scoring_obstacles(bundle, None, ()), *warn_of_drift(drift)),
    )


def _name_quarantine_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.quarantine.csv")
