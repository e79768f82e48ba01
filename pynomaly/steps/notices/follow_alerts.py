"""Tell what became of alerts: answered, over, graver than was told, or not answered in time.

Every change of an alert that people were told of is written in one transaction with the messages that tell
it, so that a process that dies, or two at once, tell each change once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pynomaly.config import SEVERITIES, Pipeline
from pynomaly.config.spelling.units import spell_duration
from pynomaly.judging.alerts.alert import Alert, build_alert
from pynomaly.judging.alerts.alert_text import describe_alert
from pynomaly.judging.notice_rules import choose_receivers, is_at_least
from pynomaly.records.ledger import FollowedAlert, Ledger, QueuedNotice
from pynomaly.records.ledger.outbox import Action
from pynomaly.steps.notices.queue_notice import Notice, address_notice, read_zone

__all__ = ["ANNOUNCEMENTS", "follow_alerts", "list_next_steps"]

ANNOUNCEMENTS = ("alert", "escalation")
"""Events of messages that open an incident."""

_OVER = ("resolved", "withdrawn", "expired")


def follow_alerts(pipeline: Pipeline, ledger: Ledger, now: datetime) -> None:
    """Write what is to be told of alerts since the last call: answers, ends, and steps of escalation."""
    followed = ledger.outbox.followed
    for row, events in followed.list_changed(pipeline.name):
        own = [vars(event) for event in ledger.answers.list_events(pipeline.name, row.alert)]
        _tell_news(pipeline, ledger, replace(row, events=events), build_alert(row.alert, own), row, now)
    for row in followed.list_states(pipeline.name, ("open", "acknowledged")):
        if row.touched + pipeline.notify.expire <= now:
            _expire(pipeline, ledger, row, now)
        elif row.state == "open":
            _escalate(pipeline, ledger, row, now)


def list_next_steps(pipeline: Pipeline, ledger: Ledger) -> tuple[tuple[str, datetime, str], ...]:
    """Return alerts that will be escalated if nobody acknowledges them: alert, when, and to whom."""
    rows = []
    for row in ledger.outbox.followed.list_states(pipeline.name, ("open",)):
        steps = pipeline.notify.escalation.steps[row.step :]
        if row.begun and steps and is_at_least(row.severity, pipeline.notify.escalation.severity):
            rows.append((row.alert, row.begun + steps[0].after, steps[0].to))
    return tuple(sorted(rows, key=lambda item: item[1]))


def _tell_news(
    pipeline: Pipeline, ledger: Ledger, seen: FollowedAlert, alert: Alert, row: FollowedAlert, now: datetime
) -> None:
    """Write what of an alert's new events its receivers are to know."""
    about = ledger.outbox.list_messages_about(pipeline.name, row.alert)
    graver = SEVERITIES.index(alert.severity) < SEVERITIES.index(row.severity)
    after = replace(seen, state=alert.state, touched=now, severity=alert.severity if graver else row.severity)
    new: list[QueuedNotice] = []
    ended: list[QueuedNotice] = []
    reason = ""
    if alert.state == "open" and (graver or row.state != "open"):
        new, after = _tell_again(pipeline, after, alert, row, now)
        receivers = {message.target for message in new}
        ended = [item for item in _find_ended(about, over=True) if item.target in receivers]
        reason = f"it was told as {after.severity} before this was sent"
    elif alert.state not in ("open", row.state) and not (alert.state in _OVER and row.state in _OVER):
        how, note = _describe_state(alert)
        reason = f"the alert was {how} before this was sent"
        action: Action = "acknowledge" if alert.state == "acknowledged" else "resolve"
        new = _build_updates(pipeline, row, about, action, how, note, now)
        ended = _find_ended(about, over=alert.state in _OVER)
    ledger.outbox.change_alert(row, after, new, ended, reason)


def _describe_state(alert: Alert) -> tuple[str, str]:
    """Return how an alert was answered or ended, and the note of who did it."""
    if alert.state == "withdrawn":
        return "withdrawn: none of its rows alerts any more", ""
    ending = f" as {alert.ending}" if alert.ending else ""
    return f"{alert.state}{ending} by {alert.by}", alert.note


def _tell_again(
    pipeline: Pipeline,
    after: FollowedAlert,
    alert: Alert,
    row: FollowedAlert,
    now: datetime,
) -> tuple[list[QueuedNotice], FollowedAlert]:
    """Return the messages of an alert that has become graver or has come back, to whom the rules name now."""
    is_back = row.state != "open"
    local = now.astimezone(read_zone(pipeline))
    receivers = choose_receivers(pipeline.notify, "alert", after.severity, alert.entity, local)
    whose = f" of {alert.entity}" if alert.entity else ""
    what = "is back" if is_back else f"was {row.severity} and is {after.severity} now"
    notice = Notice(
        "alert",
        f"{row.alert}:{row.changes}",
        f"[pynomaly] {pipeline.name}: {after.severity} alert{whose} {what}",
        "\n".join(describe_alert(alert)),
        after.severity,
        alert.entity,
        row.alert,
        "trigger",
    )
    new = address_notice(pipeline, notice, receivers, now)
    was_escalated = not is_back and is_at_least(row.severity, pipeline.notify.escalation.severity)
    if row.begun is None or not was_escalated:  # the steps count from now
        after = replace(after, step=0, begun=min((item.due or now for item in new), default=None))
    return new, after


def _expire(pipeline: Pipeline, ledger: Ledger, row: FollowedAlert, now: datetime) -> None:
    """Write that an alert is over for its receivers, because there was no news of it for so long."""
    about = ledger.outbox.list_messages_about(pipeline.name, row.alert)
    how = f"without news for {spell_duration(pipeline.notify.expire)} (notify.expire)"
    new = _build_updates(pipeline, row, about, "resolve", how, "", now)
    after = replace(row, state="expired")
    ledger.outbox.change_alert(row, after, new, _find_ended(about, over=True), f"the alert was {how}")


def _escalate(pipeline: Pipeline, ledger: Ledger, row: FollowedAlert, now: datetime) -> None:
    """Write the steps of the escalation that are due, in order and each once."""
    settings = pipeline.notify.escalation
    if row.begun is None or not is_at_least(row.severity, settings.severity):
        return
    due = [step for step in settings.steps[row.step :] if row.begun + step.after <= now]
    if not due:
        return
    about = ledger.outbox.list_messages_about(pipeline.name, row.alert)
    newest = [message for message in about if message.event == "alert"][-1]
    whose = f" of {newest.entity}" if newest.entity else ""
    new: list[QueuedNotice] = []
    for place, step in enumerate(due, start=row.step):
        notice = Notice(
            "escalation",
            f"{row.alert}:{row.changes}:{place:03}",
            f"[pynomaly] {pipeline.name}: nobody has answered the {row.severity} alert{whose} "
            f"for {spell_duration(step.after)}",
            newest.body,
            row.severity,
            newest.entity,
            row.alert,
            "trigger",
        )
        new += address_notice(pipeline, notice, pipeline.notify.find_targets((step.to,)), now)
    ledger.outbox.change_alert(row, replace(row, step=row.step + len(due)), new)


def _build_updates(
    pipeline: Pipeline,
    row: FollowedAlert,
    about: tuple[QueuedNotice, ...],
    action: Action,
    how: str,
    note: str,
    now: datetime,
) -> list[QueuedNotice]:
    """Return the messages that change or end the incidents that were opened, or may have been.

    A try that failed may have arrived, so an incident of PagerDuty is ended in any case: ending what was
    never opened does nothing there. Others hear of an end only if they heard of the alert.
    """
    tried = [message for message in about if message.event in ANNOUNCEMENTS and not message.collected]
    heard = {message.target for message in tried if message.delivered or action == "acknowledge"}
    maybe = {message.target for message in tried}
    receivers = [
        target
        for target in pipeline.notify.targets
        if target.wants_updates and target.name in (maybe if target.kind == "pagerduty" else heard)
    ]
    first = about[0] if about else None
    whose = f" of {first.entity}" if first is not None and first.entity else ""
    notice = Notice(
        "update",
        f"{row.alert}:{row.changes}",
        f"[pynomaly] {pipeline.name}: the alert{whose} is {how}",
        note,
        row.severity,
        first.entity if first is not None else "",
        row.alert,
        action,
    )
    return address_notice(pipeline, notice, receivers, now)


def _find_ended(about: tuple[QueuedNotice, ...], *, over: bool) -> list[QueuedNotice]:
    """Return the waiting messages that nobody needs any more; a digest tells of what is over, too."""
    return [
        message
        for message in about
        if not message.delivered
        and not message.ended
        and not message.collected
        and (over or message.event == "escalation")
    ]
