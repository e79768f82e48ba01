"""Digests, quiet hours and escalations through the outbox; every moment is passed in, nothing sleeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynomaly.config import Pipeline, Target
from pynomaly.errors import RecordError
from pynomaly.records.ledger import Decision, Ledger, QueuedNotice
from pynomaly.steps.notices.deliver import deliver_messages
from pynomaly.steps.notices.queue_notice import Notice, queue_notice
from pynomaly.steps.notices.send import list_undelivered, list_waiting, send_notifications
from tests.steps.notices.alerts import answer_alert, open_alert, see_alert

NOON = datetime(2026, 1, 19, 12, tzinfo=UTC)  # a Monday
NIGHT = datetime(2026, 1, 19, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
Make = Callable[..., Pipeline]


class Inbox:
    """What the targets of a pipeline received, in order."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self.messages, self.is_down = pipeline, list[QueuedNotice](), False

    def send(self, target: Target, message: QueuedNotice) -> None:
        if self.is_down:
            raise RecordError("nobody answers")
        self.messages.append(message)

    def run(self, now: datetime) -> list[tuple[str, str]]:
        """Run what every flow runs; returns target and event of what came."""
        before = len(self.messages)
        send_notifications(self.pipeline, self.send, now)
        return [(item.target, item.event) for item in self.messages[before:]]


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "url_env": f"{name.upper()}_URL", **more}


def make_inbox(make: Make, *targets: dict[str, Any], **more: Any) -> Inbox:
    return Inbox(make(days=1, notify={"targets": list(targets), "attempts": 1, **more}))


def test_quiet_hours_hold_back_what_is_not_grave_until_they_end(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops", quiet={"hours": "22:00-07:00", "unless": "high"}))
    open_alert(inbox.pipeline, "a1", "medium", NIGHT)
    open_alert(inbox.pipeline, "a2", "high", NIGHT)
    assert inbox.run(NIGHT) == [("ops", "alert")]
    assert inbox.messages[0].alert == "a2"
    (waiting,) = list_waiting(inbox.pipeline, NIGHT)
    assert (waiting["why"], waiting["due"]) == ("quiet hours", "2026-01-20T07:00:00+00:00")
    assert list_undelivered(inbox.pipeline, NIGHT) == ()
    assert inbox.run(NIGHT + 7 * HOUR) == []
    assert inbox.run(NIGHT + 8 * HOUR) == [("ops", "alert")]
    assert inbox.run(NIGHT + 9 * HOUR) == []


def test_quiet_hours_are_those_of_the_zone(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops", quiet={"hours": "22:00-07:00"}), timezone="Asia/Kolkata")
    open_alert(inbox.pipeline, "a1", "low", NIGHT)  # 04:30 there
    assert inbox.run(NIGHT) == []
    assert inbox.run(NIGHT + 150 * MINUTE) == [("ops", "alert")]


def test_an_alert_held_at_night_that_becomes_critical_is_told_at_once(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops", quiet={"hours": "22:00-07:00"}))
    open_alert(inbox.pipeline, "a1", "medium", NIGHT)
    assert inbox.run(NIGHT) == []
    see_alert(inbox.pipeline, "a1", "critical", NIGHT + HOUR)
    assert inbox.run(NIGHT + HOUR) == [("ops", "alert")]
    assert inbox.messages[0].severity == "critical"
    assert inbox.run(NIGHT + 9 * HOUR) == []  # what was held is no news any more


def test_a_digest_is_one_message_with_what_came_since_the_gravest_first(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops", digest={"at": ["18:00"], "unless": "critical"}))
    for number, severity in enumerate(["low", "high", "medium"]):
        open_alert(inbox.pipeline, f"a{number}", severity, NOON + number * MINUTE, entity=f"m{number}")
    open_alert(inbox.pipeline, "a9", "critical", NOON)
    answer_alert(inbox.pipeline, "a1", "acknowledged", NOON + HOUR)
    answer_alert(inbox.pipeline, "a2", "resolved", NOON + HOUR)
    assert inbox.run(NOON + HOUR) == [("ops", "alert")]
    assert {item["why"] for item in list_waiting(inbox.pipeline, NOON + HOUR)} == {"digest"}
    assert inbox.run(NOON + 6 * HOUR - MINUTE) == []
    assert inbox.run(NOON + 6 * HOUR) == [("ops", "digest")]
    digest = inbox.messages[-1]
    assert digest.severity == "high"
    assert digest.title == "[pynomaly] machines: 3 notices"
    assert digest.body.splitlines() == [
        "3 notices since 2026-01-19 12:00 UTC",
        "- machines: high alert of m1, acknowledged",
        "- machines: medium alert of m2, resolved",
        "- machines: low alert of m0",
    ]
    assert inbox.run(NOON + 30 * HOUR) == []
    open_alert(inbox.pipeline, "b1", "low", NOON + 31 * HOUR)
    assert inbox.run(NOON + 54 * HOUR) == [("ops", "digest")]


def test_a_digest_that_fails_is_sent_again_as_it_was(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops", digest={"every": "4h"}))
    open_alert(inbox.pipeline, "a1", "low", NOON)
    inbox.is_down = True
    assert inbox.run(NOON + 4 * HOUR) == []
    (waiting,) = list_undelivered(inbox.pipeline, NOON + 4 * HOUR)
    assert (waiting["event"], waiting["error"]) == ("digest", "nobody answers")
    open_alert(inbox.pipeline, "a2", "low", NOON + 5 * HOUR)
    inbox.is_down = False
    assert inbox.run(NOON + 5 * HOUR) == [("ops", "digest")]
    assert inbox.messages[0].title == "[pynomaly] machines: 1 notice"
    assert inbox.run(NOON + 8 * HOUR) == [("ops", "digest")]


def test_a_decision_is_a_part_of_the_digest_too(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops", digest={"at": ["18:00"]}))
    decision = Decision("k", "machines", "promote", "v1", "first", ("why",), {}, NOON)
    with Ledger.open(inbox.pipeline.ledger_url) as ledger:
        ledger.record_decision(decision)
    now = datetime.now(UTC)
    assert inbox.run(now) == []
    assert inbox.run(now + 24 * HOUR) == [("ops", "digest")]
    assert inbox.messages[0].body.splitlines()[1:] == ["- machines: promote first (v1)", "  - why"]


def test_a_report_is_no_part_of_a_digest_and_keeps_its_pages(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops", digest={"at": ["18:00"]}))
    with Ledger.open(inbox.pipeline.ledger_url) as ledger:
        queue_notice(inbox.pipeline, ledger, Notice("report", "r1", "title", "body", files=("a.html",)), NOON)
    assert inbox.run(NOON) == [("ops", "report")]
    assert inbox.messages[0].files == ("a.html",)


STEPS = [{"after": "30m", "to": "lead"}, {"after": "2h", "to": "boss"}]
CHAIN = (named("ops"), named("lead", on=["drill"]), named("cto", on=["drill"], roles=["boss"]))


def test_an_alert_that_nobody_acknowledges_goes_to_the_next_in_order_each_once(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, *CHAIN, escalation={"severity": "high", "steps": STEPS})
    open_alert(inbox.pipeline, "a1", "high", NOON)
    open_alert(inbox.pipeline, "a2", "medium", NOON)
    assert inbox.run(NOON) == [("ops", "alert"), ("ops", "alert")]
    (step,) = list_waiting(inbox.pipeline, NOON)
    assert (step["target"], step["due"], step["why"]) == ("lead", (NOON + HOUR / 2).isoformat(), "escalation")
    assert inbox.run(NOON + 29 * MINUTE) == []
    assert inbox.run(NOON + 30 * MINUTE) == [("lead", "escalation")]
    assert inbox.messages[-1].title == "[pynomaly] machines: nobody has answered the high alert of m1 for 30m"
    assert "alert a1, open: high" in inbox.messages[-1].body
    assert inbox.run(NOON + 119 * MINUTE) == []
    assert inbox.run(NOON + 2 * HOUR) == [("cto", "escalation")]
    assert inbox.run(NOON + 99 * HOUR) == []


@pytest.mark.parametrize("event", ["acknowledged", "resolved"])
def test_an_answer_ends_the_escalation_and_takes_back_what_was_not_sent(pipeline: Make, event: str) -> None:
    inbox = make_inbox(pipeline, *CHAIN, escalation={"steps": STEPS})
    open_alert(inbox.pipeline, "a1", "high", NOON)
    inbox.run(NOON)
    inbox.is_down = True
    assert inbox.run(NOON + HOUR) == []
    answer_alert(inbox.pipeline, "a1", event, NOON + HOUR)
    inbox.is_down = False
    assert inbox.run(NOON + HOUR) == []
    assert inbox.run(NOON + 9 * HOUR) == []
    assert list_waiting(inbox.pipeline, NOON + 9 * HOUR) == ()


def test_both_steps_are_taken_in_order_after_a_long_silence_of_ours(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, *CHAIN, escalation={"steps": STEPS})
    open_alert(inbox.pipeline, "a1", "critical", NOON)
    assert inbox.run(NOON + 5 * HOUR) == [("ops", "alert"), ("lead", "escalation"), ("cto", "escalation")]


def test_an_escalation_counts_from_the_end_of_the_quiet_hours(pipeline: Make) -> None:
    quiet = named("ops", quiet={"hours": "22:00-07:00"})
    inbox = make_inbox(pipeline, quiet, *CHAIN[1:], escalation={"steps": STEPS})
    open_alert(inbox.pipeline, "a1", "high", NIGHT)
    assert inbox.run(NIGHT + 7 * HOUR) == []
    assert inbox.run(NIGHT + 8 * HOUR) == [("ops", "alert")]
    assert inbox.run(NIGHT + 8 * HOUR + 30 * MINUTE) == [("lead", "escalation")]


def test_what_nobody_is_told_of_is_not_escalated_until_it_becomes_graver(pipeline: Make) -> None:
    rules = [{"to": ["ops"], "severity": "critical"}, {"to": []}]
    inbox = make_inbox(pipeline, *CHAIN, routes=rules, escalation={"steps": STEPS})
    open_alert(inbox.pipeline, "a1", "high", NOON)
    assert inbox.run(NOON + 9 * HOUR) == []
    assert list_waiting(inbox.pipeline, NOON) == ()
    see_alert(inbox.pipeline, "a1", "critical", NOON + 10 * HOUR)
    assert inbox.run(NOON + 10 * HOUR) == [("ops", "alert")]
    assert inbox.run(NOON + 10 * HOUR + 30 * MINUTE) == [("lead", "escalation")]


def test_others_hear_of_answers_only_if_they_want_to_and_heard_of_the_alert(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops"), named("desk", updates=True))
    open_alert(inbox.pipeline, "a1", "high", NOON)
    inbox.run(NOON)
    answer_alert(inbox.pipeline, "a1", "acknowledged", NOON)
    assert inbox.run(NOON + HOUR) == [("desk", "update")]
    assert inbox.messages[-1].title == "[pynomaly] machines: the alert of m1 is acknowledged by ann"
    answer_alert(inbox.pipeline, "a1", "resolved", NOON + HOUR)
    assert inbox.run(NOON + HOUR) == [("desk", "update")]
    assert inbox.messages[-1].title.endswith("is resolved as confirmed by ann")
    assert inbox.messages[-1].body == "belt slipped"


def test_a_target_that_is_gone_stops_no_other(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops"), named("lead"))
    open_alert(inbox.pipeline, "a1", "high", NOON)
    kept = inbox.pipeline.notify.model_copy(update={"targets": inbox.pipeline.notify.targets[1:]})
    inbox.pipeline = inbox.pipeline.model_copy(update={"notify": kept})
    assert inbox.run(NOON) == [("lead", "alert")]
    (waiting,) = list_undelivered(inbox.pipeline, NOON)
    assert "no longer a target" in waiting["error"]
    assert deliver_messages(inbox.pipeline, inbox.send, NOON)[0].delivered is False


def test_an_alert_that_becomes_grave_enough_is_escalated_from_then_on(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, *CHAIN, escalation={"severity": "high", "steps": STEPS})
    open_alert(inbox.pipeline, "a1", "low", NOON)
    assert inbox.run(NOON) == [("ops", "alert")]
    see_alert(inbox.pipeline, "a1", "high", NOON + 9 * HOUR)
    assert inbox.run(NOON + 9 * HOUR) == [("ops", "alert")]
    assert "alert a1, open: high" in inbox.messages[-1].body
    assert inbox.run(NOON + 9 * HOUR + 30 * MINUTE) == [("lead", "escalation")]
    see_alert(inbox.pipeline, "a1", "critical", NOON + 10 * HOUR)
    assert inbox.run(NOON + 10 * HOUR) == [("ops", "alert")]
    assert inbox.run(NOON + 11 * HOUR) == [("cto", "escalation")]


def test_what_is_in_a_digest_is_answered_in_the_digest(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops", updates=True, digest={"at": ["18:00"]}))
    for number, event in enumerate(("acknowledged", "resolved")):
        open_alert(inbox.pipeline, f"a{number}", "high", NOON)
        answer_alert(inbox.pipeline, f"a{number}", event, NOON + HOUR)
    assert inbox.run(NOON + HOUR) == []
    assert inbox.run(NOON + 6 * HOUR) == [("ops", "digest")]
    assert inbox.run(NOON + 7 * HOUR) == []


def test_an_end_is_told_once_whatever_ends_it_next(pipeline: Make) -> None:
    inbox = make_inbox(pipeline, named("ops", updates=True))
    open_alert(inbox.pipeline, "a1", "high", NOON)
    answer_alert(inbox.pipeline, "a1", "acknowledged", NOON)
    assert inbox.run(NOON) == [("ops", "alert"), ("ops", "update")]
    see_alert(inbox.pipeline, "a1", "high", NOON + HOUR, rows=0, window=NOON)
    assert inbox.run(NOON + HOUR) == [("ops", "update")]
    assert inbox.messages[-1].title.endswith("is withdrawn: none of its rows alerts any more")
    answer_alert(inbox.pipeline, "a1", "resolved", NOON + 2 * HOUR)
    assert inbox.run(NOON + 2 * HOUR) == []
