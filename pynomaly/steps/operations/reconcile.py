"""Repair a pipeline's state after processes died, and detect work that has stopped running.

Called every 15 minutes, by hand and before deployments are served. The parts are independent: a part that
fails is reported and the others continue. A second run changes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.data.places import resolve_place
from pynomaly.errors import PynomalyError, RecordError
from pynomaly.judging.silence import SilenceVerdict, judge_silence
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.ledger.decision_evidence import AbandonedTrainingEvidence, SilenceEvidence
from pynomaly.records.ledger.ledger import LEASE_TTL
from pynomaly.records.registry import Registry
from pynomaly.steps.alerting.assessments import read_assessments, show_alerts
from pynomaly.steps.champion import find_last_change, honour_alias
from pynomaly.steps.notices.deliver import Delivery, Sender
from pynomaly.steps.notices.send import send_notifications
from pynomaly.steps.pipeline_records import PipelineRecords

__all__ = [
    "WATCHED_WORK",
    "ReconcileResult",
    "list_live_leases",
    "name_run_lease",
    "reconcile",
    "record_heartbeat",
    "record_silence",
    "sweep_drafts",
]

WATCHED_WORK = ("score", "monitor")
"""Kinds of work whose silence is reported."""

DRAFT_LIFETIME = timedelta(hours=1)
"""An unfinished file that nobody wrote to for this long is abandoned and may be removed."""

_DECIDING_LEASES = frozenset({"train", "register", "policy", "search", "champion"})
"""First parts of leases whose holder may be about to decide on a version."""


@dataclass(frozen=True)
class ReconcileResult:
    """What was found and repaired.

    Attributes
    ----------
    leases : tuple of str
        Dead leases that were removed.
    drafts : tuple of str
        Unfinished files of processes that died; they were removed.
    runs : tuple of str
        MLflow runs without a living process, now ``KILLED``.
    finished : tuple of str
        Trainings with a decision on their version whose last record was missing; it is written now.
    abandoned : tuple of str
        Trainings that registered a version and died before the verdict: closed and recorded. The same
        training, requested again, continues from there.
    silent, recovered : tuple of str
        Work that fell silent, or ran again, since the last reconcile.
    delivered, waiting : int
        Messages that were sent now, and that still wait.
    answered : int
        Alerts that were assessed in MLflow, now resolved.
    failed : tuple of str
        Parts that failed, with the reason.
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


def reconcile(
    pipeline: Pipeline, now: datetime | None = None, through: Sender | None = None
) -> ReconcileResult:
    """Repair what can be repaired, send notifications, and return what was done.

    Parameters
    ----------
    now : datetime, optional
        Wall-clock time against which silence, digests, quiet hours and escalations are measured.
    through : Sender, optional
        See :func:`pynomaly.steps.notices.send.send_notifications`.
    """
    now = now or datetime.now(UTC)
    failed: list[str] = []

    def attempt(name: str, do: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return do()
        except PynomalyError as error:
            failed.append(f"{name}: {error}")
            return otherwise

    leases = attempt("leases", lambda: _clear_dead_leases(pipeline, now), ())
    drafts = attempt("drafts", lambda: sweep_drafts(pipeline, now), ())
    runs = attempt("runs", lambda: _close_orphan_runs(pipeline, now), ())
    champion = attempt("champion", lambda: _finish_alias_move(pipeline), "")
    finished, abandoned = attempt("trainings", lambda: _close_trainings(pipeline, now), ((), ()))
    silent, recovered = attempt("silence", lambda: record_silence(pipeline, now), ((), ()))
    sent: tuple[Delivery, ...] = attempt("messages", lambda: send_notifications(pipeline, through, now), ())
    delivered = sum(item.delivered for item in sent)
    answered = attempt("assessments", lambda: _sync_assessments(pipeline), 0)
    return ReconcileResult(
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


def _sync_assessments(pipeline: Pipeline) -> int:
    """Show missing alerts in MLflow and read assessments from it; returns the number of new assessments."""
    if not pipeline.feedback.traces:
        return 0
    show_alerts(pipeline)
    return read_assessments(pipeline).new


def name_run_lease(pipeline: Pipeline, run_id: str) -> str:
    """Returns the name of the lease that an orchestrated run holds while its process lives."""
    return f"run:{pipeline.name}:{run_id}"


def list_live_leases(pipeline: Pipeline, now: datetime) -> frozenset[str]:
    """Returns the names of the pipeline's leases that have not expired and whose holder may be alive."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        leases = [item for item in ledger.outbox.list_lease_holders() if _owns_lease(pipeline, item.name)]
    return frozenset(item.name for item in leases if item.expires > now and not item.is_dead())


def record_heartbeat(pipeline: Pipeline, work: str) -> None:
    """Record that `work` succeeded just now."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.outbox.record_heartbeat(pipeline.name, work)


def _owns_lease(pipeline: Pipeline, lease: str) -> bool:
    return lease.split(":")[1:2] == [pipeline.name]


def _clear_dead_leases(pipeline: Pipeline, now: datetime) -> tuple[str, ...]:
    """Remove leases of ended processes, and those that expired a lease lifetime ago; returns their names."""
    removed = []
    with Ledger.open(pipeline.ledger_url) as ledger:
        for holder in ledger.outbox.list_lease_holders():
            is_over = holder.expires < now - LEASE_TTL or holder.is_dead()
            if _owns_lease(pipeline, holder.name) and is_over and ledger.outbox.remove_lease(holder):
                removed.append(holder.name)
    return tuple(removed)


def sweep_drafts(pipeline: Pipeline, now: datetime) -> tuple[str, ...]:
    """Remove unfinished files of dead processes from the pipeline's store.

    Raises
    ------
    RecordError
        If the store cannot be reached.
    """
    try:
        return (resolve_place(pipeline.store_root) / pipeline.name).sweep_drafts(now - DRAFT_LIFETIME)
    except OSError as error:
        raise RecordError(f"the store at {pipeline.store_root} cannot be tidied up: {error}") from error


def _close_orphan_runs(pipeline: Pipeline, now: datetime) -> tuple[str, ...]:
    """Close MLflow runs older than a lease lifetime, unless a process works on the pipeline."""
    active_work = {name.split(":")[0] for name in list_live_leases(pipeline, now)} & {
        "train",
        "monitor",
        "search",
    }
    if active_work:
        return ()
    registry = Registry.open(pipeline.tracking_uri, pipeline.home, pipeline.artifact_root)
    closed_runs: tuple[str, ...] = registry.close_orphans(pipeline.name, now - LEASE_TTL)
    return closed_runs


def _finish_alias_move(pipeline: Pipeline) -> str:
    """Finish an interrupted move of aliases; returns the subject of the last champion change, or ""."""
    honour_alias(pipeline)
    with Ledger.open(pipeline.ledger_url) as ledger:
        change = find_last_change(ledger, pipeline.name)
    return change.subject if change else ""


def _close_trainings(pipeline: Pipeline, now: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the missing last record of trainings; close trainings that died before a verdict."""
    if {name.split(":")[0] for name in list_live_leases(pipeline, now)} & _DECIDING_LEASES:
        return (), ()
    with PipelineRecords.open(pipeline) as records:
        ledger = records.ledger
        trainings = ledger.list_trainings(pipeline.name)
        rulings = {
            item.version: item  # newest first: the first ruling about a version stays
            for item in ledger.list_decisions(pipeline.name)
            if item.kind in ("promote", "pending", "refuse")
        }
        finished: list[str] = []
        abandoned: list[str] = []
        for item in trainings:
            if item.outcome != "registered" or (item.at or now) > now - LEASE_TTL:
                continue
            ruling = rulings.get(item.version)
            if ruling is None:
                ledger.record_decision(_build_abandonment(pipeline, item.version, item.key, item.as_of))
            ledger.end_training(item, ruling.kind if ruling else "abandoned")
            (finished if ruling else abandoned).append(f"v{item.version} ({item.key})")
        keys = {item.key for item in trainings}
        for ref in records.registry.list_versions(pipeline.name):
            key = ref.tags.get("pynomaly.key", "")
            if not key or key in keys:
                continue
            line = _build_abandonment(pipeline, ref.version, key, now)
            if ledger.find_decision(line.key) is None:
                ledger.record_decision(line)
                abandoned.append(f"v{ref.version} ({key})")
    return tuple(finished), tuple(abandoned)


def _build_abandonment(pipeline: Pipeline, version: int | None, key: str, as_of: datetime) -> Decision:
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
        evidence=AbandonedTrainingEvidence(version, key),
        as_of=as_of,
    )


def record_silence(pipeline: Pipeline, now: datetime) -> tuple[tuple[SilenceVerdict, ...], tuple[str, ...]]:
    """Record work that has fallen silent, once per silence, and work that ran again.

    Nothing is checked before the first champion, as there is no model to score with.
    """
    schedule = pipeline.schedule
    silent, recovered = [], []
    with Ledger.open(pipeline.ledger_url) as ledger:
        promotions = ledger.list_decisions(pipeline.name, "promote")
        for work in WATCHED_WORK:
            cron = getattr(schedule, work)
            last = ledger.outbox.find_heartbeat(pipeline.name, work)
            since = last.at if last else (promotions[-1].at if promotions else None)
            if not cron or since is None:
                continue
            gap = judge_silence(work, cron, schedule.timezone, since, now, schedule.dead_man)
            last_silence = next(
                (d for d in ledger.list_decisions(pipeline.name, "silence") if d.subject == work), None
            )
            was_silent = last_silence is not None and last_silence.outcome == "silent"
            if gap.silent and not was_silent:
                ledger.record_decision(_build_silence(pipeline, gap, "silent", now))
                silent.append(gap)
            elif was_silent and not gap.silent:
                ledger.record_decision(_build_silence(pipeline, gap, "recovered", now))
                recovered.append(work)
    return tuple(silent), tuple(recovered)


def _build_silence(pipeline: Pipeline, gap: SilenceVerdict, outcome: str, now: datetime) -> Decision:
    return Decision(
        key=f"silence:{pipeline.name}:{gap.work}:{outcome}:{gap.since.isoformat()}",
        pipeline=pipeline.name,
        kind="silence",
        subject=gap.work,
        outcome=outcome,
        reasons=gap.reasons,
        evidence=SilenceEvidence(**gap.to_dict()),
        as_of=now,
    )
