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
from pynomaly.records.notices.bounds import cut_lines, cut_text

__all__ = ["build_teams_message"]

_COLOURS = {"critical": "attention", "high": "attention", "medium": "warning", "low": "default"}
_MOST_BYTES = 22_000
"""Of the lines of a message: Teams takes 28 kB with all that is around them."""
_LINE_BYTES = 80
_LONGEST_LINE = 1000


def build_teams_message(message: QueuedNotice) -> dict[str, Any]:
    """Return the body of the request for a message."""
    colour = "good" if message.action == "resolve" else _COLOURS[message.severity]
    facts = [message.severity, *filter(None, (message.entity, message.pipeline))]
    lines = [cut_text(line, _LONGEST_LINE) for line in message.body.splitlines() if line.strip()]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _build_line(cut_text(message.title, _LONGEST_LINE), size="medium", weight="bolder", color=colour),
            *(_build_line(line) for line in cut_lines(lines, _MOST_BYTES, _LINE_BYTES)),
            _build_line(cut_text(" · ".join(facts), _LONGEST_LINE), size="small", isSubtle=True),
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
