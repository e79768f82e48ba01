"""Send the messages of the outbox that are due; what fails stays there with its reason.

Called after the decisions of a run are on record, and by reconcile. A failed delivery never stops the run:
the message waits, the next reconcile tries again, and ``status`` and ``doctor`` show it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from pynomaly.config import SEVERITIES, Pipeline, Target, read_variable
from pynomaly.errors import ConfigError, LeaseHeldError, PynomalyError, RecordError, RefusedError
from pynomaly.records.ledger import Ledger, QueuedNotice
from pynomaly.records.notices import send_notice

__all__ = ["Delivery", "Sender", "deliver_messages", "read_secret", "send_test_messages", "send_to_address"]

Sender = Callable[[Target, QueuedNotice], None]
"""Sends a message to a target; raises a PynomalyError when it was not accepted."""

_MOST_LINES = 200
"""Notices that a digest names; of further ones it says how many there are."""


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


def deliver_messages(
    pipeline: Pipeline, through: Sender | None = None, now: datetime | None = None
) -> tuple[Delivery, ...]:
    """Send the messages that are due; a message that fails stays in the outbox with its reason.

    Delivery is at least once: if a process dies between sending and marking, the message is sent again.
    """
    now = now or datetime.now(UTC)
    targets = {target.name: target for target in pipeline.notify.targets}
    deliveries = []
    with Ledger.open(pipeline.ledger_url) as ledger:
        try:
            with ledger.hold_lease(f"notify:{pipeline.name}"):
                _write_digests(pipeline, ledger, now)
                before: set[tuple[str, str]] = set()
                for message in ledger.outbox.list_undelivered(pipeline.name):
                    incident = (message.target, message.alert)
                    # An answer or an end goes after what opened the incident.
                    waits = message.event == "update" and incident in before
                    if message.collected or waits or not message.is_due(now):
                        before.add(incident)
                        continue
                    reason = _find_wait_reason(pipeline, ledger, message, targets, now) or _try_sending(
                        pipeline, targets[message.target], message, through
                    )
                    ledger.outbox.record_attempt(message, reason, now)
                    if reason:
                        before.add(incident)
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
    now = datetime.now(UTC)
    title = f"[pynomaly] {pipeline.name}: test"
    body = f"A test of the targets of {pipeline.name}: nothing happened, and nothing needs to be done."
    deliveries = []
    for target in pipeline.notify.targets:
        key = f"{pipeline.name}:test:{now.isoformat()}"
        message = QueuedNotice(key, target.name, pipeline.name, "test", title, body, now)
        reason = _try_sending(pipeline, target, message, through)
        if not reason and target.kind == "pagerduty":  # nobody is to close the incident of a test
            reason = _try_sending(pipeline, target, replace(message, action="resolve"), through)
        deliveries.append(Delivery(target.name, "test", title, not reason, reason))
    return tuple(deliveries)


def send_to_address(target: Target, message: QueuedNotice) -> None:
    """Send with the address or key in the target's environment variable.

    Raises
    ------
    ConfigError
        If the variable is not set, or the target is a block, which only Prefect can open.
    """
    if target.block:
        raise ConfigError(f"the block {target.block!r} can be opened by a Prefect flow only")
    send_notice(target, read_secret(target), message)


def read_secret(target: Target) -> str:
    """Return the address or key of a target; ConfigError if the environment has none."""
    secret = read_variable(target.url_env)
    if not secret:
        raise ConfigError(f"the environment variable {target.url_env} is not set")
    return secret


def _write_digests(pipeline: Pipeline, ledger: Ledger, now: datetime) -> None:
    """Write one message for each target whose digest is due, with the state that alerts have now."""
    parts_of: dict[str, list[QueuedNotice]] = {}
    for message in ledger.outbox.list_undelivered(pipeline.name):
        if message.collected and message.is_due(now):
            parts_of.setdefault(message.target, []).append(message)
    if not parts_of:
        return
    states = ledger.outbox.followed.find_waiting_states(pipeline.name)
    for target, parts in parts_of.items():
        ledger.outbox.collect_messages(_build_digest(pipeline, target, parts, states, now), parts)


def _build_digest(
    pipeline: Pipeline, target: str, parts: Sequence[QueuedNotice], states: dict[str, str], now: datetime
) -> QueuedNotice:
    ranked = sorted(parts, key=lambda part: (SEVERITIES.index(part.severity), part.created, part.key))
    count = f"{len(parts)} notice{'' if len(parts) == 1 else 's'}"
    lines = [f"{count} since {min(part.created for part in parts):%Y-%m-%d %H:%M} UTC"]
    for part in ranked[:_MOST_LINES]:
        state = states.get(part.alert, "open")
        lines.append(f"- {part.title.removeprefix('[pynomaly] ')}{'' if state == 'open' else f', {state}'}")
        if not part.alert:  # of an alert the rest is where its link leads, and in `pynomaly alerts --show`
            lines += [f"  {line}" for line in part.body.splitlines() if line.startswith("- ")]
        if part.link:
            lines.append(f"  {part.link}")
    if len(parts) > _MOST_LINES:
        lines.append(f"and {len(parts) - _MOST_LINES} more: `pynomaly alerts --state all` shows them")
    content = "\n".join(f"{part.key} {part.created.isoformat()}" for part in ranked)
    return QueuedNotice(
        key=f"{pipeline.name}:digest:{hashlib.sha256(content.encode()).hexdigest()[:32]}",
        target=target,
        pipeline=pipeline.name,
        event="digest",
        title=f"[pynomaly] {pipeline.name}: {count}",
        body="\n".join(lines),
        created=now,
        severity=ranked[0].severity,
    )


def _find_wait_reason(
    pipeline: Pipeline, ledger: Ledger, message: QueuedNotice, targets: dict[str, Target], now: datetime
) -> str:
    """Returns why a message must wait, or ""."""
    if message.target not in targets:
        return f"{message.target!r} is no longer a target in {pipeline.origin.name}"
    if message.event in ("update", "escalation", "digest"):
        return ""
    last = ledger.outbox.find_last_delivery(pipeline.name, message.event, message.target)
    due = last + pipeline.notify.min_interval if last else None
    if due and now < due:
        return f"waits until {due.isoformat(timespec='seconds')} (notify.min_interval)"
    return ""


def _try_sending(pipeline: Pipeline, target: Target, message: QueuedNotice, through: Sender | None) -> str:
    """Send a message with retries; returns why the target did not accept it, or ""."""
    retrying = Retrying(
        stop=stop_after_attempt(pipeline.notify.attempts),
        wait=wait_exponential(multiplier=0.2, max=5),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    try:
        retrying(through or send_to_address, target, message)
    except PynomalyError as error:
        return str(error)
    except (
        Exception
    ) as error:  # a vendor's failure must not stop the flow, and its text may contain the address
        return f"{type(error).__name__} while sending"
    return ""


def _may_pass(error: BaseException) -> bool:
    """Return whether another try may help: a refusal would be repeated."""
    return isinstance(error, RecordError) and not isinstance(error, RefusedError)
