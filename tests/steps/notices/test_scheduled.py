"""What runs on schedule tells what is due: no command of a person is needed, and none waits for one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pynomaly.config import Pipeline, Target
from pynomaly.records.ledger import QueuedNotice
from pynomaly.steps.operations.reconcile import reconcile
from tests.steps.notices.alerts import open_alert

NOON = datetime(2026, 1, 19, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOTIFY = {
    "targets": [
        {"name": "mail", "url_env": "MAIL_URL", "digest": {"at": ["18:00"], "unless": "high"}},
        {"name": "lead", "url_env": "LEAD_URL", "on": ["drill"]},
    ],
    "escalation": {"steps": [{"after": "1h", "to": "lead"}]},
}


def test_reconcile_sends_digests_and_takes_steps_when_they_are_due(
    pipeline: Callable[..., Pipeline],
) -> None:
    owner = pipeline(days=1, notify=NOTIFY)
    heard: list[tuple[str, str]] = []

    def send(target: Target, message: QueuedNotice) -> None:
        heard.append((target.name, message.event))

    open_alert(owner, "a1", "high", NOON)
    open_alert(owner, "a2", "low", NOON)
    for hours in (0, 0.9, 1, 5.9, 6, 7):
        result = reconcile(owner, NOON + hours * HOUR, send)
        assert not [item for item in result.failed if item.startswith("messages")]
    assert heard == [("mail", "alert"), ("lead", "escalation"), ("mail", "digest")]
