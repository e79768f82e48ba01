"""PagerDuty: an alert is one incident that opens, is acknowledged and is resolved under one key.

What a person has to act on opens an incident; what is only to be known (a promotion, a report, a digest) is
a change event, which pages nobody.

References
----------
https://developer.pagerduty.com/docs/send-alert-event
https://developer.pagerduty.com/docs/send-change-event
"""

from __future__ import annotations

from typing import Any

from pynomaly.records.ledger import QueuedNotice

__all__ = ["build_request"]

_SEVERITIES = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}
_CHANGES = frozenset({"promote", "refuse", "rollback", "pending", "report", "digest"})
_LONGEST_KEY = 255
_LONGEST_SUMMARY = 1024


def build_request(routing_key: str, message: QueuedNotice) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of the request for a message."""
    links = [{"href": message.link, "text": "Open the alert"}] if message.link else []
    body: dict[str, Any] = {"routing_key": routing_key, "links": links}
    payload: dict[str, Any] = {
        "summary": message.title[:_LONGEST_SUMMARY],
        "source": message.pipeline,
        "timestamp": message.created.isoformat(),
        "custom_details": {"text": message.body},
    }
    if message.event in _CHANGES:
        return "/v2/change/enqueue", body | {"payload": payload}
    action = "trigger" if message.action == "notice" else message.action
    key = f"pynomaly:{message.incident or message.key}"[:_LONGEST_KEY]
    body |= {"event_action": action, "dedup_key": key, "client": "Pynomaly"}
    if action != "trigger":
        return "/v2/enqueue", body
    payload |= {
        "severity": _SEVERITIES[message.severity],
        "component": message.entity or message.pipeline,
        "group": message.pipeline,
        "class": message.event,
    }
    if message.link:
        body["client_url"] = message.link
    return "/v2/enqueue", body | {"payload": payload}
