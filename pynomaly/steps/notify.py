"""Notify people of decisions: each message is written to an outbox first and then sent, so none is lost.

Called after the decisions of a run are on record, and by reconcile. A failed delivery never stops the run:
the message stays in the outbox, the next reconcile tries again, and ``status`` and ``doctor`` show it. One
verdict gives one message, however often its run is repeated.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from pynomaly.config import Pipeline, Target
from pynomaly.errors import ConfigError, LeaseHeldError, PynomalyError, RecordError
from pynomaly.records.ledger import Decision, Ledger, QueuedNotice
from pynomaly.records.notices import send_notice

__all__ = [
    "Delivery",
    "Sender",
    "classify_decision",
    "deliver_messages",
    "list_undelivered",
    "queue_messages",
    "send_notifications",
    "send_test_messages",
    "send_to_address",
]

Sender = Callable[[Target, str, str], None]
"""Sends a title and a body to a target; raises a PynomalyError when it was not accepted."""

# With its first target, a pipeline reports decisions of the last hour only, not its whole history.
_FIRST_LOOKBACK = timedelta(hours=1)
_CURSOR = "notify"


@dataclass(frozen=True)
class Delivery:
    """Result of sending one message.

    Attributes
    ----------
    delivered : bool
    reason : str
        Why it was not delivered, or ""; never contains an address.
    """

    target: str
    event: str
    title: str
    delivered: bool
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


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


def send_notifications(pipeline: Pipeline, through: Sender | None = None) -> tuple[Delivery, ...]:
    """Queue a message for every decision since the last call, then deliver all waiting messages.

    Parameters
    ----------
    through : Sender, optional
        How a target is reached; by default an Apprise address from the environment.
    """
    if not pipeline.notify.targets:
        return ()
    with Ledger.open(pipeline.ledger_url) as ledger:
        cursor = ledger.outbox.find_heartbeat(pipeline.name, _CURSOR)
        oldest_reported = datetime.now(UTC) - _FIRST_LOOKBACK
        newest = cursor.seq if cursor else 0
        for decision in _read_decisions_since(ledger, pipeline.name, cursor.seq if cursor else 0):
            newest = max(newest, decision.seq or 0)
            event = classify_decision(decision)
            if event and (cursor or (decision.at and decision.at >= oldest_reported)):
                queue_messages(
                    pipeline,
                    ledger,
                    event,
                    _build_message_key(decision),
                    _format_title(pipeline, decision),
                    _format_body(decision),
                )
        ledger.outbox.record_heartbeat(pipeline.name, _CURSOR, newest)
    return deliver_messages(pipeline, through)


def _read_decisions_since(ledger: Ledger, pipeline: str, seq: int, look: int = 100) -> tuple[Decision, ...]:
    """Returns decisions after sequence number `seq`, oldest first; reads no more rows than needed."""
    decisions = ledger.list_decisions(pipeline, limit=look)
    while len(decisions) == look and (decisions[-1].seq or 0) > seq:
        look *= 4
        decisions = ledger.list_decisions(pipeline, limit=look)
    return tuple(item for item in reversed(decisions) if (item.seq or 0) > seq)


def queue_messages(
    pipeline: Pipeline, ledger: Ledger, event: str, key: str, title: str, body: str
) -> tuple[QueuedNotice, ...]:
    """Write one message for every target that subscribes to `event`; returns the new messages."""
    now = datetime.now(UTC)
    messages = [
        QueuedNotice(
            f"{pipeline.name}:{event}:{key}"[:300], target.name, pipeline.name, event, title, body, now
        )
        for target in pipeline.notify.targets
        if event in target.on
    ]
    return tuple(message for message in messages if ledger.outbox.add_message(message))


def deliver_messages(pipeline: Pipeline, through: Sender | None = None) -> tuple[Delivery, ...]:
    """Send the waiting messages of the outbox; a message that fails stays there with its reason.

    Delivery is at least once: if a process dies between sending and marking, the message is sent again.
    """
    targets = {target.name: target for target in pipeline.notify.targets}
    deliveries = []
    with Ledger.open(pipeline.ledger_url) as ledger:
        try:
            with ledger.hold_lease(f"notify:{pipeline.name}"):
                for message in ledger.outbox.list_undelivered(pipeline.name):
                    reason = _find_wait_reason(pipeline, ledger, message, targets) or _try_sending(
                        pipeline, targets[message.target], message.title, message.body, through
                    )
                    ledger.outbox.record_attempt(message, reason)
                    deliveries.append(
                        Delivery(message.target, message.event, message.title, not reason, reason)
                    )
        except LeaseHeldError:
            return ()  # the holder of the lease sends the waiting messages
    return tuple(deliveries)


def send_test_messages(pipeline: Pipeline, through: Sender | None = None) -> tuple[Delivery, ...]:
    """Send a test message to every target now; nothing is recorded.

    Raises
    ------
    ConfigError
        If the pipeline has no targets.
    """
    if not pipeline.notify.targets:
        raise ConfigError(f"{pipeline.name} has no target under notify.targets in {pipeline.origin}")
    title = f"[pynomaly] {pipeline.name}: test"
    body = f"A test of the targets of {pipeline.name}: nothing happened, and nothing needs to be done."
    deliveries = []
    for target in pipeline.notify.targets:
        reason = _try_sending(pipeline, target, title, body, through)
        deliveries.append(Delivery(target.name, "test", title, not reason, reason))
    return tuple(deliveries)


def list_undelivered(pipeline: Pipeline) -> tuple[dict[str, Any], ...]:
    """Returns the waiting messages with target, event, title, age in seconds, attempts and last error."""
    now = datetime.now(UTC)
    with Ledger.open(pipeline.ledger_url) as ledger:
        return tuple(
            {
                "target": message.target,
                "event": message.event,
                "title": message.title,
                "age_s": round((now - message.created).total_seconds()),
                "attempts": message.attempts,
                "error": message.error,
            }
            for message in ledger.outbox.list_undelivered(pipeline.name)
        )


def _find_wait_reason(
    pipeline: Pipeline, ledger: Ledger, message: QueuedNotice, targets: dict[str, Target]
) -> str:
    """Returns why a message must wait, or ""."""
    if message.target not in targets:
        return f"{message.target!r} is no longer a target in {pipeline.origin.name}"
    last = ledger.outbox.find_last_delivery(pipeline.name, message.event, message.target)
    due = last + pipeline.notify.min_interval if last else None
    if due and datetime.now(UTC) < due:
        return f"waits until {due.isoformat(timespec='seconds')} (notify.min_interval)"
    return ""


def _try_sending(pipeline: Pipeline, target: Target, title: str, body: str, through: Sender | None) -> str:
    """Send a message with retries; returns why the target did not accept it, or ""."""
    retrying = Retrying(
        stop=stop_after_attempt(pipeline.notify.attempts),
        wait=wait_exponential(multiplier=0.2, max=5),
        retry=retry_if_exception_type(RecordError),
        reraise=True,
    )
    try:
        retrying(through or send_to_address, target, title, body)
    except PynomalyError as error:
        return str(error)
    except (
        Exception
    ) as error:  # a vendor's failure must not stop the flow, and its text may contain the address
        return f"{type(error).__name__} while sending"
    return ""


def send_to_address(target: Target, title: str, body: str) -> None:
    """Send through the Apprise address in the target's environment variable.

    Raises
    ------
    ConfigError
        If the variable is not set, or the target is a block, which only Prefect can open.
    """
    if target.block:
        raise ConfigError(f"the block {target.block!r} can be opened by a Prefect flow only")
    address = os.environ.get(target.url_env, "")
    if not address:
        raise ConfigError(f"the environment variable {target.url_env} is not set")
    send_notice(address, title, body)


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
