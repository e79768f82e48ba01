"""Whatever happens in which order, and wherever a process dies: no notice is lost, and none is told twice.

Delivery is at least once: only a process that dies between the answer of a receiver and its record sends a
message again, with the same key.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier, Lock
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from pynomaly.config import SEVERITIES, Pipeline, Target
from pynomaly.errors import RecordError
from pynomaly.records.ledger import Ledger, QueuedNotice
from pynomaly.records.ledger.database import Database
from pynomaly.steps.notices.send import send_notifications
from tests.steps.notices.alerts import answer_alert, open_alert, see_alert

START = datetime(2026, 1, 19, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOTIFY = {
    "targets": [
        {"name": "ops", "url_env": "OPS_URL"},
        {"name": "night", "url_env": "NIGHT_URL", "quiet": {"hours": "20:00-06:00"}, "updates": True},
        {"name": "news", "url_env": "NEWS_URL", "digest": {"at": ["08:00", "17:00"], "unless": "high"}},
        {"name": "duty", "kind": "pagerduty", "url_env": "DUTY_KEY"},
        {"name": "lead", "url_env": "LEAD_URL", "on": ["drill"]},
    ],
    "routes": [
        {"to": ["ops", "news"], "entity": "m1"},
        {"to": ["night", "duty"], "severity": "high"},
        {"to": ["night"], "hours": "12:00-00:00"},
    ],
    "escalation": {
        "severity": "high",
        "steps": [
            {"after": "45m", "to": "night"},
            {"after": "3h", "to": "lead"},
            {"after": "4h", "to": "duty"},
        ],
    },
    "attempts": 1,
}
names = itertools.count()


class Killed(BaseException):
    """The process has died."""


@dataclass
class World:
    """Receivers, and where the next process dies: at its so-manieth write or message, before or after it."""

    pipeline: Pipeline
    heard: list[QueuedNotice] = field(default_factory=list)
    sent_again: Counter[tuple[str, str]] = field(default_factory=Counter)
    is_down: bool = False
    dies_in: int | None = None
    after: bool = False
    unrecorded: tuple[str, str] | None = None

    def _count(self) -> bool:
        if self.dies_in is None:
            return False
        self.dies_in -= 1
        return self.dies_in < 0

    def send(self, target: Target, message: QueuedNotice) -> None:
        assert target.name == message.target
        if self.is_down:
            raise RecordError("nobody answers")
        dies = self._count()
        if dies and not self.after:
            raise Killed
        self.heard.append(message)
        self.unrecorded = (message.target, message.key)
        if dies:
            raise Killed

    @contextmanager
    def run_process(self) -> Iterator[None]:
        """A process that may die; its transactions are committed whole or not at all."""
        real, self.unrecorded = Database.begin_write, None

        @contextmanager
        def write(database: Database) -> Iterator[Connection]:
            dies = self._count()
            with real(database) as connection:
                yield connection
                if dies and not self.after:
                    raise Killed
            self.unrecorded = None
            if dies:
                raise Killed

        with mock.patch.object(Database, "begin_write", write), suppress(Killed):
            yield
        if self.unrecorded:  # it died between the answer of the receiver and its record
            self.sent_again[self.unrecorded] += 1
        self.dies_in = self.unrecorded = None

    def read_messages(self, alerts: Iterable[str]) -> list[QueuedNotice]:
        """Every message about alerts, in any state."""
        name = self.pipeline.name
        with Ledger.open(self.pipeline.ledger_url) as ledger:
            assert ledger.outbox.list_undelivered(name) == ()
            return [item for alert in alerts for item in ledger.outbox.list_messages_about(name, alert)]


acts = st.tuples(
    st.sampled_from([*["open", "run"] * 2, "graver", "gone", "acknowledged", "resolved", "up", "down"]),
    st.integers(0, 3),  # which alert
    st.sampled_from(SEVERITIES),
    st.integers(0, 200),  # minutes later
    st.none() | st.integers(0, 6),  # where the process dies
    st.booleans(),  # whether after the write or the message
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(acts, min_size=4, max_size=25))
def test_no_notice_is_lost_and_none_is_told_twice(
    pipeline: Callable[..., Pipeline], story: list[tuple[str, int, str, int, int | None, bool]]
) -> None:
    base = pipeline(days=1, notify=NOTIFY)
    world = World(base.model_copy(update={"name": f"p{next(names)}"}))
    owner, now, opened, answered = world.pipeline, START, {}, {}
    for act, number, severity, minutes, world.dies_in, world.after in story:
        now += minutes * MINUTE + timedelta(seconds=1)
        alert = f"a{number}"
        if act in ("up", "down"):
            world.is_down = act == "down"
        elif act == "run":
            with world.run_process():
                send_notifications(owner, world.send, now)
        elif act == "open" and alert not in opened:
            with world.run_process():
                open_alert(owner, alert, severity, now, entity=f"m{number % 2}")
            open_alert(owner, alert, severity, now, entity=f"m{number % 2}")  # grouped again, as it must be
            opened[alert] = now
            if severity == "critical" and not world.is_down:
                before = len(world.heard)
                send_notifications(owner, world.send, now)
                told = {item.target for item in world.heard[before:] if item.alert == alert}
                assert told >= ({"ops", "news"} if number % 2 else {"night", "duty"})
        elif alert in opened and alert not in answered:
            if act == "graver":
                see_alert(owner, alert, severity, now, entity=f"m{number % 2}")
            elif act == "gone":
                see_alert(owner, alert, severity, now, entity=f"m{number % 2}", rows=0, window=opened[alert])
            elif act in ("acknowledged", "resolved"):
                answer_alert(owner, alert, act, now)
                answered[alert] = now
    world.is_down, world.dies_in = False, None
    for _ in range(4):
        now += timedelta(hours=14)
        send_notifications(owner, world.send, now)

    heard = Counter((item.target, item.key) for item in world.heard)
    messages = world.read_messages(opened)
    digests = {(item.target, item.key) for item in world.heard if item.event == "digest"}
    assert set(heard) <= digests | {(item.target, item.key) for item in messages}
    assert all(heard[name] <= 1 + world.sent_again[name] for name in digests)
    for message in messages:
        times = heard[message.target, message.key]
        again = world.sent_again[message.target, message.key]
        if message.delivered:
            assert 1 <= times <= 1 + again, message
        else:  # a try that died may have arrived before the message was taken back
            assert message.ended, message
            assert times <= again, message
        if message.collected:
            digest = next(item for item in world.heard if message.ended == f"is in {item.key}")
            assert message.title.removeprefix("[pynomaly] ") in digest.body
    for alert, moment in opened.items():
        _check_alert(owner, world, alert, moment, answered.get(alert), messages)


def _check_alert(
    owner: Pipeline,
    world: World,
    alert: str,
    opened: datetime,
    answered: datetime | None,
    messages: list[QueuedNotice],
) -> None:
    own = [item for item in messages if item.alert == alert]
    assert [item for item in own if item.event == "alert" and item.created == opened]
    # Each step of the escalation is taken once for each time the alert was opened, and in order.
    steps = [item for item in own if item.event == "escalation"]
    openings = 1 + sum("is back" in item.title for item in own if item.target in ("ops", "night"))
    for receiver, count in Counter(item.target for item in steps).items():
        assert count <= openings, receiver
    if openings == 1:
        taken = [item.target for item in sorted(steps, key=lambda item: item.key)]
        assert taken == ["night", "lead", "duty"][: len(taken)]
    if answered is not None:
        assert not [item for item in steps if item.created > answered and "is back" not in item.title]
    # The incident of PagerDuty is ended last, if the alert is.
    duty = [item.action for item in world.heard if item.alert == alert and item.target == "duty"]
    if duty and _is_over(owner, alert):
        assert duty[-1] == "resolve"


def _is_over(owner: Pipeline, alert: str) -> bool:
    with Ledger.open(owner.ledger_url) as ledger:
        rows = ledger.outbox.followed.list_states(owner.name, ("resolved", "withdrawn"))
    return alert in {row.alert for row in rows}


def test_processes_at_once_tell_each_thing_once(pipeline: Callable[..., Pipeline]) -> None:
    owner = pipeline(days=1, notify=NOTIFY)
    heard: list[tuple[str, str]] = []
    lock = Lock()

    def send(target: Target, message: QueuedNotice) -> None:
        with lock:
            heard.append((target.name, message.key))

    for number in range(6):
        open_alert(owner, f"a{number}", "high", START, entity=f"m{number % 2}")
    answer_alert(owner, "a1", "acknowledged", START + MINUTE)
    barrier = Barrier(4)

    def run(moment: datetime) -> None:
        barrier.wait(timeout=30)
        send_notifications(owner, send, moment)

    for hours in (0, 1, 4, 24):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, [START + timedelta(hours=hours)] * 4))
        send_notifications(owner, send, START + timedelta(hours=hours))
    assert len(heard) == len(set(heard))
    # a0, a2 and a4 at once, to two; a1, a3 and a5 to two others; three steps for all but a1.
    assert Counter(key.split(":")[1] for _, key in heard)["escalation"] == 5 * 3
