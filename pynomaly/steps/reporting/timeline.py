"""Read the records around a window: earlier alerts, verdicts, incidents, promotions, later decisions.

Called whenever a window's page is written. Reads only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.data.incidents import read_incidents
from pynomaly.errors import SourceError
from pynomaly.records.ledger import Decision, Ledger, Partition, parse_window_key
from pynomaly.records.ledger.decision_evidence import DegradationEvidence

__all__ = ["MAX_SPANS", "build_story", "describe_decision"]

MAX_SPANS = 120
"""Largest number of bars of a timeline; more windows than this are merged."""
_MAX_VERDICTS = 12
_MAX_DECISIONS = 50
_DECISION_KINDS = (
    "retrain",
    "search",
    "promote",
    "refuse",
    "pending",
    "approval",
    "reject",
    "expired",
    "rollback",
    "bake",
    "policy",
)


def build_story(pipeline: Pipeline, ledger: Ledger, window: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``spans``, ``incidents``, ``marks``, ``recent``, ``decisions``, ``notes`` of a window."""
    window_bounds = parse_window_key(window)
    verdicts = ledger.list_decisions(pipeline.name, "degradation")
    nearby_decisions = sorted(
        (item for kind in _DECISION_KINDS for item in ledger.list_decisions(pipeline.name, kind)),
        key=lambda item: item.seq or 0,
    )
    as_of = datetime.fromisoformat(facts["as_of"])
    window_verdicts = [item for item in verdicts if item.subject == window]
    story: dict[str, Any] = {"spans": [], "incidents": [], "marks": [], "notes": []}
    if window_bounds is None:
        recent, until = [item for item in verdicts if item.as_of <= as_of], None
    else:
        start, end = window_bounds
        recent = [
            item
            for item in verdicts
            if (item_bounds := parse_window_key(item.subject)) and item_bounds[1] <= end
        ]
        until = end + (end - start)
        first = start - pipeline.reports.windows * (end - start)
        partitions = [p for p in ledger.list_partitions(pipeline.name, first, end) if p.start and p.end]
        story["spans"] = _merge_partitions(partitions, MAX_SPANS)
        shown_from = partitions[0].start if partitions and partitions[0].start else start
        story |= _read_incidents(pipeline, min(shown_from, start), end)
        story["marks"] = [
            {"at": item.as_of.isoformat(), "said": f"{item.kind} {item.subject}"}
            for item in nearby_decisions
            if item.kind in ("promote", "rollback") and shown_from <= item.as_of <= end
        ][-6:]
    later_decisions = [
        item
        for item in nearby_decisions
        if item.as_of >= (window_bounds[1] if window_bounds else as_of)
        and (until is None or item.as_of < until)
    ]
    return story | {
        "recent": [_describe_verdict(item) for item in _select_newest(recent)[:_MAX_VERDICTS]],
        "decisions": [describe_decision(item) for item in (*reversed(window_verdicts), *later_decisions)][
            :_MAX_DECISIONS
        ],
    }


def _merge_partitions(partitions: Sequence[Partition], most: int) -> list[dict[str, Any]]:
    """Returns rows and alerts of neighbouring partitions, merged into at most `most` spans."""
    step = max(1, -(-len(partitions) // most))
    groups = [partitions[at : at + step] for at in range(0, len(partitions), step)]
    spans = []
    for group in groups:
        rows, alerts = sum(item.rows for item in group), sum(item.alerts for item in group)
        ends: dict[str, Any] = {
            side: _format_time(getattr(item, side))
            for side, item in (("start", group[0]), ("end", group[-1]))
        }
        spans.append(ends | {"rows": rows, "alerts": alerts, "rate": alerts / rows if rows else None})
    return spans


def _format_time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _read_incidents(pipeline: Pipeline, start: datetime, end: datetime) -> dict[str, Any]:
    """Returns declared incidents that overlap ``[start, end)``; a note if their file cannot be read."""
    try:
        incidents = read_incidents(pipeline.data)
    except SourceError as error:
        return {"incidents": [], "notes": [f"Declared incidents are not shown: {error}"]}
    overlapping = [item for item in incidents if item.window.start < end and start < item.window.end]
    return {
        "incidents": [
            {
                "start": item.window.start.isoformat(),
                "end": item.window.end.isoformat(),
                "name": item.name,
                "entity": item.entity,
            }
            for item in overlapping
        ]
    }


def _select_newest(verdicts: Sequence[Decision]) -> list[Decision]:
    """Returns the newest verdict of each window and version, newest windows first."""
    newest: dict[tuple[str, Any], Decision] = {}
    for item in verdicts:  # newest first
        newest.setdefault((item.subject, item.version), item)
    return sorted(newest.values(), key=lambda item: (item.subject, item.seq or 0), reverse=True)


def _describe_verdict(item: Decision) -> dict[str, Any]:
    window_bounds, observation = parse_window_key(item.subject), DegradationEvidence.of(item).observation
    return {
        "window": item.subject,
        "start": window_bounds[0].isoformat() if window_bounds else None,
        "version": item.version,
        "state": item.outcome,
        **{name: observation[name] for name in ("data", "score", "alert_rate", "performance")},
    }


def describe_decision(decision: Decision) -> dict[str, Any]:
    """Returns a decision as plain values for a page."""
    return {
        "as_of": decision.as_of.isoformat(),
        "kind": decision.kind,
        "subject": decision.subject,
        "outcome": decision.outcome,
        "actor": decision.actor,
        "reasons": list(decision.reasons),
    }
