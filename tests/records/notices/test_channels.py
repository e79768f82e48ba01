"""What each channel receives: how grave it is in its own words, one incident an alert, links, no secret."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from pynomaly.config import Target
from pynomaly.errors import ConfigError, ReceiverError, RefusedError
from pynomaly.records.ledger import QueuedNotice
from pynomaly.records.notices import check_secret, send_notice
from tests.receivers import Receiving, Reply, run_receiver

NOW = datetime(2026, 1, 19, tzinfo=UTC)
LINK = "https://console.example.org/pipelines/machines/alerts/6484b79d"


@pytest.fixture
def receiver() -> Iterator[Receiving]:
    with run_receiver() as receiving:
        yield receiving


def notice(**more: Any) -> QueuedNotice:
    values = {
        "key": "machines:alert:6484b79d",
        "target": "ops",
        "pipeline": "machines",
        "event": "alert",
        "title": "[pynomaly] machines: critical alert of <!channel> [m1](http://x)",
        "body": "alert 6484b79d, open\n- pressure: 3, expected 1",
        "created": NOW,
        "severity": "critical",
        "entity": "m1",
        "alert": "6484b79d",
        "action": "trigger",
        "incident": "machines:alert:6484b79d",
        "link": LINK,
    }
    return QueuedNotice(**{**values, **more})


def target(kind: str, receiver: Receiving) -> Target:
    address = {"address": receiver.address} if kind == "pagerduty" else {}
    return Target(name="ops", kind=kind, url_env="OPS", **address)


def test_pagerduty_has_one_incident_an_alert_from_opening_to_end(receiver: Receiving) -> None:
    ops = target("pagerduty", receiver)
    for action in ("trigger", "acknowledge", "resolve"):
        send_notice(ops, "R0UT1NGKEY", notice(action=action, key=action))
    asked = [item.json for item in receiver.asked]
    assert [item.path for item in receiver.asked] == ["/v2/enqueue"] * 3
    assert [item["event_action"] for item in asked] == ["trigger", "acknowledge", "resolve"]
    assert {item["dedup_key"] for item in asked} == {"pynomaly:machines:alert:6484b79d"}
    assert {item["routing_key"] for item in asked} == {"R0UT1NGKEY"}
    payload = asked[0]["payload"]
    assert (payload["severity"], payload["component"], payload["group"]) == ("critical", "m1", "machines")
    assert asked[0]["links"] == [{"href": LINK, "text": "Open the alert"}]
    assert payload["custom_details"]["text"].startswith("alert 6484b79d")


@pytest.mark.parametrize(
    ("severity", "word"),
    [("critical", "critical"), ("high", "error"), ("medium", "warning"), ("low", "info")],
)
def test_pagerduty_hears_how_grave_it_is(receiver: Receiving, severity: str, word: str) -> None:
    send_notice(target("pagerduty", receiver), "K", notice(severity=severity))
    assert receiver.asked[0].json["payload"]["severity"] == word


@pytest.mark.parametrize("event", ["promote", "refuse", "rollback", "pending", "report", "digest"])
def test_what_is_only_to_be_known_opens_no_incident(receiver: Receiving, event: str) -> None:
    send_notice(target("pagerduty", receiver), "K", notice(event=event, action="notice", alert="", link=""))
    assert receiver.asked[0].path == "/v2/change/enqueue"
    assert "event_action" not in receiver.asked[0].json


def test_what_belongs_to_no_other_is_an_incident_of_its_own(receiver: Receiving) -> None:
    message = notice(event="degraded", action="notice", alert="", incident="", key="machines:degraded:w1")
    send_notice(target("pagerduty", receiver), "K", message)
    assert receiver.asked[0].json["event_action"] == "trigger"
    assert receiver.asked[0].json["dedup_key"] == "pynomaly:machines:degraded:w1"


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from walk(item)


LONG = {
    "short": "a line",
    "one long line": "x" * 40_000,
    "many lines": "\n".join(f"- line {number} of a digest, with a link" for number in range(1000)),
    "wide letters": "\n".join("ü日本語\U0001f525" * 50 for _ in range(300)),
    "nothing": "",
}


@pytest.mark.parametrize("body", LONG.values(), ids=LONG)
def test_slack_gets_plain_text_within_its_bounds_and_a_button(receiver: Receiving, body: str) -> None:
    hook = f"{receiver.address}/services/T0/B0/xyz"
    send_notice(target("slack", receiver), hook, notice(body=body))
    (message,) = (item.json for item in receiver.asked)
    assert receiver.asked[0].path == "/services/T0/B0/xyz"
    texts = [item for item in walk(message) if isinstance(item.get("text"), str)]
    assert {item["type"] for item in texts} == {"plain_text"}
    assert all(0 < len(item["text"]) <= 3000 for item in texts)
    blocks = message["attachments"][0]["blocks"]
    assert len(blocks) <= 50
    assert len(blocks[0]["text"]["text"]) <= 150
    assert [item["url"] for item in walk(message) if item.get("type") == "button"] == [LINK]


@pytest.mark.parametrize("body", LONG.values(), ids=LONG)
def test_teams_gets_a_card_of_runs_of_text_with_an_action(receiver: Receiving, body: str) -> None:
    send_notice(target("teams", receiver), f"{receiver.address}/workflows/1", notice(body=body))
    (message,) = (item.json for item in receiver.asked)
    assert len(receiver.asked[0].body) < 28_000
    card = message["attachments"][0]["content"]
    assert (card["type"], card["actions"][0]["url"]) == ("AdaptiveCard", LINK)
    # A TextBlock would be read as Markdown; a run of text is not.
    assert {item["type"] for item in walk(card["body"])} == {"RichTextBlock", "TextRun"}


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_what_does_not_fit_is_counted(receiver: Receiving, kind: str) -> None:
    send_notice(target(kind, receiver), receiver.address, notice(body=LONG["many lines"]))
    text = json.dumps(receiver.asked[0].json, ensure_ascii=False)
    match = re.search(r"… and (\d+) more lines", text)
    assert match is not None
    assert text.count("of a digest") + int(match[1]) == 1000


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_without_a_console_there_is_no_link(receiver: Receiving, kind: str) -> None:
    send_notice(target(kind, receiver), receiver.address, notice(link=""))
    assert not [item for item in walk(receiver.asked[0].json) if "url" in item or "actions" in item]


@pytest.mark.parametrize(
    ("severity", "action", "word"),
    [
        ("critical", "trigger", "failure"),
        ("high", "trigger", "failure"),
        ("medium", "trigger", "warning"),
        ("low", "trigger", "info"),
        ("critical", "resolve", "success"),
    ],
)
def test_apprise_hears_how_grave_it_is_and_shows_the_link(
    receiver: Receiving, severity: str, action: str, word: str
) -> None:
    address = receiver.address.replace("http://", "json://")
    send_notice(target("apprise", receiver), address, notice(severity=severity, action=action))
    assert receiver.asked[0].json["type"] == word
    assert receiver.asked[0].json["message"].endswith(LINK)


@pytest.mark.parametrize(
    ("status", "error"), [(400, RefusedError), (429, ReceiverError), (503, ReceiverError)]
)
@pytest.mark.parametrize("kind", ["pagerduty", "slack", "teams"])
def test_an_answer_is_said_without_the_secret(
    receiver: Receiving, kind: str, status: int, error: type[Exception]
) -> None:
    receiver.answer = lambda asked: Reply(status, {"message": f"no topsecret {asked.body.decode()[:40]}"})
    secret = "topsecret" if kind == "pagerduty" else f"{receiver.address}/topsecret"
    with pytest.raises(error, match=str(status)) as caught:
        send_notice(target(kind, receiver), secret, notice())
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "secret", "message"),
    [
        ("pagerduty", "pagerduty://key@host", "no integration key"),
        ("slack", "xoxb-token", "none of HTTP"),
        ("teams", "teams://host", "none of HTTP"),
        ("apprise", "not an address", "no address Apprise knows"),
    ],
)
def test_a_secret_of_another_form_is_refused_before_anything_is_sent(
    receiver: Receiving, kind: str, secret: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_secret(target(kind, receiver), secret)
    assert secret not in str(caught.value)
    assert receiver.asked == []


@pytest.mark.parametrize("kind", ["pagerduty", "slack", "teams"])
def test_no_log_holds_the_secret_not_even_the_most_talkative(
    receiver: Receiving, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    secret = "topsecret" if kind == "pagerduty" else f"{receiver.address}/topsecret"
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="httpx"):
        send_notice(target(kind, receiver), secret, notice())
    assert receiver.asked
    assert "topsecret" not in caplog.text
    assert "address left out" in caplog.text
