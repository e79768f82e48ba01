"""What the records say around a window: alerts before it, verdicts, incidents, promotions, what followed.

Read anew whenever a window's page is written. Reads only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.data.incidents import declared
from pynomaly.errors import SourceError
from pynomaly.records.ledger import Decision, Ledger, Partition, bounds

__all__ = ["SPANS", "story_of", "told"]

SPANS = 120
"""Most bars of a timeline; shorter windows are drawn together."""
_VERDICTS = 12
_FOLLOWED = 50
_AROUND = (
    "retrain",
    "search",
    "promote",
    "refuse",
    "pending",
    "reject",
    "expired",
    "rollback",
    "bake",
    "policy",
)


def story_of(pipeline: Pipeline, ledger: Ledger, window: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """``spans``, ``incidents``, ``marks``, ``recent``, ``decisions`` and ``notes`` for a window's page."""
    edges = bounds(window)
    verdicts = ledger.decisions(pipeline.name, "degradation")
    around = sorted(
        (item for kind in _AROUND for item in ledger.decisions(pipeline.name, kind)),
        key=lambda item: item.seq or 0,
    )
    as_of = datetime.fromisoformat(facts["as_of"])
    judged = [item for item in verdicts if item.subject == window]
    story: dict[str, Any] = {"spans": [], "incidents": [], "marks": [], "notes": []}
    if edges is None:
        recent, until = [item for item in verdicts if item.as_of <= as_of], None
    else:
        start, end = edges
        recent = [item for item in verdicts if (found := bounds(item.subject)) and found[1] <= end]
        until = end + (end - start)
        first = start - pipeline.reports.windows * (end - start)
        partitions = [p for p in ledger.partitions(pipeline.name, first, end) if p.start and p.end]
        story["spans"] = _spans(partitions, SPANS)
        shown = partitions[0].start if partitions and partitions[0].start else start
        story |= _incidents(pipeline, min(shown, start), end)
        story["marks"] = [
            {"at": item.as_of.isoformat(), "said": f"{item.kind} {item.subject}"}
            for item in around
            if item.kind in ("promote", "rollback") and shown <= item.as_of <= end
        ][-6:]
    followed = [
        item
        for item in around
        if item.as_of >= (edges[1] if edges else as_of) and (until is None or item.as_of < until)
    ]
    return story | {
        "recent": [_verdict(item) for item in _newest(recent)[:_VERDICTS]],
        "decisions": [told(item) for item in (*reversed(judged), *followed)][:_FOLLOWED],
    }


def _spans(partitions: Sequence[Partition], most: int) -> list[dict[str, Any]]:
    """Neighbouring partitions taken together until there are few enough."""
    step = max(1, -(-len(partitions) // most))
    groups = [partitions[at : at + step] for at in range(0, len(partitions), step)]
    spans = []
    for group in groups:
        rows, alerts = sum(item.rows for item in group), sum(item.alerts for item in group)
        ends: dict[str, Any] = {
            side: _iso(getattr(item, side)) for side, item in (("start", group[0]), ("end", group[-1]))
        }
        spans.append(ends | {"rows": rows, "alerts": alerts, "rate": alerts / rows if rows else None})
    return spans


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _incidents(pipeline: Pipeline, start: datetime, end: datetime) -> dict[str, Any]:
    """Declared incidents that reach into ``[start, end)``; a file that cannot be read is said."""
    try:
        found = declared(pipeline.data)
    except SourceError as error:
        return {"incidents": [], "notes": [f"Declared incidents are not shown: {error}"]}
    inside = [item for item in found if item.window.start < end and start < item.window.end]
    return {
        "incidents": [
            {
                "start": item.window.start.isoformat(),
                "end": item.window.end.isoformat(),
                "name": item.name,
                "entity": item.entity,
            }
            for item in inside
        ]
    }


def _newest(verdicts: Sequence[Decision]) -> list[Decision]:
    """The newest verdict of each window and version, newest windows first."""
    seen: dict[tuple[str, Any], Decision] = {}
    for item in verdicts:  # newest first
        seen.setdefault((item.subject, item.evidence.get("version")), item)
    return sorted(seen.values(), key=lambda item: (item.subject, item.seq or 0), reverse=True)


def _verdict(item: Decision) -> dict[str, Any]:
    edges, seen = bounds(item.subject), item.evidence["observation"]
    return {
        "window": item.subject,
        "start": edges[0].isoformat() if edges else None,
        "version": item.evidence["version"],
        "state": item.outcome,
        **{name: seen[name] for name in ("data", "score", "alert_rate", "performance")},
    }


def told(decision: Decision) -> dict[str, Any]:
    """A decision as a page shows it."""
    return {
        "as_of": decision.as_of.isoformat(),
        "kind": decision.kind,
        "subject": decision.subject,
        "outcome": decision.outcome,
        "actor": decision.actor,
        "reasons": list(decision.reasons),
    }
