"""Plan what to remove: items that are past their retention and to which nothing needed refers.

Needed at any age: every version with an alias (champion, previous, challenger, shadow, or a user's own name),
both versions of a pending promotion and of the last change of champion, versions whose training has not
decided yet, and the newest versions; also the rows of windows in which an alert or an audit waits for an
answer. What these versions refer to stays with them: their runs with parent and siblings, the rows kept for
them, and what belongs to the windows that their decisions name. A decision with nothing to report (see
``OUTCOMES_WITHOUT_FINDING``) keeps no window: the champion is judged on every window. The ledger's
decisions are never removed.

Pure; :mod:`pynomaly.steps.operations.prune` gathers the facts and executes the plan.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pynomaly.config import Retention
from pynomaly.config.spelling.units import spell_duration

__all__ = [
    "OUTCOMES_WITHOUT_FINDING",
    "RETENTION_BY_KIND",
    "PastDecision",
    "PlannedRemoval",
    "PruningPlan",
    "RetainedItem",
    "RetentionFacts",
    "StoredItem",
    "StoredKind",
    "plan_pruning",
]

StoredKind = Literal[
    "version", "leftover", "run", "trace", "scores", "shadow", "report", "quarantine", "letters", "rows"
]
RETENTION_BY_KIND: Mapping[StoredKind, str] = {
    "version": "versions",
    "leftover": "versions",
    "run": "runs",
    "trace": "runs",
    "scores": "scores",
    "shadow": "scores",
    "report": "reports",
    "quarantine": "quarantine",
    "letters": "quarantine",
    "rows": "versions",
}
"""Kinds of stored items, and the setting with the retention of each."""

Span = tuple[datetime, datetime]

OUTCOMES_WITHOUT_FINDING = {
    "account": {"opened"},
    "degradation": {"normal", "insufficient_data", "recovering"},
    "retrain": {"none"},
    "bake": {"ok", "insufficient_data"},
    "score": {"again"},
    "drill": {"passed", "failed"},
    "silence": {"silent", "recovered"},
    "prune": {"removed"},
}
"""Outcomes of decisions that do not keep their windows, by kind of decision."""


@dataclass(frozen=True)
class StoredItem:
    """A stored item that takes space.

    Attributes
    ----------
    kind : str
        One of :data:`RETENTION_BY_KIND`; a ``leftover`` is a model that was logged but never registered,
        ``rows`` are the reference sample and held-out p-values of a bundle, ``letters`` the messages of a
        stream that could not be used, by day.
    name : str
        Unique within its kind.
    at : datetime
        When the item was last written, ended or decided about; aware.
    size : int
        Bytes.
    version : int or None
        Version that the item is, or belongs to.
    span : tuple of datetime or None
        ``[start, end)`` of the item's window; None for a table without time.
    run, family : str
        Run that the item is or comes from, and the parent of that run (the run itself without a parent).
    sha256 : str
        Hash of the bundle that the item is, or is kept for.
    busy : bool
        Whether somebody may be using it; for a trace, whether its alert waits for an answer.
    """

    kind: StoredKind
    name: str
    at: datetime
    size: int = 0
    version: int | None = None
    span: Span | None = None
    run: str = ""
    family: str = ""
    sha256: str = ""
    busy: bool = False


@dataclass(frozen=True)
class PastDecision:
    """A past decision and the items it refers to; `waits` is True for a promotion without an answer."""

    kind: str
    outcome: str
    at: datetime
    versions: frozenset[int] = frozenset()
    spans: tuple[Span, ...] = ()
    runs: frozenset[str] = frozenset()
    waits: bool = False


@dataclass(frozen=True)
class RetentionFacts:
    """All facts that a plan is made from.

    Attributes
    ----------
    decisions : tuple of PastDecision
        Oldest first.
    unfinished : frozenset of int
        Versions whose training has not decided about them.
    asked : tuple of spans
        Windows that wait for an answer: alerts not resolved, audits not fully labelled.
    """

    things: tuple[StoredItem, ...]
    decisions: tuple[PastDecision, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)
    unfinished: frozenset[int] = frozenset()
    asked: tuple[Span, ...] = ()


@dataclass(frozen=True)
class PlannedRemoval:
    """An item to remove, with the reason."""

    kind: StoredKind
    name: str
    size: int
    reason: str


@dataclass(frozen=True)
class RetainedItem:
    """An item that is past its retention and stays, with the reason."""

    kind: StoredKind
    name: str
    reason: str


@dataclass(frozen=True)
class PruningPlan:
    """Items to remove, and items that stay although they are past their retention."""

    removals: tuple[PlannedRemoval, ...]
    kept: tuple[RetainedItem, ...]

    @property
    def size(self) -> int:
        """Bytes of all items to remove."""
        return sum(item.size for item in self.removals)

    @property
    def digest(self) -> str:
        """Hash of the items to remove, 16 hex digits, which identifies the plan."""
        names = "\n".join(sorted(f"{item.kind} {item.name}" for item in self.removals))
        return hashlib.sha256(names.encode()).hexdigest()[:16]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Number and bytes of the items to remove, by kind."""
        number = Counter(item.kind for item in self.removals)
        return {
            kind: {
                "count": number[kind],
                "bytes": sum(item.size for item in self.removals if item.kind == kind),
            }
            for kind in RETENTION_BY_KIND
            if number[kind]
        }

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return {
            "counts": self.counts,
            "bytes": self.size,
            "removals": [vars(item).copy() for item in self.removals],
            "kept": [vars(item).copy() for item in self.kept],
        }


def plan_pruning(history: RetentionFacts, retention: Retention, now: datetime) -> PruningPlan:
    """Plan which items to remove: those past their retention to which nothing needed refers.

    Parameters
    ----------
    now : datetime
        Aware.
    """
    needed = _find_needed_versions(history, retention.newest)
    limits = {kind: getattr(retention, setting) for kind, setting in RETENTION_BY_KIND.items()}
    young = {
        item.version: f"it is younger than {spell_duration(retention.versions)}"
        for item in history.things
        if item.kind == "version" and item.version is not None and now - item.at <= retention.versions
    }
    staying = {**young, **needed}
    find_reason = _make_reason_finder(history, needed, staying)
    removals, retained = [], []
    for thing in history.things:
        limit = limits[thing.kind]
        if now - thing.at <= limit:
            continue
        reason = find_reason(thing)
        if reason:
            retained.append(RetainedItem(thing.kind, thing.name, reason))
        else:
            summary = f"older than {spell_duration(limit)}, and nothing refers to it"
            removals.append(PlannedRemoval(thing.kind, thing.name, thing.size, summary))
    return PruningPlan(tuple(removals), tuple(retained))


def _find_needed_versions(history: RetentionFacts, newest: int) -> dict[int, str]:
    """Return the versions that stay at any age, with the reason."""
    needed: dict[int, str] = {}
    registered = sorted({item.version for item in history.things if item.kind == "version" and item.version})
    needed |= dict.fromkeys(registered[-newest:], f"it is one of the {newest} newest versions")
    needed |= dict.fromkeys(history.unfinished, "its training has not decided about it")
    changes = [item for item in history.decisions if item.kind in ("promote", "rollback")]
    for item in changes[-1:]:
        needed |= dict.fromkeys(item.versions, "the last change of champion names it")
    for item in history.decisions:
        if item.waits:
            needed |= dict.fromkeys(item.versions, "a promotion that waits for an answer names it")
    return needed | {version: f"it is {alias}" for alias, version in history.aliases.items()}


def _make_reason_finder(
    history: RetentionFacts, needed: Mapping[int, str], staying: Mapping[int, str]
) -> Any:
    """Return a function that gives the reason why an item stays, or "" if nothing refers to it."""
    models = [item for item in history.things if item.kind == "version" and item.version in staying]
    decisions = [item for item in history.decisions if item.versions & set(staying)]
    findings = [
        item for item in decisions if item.outcome not in OUTCOMES_WITHOUT_FINDING.get(item.kind, set())
    ]
    runs = {run for item in findings for run in item.runs} | {item.run for item in models if item.run}
    families = {item.family for item in history.things if item.kind == "run" and item.run in runs}
    families |= {item.family for item in history.things if item.kind == "run" and item.busy}
    hashes = {item.sha256: item.version for item in models if item.sha256}
    spans, unanswered = (
        _merge_spans(span for item in findings for span in item.spans),
        _merge_spans(history.asked),
    )
    last = _find_newest(history.things)

    def why(thing: StoredItem) -> str:
        if thing.busy:
            waits = thing.kind == "trace"
            return "its alert waits for an answer" if waits else "somebody may be working on it"
        version = -1 if thing.version is None else thing.version
        if thing.kind == "version" and version in staying:
            return staying[version]
        if thing.kind == "run" and thing.family in families:
            return "a version that stays, or a decision about one, refers to its training or itself"
        if thing.kind == "rows" and thing.sha256 in hashes:
            return f"it belongs to v{hashes[thing.sha256]}, which stays"
        if thing.kind == "quarantine" and version in staying:
            return f"v{version}, which stays, was trained without these rows"
        if thing.kind == "shadow" and version in needed:
            return f"v{version} stays: {needed[version]}"
        if thing.kind == "report" and thing.span is None and version in staying:
            return f"it is about v{version}, which stays"
        if thing.name in last:
            return "it is the newest of its kind"
        if thing.kind in ("scores", "shadow", "report", "quarantine") and _overlaps_any(thing.span, spans):
            return "a decision about a version that stays names its window"
        if thing.kind in ("scores", "quarantine") and _overlaps_any(thing.span, unanswered):
            return "an alert or an audit in its window waits for an answer"
        return ""

    return why


def _find_newest(things: Iterable[StoredItem]) -> set[str]:
    """Return the newest score partition (the next run begins there) and the newest report of each version."""
    newest: dict[tuple[str, int | None], StoredItem] = {}
    for thing in things:
        if thing.kind not in ("scores", "report"):
            continue
        place = (thing.kind, thing.version if thing.kind == "report" else None)
        if place not in newest or _end_of_item(thing) > _end_of_item(newest[place]):
            newest[place] = thing
    return {item.name for item in newest.values()}


def _end_of_item(thing: StoredItem) -> datetime:
    return thing.span[1] if thing.span else thing.at


def _merge_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Merge overlapping and touching spans; the result is in order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _overlaps_any(span: Span | None, spans: tuple[Span, ...]) -> bool:
    """Return whether `span` overlaps one of `spans`."""
    return span is not None and any(start < span[1] and span[0] < end for start, end in spans)
