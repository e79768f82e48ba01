"""Microsoft Teams: an adaptive card for a workflow's web hook, with the link to the alert as its action.

All that comes from data is a run of plain text, which Teams does not read as Markdown.

References
----------
https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
https://adaptivecards.io/explorer/AdaptiveCard.html
"""

from __future__ import annotations

from typing import Any

from pynomaly.records.ledger import QueuedNotice

__all__ = ["build_teams_message"]

_COLOURS = {"critical": "attention", "high": "attention", "medium": "warning", "low": "default"}
_LONGEST_BODY = 12_000
"""Teams takes 28 kB a message; a character may need several bytes."""


def build_teams_message(message: QueuedNotice) -> dict[str, Any]:
    """Return the body of the request for a message."""
    colour = "good" if message.action == "resolve" else _COLOURS[message.severity]
    facts = [message.severity, *filter(None, (message.entity, message.pipeline))]
    body = message.body if len(message.body) <= _LONGEST_BODY else f"{message.body[: _LONGEST_BODY - 1]}…"
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _build_line(message.title, size="medium", weight="bolder", color=colour),
            *(_build_line(line) for line in body.splitlines() if line.strip()),
            _build_line(" · ".join(facts), size="small", isSubtle=True),
        ],
    }
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the alert", "url": message.link}]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _build_line(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}
