"""Scored windows become alerts, once: grouped, explained, put on record, told of.

Called after scoring, and by whoever finds windows that were scored and not grouped (a process may die between
the two). A window scored again is grouped again: the same rows are the same alerts, and an alert whose rows
alert no more is withdrawn. All events of a window are written in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import digest
from pynomaly.data.incidents import spans
from pynomaly.data.quality import validate
from pynomaly.data.sources import read
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError
from pynomaly.judging.alert import Alert, Carrier, folded, quiet, similar
from pynomaly.judging.grouping import Group, group
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import AlertEvent, Answers, Ledger, Message, Partition
from pynomaly.records.ledger.rows import plain
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store
from pynomaly.steps.carriers import carriers
from pynomaly.steps.flags import entities, flags_of, row_key
from pynomaly.steps.notify import queue

__all__ = ["Raised", "raise_alerts", "standing", "told"]

LEAST_SHARE = 0.1
"""A column that carries less of a row is no cause of its alert."""


@dataclass(frozen=True)
class Raised:
    """What grouping one window came to.

    Attributes
    ----------
    opened, grown, quiet, withdrawn : int
        New alerts, older ones that went on, new ones that nobody was told of, and ones that are none.
    told : int
        Messages queued.
    said : str
        Why no columns are named, or "".
    """

    window: str
    rows: int
    opened: int
    grown: int
    quiet: int
    withdrawn: int
    told: int
    said: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for logs and artifacts."""
        return asdict(self)


def raise_alerts(pipeline: Pipeline) -> tuple[Raised, ...]:
    """Group every scored window that was not grouped yet, oldest first.

    Raises
    ------
    RecordError
        If scores are missing or are not those on record.
    SourceError
        If planned work (``grouping.planned``) cannot be read.
    """
    planned = [
        (item.window.start, item.window.end, item.entity, item.name)
        for item in spans(pipeline.data, pipeline.grouping.planned, "grouping.planned")
    ]
    done = []
    with Ledger.open(pipeline.ledger_url) as ledger, ledger.lease(f"alerts:{pipeline.name}"):
        answers = Answers.beside(ledger)
        known, every = answers.grouped(pipeline.name), ledger.partitions(pipeline.name)
        waiting = [place for place, item in enumerate(every) if _marker(item) not in known]
        if not waiting:
            return ()
        bundles: dict[int, Bundle] = {}
        history = _history(answers, pipeline.name)
        alerts = {name: folded(name, events) for name, events in history.items()}
        for place in waiting:
            done.append(_raise(pipeline, ledger, answers, every, place, planned, bundles, history, alerts))
    return tuple(done)


def standing(answers: Answers, pipeline: str) -> dict[str, Alert]:
    """Every alert of a pipeline as it stands, by name."""
    return {name: folded(name, events) for name, events in _history(answers, pipeline).items()}


def _history(answers: Answers, pipeline: str) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in answers.events(pipeline):
        found.setdefault(event.alert, []).append(vars(event))
    return found


def told(alert: Alert) -> list[str]:
    """An alert in a few lines of at most 80 columns, as a message and the command line show it."""
    edges = [f"{item:%Y-%m-%d %H:%M}" for item in (alert.first, alert.last) if item]
    lines = [f"alert {alert.alert}, {alert.state}: {alert.severity}, {alert.category}, {alert.rows} rows"]
    if edges:
        lines.append(f"from {edges[0]} to {edges[-1]} UTC, rarest {alert.rarity}, p {alert.p_value:.2g}")
    for item in alert.carriers:
        lines.append(
            f"- {item.feature}: {_cell(item.actual)}, expected {_cell(item.expected)} ({item.share:.0%})"
        )
    lines += [f"- {reason}" for reason in alert.reasons]
    for other in alert.alike:
        how = other["ending"] or "not answered"
        lines.append(f"- like {other['alert']} of {str(other['first'] or '')[:10]}: {how}")
    if alert.quiet:
        lines.append(f"nobody was told: {alert.quiet}")
    return lines


def _cell(value: float | str | None) -> str:
    return "missing" if value is None else f"{value:.4g}" if isinstance(value, float) else value


def _marker(partition: Partition) -> str:
    moment = partition.scored_at.isoformat()
    return f"grouped:{partition.pipeline}:{partition.window}:{moment}"


def _raise(
    pipeline: Pipeline,
    ledger: Ledger,
    answers: Answers,
    every: Sequence[Partition],
    place: int,
    planned: list[tuple[datetime, datetime, str, str]],
    bundles: dict[int, Bundle],
    history: dict[str, list[Mapping[str, Any]]],
    alerts: dict[str, Alert],
) -> Raised:
    """Group one window and write everything down at once."""
    partition, store, settings = every[place], Store(pipeline.store_root), pipeline.grouping
    scores = store.read_scores(pipeline.name, [partition.window], {partition.window: partition.sha256})
    found, said = _carried(pipeline, partition, scores, bundles)
    causes = {
        row: [item.feature for item in items if item.share >= LEAST_SHARE] for row, items in found.items()
    }
    flags = flags_of(pipeline, scores, _before(pipeline, store, every, place), causes)
    groups = group(
        pipeline.name,
        flags,
        settings.gap,
        by_cause=settings.by_cause,
        before=_open(alerts, partition),
    )
    stamp = f"{partition.window}:{partition.scored_at.isoformat()}"
    events: list[AlertEvent] = []

    def note(name: str, event: str, key: str, content: Mapping[str, Any]) -> None:
        events.append(AlertEvent(key, pipeline.name, name, event, partition.window, plain(content), at=now))
        history.setdefault(name, []).append(vars(events[-1]))

    now = datetime.now(UTC)
    new: list[tuple[str, str]] = []
    for item in groups:
        if item.name not in history:
            opened = _opened(pipeline, item, alerts, planned)
            new.append((item.name, opened["quiet"]))
            note(item.name, "opened", f"opened:{pipeline.name}:{item.name}", opened)
        part = _part(pipeline, partition, item, scores, found)
        note(item.name, "seen", f"seen:{pipeline.name}:{item.name}:{stamp}", part)
        alerts[item.name] = folded(item.name, history[item.name])
    gone = _gone(alerts, groups, partition.window)
    for name in gone:
        parts = [event for event in history[name] if event["window"] == partition.window]
        nothing = {**parts[-1]["content"], "rows": 0, "row_keys": []}
        note(name, "seen", f"seen:{pipeline.name}:{name}:{stamp}", nothing)
        alerts[name] = folded(name, history[name])
    events.append(AlertEvent(_marker(partition), pipeline.name, "", "grouped", partition.window))
    told = 0
    # Queued before the window is marked: a message queued twice is one, one that was not queued is lost.
    for name, silence in new if _fresh(every, partition, pipeline) else ():
        told += 0 if silence else len(_tell(pipeline, ledger, alerts[name]))
    answers.add(*events)
    silent = sum(bool(silence) for _, silence in new)
    grown = len(groups) - len(new)
    return Raised(partition.window, len(flags), len(new), grown, silent, len(gone), told, said)


def _opened(
    pipeline: Pipeline,
    item: Group,
    alerts: Mapping[str, Alert],
    planned: list[tuple[datetime, datetime, str, str]],
) -> dict[str, Any]:
    """What is known of an alert when it opens: whether it stays quiet, and what was like it."""
    settings = pipeline.grouping
    silence = quiet(
        item.entity,
        item.causes,
        item.first,
        item.last,
        alerts.values(),
        planned,
        mute=settings.mute,
        flapping=settings.flapping,
        within=settings.flapping_within,
    )
    alike = [
        {
            "alert": other.alert,
            "entity": other.entity,
            "first": other.first,
            "cause": other.cause,
            "ending": other.ending,
            "note": other.note,
        }
        for other in similar(item.entity, item.causes, alerts.values())
    ]
    return {"quiet": silence, "alike": alike}


def _part(
    pipeline: Pipeline,
    partition: Partition,
    item: Group,
    scores: pd.DataFrame,
    found: Mapping[int, tuple[Carrier, ...]],
) -> dict[str, Any]:
    """An alert's rows of one window."""
    peak, numbers = item.peak, scores["row"].to_numpy()
    row = scores.iloc[peak.place]
    first = item.flags[0].time if item.carried else item.first
    return {
        "entity": item.entity,
        "rows": len(item.flags),
        "first": first,
        "last": max((flag.time for flag in item.flags if flag.time), default=None),
        "peak": peak.time,
        "score": float(row["score"]),
        "p_value": float(row["p_value"]),
        "severity": str(row["severity"]),
        "rarity": str(row["rarity"]),
        "extrapolated": bool(row["extrapolated"]),
        "version": partition.version,
        "carriers": [asdict(carrier) for carrier in found.get(peak.place, ())],
        "causes": list(item.causes),
        "collective": pipeline.grouping.collective,
        "row_keys": [row_key(flag, int(numbers[flag.place])) for flag in item.flags],
    }


def _tell(pipeline: Pipeline, ledger: Ledger, alert: Alert) -> tuple[Message, ...]:
    """Queue one message an alert; the outbox delivers it."""
    whose = f" of {alert.entity}" if alert.entity else ""
    title = f"[pynomaly] {pipeline.name}: {alert.severity} alert{whose}"
    return queue(pipeline, ledger, "alert", alert.alert, title, "\n".join(told(alert)))


def _open(alerts: Mapping[str, Alert], partition: Partition) -> list[Group]:
    """Alerts that may go on in a window: not answered for good, or known to have gone on in it."""
    if partition.start is None:
        return []
    return [
        Group(item.alert, item.entity, item.first, _last_before(item, partition), item.causes)
        for item in alerts.values()
        if item.first is not None
        and item.first < partition.start
        and item.state != "withdrawn"
        and (item.state != "resolved" or partition.window in item.windows)
    ]


def _last_before(item: Alert, partition: Partition) -> datetime | None:
    """Its newest row before a window; a window scored again must not be judged by what came of it."""
    rows = [datetime.fromisoformat(row) for _, row in item.row_keys if not row.startswith("row:")]
    return max((row for row in rows if partition.start is not None and row < partition.start), default=None)


def _gone(alerts: Mapping[str, Alert], groups: Sequence[Group], window: str) -> list[str]:
    kept = {item.name for item in groups}
    return [name for name, item in alerts.items() if window in item.windows and name not in kept]


def _fresh(every: Sequence[Partition], partition: Partition, pipeline: Pipeline) -> bool:
    """Whether a window is new enough to tell anybody of its alerts: a past that is filled in is not."""
    ends = [item.end for item in every if item.end is not None]
    return partition.end is None or max(ends) - partition.end <= pipeline.windows.monitor


def _before(pipeline: Pipeline, store: Store, every: Sequence[Partition], place: int) -> pd.DataFrame | None:
    """The newest rows before a window that ``grouping.needed`` counts, of as many windows as it takes."""
    settings, data = pipeline.grouping, pipeline.data
    if settings.needed <= 1 or data.time is None:
        return None
    frames: list[pd.DataFrame] = []
    for item in reversed(every[max(0, place - settings.of + 1) : place]):
        frame = store.read_scores(pipeline.name, [item.window], {item.window: item.sha256})
        frames.insert(0, frame)
        counts = pd.Series(entities(pipeline, pd.concat(frames, ignore_index=True))).value_counts()
        if len(counts) and counts.min() >= settings.of - 1:
            break
    return pd.concat(frames, ignore_index=True) if frames else None


def _carried(
    pipeline: Pipeline, partition: Partition, scores: pd.DataFrame, bundles: dict[int, Bundle]
) -> tuple[dict[int, tuple[Carrier, ...]], str]:
    """What carries the rarest alerting rows of a window, by position; and why nothing does."""
    rows = np.flatnonzero(scores["is_anomaly"].to_numpy(dtype=bool))
    if not len(rows) or not pipeline.grouping.explained:
        return {}, ""
    p_values = scores["p_value"].to_numpy()
    chosen = np.sort(rows[np.argsort(p_values[rows], kind="stable")][: pipeline.grouping.explained])
    try:
        window = Window(partition.start, partition.end) if partition.start and partition.end else None
        frame = read(pipeline.data, window)
        if digest(frame) != partition.data_hash:
            return {}, f"{partition.window}: its rows changed since they were scored; no columns are named"
        if partition.version not in bundles:
            registry = Registry.of(pipeline)
            bundles[partition.version] = registry.load(registry.version(pipeline.name, partition.version))
        bundle, places = bundles[partition.version], scores["row"].to_numpy()
        clean = validate(frame, bundle.contract, pipeline.quality, "score").clean  # as it was scored
        return {int(at): carriers(bundle, clean.iloc[[places[at]]]) for at in chosen}, ""
    except PynomalyError as error:
        return {}, f"{partition.window}: no columns are named: {error}"
