"""Slack: a message of blocks for an incoming web hook, with the link to the alert as a button.

All that comes from data is plain text, so that no entity's name mentions anybody or looks like a link.

References
----------
https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from typing import Any

from pynomaly.records.ledger import QueuedNotice
from pynomaly.records.notices.bounds import cut_text, split_text

__all__ = ["build_slack_message"]

_COLOURS = {"critical": "#b3001b", "high": "#d9480f", "medium": "#b08900", "low": "#5b6770"}
_SOLVED = "#2b7a3d"
_LONGEST_TEXT = 3000
_LONGEST_LABEL = 150
_MOST_SECTIONS = 10


def build_slack_message(message: QueuedNotice) -> dict[str, Any]:
    """Return the body of the request for a message."""
    facts = [message.severity, *filter(None, (message.entity, message.pipeline))]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _build_text(message.title, _LONGEST_LABEL)},
        *(
            {"type": "section", "text": _build_text(part, _LONGEST_TEXT)}
            for part in split_text(message.body or message.title, _LONGEST_TEXT, _MOST_SECTIONS)
        ),
        {"type": "context", "elements": [_build_text(" · ".join(facts), _LONGEST_TEXT)]},
    ]
    if message.link:
        button = {
            "type": "button",
            "action_id": "open_alert",
            "text": _build_text("Open the alert", _LONGEST_LABEL),
            "url": message.link,
        }
        blocks.append({"type": "actions", "elements": [button]})
    colour = _SOLVED if message.action == "resolve" else _COLOURS[message.severity]
    return {"attachments": [{"fallback": message.title, "color": colour, "blocks": blocks}]}


def _build_text(text: str, longest: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut_text(text, longest), "emoji": False}
