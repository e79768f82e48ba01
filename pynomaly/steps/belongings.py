"""Facts for pruning: everything of a pipeline that takes space, and what its decisions refer to.

Reads ledger, MLflow and store, and writes nothing. Called by :mod:`pynomaly.steps.prune`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.judging.pruning import History, Pruning, Said, Thing
from pynomaly.records.ledger import Answers, Decision, Ledger, Training, bounds
from pynomaly.records.registry import Registry, Traces
from pynomaly.records.registry.removal import LoggedModel, LoggedRun, bytes_at, models_of, runs_of
from pynomaly.records.store import Store
from pynomaly.steps.alerting import standing
from pynomaly.steps.champion import open_pendings

__all__ = ["Belongings", "belongings", "sized"]

_WINDOW = re.compile(r"\d{8}T\d{6}Z--\d{8}T\d{6}Z")
_RUN = re.compile(r"\b[0-9a-f]{32}\b")
_REPORT = re.compile(r"(?:(?:drift|window)-(?P<window>.+)|training)-v(?P<version>\d+)")


@dataclass(frozen=True)
class Belongings:
    """The history that pruning judges, and the handles that each thing is removed with."""

    history: History
    runs: Mapping[str, LoggedRun]
    models: Mapping[str, LoggedModel]
    partitions: Mapping[str, tuple[str, str]]  # score file address -> (window, hash)


def belongings(pipeline: Pipeline, ledger: Ledger, registry: Registry, store: Store) -> Belongings:
    """Return everything the pipeline stores, and what its decisions refer to."""
    decisions = tuple(reversed(ledger.decisions(pipeline.name)))
    pending_keys = {item.key for item in open_pendings(ledger, pipeline.name)}
    statements = tuple(_said(item, item.key in pending_keys) for item in decisions)
    trainings = ledger.trainings(pipeline.name)
    runs = {item.id: item for item in runs_of(registry, pipeline.name)}
    models = {_model_name(item): item for item in models_of(registry, pipeline.name)}
    files, partitions = _files(pipeline, ledger, store, trainings)
    things = (
        *_models(models, runs, statements),
        *map(_run, runs.values()),
        *_traces(pipeline, ledger, registry),
        *files,
    )
    unfinished = {item.version for item in trainings if item.outcome == "registered" and item.version}
    aliases, unanswered_windows = registry.aliases(pipeline.name), _asked(pipeline, ledger)
    history = History(things, statements, aliases, frozenset(unfinished), unanswered_windows)
    return Belongings(history, runs, models, partitions)


def _asked(pipeline: Pipeline, ledger: Ledger) -> tuple[tuple[datetime, datetime], ...]:
    """Return the windows of unresolved alerts, and of audits whose rows are not all labelled."""
    answers = Answers.beside(ledger)
    alerts = standing(answers, pipeline.name).values()
    windows = {name for item in alerts if item.state in ("open", "acknowledged") for name in item.windows}
    labelled = {item.key.rpartition(":")[0] for item in answers.labels(pipeline.name)}
    for audit in answers.audits(pipeline.name):
        rows = audit.content["rows"]
        windows |= {
            row["window"] for number, row in enumerate(rows) if f"{audit.key}:{number}" not in labelled
        }
    return tuple(span for name in sorted(windows) if (span := _span(name)) is not None)


def _said(decision: Decision, waits: bool) -> Said:
    evidence = decision.evidence
    versions = {evidence.get(name) for name in ("version", "replaces")}
    subject = re.search(r" v(\d+)$", decision.subject)
    versions |= {int(subject.group(1))} if subject else set()
    texts = [decision.subject, *_texts(evidence)]
    windows = {window for text in texts for window in _WINDOW.findall(text)}
    return Said(
        decision.kind,
        decision.outcome,
        decision.at or decision.as_of,
        frozenset(item for item in versions if isinstance(item, int)),
        tuple(span for window in sorted(windows) if (span := bounds(window)) is not None),
        frozenset(run for text in texts for run in _RUN.findall(text)),
        waits,
    )


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for item in content.values():
            yield from _texts(item)
    elif isinstance(content, list | tuple):
        for item in content:
            yield from _texts(item)


def _model_name(model: LoggedModel) -> str:
    return f"v{model.ref.version}" if model.ref else model.id


def _models(
    models: Mapping[str, LoggedModel], runs: Mapping[str, LoggedRun], statements: tuple[Said, ...]
) -> Iterator[Thing]:
    last_mentions: dict[int, datetime] = {}
    for item in statements:
        last_mentions |= {
            version: max(item.at, last_mentions.get(version, item.at)) for version in item.versions
        }
    for name, model in models.items():
        if model.ref is None:
            yield Thing("leftover", name, model.at)
            continue
        version, run = model.ref.version, model.ref.run_id
        at = max(model.at, last_mentions.get(version, model.at))
        family = runs[run].family if run in runs else run
        yield Thing("version", name, at, 0, version, None, run, family, model.ref.sha256)


def _run(run: LoggedRun) -> Thing:
    return Thing("run", run.id, run.at, run=run.id, family=run.family, busy=run.running and not run.binned)


def _traces(pipeline: Pipeline, ledger: Ledger, registry: Registry) -> Iterator[Thing]:
    """Yield the alert traces in MLflow; a trace is in use while its alert is not resolved."""
    alerts = standing(Answers.beside(ledger), pipeline.name)
    unanswered = {name for name, item in alerts.items() if item.state in ("open", "acknowledged")}
    for name, alert, at in Traces(registry, pipeline.name).kept():
        yield Thing("trace", name, at, busy=alert in unanswered)


def _files(
    pipeline: Pipeline, ledger: Ledger, store: Store, trainings: tuple[Training, ...]
) -> tuple[list[Thing], dict[str, tuple[str, str]]]:
    """Return the store's files, and ledger rows whose file is missing; ages come from the ledger if known."""
    partitions_by_path = {item.path: item for item in ledger.partitions(pipeline.name)}
    partitions = {path: (item.window, item.sha256) for path, item in partitions_by_path.items()}
    judged_at = {(item.window, item.version): item.at for item in ledger.shelf.watched(pipeline.name)}
    versions_by_training = {item.key: item.version for item in trainings}
    things: list[Thing] = []
    known_addresses: set[str] = set()
    root = f"{store.root / pipeline.name}/"
    for entry in store.files(pipeline.name):
        known_addresses.add(entry.address)
        folder, _, rest = entry.address.removeprefix(root).partition("/")
        stem = rest.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        if folder == "scores":
            window = rest.split("/")[0].removeprefix("window=")
            row = partitions_by_path.get(entry.address)
            at = row.scored_at if row else entry.written
            partitions.setdefault(entry.address, (window, ""))
            things.append(Thing("scores", entry.address, at, entry.size, None, _span(window)))
        elif folder == "shadow":
            version, window = rest.split("/")[:2]
            number = int(version.removeprefix("v"))
            window = window.removeprefix("window=")
            things.append(Thing("shadow", entry.address, entry.written, entry.size, number, _span(window)))
        elif folder in ("reports", "facts") and (name := _REPORT.fullmatch(stem)):
            window, number = name["window"] or "", int(name["version"])
            at = judged_at.get((window, number), entry.written)
            things.append(Thing("report", entry.address, at, entry.size, number, _span(window)))
        elif folder == "quarantine":
            version_of = (
                versions_by_training.get(stem.removeprefix("train-")) if stem.startswith("train-") else None
            )
            things.append(
                Thing("quarantine", entry.address, entry.written, entry.size, version_of, _span(stem))
            )
        elif folder in ("references", "held_out"):
            things.append(Thing("rows", entry.address, entry.written, entry.size, sha256=stem))
    for path, row in partitions_by_path.items():
        if path not in known_addresses:  # a removal was interrupted, or the file was deleted by other means
            things.append(Thing("scores", path, row.scored_at, 0, None, _span(row.window)))
    return things, partitions


def _span(window: str) -> tuple[datetime, datetime] | None:
    return bounds(window) if _WINDOW.fullmatch(window) else None


def sized(registry: Registry, found: Belongings, plan: Pruning) -> Pruning:
    """Return the plan with MLflow's byte counts for what is removed; nothing else is asked, as it is slow."""

    def measure_bytes(kind: str, name: str, current_size: int) -> int:
        if kind == "run":
            return bytes_at(registry, found.runs[name].files)
        return (
            bytes_at(registry, found.models[name].files) if kind in ("version", "leftover") else current_size
        )

    removals = tuple(
        replace(item, size=measure_bytes(item.kind, item.name, item.size)) for item in plan.removals
    )
    return replace(plan, removals=removals)
