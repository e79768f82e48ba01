"""Facts for pruning: everything of a pipeline that takes space, and what its decisions refer to.

Reads ledger, MLflow and store, and writes nothing. Called by :mod:`pynomaly.steps.operations.prune`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.judging.retention import PastDecision, PruningPlan, RetentionFacts, StoredItem
from pynomaly.records.ledger import AlertFilter, Decision, Ledger, TrainingRecord, parse_window_key
from pynomaly.records.registry import Registry, Traces
from pynomaly.records.registry.removal import LoggedModel, LoggedRun, count_bytes, list_models, list_runs
from pynomaly.records.store import Store
from pynomaly.steps.champion import list_pending_promotions

__all__ = ["PipelineInventory", "add_mlflow_sizes", "gather_inventory"]

_WINDOW_PATTERN = re.compile(r"\d{8}T\d{6}Z--\d{8}T\d{6}Z")
_RUN_PATTERN = re.compile(r"\b[0-9a-f]{32}\b")
_REPORT_PATTERN = re.compile(r"(?:(?:drift|window)-(?P<window>.+)|training)-v(?P<version>\d+)")


@dataclass(frozen=True)
class PipelineInventory:
    """The history that pruning judges, and the handles that each thing is removed with."""

    history: RetentionFacts
    runs: Mapping[str, LoggedRun]
    models: Mapping[str, LoggedModel]
    partitions: Mapping[str, tuple[str, str]]  # score file address -> (window, hash)


def gather_inventory(
    pipeline: Pipeline, ledger: Ledger, registry: Registry, store: Store
) -> PipelineInventory:
    """Return everything the pipeline stores, and what its decisions refer to."""
    decisions = tuple(reversed(ledger.list_decisions(pipeline.name)))
    pending_keys = {item.key for item in list_pending_promotions(ledger, pipeline.name)}
    statements = tuple(_summarize_decision(item, item.key in pending_keys) for item in decisions)
    trainings = ledger.list_trainings(pipeline.name)
    runs = {item.id: item for item in list_runs(registry, pipeline.name)}
    models = {_format_model_name(item): item for item in list_models(registry, pipeline.name)}
    files, partitions = _list_files(pipeline, ledger, store, trainings)
    things = (
        *_list_models(models, runs, statements),
        *map(_describe_run, runs.values()),
        *_list_traces(pipeline, ledger, registry),
        *_list_letters(pipeline, ledger),
        *files,
    )
    unfinished = {item.version for item in trainings if item.outcome == "registered" and item.version}
    aliases, unanswered_windows = (
        registry.list_aliases(pipeline.name),
        _find_unanswered_windows(pipeline, ledger),
    )
    history = RetentionFacts(things, statements, aliases, frozenset(unfinished), unanswered_windows)
    return PipelineInventory(history, runs, models, partitions)


def _find_unanswered_windows(pipeline: Pipeline, ledger: Ledger) -> tuple[tuple[datetime, datetime], ...]:
    """Return the windows of unresolved alerts, and of audits whose rows are not all labelled."""
    answers = ledger.answers
    unanswered = AlertFilter(pipelines=(pipeline.name,), states=("open", "acknowledged"))
    alerts = ledger.alert_states.list_alerts(unanswered)
    windows = {name for _, item in alerts for name in item.windows}
    labelled = {item.key.rpartition(":")[0] for item in answers.list_labels(pipeline.name)}
    for audit in answers.list_audits(pipeline.name):
        rows = audit.content["rows"]
        windows |= {
            row["window"] for number, row in enumerate(rows) if f"{audit.key}:{number}" not in labelled
        }
    return tuple(span for name in sorted(windows) if (span := _parse_span(name)) is not None)


def _summarize_decision(decision: Decision, waits: bool) -> PastDecision:
    versions = {decision.version, decision.replaces}
    subject = re.search(r" v(\d+)$", decision.subject)
    versions |= {int(subject.group(1))} if subject else set()
    texts = [decision.subject, *_iter_texts(decision.evidence)]
    windows = {window for text in texts for window in _WINDOW_PATTERN.findall(text)}
    return PastDecision(
        decision.kind,
        decision.outcome,
        decision.at or decision.as_of,
        frozenset(item for item in versions if isinstance(item, int)),
        tuple(span for window in sorted(windows) if (span := parse_window_key(window)) is not None),
        frozenset(run for text in texts for run in _RUN_PATTERN.findall(text)),
        waits,
    )


def _iter_texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for item in content.values():
            yield from _iter_texts(item)
    elif isinstance(content, list | tuple):
        for item in content:
            yield from _iter_texts(item)


def _format_model_name(model: LoggedModel) -> str:
    return f"v{model.ref.version}" if model.ref else model.id


def _list_models(
    models: Mapping[str, LoggedModel], runs: Mapping[str, LoggedRun], statements: tuple[PastDecision, ...]
) -> Iterator[StoredItem]:
    last_mentions: dict[int, datetime] = {}
    for item in statements:
        last_mentions |= {
            version: max(item.at, last_mentions.get(version, item.at)) for version in item.versions
        }
    for name, model in models.items():
        if model.ref is None:
            yield StoredItem("leftover", name, model.at)
            continue
        version, run = model.ref.version, model.ref.run_id
        at = max(model.at, last_mentions.get(version, model.at))
        family = runs[run].family if run in runs else run
        yield StoredItem("version", name, at, 0, version, None, run, family, model.ref.sha256)


def _describe_run(run: LoggedRun) -> StoredItem:
    return StoredItem(
        "run", run.id, run.at, run=run.id, family=run.family, busy=run.running and not run.binned
    )


def _list_traces(pipeline: Pipeline, ledger: Ledger, registry: Registry) -> Iterator[StoredItem]:
    """Yield the alert traces in MLflow; a trace is in use while its alert is not resolved."""
    waiting = AlertFilter(pipelines=(pipeline.name,), states=("open", "acknowledged"))
    unanswered = {item.alert for _, item in ledger.alert_states.list_alerts(waiting)}
    for name, alert, at in Traces(registry, pipeline.name).list_traces():
        yield StoredItem("trace", name, at, busy=alert in unanswered)


def _list_letters(pipeline: Pipeline, ledger: Ledger) -> Iterator[StoredItem]:
    for item in ledger.retention.list_letter_days(pipeline.name):
        yield StoredItem("letters", item.day, item.at, item.size)


def _list_files(
    pipeline: Pipeline, ledger: Ledger, store: Store, trainings: tuple[TrainingRecord, ...]
) -> tuple[list[StoredItem], dict[str, tuple[str, str]]]:
    """Return the store's files, and ledger rows whose file is missing; ages come from the ledger if known."""
    partitions_by_path = {
        str(store.locate_file(item.path)): item for item in ledger.list_partitions(pipeline.name)
    }
    partitions = {path: (item.window, item.sha256) for path, item in partitions_by_path.items()}
    judged_at = {
        (item.window, item.version): item.at for item in ledger.retention.list_judged_windows(pipeline.name)
    }
    versions_by_training = {item.key: item.version for item in trainings}
    things: list[StoredItem] = []
    known_addresses: set[str] = set()
    root = f"{store.root / pipeline.name}/"
    for entry in store.list_files(pipeline.name):
        known_addresses.add(entry.address)
        folder, _, rest = entry.address.removeprefix(root).partition("/")
        stem = rest.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        if folder == "scores":
            window = rest.split("/")[0].removeprefix("window=")
            row = partitions_by_path.get(entry.address)
            at = row.scored_at if row else entry.written
            partitions.setdefault(entry.address, (window, ""))
            things.append(StoredItem("scores", entry.address, at, entry.size, None, _parse_span(window)))
        elif folder == "shadow":
            version, window = rest.split("/")[:2]
            number = int(version.removeprefix("v"))
            window = window.removeprefix("window=")
            things.append(
                StoredItem("shadow", entry.address, entry.written, entry.size, number, _parse_span(window))
            )
        elif folder in ("reports", "facts") and (name := _REPORT_PATTERN.fullmatch(stem)):
            window, number = name["window"] or "", int(name["version"])
            at = judged_at.get((window, number), entry.written)
            things.append(StoredItem("report", entry.address, at, entry.size, number, _parse_span(window)))
        elif folder == "quarantine":
            version_of = (
                versions_by_training.get(stem.removeprefix("train-")) if stem.startswith("train-") else None
            )
            things.append(
                StoredItem(
                    "quarantine", entry.address, entry.written, entry.size, version_of, _parse_span(stem)
                )
            )
        elif folder in ("references", "held_out"):
            things.append(StoredItem("rows", entry.address, entry.written, entry.size, sha256=stem))
    for path, row in partitions_by_path.items():
        if path not in known_addresses:  # a removal was interrupted, or the file was deleted by other means
            things.append(StoredItem("scores", path, row.scored_at, 0, None, _parse_span(row.window)))
    return things, partitions


def _parse_span(window: str) -> tuple[datetime, datetime] | None:
    return parse_window_key(window) if _WINDOW_PATTERN.fullmatch(window) else None


def add_mlflow_sizes(registry: Registry, inventory: PipelineInventory, plan: PruningPlan) -> PruningPlan:
    """Return the plan with MLflow's byte counts for what is removed; nothing else is asked, as it is slow."""

    def measure_bytes(kind: str, name: str, current_size: int) -> int:
        if kind == "run":
            return count_bytes(registry, inventory.runs[name].files)
        return (
            count_bytes(registry, inventory.models[name].files)
            if kind in ("version", "leftover")
            else current_size
        )

    removals = tuple(
        replace(item, size=measure_bytes(item.kind, item.name, item.size)) for item in plan.removals
    )
    return replace(plan, removals=removals)
