"""Operational metrics of a pipeline at one moment, from the ledger, for a monitoring system like Prometheus.

Called by :mod:`pynomaly.serving.exporter`. Reads only the ledger, so that an unreachable registry or bucket
neither delays nor hides the metrics; writes nothing. Moments are seconds since 1970, as Prometheus expects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pynomaly.config import SEVERITIES, Pipeline
from pynomaly.judging.drift.degradation import STATES
from pynomaly.judging.silence import judge_silence
from pynomaly.records.ledger import AlertFilter, Ledger
from pynomaly.records.ledger.decision_evidence import PendingEvidence
from pynomaly.steps.champion import find_last_change, list_pending_promotions
from pynomaly.steps.delivery.delivery_status import describe_delivery
from pynomaly.steps.operations.reconcile import WATCHED_WORK

__all__ = ["GAUGES", "PipelineMetric", "measure_pipeline"]

GAUGES: dict[str, tuple[tuple[str, ...], str]] = {
    "champion_version": ((), "Version that is champion by the ledger; 0: none"),
    "champion_since_timestamp_seconds": ((), "When the champion last changed"),
    "last_success_timestamp_seconds": (("work",), "When scheduled work last ended well"),
    "silent": (("work",), "1: as many scheduled runs were missed as schedule.dead_man allows, or more"),
    "last_window_end_timestamp_seconds": ((), "End of the newest window that was scored"),
    "last_window_rows": ((), "Rows scored in it"),
    "last_window_alerts": ((), "Rows of it that alerted"),
    "last_window_quarantined": ((), "Rows of it that could not be scored"),
    "state": (("state",), "1 for the state that monitoring last found, 0 for the others"),
    "open_alerts": (("severity",), "Alerts that wait for an answer"),
    "pending_promotions": ((), "Promotions that wait for an approval"),
    "pending_expires_timestamp_seconds": ((), "When the first of them expires"),
    "messages_waiting": ((), "Messages that are due and that their target has not accepted yet"),
    "deliveries_waiting": (("sink", "what"), "Windows, events or decisions that a sink has yet to receive"),
    "dead_letters": (("sink", "what"), "Parts that a sink refused, or did not take for too long"),
    "stream_newest_timestamp_seconds": (("part",), "Newest time of the rows of a part of the stream"),
    "stream_read_timestamp_seconds": (("part",), "When a message of that part was last recorded"),
    "stream_lag_messages": (("part",), "Messages of that part not yet recorded, as a worker last asked"),
    "stream_open_rows": ((), "Rows recorded whose window is open"),
    "stream_open_windows": ((), "Windows with such rows"),
    "stream_dead_letters": (("rule",), "Messages and rows kept that could not be used"),
    "leases": (("kind", "held"), "Leases, by what they guard; held 0: expired and not yet taken over"),
    "decisions_total": (("kind", "outcome"), "Decisions in the ledger"),
}
"""Metric name -> (labels besides ``pipeline``, help text)."""

_LAG_HOLDS = timedelta(minutes=5)
"""Time after which the lag that no worker asked for again is not known any more."""


@dataclass(frozen=True)
class PipelineMetric:
    """One metric value of one pipeline.

    Attributes
    ----------
    name : str
        One of :data:`GAUGES`.
    labels : tuple of str
        Values of the metric's labels.
    value : float
    """

    name: str
    labels: tuple[str, ...]
    value: float


def measure_pipeline(pipeline: Pipeline, now: datetime) -> tuple[PipelineMetric, ...]:
    """Return every metric of one pipeline.

    Parameters
    ----------
    now : datetime
        The moment, with a time zone; silence and lease expiry are measured against it.

    Raises
    ------
    RecordError
        If the ledger cannot be read.

    Notes
    -----
    A few indexed queries.
    """
    with Ledger.open(pipeline.ledger_url) as ledger:
        return (
            *_measure_champion(ledger, pipeline.name),
            *_measure_work(ledger, pipeline, now),
            *_measure_window(ledger, pipeline.name),
            *_measure_waiting(ledger, pipeline.name, now),
            *_measure_sinks(pipeline),
            *_measure_stream(ledger, pipeline.name, now),
        )


def _measure_sinks(pipeline: Pipeline) -> Iterator[PipelineMetric]:
    for item in describe_delivery(pipeline):
        labels = (item["sink"], item["what"])
        yield PipelineMetric("deliveries_waiting", labels, float(item["due"] or 0))
        yield PipelineMetric("dead_letters", labels, float(item["dead"]))


def _measure_stream(ledger: Ledger, name: str, now: datetime) -> Iterator[PipelineMetric]:
    for part, position in ledger.stream.read_positions(name).items():
        if position.newest is not None:
            yield PipelineMetric("stream_newest_timestamp_seconds", (part,), position.newest.timestamp())
        if position.at is not None:
            yield PipelineMetric("stream_read_timestamp_seconds", (part,), position.at.timestamp())
        if position.lag is not None and position.measured and now - position.measured < _LAG_HOLDS:
            yield PipelineMetric("stream_lag_messages", (part,), float(position.lag))
    windows = ledger.stream.list_open_windows(name)
    if windows:
        yield PipelineMetric("stream_open_rows", (), float(sum(item.rows for item in windows)))
        yield PipelineMetric("stream_open_windows", (), float(len(windows)))
    for rule, count in sorted(ledger.stream.count_letters(name).items()):
        yield PipelineMetric("stream_dead_letters", (rule,), float(count))


def _measure_champion(ledger: Ledger, name: str) -> Iterator[PipelineMetric]:
    change = find_last_change(ledger, name)
    yield PipelineMetric("champion_version", (), float(change.version or 0) if change else 0.0)
    if change and change.at:
        yield PipelineMetric("champion_since_timestamp_seconds", (), change.at.timestamp())
    for (kind, outcome), count in sorted(ledger.count_decisions(name).items()):
        yield PipelineMetric("decisions_total", (kind, outcome), float(count))
    verdict = ledger.find_last_decision(name, "degradation")
    for state in STATES if verdict else ():
        yield PipelineMetric("state", (state,), float(verdict is not None and verdict.outcome == state))


def _measure_work(ledger: Ledger, pipeline: Pipeline, now: datetime) -> Iterator[PipelineMetric]:
    schedule = pipeline.schedule
    promotions = ledger.list_decisions(pipeline.name, "promote")
    for work in WATCHED_WORK:
        last_beat, cron = ledger.outbox.find_heartbeat(pipeline.name, work), getattr(schedule, work)
        if last_beat:
            yield PipelineMetric("last_success_timestamp_seconds", (work,), last_beat.at.timestamp())
        since = last_beat.at if last_beat else promotions[-1].at if promotions else None
        if cron and since:
            silence_verdict = judge_silence(work, cron, schedule.timezone, since, now, schedule.dead_man)
            yield PipelineMetric("silent", (work,), float(silence_verdict.silent))


def _measure_window(ledger: Ledger, name: str) -> Iterator[PipelineMetric]:
    newest = ledger.find_newest_partition(name)
    if newest is None:
        return
    if newest.end:
        yield PipelineMetric("last_window_end_timestamp_seconds", (), newest.end.timestamp())
    yield PipelineMetric("last_window_rows", (), float(newest.rows))
    yield PipelineMetric("last_window_alerts", (), float(newest.alerts))
    yield PipelineMetric("last_window_quarantined", (), float(newest.quarantined))


def _measure_waiting(ledger: Ledger, name: str, now: datetime) -> Iterator[PipelineMetric]:
    counts = ledger.alert_states.count_alerts(AlertFilter(pipelines=(name,), states=("open",)))
    open_counts = Counter({severity: count for (_, _, severity), count in counts.items()})
    for severity in SEVERITIES:
        yield PipelineMetric("open_alerts", (severity,), float(open_counts[severity]))
    pending = list_pending_promotions(ledger, name)
    yield PipelineMetric("pending_promotions", (), float(len(pending)))
    if pending:
        first_expiry = min(PendingEvidence.of(item).expires_at for item in pending)
        yield PipelineMetric("pending_expires_timestamp_seconds", (), first_expiry.timestamp())
    overdue = [item for item in ledger.outbox.list_undelivered(name) if item.is_due(now)]
    yield PipelineMetric("messages_waiting", (), float(len(overdue)))
    leases = Counter(
        (item.name.split(":")[0], "1" if item.expires > now else "0")
        for item in ledger.outbox.list_lease_holders()
        if name in item.name.split(":")[1:2]
    )
    for labels, count in sorted(leases.items()):
        yield PipelineMetric("leases", labels, float(count))
