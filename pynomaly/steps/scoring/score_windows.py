"""Score a window with the champion at that moment.

Each window has one partition: scoring a window twice gives the same bytes and no second copy. A window whose
data changed since is scored again, and that is recorded.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.sources.checked_window import CheckedWindow
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError
from pynomaly.records.ledger import Decision, Partition
from pynomaly.records.ledger.decision_evidence import QualityEvidence, RescoreEvidence
from pynomaly.records.registry import ModelRef
from pynomaly.records.store import Store
from pynomaly.steps.alerting.carriers import choose_explained_rows
from pynomaly.steps.champion import honour_alias
from pynomaly.steps.obstacles import (
    count_pooled_rows,
    describe_pooled_rows,
    describe_short_past,
    list_scoring_obstacles,
)
from pynomaly.steps.promotion.bake import judge_baking_window
from pynomaly.steps.scoring.held_back import describe_held_back
from pynomaly.steps.scoring.scored_table import score_by_version, score_table
from pynomaly.steps.scoring.stream_alerts import enter_discoveries, take_share
from pynomaly.steps.window_run import WindowRun, use_window_run

__all__ = [
    "WindowScores",
    "score_shadow_window",
    "score_window",
]


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
    share = take_share(pipeline, run.ledger, bundle, window, clean)
    table = score_by_version(run, ref, window, clean, share)
    if share is not None and window is not None:
        alerted = table["is_anomaly"].to_numpy(dtype=bool)
        enter_discoveries(pipeline, run.ledger, bundle, window, rows.data_hash, clean, alerted)
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
    is_own = bool((table["model_version"] == ref.version).all())
    own = table if is_own else score_table(bundle, ref, clean, share)
    bake_verdict = judge_baking_window(pipeline, ref, bundle, key, clean, own, run)
    conformed = bundle.contract.conform(clean)
    return replace(
        _describe_partition(store, partition, new=True, bake=bake_verdict),
        touched=bundle.features.count_unusual_rows(conformed),
        warnings=(
            *list_scoring_obstacles(bundle, conformed, table["is_anomaly"]),
            *describe_short_past(bundle, clean),
            *describe_held_back(table),
            *describe_pooled_rows(count_pooled_rows(bundle, clean), len(clean)),
        ),
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
