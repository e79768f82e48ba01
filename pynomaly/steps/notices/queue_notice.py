"""Write a notice for every receiver that the rules name; nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pynomaly.config import Pipeline, Target
from pynomaly.judging.notice_rules import EVENT_SEVERITIES, choose_receivers
from pynomaly.judging.notice_times import plan_due
from pynomaly.records.ledger import FollowedAlert, Ledger, QueuedNotice
from pynomaly.records.ledger.outbox import Action

__all__ = ["Notice", "address_notice", "queue_notice", "read_zone"]

_BY_THEMSELVES = ("update", "escalation", "drill", "report")
"""Events that no digest collects: they follow what was told, have waited, are tries, or collections."""


@dataclass(frozen=True)
class Notice:
    """What is told, whoever receives it.

    Attributes
    ----------
    event : str
        See :class:`~pynomaly.records.ledger.QueuedNotice`, as for the others of the same name.
    key : str
        Identifies the notice by its content, within its pipeline and event.
    severity : str
        "" takes that of the event.
    incident : str
        "" where `alert` names it, or there is none.
    """

    event: str
    key: str
    title: str
    body: str
    severity: str = ""
    entity: str = ""
    alert: str = ""
    action: Action = "notice"
    incident: str = ""
    files: tuple[str, ...] = ()


def queue_notice(
    pipeline: Pipeline, ledger: Ledger, notice: Notice, now: datetime | None = None
) -> tuple[QueuedNotice, ...]:
    """Write one message for every target that the rules name; return the new messages.

    What becomes of an alert is followed from now on, whoever is told of it.
    """
    if not pipeline.notify.targets:
        return ()
    now = now or datetime.now(UTC)
    severity = notice.severity or EVENT_SEVERITIES[notice.event]
    receivers = choose_receivers(
        pipeline.notify, notice.event, severity, notice.entity, now.astimezone(read_zone(pipeline))
    )
    if notice.action == "resolve":  # an incident is ended wherever it may have been opened, at any hour
        receivers += tuple(
            target
            for target in pipeline.notify.targets
            if target.kind == "pagerduty" and notice.event in target.on and target not in receivers
        )
    messages = address_notice(pipeline, notice, receivers, now)
    follow = None
    if notice.alert:
        begun = min((message.due or now for message in messages), default=None)
        follow = FollowedAlert(pipeline.name, notice.alert, severity, "open", begun, now)
    return ledger.outbox.add_messages(*messages, follow=follow)


def address_notice(
    pipeline: Pipeline, notice: Notice, receivers: Iterable[Target], now: datetime
) -> list[QueuedNotice]:
    """Return a notice as one message for each receiver, each with the time at which it is due."""
    zone = read_zone(pipeline)
    severity = notice.severity or EVENT_SEVERITIES[notice.event]
    messages = []
    for target in receivers:
        due, collected = plan_due(target, severity, zone, now, collects=notice.event not in _BY_THEMSELVES)
        if target.kind == "pagerduty" and notice.action in ("acknowledge", "resolve"):
            due = None  # it pages nobody, and an incident that is left open does
        messages.append(
            QueuedNotice(
                key=f"{pipeline.name}:{notice.event}:{notice.key}"[:300],
                target=target.name,
                pipeline=pipeline.name,
                event=notice.event,
                title=notice.title,
                body=notice.body,
                created=now,
                severity=severity,
                entity=notice.entity,
                alert=notice.alert,
                action=notice.action,
                incident=notice.incident or (f"{pipeline.name}:alert:{notice.alert}" if notice.alert else ""),
                link=pipeline.console.link_alert(pipeline.name, notice.alert) if notice.alert else "",
                files=notice.files,
                due=due,
                collected=collected,
            )
        )
    return messages


def read_zone(pipeline: Pipeline) -> ZoneInfo:
    """Return the zone of hours and days in the settings under ``notify``."""
    return ZoneInfo(pipeline.notify.timezone or pipeline.schedule.timezone)
