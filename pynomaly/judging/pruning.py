"""What may be removed: whatever is past its retention and nothing that matters refers to.

What matters, however old: every version an alias points to (champion, previous, challenger, shadow, or a
name of somebody's own), both versions of a promotion that waits for an answer and of the last change of
champion, a training that has registered and not decided, and the newest versions; and the rows of windows in
which an alert or an audit waits for an answer. What versions refer to stays with them: their runs with parent
and siblings, the rows kept for them, and what lies in the windows that their decisions name. A verdict that
found nothing names no window worth keeping: the champion is judged on every window there is. The ledger's
decisions are never removed.

Pure; :mod:`pynomaly.steps.prune` gathers the facts and does what is planned.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pynomaly.config import Retention
from pynomaly.config.units import spell

__all__ = ["KINDS", "History", "Kept", "Kind", "Pruning", "Removal", "Said", "Thing", "prune"]

Kind = Literal["version", "leftover", "run", "trace", "scores", "shadow", "report", "quarantine", "rows"]
KINDS: Mapping[Kind, str] = {
    "version": "versions",
    "leftover": "versions",
    "run": "runs",
    "trace": "runs",
    "scores": "scores",
    "shadow": "scores",
    "report": "reports",
    "quarantine": "quarantine",
    "rows": "versions",
}
"""Kinds of things that take space, and the setting that says how long each is kept."""

Span = tuple[datetime, datetime]

_FOUND_NOTHING = {
    "degradation": {"normal", "insufficient_data", "recovering"},
    "retrain": {"none"},
    "bake": {"ok", "insufficient_data"},
    "score": {"again"},
    "drill": {"passed", "failed"},
    "silence": {"silent", "recovered"},
    "prune": {"removed"},
}
"""Outcomes of decisions that do not make their windows worth keeping."""


@dataclass(frozen=True)
class Thing:
    """Something that takes space.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`; a ``leftover`` is a model that was logged and never registered, ``rows`` are a
        bundle's reference sample and held-out p-values.
    name : str
        Unique within its kind.
    at : datetime
        When it was last written, ended or decided about; aware.
    size : int
        Bytes.
    version : int or None
        Version it is, or belongs to.
    span : tuple of datetime or None
        ``[start, end)`` of the window it is about; None for a table without time.
    run, family : str
        Run it is or comes from, and the parent of that run (itself, without one).
    sha256 : str
        Hash of the bundle that it is, or is kept for.
    busy : bool
        Whether somebody may be working on it; of a trace, whether its alert waits for an answer.
    """

    kind: Kind
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
class Said:
    """A decision, as far as it refers to things; `waits` for a promotion that nobody has answered."""

    kind: str
    outcome: str
    at: datetime
    versions: frozenset[int] = frozenset()
    spans: tuple[Span, ...] = ()
    runs: frozenset[str] = frozenset()
    waits: bool = False


@dataclass(frozen=True)
class History:
    """Everything a plan rests on.

    Attributes
    ----------
    said : tuple of Said
        Oldest first.
    unfinished : frozenset of int
        Versions whose training has not decided about them.
    asked : tuple of spans
        Windows that somebody has yet to answer about: alerts not resolved, audits not fully labelled.
    """

    things: tuple[Thing, ...]
    said: tuple[Said, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)
    unfinished: frozenset[int] = frozenset()
    asked: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Removal:
    """A thing to remove, with the reason."""

    kind: Kind
    name: str
    size: int
    reason: str


@dataclass(frozen=True)
class Kept:
    """A thing that is past its retention and stays, with the reason."""

    kind: Kind
    name: str
    reason: str


@dataclass(frozen=True)
class Pruning:
    """What to remove, and what stays though it is old."""

    removals: tuple[Removal, ...]
    kept: tuple[Kept, ...]

    @property
    def size(self) -> int:
        """Bytes of all that is to be removed."""
        return sum(item.size for item in self.removals)

    @property
    def digest(self) -> str:
        """16 hex digits that name this plan by what it removes."""
        names = "\n".join(sorted(f"{item.kind} {item.name}" for item in self.removals))
        return hashlib.sha256(names.encode()).hexdigest()[:16]

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Number and bytes of each kind that is to be removed."""
        number = Counter(item.kind for item in self.removals)
        return {
            kind: {
                "count": number[kind],
                "bytes": sum(item.size for item in self.removals if item.kind == kind),
            }
            for kind in KINDS
            if number[kind]
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "counts": self.counts,
            "bytes": self.size,
            "removals": [vars(item).copy() for item in self.removals],
            "kept": [vars(item).copy() for item in self.kept],
        }


def prune(history: History, retention: Retention, now: datetime) -> Pruning:
    """Decide about everything there is; a thing is removed only if it is past its retention and free.

    Parameters
    ----------
    now : datetime
        Aware.
    """
    needed = _versions(history, retention.newest)
    limits = {kind: getattr(retention, setting) for kind, setting in KINDS.items()}
    young = {
        item.version: f"it is younger than {spell(retention.versions)}"
        for item in history.things
        if item.kind == "version" and item.version is not None and now - item.at <= retention.versions
    }
    staying = {**young, **needed}
    why = _reasons(history, needed, staying)
    removals, kept = [], []
    for thing in history.things:
        limit = limits[thing.kind]
        if now - thing.at <= limit:
            continue
        reason = why(thing)
        if reason:
            kept.append(Kept(thing.kind, thing.name, reason))
        else:
            said = f"older than {spell(limit)}, and nothing refers to it"
            removals.append(Removal(thing.kind, thing.name, thing.size, said))
    return Pruning(tuple(removals), tuple(kept))


def _versions(history: History, newest: int) -> dict[int, str]:
    """Versions that stay whatever their age, with the reason."""
    found: dict[int, str] = {}
    there = sorted({item.version for item in history.things if item.kind == "version" and item.version})
    found |= dict.fromkeys(there[-newest:], f"it is one of the {newest} newest versions")
    found |= dict.fromkeys(history.unfinished, "its training has not decided about it")
    changes = [item for item in history.said if item.kind in ("promote", "rollback")]
    for item in changes[-1:]:
        found |= dict.fromkeys(item.versions, "the last change of champion names it")
    for item in history.said:
        if item.waits:
            found |= dict.fromkeys(item.versions, "a promotion that waits for an answer names it")
    return found | {version: f"it is {alias}" for alias, version in history.aliases.items()}


def _reasons(history: History, needed: Mapping[int, str], staying: Mapping[int, str]) -> Any:
    """A function that says why a thing stays, or "" if nothing refers to it."""
    models = [item for item in history.things if item.kind == "version" and item.version in staying]
    about = [item for item in history.said if item.versions & set(staying)]
    telling = [item for item in about if item.outcome not in _FOUND_NOTHING.get(item.kind, set())]
    runs = {run for item in telling for run in item.runs} | {item.run for item in models if item.run}
    families = {item.family for item in history.things if item.kind == "run" and item.run in runs}
    families |= {item.family for item in history.things if item.kind == "run" and item.busy}
    hashes = {item.sha256: item.version for item in models if item.sha256}
    spans, asked = _merged(span for item in telling for span in item.spans), _merged(history.asked)
    last = _last(history.things)

    def why(thing: Thing) -> str:
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
        if thing.kind in ("scores", "shadow", "report", "quarantine") and _within(thing.span, spans):
            return "a decision about a version that stays names its window"
        if thing.kind in ("scores", "quarantine") and _within(thing.span, asked):
            return "an alert or an audit in its window waits for an answer"
        return ""

    return why


def _last(things: Iterable[Thing]) -> set[str]:
    """The newest score partition, where the next run begins; the newest report of each version."""
    newest: dict[tuple[str, int | None], Thing] = {}
    for thing in things:
        if thing.kind not in ("scores", "report"):
            continue
        place = (thing.kind, thing.version if thing.kind == "report" else None)
        if place not in newest or _end(thing) > _end(newest[place]):
            newest[place] = thing
    return {item.name for item in newest.values()}


def _end(thing: Thing) -> datetime:
    return thing.span[1] if thing.span else thing.at


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same moments as spans that do not touch, in order."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def _within(span: Span | None, spans: tuple[Span, ...]) -> bool:
    """Whether a span shares a moment with one of them."""
    return span is not None and any(start < span[1] and span[0] < end for start, end in spans)
