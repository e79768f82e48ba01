"""The settings of docs/notices.md do what the page says: who is told of what, when, and who is next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from pynomaly.config import Pipeline, Target, load_pipeline
from pynomaly.judging.notice_rules import EVENT_SEVERITIES, list_rule_problems
from pynomaly.records.ledger import QueuedNotice
from pynomaly.steps.notices.send import send_notifications
from tests.docs.loaded import ROOT
from tests.docs.written import snippets
from tests.machines import make_machines, make_small_settings
from tests.steps.notices.alerts import answer_alert, open_alert

PAGE = "docs/notices.md"
MONDAY = datetime(2026, 1, 19, 9, tzinfo=UTC)  # ten in Berlin
HOUR = timedelta(hours=1)


def write_settings(folder: Path) -> Pipeline:
    (text,) = [block.text for block in snippets("yaml") if block.page == PAGE]
    make_machines(1).to_csv(folder / "machines.csv", index=False)
    content = make_small_settings() | yaml.safe_load(text)
    (folder / "machines.yaml").write_text(yaml.safe_dump(content))
    return load_pipeline(folder / "machines.yaml")


def listen(pipeline: Pipeline) -> tuple[list[QueuedNotice], Callable[[datetime], list[str]]]:
    messages: list[QueuedNotice] = []

    def send(target: Target, message: QueuedNotice) -> None:
        messages.append(message)

    def run(now: datetime) -> list[str]:
        before = len(messages)
        send_notifications(pipeline, send, now)
        return [f"{item.target} {item.event}" for item in messages[before:]]

    return messages, run


def test_who_is_told_when_and_who_is_next(tmp_path: Path) -> None:
    pipeline = write_settings(tmp_path)
    assert list_rule_problems(pipeline.notify) == ()
    messages, run = listen(pipeline)
    open_alert(pipeline, "a0", "critical", MONDAY, entity="test-1")
    assert run(MONDAY) == []
    open_alert(pipeline, "a1", "high", MONDAY, entity="m1")
    assert sorted(run(MONDAY)) == ["desk alert", "duty alert"]
    assert messages[0].link == "https://pynomaly.example.org/pipelines/machines/alerts/a1"
    assert run(MONDAY + HOUR / 2) == ["lead escalation"]
    answer_alert(pipeline, "a1", "acknowledged", MONDAY + HOUR)
    assert sorted(run(MONDAY + HOUR)) == ["desk update", "duty update"]
    assert run(MONDAY + 3 * HOUR) == []

    # Low alerts of the day: at once to the desk, in the digest of four in the afternoon to the mail.
    open_alert(pipeline, "a2", "low", MONDAY + 4 * HOUR, entity="m2")
    assert run(MONDAY + 4 * HOUR) == ["desk alert"]
    assert run(MONDAY + 6 * HOUR) == ["mail digest"]

    # At night the duty sleeps unless it is critical, and then the lead is asked after half an hour.
    night = MONDAY + 14 * HOUR
    open_alert(pipeline, "a3", "high", night, entity="m3")
    assert run(night) == ["desk alert"]
    open_alert(pipeline, "a4", "critical", night, entity="m4")
    assert sorted(run(night)) == ["desk alert", "duty alert"]
    assert "duty alert" in run(night + 7 * HOUR)


def test_the_table_of_severities_is_that_of_the_rules() -> None:
    (line,) = [item for item in (ROOT / PAGE).read_text().split("\n\n") if item.startswith("**Severity.**")]
    words: dict[str, list[Any]] = {}
    for event, severity in EVENT_SEVERITIES.items():
        words.setdefault(severity, []).append(event)
    text = " ".join(line.split())
    for severity, part in zip(words, text.removeprefix("**Severity.**").split(";"), strict=True):
        assert severity in part
        assert all(f"`{event}`" in part for event in words[severity])
