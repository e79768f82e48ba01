"""Every pipeline at a glance, the gravest first: a few queries a ledger, whatever the number of pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from pynomaly.config import SEVERITIES, Pipeline
from pynomaly.console.pipelines import Pipelines
from pynomaly.console.schemas import FleetPipeline, Gravity
from pynomaly.judging.silence import judge_silence
from pynomaly.records.ledger import AlertFilter, Decision, Ledger, Partition
from pynomaly.records.ledger.decision_evidence import PendingEvidence
from pynomaly.steps.operations.reconcile import WATCHED_WORK

__all__ = ["GRAVITIES", "list_fleet"]

GRAVITIES: tuple[Gravity, ...] = ("critical", "warning", "waiting", "new", "healthy")
"""What a pipeline's line says first; the gravest first."""

_KINDS = ("promote", "rollback", "degradation", "account")


def list_fleet(pipelines: Pipelines, chosen: Sequence[Pipeline], now: datetime) -> tuple[FleetPipeline, ...]:
    """Return the state of pipelines, the gravest first, then by name.

    Parameters
    ----------
    chosen : sequence of Pipeline
    now : datetime
        Aware; what is late is late against it.

    Raises
    ------
    RecordError
        If a ledger cannot be read.

    Notes
    -----
    Six queries a ledger; 500 pipelines with 100,000 open alerts take about 40 ms.
    """
    lines = [
        line
        for ledger, items in pipelines.group_by_ledger(chosen)
        for line in _describe_group(ledger, items, now)
    ]
    return tuple(sorted(lines, key=lambda line: (GRAVITIES.index(line.gravity), line.name)))


def _describe_group(ledger: Ledger, chosen: Iterable[Pipeline], now: datetime) -> Iterator[FleetPipeline]:
    across = ledger.across
    partitions, last = across.list_newest_partitions(), across.list_last_decisions(_KINDS)
    pending, beats = across.list_pending(), across.list_heartbeats()
    waiting = AlertFilter(states=("open", "acknowledged"), quiet=False)
    last_by_pipeline: dict[str, dict[str, Decision]] = {}
    for (name, kind), decision in last.items():
        last_by_pipeline.setdefault(name, {})[kind] = decision
    counts: dict[str, dict[str, int]] = {}
    for (name, _, severity), count in ledger.alert_states.count_alerts(waiting).items():
        own = counts.setdefault(name, {})
        own[severity] = own.get(severity, 0) + count
    for pipeline in chosen:
        yield _describe_pipeline(
            pipeline,
            partitions.get(pipeline.name),
            last_by_pipeline.get(pipeline.name, {}),
            pending.get(pipeline.name, ()),
            {work: beats[key] for work in WATCHED_WORK if (key := (pipeline.name, work)) in beats},
            counts.get(pipeline.name, {}),
            now,
        )


def _describe_pipeline(
    pipeline: Pipeline,
    newest: Partition | None,
    last: Mapping[str, Decision],
    pending: Sequence[Decision],
    beats: Mapping[str, datetime],
    alerts: Mapping[str, int],
    now: datetime,
) -> FleetPipeline:
    changes = [last[kind] for kind in ("promote", "rollback") if kind in last]
    change = max(changes, key=lambda item: item.seq or 0, default=None)
    verdict = last.get("degradation")
    late = tuple(_list_late_work(pipeline, change, beats, now))
    account = last.get("account")
    withdrawn = account is not None and account.outcome == "withdrawn"
    state = verdict.outcome if verdict else ""
    reasons: list[str] = []
    gravity: Gravity = "healthy" if change else "new"
    if pending:
        gravity = "waiting"
        reasons.append(f"{len(pending)} promotion{'s' if len(pending) > 1 else ''} to approve")
    if state in ("warning", "recovering") or withdrawn or alerts.get("high"):
        gravity = "warning"
    if withdrawn and account is not None:
        reasons.append(f"promise withdrawn: {account.subject}")
    if state in ("degraded", "critical") or late or alerts.get("critical"):
        gravity = "critical"
    if state not in ("", "normal", "insufficient_data"):
        reasons.insert(0, f"monitoring: {state.replace('_', ' ')}")
    reasons = [*late, *reasons]
    if alerts.get("critical"):
        count = alerts["critical"]
        reasons.append(f"{count:,} critical alert{'s' if count > 1 else ''} to answer")
    if not change:
        reasons.append("no champion yet")
    return FleetPipeline(
        name=pipeline.name,
        description=pipeline.description,
        gravity=gravity,
        reasons=tuple(reasons),
        state=state or None,
        champion=change.version if change else None,
        since=change.at if change else None,
        open_alerts={severity: alerts.get(severity, 0) for severity in SEVERITIES},
        pending=tuple(PendingEvidence.of(item).version for item in pending),
        window=newest.window if newest else None,
        window_end=newest.end if newest else None,
        rows=newest.rows if newest else None,
        alerting_rows=newest.alerts if newest else None,
        alert_rate=newest.alerts / newest.rows if newest and newest.rows else None,
        budget_per_day=pipeline.alerts.per_day if pipeline.alerts.policy == "budget" else None,
        alerts_per_day=_count_per_day(newest),
        last_run=max(beats.values(), default=None),
        next_run=_find_next_run(pipeline, now),
        late=bool(late),
    )


def _count_per_day(newest: Partition | None) -> float | None:
    if newest is None or newest.start is None or newest.end is None:
        return None
    return newest.alerts / ((newest.end - newest.start).total_seconds() / 86400)


def _list_late_work(
    pipeline: Pipeline, change: Decision | None, beats: Mapping[str, datetime], now: datetime
) -> Iterator[str]:
    schedule = pipeline.schedule
    for work in WATCHED_WORK:
        cron, since = getattr(schedule, work), beats.get(work) or (change.at if change else None)
        if cron and since:
            silence = judge_silence(work, cron, schedule.timezone, since, now, schedule.dead_man)
            if silence.silent:
                yield silence.reasons[0]


def _find_next_run(pipeline: Pipeline, now: datetime) -> datetime | None:
    cron = pipeline.schedule.score
    if not cron:
        return None
    due: datetime = next(CronSim(cron, now.astimezone(ZoneInfo(pipeline.schedule.timezone))))
    return due.astimezone(now.tzinfo)
