"""One version of a model: its calibration, its windows over time, and its lineage, from what is on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.console.model_schemas import CalibrationLevel, LineageStep, ModelDetail, VersionWindow
from pynomaly.console.queries.versions import find_trainings, read_training_facts
from pynomaly.judging.drift.uniformity import count_interval
from pynomaly.records.formats import format_window, format_words
from pynomaly.records.ledger import Decision, Ledger, TrainingRecord, parse_window_key
from pynomaly.steps.champion import find_last_change

__all__ = ["describe_model"]

_WINDOWS = 120
_DECISIONS = 20
_ABOUT_IT = (
    "register",
    "promote",
    "refuse",
    "pending",
    "approval",
    "reject",
    "expired",
    "rollback",
    "account",
)
_COMPARING = ("promote", "refuse", "pending")
"""Kinds of decision in which a version is held against the champion that it would replace."""


def describe_model(pipeline: Pipeline, ledger: Ledger, version: int) -> ModelDetail:
    """Return what is on record about a version.

    Raises
    ------
    UnknownNameError
        If it was never trained.
    RecordError
        If the records cannot be read.
    """
    trainings = find_trainings(pipeline, ledger, version)
    facts = read_training_facts(pipeline, trainings, version)
    training, change = trainings[version], find_last_change(ledger, pipeline.name)
    uniformity = facts.get("uniformity") or {"rows": 0, "levels": ()}
    notes = [] if facts else ["What the version learned from was not kept: its calibration is not known."]
    return ModelDetail(
        pipeline=pipeline.name,
        version=version,
        champion=change is not None and change.version == version,
        detector=training.registered.detector if training.registered else "",
        calibration=tuple(
            CalibrationLevel(asked=item["level"], observed=item["share"], low=item["low"], high=item["high"])
            for item in uniformity["levels"]
        ),
        calibration_rows=uniformity["rows"],
        windows=tuple(_list_windows(pipeline, ledger, version)),
        notice=pipeline.drift.notice,
        strong=pipeline.drift.strong_effect,
        lineage=tuple(_trace_lineage(pipeline, ledger, training, facts)),
        notes=tuple(notes),
    )


def _list_windows(pipeline: Pipeline, ledger: Ledger, version: int) -> list[VersionWindow]:
    """Return the newest windows that were judged under the version, each as it was judged last."""
    judged: dict[str, Decision] = {}
    for item in ledger.list_decisions(pipeline.name, "degradation", limit=4 * _WINDOWS):
        if item.version == version:
            judged.setdefault(item.subject, item)
    newest = sorted(judged.values(), key=lambda item: item.subject, reverse=True)[:_WINDOWS]
    return [_describe_window(item) for item in reversed(newest)]


def _describe_window(decision: Decision) -> VersionWindow:
    evidence = decision.evidence
    observation = evidence.get("observation") or {}
    effects = {item["name"]: item["effect"] for item in evidence.get("aspects") or ()}
    rows, observed = int(observation.get("rows") or 0), observation.get("alert_rate")
    low, high = (
        count_interval(round(observed * rows), rows) if observed is not None and rows else (None, None)
    )
    bounds = parse_window_key(decision.subject)
    return VersionWindow(
        window=decision.subject,
        seq=decision.seq or 0,
        state=decision.outcome,
        start=bounds[0] if bounds else None,
        rows=rows,
        observed=observed,
        low=low,
        high=high,
        expected=observation.get("expected_rate"),
        data=effects.get("data"),
        features=effects.get("features"),
        scores=effects.get("scores"),
        drifted=tuple(evidence.get("drifted") or ()),
    )


def _trace_lineage(
    pipeline: Pipeline, ledger: Ledger, training: TrainingRecord, facts: Mapping[str, Any]
) -> list[LineageStep]:
    version, registered = training.version, training.registered
    window = format_window(str(facts["window"])) if facts.get("window") else "a window that was not kept"
    counts = facts.get("counts") or {}
    rows = f", {counts['rows']:,} rows" if counts.get("rows") else ""
    steps = [
        LineageStep(
            kind="data",
            title="Data",
            text=f"{window}{rows}; hash {training.data_hash[:12]}",
            at=training.as_of,
            seq=None,
            version=None,
        ),
        LineageStep(
            kind="run",
            title="Training",
            text=registered.detector if registered else training.outcome,
            at=training.at,
            seq=None,
            version=registered.base or None if registered else None,
            run=registered.run_id if registered else "",
        ),
    ]
    about = _list_about(pipeline, ledger, version)
    compared = (item for item in about if item.version == version and item.kind in _COMPARING)
    parent = next((item.replaces for item in compared if item.replaces), None)
    if parent is not None:
        text = f"v{parent} was champion, and is what v{version} was compared with"
        steps.append(
            LineageStep(kind="parent", title="Before it", text=text, at=None, seq=None, version=parent)
        )
    for item in about:
        is_successor = item.version != version
        title = format_words(item.kind).capitalize()
        steps.append(
            LineageStep(
                kind="successor" if is_successor else "decision",
                title=f"{title} of v{item.version}" if is_successor else title,
                text=f"{format_words(item.outcome)}: {item.reasons[0]}" if item.reasons else item.outcome,
                at=item.at,
                seq=item.seq,
                version=item.version if is_successor else None,
            )
        )
    return steps


def _list_about(pipeline: Pipeline, ledger: Ledger, version: int | None) -> list[Decision]:
    """Return decisions about the version, and those in which another one took its place; oldest first."""
    about = [
        item
        for kind in _ABOUT_IT
        for item in ledger.list_decisions(pipeline.name, kind)
        if item.version == version or (kind in ("promote", "rollback") and item.replaces == version)
    ]
    return sorted(about, key=lambda item: item.seq or 0)[-_DECISIONS:]
