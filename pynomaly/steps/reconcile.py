"""Put a pipeline in order after whatever happened to its processes, and notice when it has fallen silent.

Called every quarter of an hour, by hand and before deployments are served. Each part stands alone: one that
fails is said and the others go on. Running it twice changes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.data.places import place
from pynomaly.errors import PynomalyError, RecordError
from pynomaly.judging.silence import Silence, silence
from pynomaly.records.ledger import Decision, Ledger, Training
from pynomaly.records.ledger.book import LEASE_TTL
from pynomaly.records.registry import Registry
from pynomaly.steps.assessments import read_assessments, show_alerts
from pynomaly.steps.champion import honour_alias, last_change
from pynomaly.steps.notify import Delivery, Sender, tell

__all__ = ["WATCHED", "Reconciled", "beat", "live", "reconcile", "run_lease", "sweep", "watch"]

WATCHED = ("score", "monitor")
"""Work whose silence somebody is told of."""

DRAFTS_KEPT = timedelta(hours=1)
"""A file that nobody wrote to for so long, and that has no name yet, will get none."""

_DECIDING = frozenset({"train", "register", "policy", "search", "champion"})
"""Leases of whoever may be about to decide on a version."""


@dataclass(frozen=True)
class Reconciled:
    """What was found and put in order.

    Attributes
    ----------
    leases : tuple of str
        Dead leases that were removed.
    drafts : tuple of str
        Files that a process began to write and died before they took their name; they are gone.
    runs : tuple of str
        MLflow runs that nobody worked on any more, now ``KILLED``.
    finished : tuple of str
        Trainings whose version had been decided about and whose last record was missing; it is there now.
    abandoned : tuple of str
        Trainings that registered a version and died before the verdict: closed, on record, until they are
        asked for again, which goes on from there.
    silent, recovered : tuple of str
        Work that fell silent, or came back, since the last look.
    delivered, waiting : int
        Messages that went out just now, and that still wait.
    answered : int
        Alerts that somebody had assessed in MLflow, now resolved.
    failed : tuple of str
        Parts that could not be done, with the reason.
    """

    pipeline: str
    leases: tuple[str, ...]
    drafts: tuple[str, ...]
    runs: tuple[str, ...]
    champion: str
    finished: tuple[str, ...]
    abandoned: tuple[str, ...]
    silent: tuple[str, ...]
    recovered: tuple[str, ...]
    delivered: int
    waiting: int
    answered: int
    failed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for events and ``--json``."""
        return asdict(self)


def reconcile(pipeline: Pipeline, now: datetime | None = None, through: Sender | None = None) -> Reconciled:
    """Put everything in order that can be, tell who must be told, and say what was done.

    Parameters
    ----------
    now : datetime, optional
        The clock on the wall; silence is measured by it.
    through : Sender, optional
        See :func:`pynomaly.steps.notify.tell`.
    """
    now = now or datetime.now(UTC)
    failed: list[str] = []

    def part(name: str, do: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return do()
        except PynomalyError as error:
            failed.append(f"{name}: {error}")
            return otherwise

    leases = part("leases", lambda: _leases(pipeline, now), ())
    drafts = part("drafts", lambda: sweep(pipeline, now), ())
    runs = part("runs", lambda: _runs(pipeline, now), ())
    champion = part("champion", lambda: _champion(pipeline), "")
    finished, abandoned = part("trainings", lambda: _trainings(pipeline, now), ((), ()))
    silent, recovered = part("silence", lambda: watch(pipeline, now), ((), ()))
    sent: tuple[Delivery, ...] = part("messages", lambda: tell(pipeline, through), ())
    delivered = sum(item.delivered for item in sent)
    answered = part("assessments", lambda: _assessments(pipeline), 0)
    return Reconciled(
        pipeline.name,
        leases,
        drafts,
        runs,
        champion,
        finished,
        abandoned,
        tuple(item.work for item in silent),
        recovered,
        delivered,
        len(sent) - delivered,
        answered,
        tuple(failed),
    )


def _assessments(pipeline: Pipeline) -> int:
    """What MLflow's pages say of alerts; alerts that a scoring could not show are shown."""
    if not pipeline.feedback.traces:
        return 0
    show_alerts(pipeline)
    return read_assessments(pipeline).new


def run_lease(pipeline: Pipeline, run_id: str) -> str:
    """Name of the lease an orchestrated run holds while its process lives."""
    return f"run:{pipeline.name}:{run_id}"


def live(pipeline: Pipeline, now: datetime) -> frozenset[str]:
    """Names of the pipeline's leases that are held by a living process."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        held = ledger.outbox.holders()
    return frozenset(item.name for item in held if _mine(pipeline, item.name) and item.expires > now)


def beat(pipeline: Pipeline, work: str) -> None:
    """Write down that `work` ended well just now."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.outbox.beat(pipeline.name, work)


def _mine(pipeline: Pipeline, lease: str) -> bool:
    return lease.split(":")[1:2] == [pipeline.name]


def _leases(pipeline: Pipeline, now: datetime) -> tuple[str, ...]:
    """Remove leases whose holder has been gone for as long again as a lease lives."""
    gone = []
    with Ledger.open(pipeline.ledger_url) as ledger:
        for holder in ledger.outbox.holders():
            if _mine(pipeline, holder.name) and ledger.outbox.clear(holder, now - LEASE_TTL):
                gone.append(holder.name)
    return tuple(gone)


def sweep(pipeline: Pipeline, now: datetime) -> tuple[str, ...]:
    """Remove what dead processes began to write into the pipeline's store.

    Raises
    ------
    RecordError
        If the store cannot be reached.
    """
    try:
        return (place(pipeline.store_root) / pipeline.name).swept(now - DRAFTS_KEPT)
    except OSError as error:
        raise RecordError(f"the store at {pipeline.store_root} cannot be tidied up: {error}") from error


def _runs(pipeline: Pipeline, now: datetime) -> tuple[str, ...]:
    """Close MLflow runs older than a lease's life while nobody works on the pipeline."""
    working = {name.split(":")[0] for name in live(pipeline, now)} & {"train", "monitor", "search"}
    if working:
        return ()
    registry = Registry.open(pipeline.tracking_uri, pipeline.home, pipeline.artifact_root)
    ended: tuple[str, ...] = registry.close_orphans(pipeline.name, now - LEASE_TTL)
    return ended


def _champion(pipeline: Pipeline) -> str:
    """Finish a move of aliases that was cut off; the champion's subject after it, or ""."""
    honour_alias(pipeline)
    with Ledger.open(pipeline.ledger_url) as ledger:
        change = last_change(ledger, pipeline.name)
    return change.subject if change else ""


def _trainings(pipeline: Pipeline, now: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Finish trainings that lack their last record alone; close those cut off before a verdict."""
    if {name.split(":")[0] for name in live(pipeline, now)} & _DECIDING:
        return (), ()
    with Ledger.open(pipeline.ledger_url) as ledger:
        known = ledger.trainings(pipeline.name)
        rulings = {
            item.evidence.get("version"): item  # newest first: the first ruling about a version stays
            for item in ledger.decisions(pipeline.name)
            if item.kind in ("promote", "pending", "refuse")
        }
        finished: list[str] = []
        abandoned: list[str] = []
        for item in known:
            if item.outcome != "registered" or (item.at or now) > now - LEASE_TTL:
                continue
            ruling = rulings.get(item.version)
            if ruling is None:
                ledger.record(_abandoned(pipeline, item.version, item.key, item.as_of))
            _end(ledger, item, ruling.kind if ruling else "abandoned")
            (finished if ruling else abandoned).append(f"v{item.version} ({item.key})")
        keys = {item.key for item in known}
        for ref in Registry.of(pipeline).versions(pipeline.name):
            key = ref.tags.get("pynomaly.key", "")
            if not key or key in keys:
                continue
            line = _abandoned(pipeline, ref.version, key, now)
            if ledger.decision(line.key) is None:
                ledger.record(line)
                abandoned.append(f"v{ref.version} ({key})")
    return tuple(finished), tuple(abandoned)


def _end(ledger: Ledger, item: Training, outcome: str) -> None:
    ledger.put_training(
        item.key, item.pipeline, item.as_of, item.data_hash, item.version, outcome, item.detail
    )


def _abandoned(pipeline: Pipeline, version: int | None, key: str, as_of: datetime) -> Decision:
    return Decision(
        key=f"abandoned:{pipeline.name}:{key}",
        pipeline=pipeline.name,
        kind="train",
        subject=f"{pipeline.name} v{version}",
        outcome="abandoned",
        reasons=(
            f"v{version} was registered and its process ended before a verdict: it serves nobody; "
            "the same training, asked for again, goes on from there",
        ),
        evidence={"version": version, "key": key},
        as_of=as_of,
    )


def watch(pipeline: Pipeline, now: datetime) -> tuple[tuple[Silence, ...], tuple[str, ...]]:
    """Record work that has fallen silent, once a silence, and work that came back.

    Nothing is watched before the first champion: there is nothing to score with.
    """
    schedule = pipeline.schedule
    silent, recovered = [], []
    with Ledger.open(pipeline.ledger_url) as ledger:
        first = ledger.decisions(pipeline.name, "promote")
        for work in WATCHED:
            cron = getattr(schedule, work)
            last = ledger.outbox.last_beat(pipeline.name, work)
            since = last.at if last else (first[-1].at if first else None)
            if not cron or since is None:
                continue
            found = silence(work, cron, schedule.timezone, since, now, schedule.dead_man)
            open_ = next((d for d in ledger.decisions(pipeline.name, "silence") if d.subject == work), None)
            was_silent = open_ is not None and open_.outcome == "silent"
            if found.silent and not was_silent:
                ledger.record(_silence(pipeline, found, "silent", now))
                silent.append(found)
            elif was_silent and not found.silent:
                ledger.record(_silence(pipeline, found, "recovered", now))
                recovered.append(work)
    return tuple(silent), tuple(recovered)


def _silence(pipeline: Pipeline, found: Silence, outcome: str, now: datetime) -> Decision:
    return Decision(
        key=f"silence:{pipeline.name}:{found.work}:{outcome}:{found.since.isoformat()}",
        pipeline=pipeline.name,
        kind="silence",
        subject=found.work,
        outcome=outcome,
        reasons=found.reasons,
        evidence=found.to_dict(),
        as_of=now,
    )
