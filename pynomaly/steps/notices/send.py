"""Notify people of decisions and of what became of alerts, and send all that waits.

Called after the decisions of a run are on record, and by reconcile. One verdict gives one message, however
often its run is repeated.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.ledger.outbox import Action
from pynomaly.steps.notices.deliver import Delivery, Sender, deliver_messages
from pynomaly.steps.notices.follow_alerts import follow_alerts, list_next_steps
from pynomaly.steps.notices.queue_notice import Notice, queue_notice

__all__ = ["classify_decision", "list_undelivered", "list_waiting", "send_notifications"]

# With its first target, a pipeline reports decisions of the last hour only, not its whole history.
_FIRST_LOOKBACK = timedelta(hours=1)
_CURSOR = "notify"


def classify_decision(decision: Decision) -> str | None:
    """Returns the event of a decision, one of :data:`pynomaly.config.EVENTS`; None if nobody is notified."""
    match decision.kind, decision.outcome:
        case "degradation", ("degraded" | "critical") as state:
            return state
        case ("promote" | "refuse" | "rollback" | "pending") as kind, _:
            return kind
        case "account", "withdrawn":
            return "guarantee"
        case "quality", "block":
            return "quality_block"
        case "silence", _:
            return "dead_man"
        case "drill", "failed":
            return "drill"
    return None


def send_notifications(
    pipeline: Pipeline, through: Sender | None = None, now: datetime | None = None
) -> tuple[Delivery, ...]:
    """Queue a message for every decision and every change of an alert since, then deliver what is due.

    Parameters
    ----------
    through : Sender, optional
        How a target is reached; by default through the address or key in the environment.
    now : datetime, optional
        Wall-clock time, against which digests, quiet hours and escalations are measured.
    """
    if not pipeline.notify.targets:
        return ()
    now = now or datetime.now(UTC)
    with Ledger.open(pipeline.ledger_url) as ledger:
        cursor = ledger.outbox.find_heartbeat(pipeline.name, _CURSOR)
        newest = cursor.seq if cursor else 0
        for decision in _read_decisions_since(ledger, pipeline.name, cursor.seq if cursor else 0):
            newest = max(newest, decision.seq or 0)
            event = classify_decision(decision)
            if event and (cursor or (decision.at and decision.at >= now - _FIRST_LOOKBACK)):
                queue_notice(pipeline, ledger, _build_notice(pipeline, event, decision), now)
        ledger.outbox.record_heartbeat(pipeline.name, _CURSOR, newest)
        follow_alerts(pipeline, ledger, now)
    return deliver_messages(pipeline, through, now)


def _read_decisions_since(ledger: Ledger, pipeline: str, seq: int, look: int = 100) -> tuple[Decision, ...]:
    """Returns decisions after sequence number `seq`, oldest first; reads no more rows than needed."""
    decisions = ledger.list_decisions(pipeline, limit=look)
    while len(decisions) == look and (decisions[-1].seq or 0) > seq:
        look *= 4
        decisions = ledger.list_decisions(pipeline, limit=look)
    return tuple(item for item in reversed(decisions) if (item.seq or 0) > seq)


def list_waiting(pipeline: Pipeline, now: datetime | None = None) -> tuple[dict[str, Any], ...]:
    """Return what waits: messages, and alerts that go to the next receiver if nobody answers.

    Returns
    -------
    tuple of dict
        ``target``, ``event``, ``severity``, ``title``, ``age_s``, ``attempts``, the last ``error``, ``due``
        (None for what should have been delivered) and ``why`` it waits.
    """
    now = now or datetime.now(UTC)
    with Ledger.open(pipeline.ledger_url) as ledger:
        rows = [
            {
                "target": message.target,
                "event": message.event,
                "severity": message.severity,
                "title": message.title,
                "age_s": round((now - message.created).total_seconds()),
                "attempts": message.attempts,
                "error": message.error,
                "due": None if message.due is None or message.due <= now else message.due.isoformat(),
                "why": "digest" if message.collected else "" if message.is_due(now) else "quiet hours",
            }
            for message in ledger.outbox.list_undelivered(pipeline.name)
        ]
        for alert, due, receiver in list_next_steps(pipeline, ledger):
            rows.append(
                {
                    "target": receiver,
                    "event": "escalation",
                    "severity": "",
                    "title": f"alert {alert}, if nobody acknowledges it",
                    "age_s": 0,
                    "attempts": 0,
                    "error": "",
                    "due": due.isoformat(),
                    "why": "escalation",
                }
            )
    return tuple(rows)


def list_undelivered(pipeline: Pipeline, now: datetime | None = None) -> tuple[dict[str, Any], ...]:
    """Return the messages that should have been delivered by now, as :func:`list_waiting` does."""
    return tuple(item for item in list_waiting(pipeline, now) if item["due"] is None)


def _build_notice(pipeline: Pipeline, event: str, decision: Decision) -> Notice:
    title, body = _format_title(pipeline, decision), _format_body(decision)
    notice = Notice(event, _build_message_key(decision), title, body)
    if decision.kind != "silence":
        return notice
    action: Action = "resolve" if decision.outcome == "recovered" else "trigger"
    return replace(notice, action=action, incident=f"{pipeline.name}:silence:{decision.subject}")


def _build_message_key(decision: Decision) -> str:
    """Returns a key by content: the same verdict, computed again later, has the same key."""
    if decision.kind in ("degradation", "quality"):
        return f"{decision.subject}:v{decision.version}"
    return decision.key


def _format_title(pipeline: Pipeline, decision: Decision) -> str:
    return f"[pynomaly] {pipeline.name}: {decision.kind} {decision.outcome} ({decision.subject})"


def _format_body(decision: Decision) -> str:
    lines = [f"{decision.kind}: {decision.outcome}, about {decision.subject}"]
    lines += [f"- {reason}" for reason in decision.reasons]
    return "\n".join([*lines, f"as of {decision.as_of.isoformat()}, decided by {decision.actor}"])
