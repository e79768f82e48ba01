"""What is written down reaches every sink once in its effect, whatever fails in between."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Ledger
from pynomaly.steps.delivery.deliverer import Deliverer
from pynomaly.steps.delivery.delivery_status import describe_delivery
from tests.receivers import Receiving, Reply, run_receiver
from tests.written import answer_alert, write_alert, write_decision, write_window

SECRET = "a secret of some length"
EVERYTHING = ["scores", "alerts", "decisions"]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiving]:
    """A web hook with a path that is a secret."""
    with run_receiver() as receiving:
        monkeypatch.setenv("OPS_HOOK", f"{receiving.address}/hook/topsecretpath")
        monkeypatch.setenv("OPS_SECRET", SECRET)
        yield receiving


def make_sink(name: str = "ops", **more: Any) -> dict[str, Any]:
    retry = {"attempts": 2, "wait": "1s", **more.pop("retry", {})}
    return {
        "name": name,
        "kind": "webhook",
        "address_env": "OPS_HOOK",
        "secret_env": "OPS_SECRET",
        "what": EVERYTHING,
        "retry": retry,
        **more,
    }


@pytest.fixture
def owner(pipeline: Callable[..., Pipeline]) -> Callable[..., Pipeline]:
    """A pipeline with sinks whose channels are open."""

    def make(*sinks: dict[str, Any]) -> Pipeline:
        made = pipeline(days=1, sinks=list(sinks or (make_sink(),)))
        with Deliverer(made) as deliverer:
            deliverer.open_channels()
        return made

    return make


def deliver(pipeline: Pipeline, **options: Any) -> dict[tuple[str, str], Any]:
    pauses: list[float] = []
    with Deliverer(pipeline, pause=pauses.append, **{"at_once": True, **options}) as deliverer:
        results = deliverer.deliver_due()
    return {(item.sink, item.what): item for item in results}


def test_everything_new_arrives_once_and_what_was_before_does_not(pipeline, hook: Receiving) -> None:
    machines = pipeline(days=1, sinks=[make_sink()])
    write_window(machines, 0)
    write_alert(machines, "old")
    write_decision(machines, "old")
    assert {item.rows for item in deliver(machines).values()} == {0}
    write_window(machines, 1)
    write_alert(machines, "new", "pump, 3")
    answer_alert(machines, "new", "it was so")
    write_decision(machines, "new")
    results = deliver(machines)
    assert {key[1]: item.rows for key, item in results.items()} == {"scores": 10, "alerts": 3, "decisions": 1}
    assert {item.rows for item in deliver(machines).values()} == {0}
    events = hook.events()
    assert len({event["id"] for event in events}) == len(events) == 14
    kinds = [event["type"] for event in events if "alert" in event["type"]]
    assert kinds == [f"org.pynomaly.alert.{name}" for name in ("opened", "seen", "resolved")]
    last = next(event for event in events if event["type"].endswith("resolved"))
    assert (last["specversion"], last["source"], last["subject"]) == ("1.0", "/pynomaly/machines", "pump, 3")
    assert (last["data"]["state"], last["data"]["ending"], last["data"]["note"]) == (
        "resolved",
        "confirmed",
        "it was so",
    )
    assert [event["data"]["state"] for event in events if "alert" in event["type"]][:2] == ["open", "open"]


def test_since_all_delivers_history_and_setting_it_later_goes_back(pipeline, hook: Receiving) -> None:
    machines = pipeline(days=1, sinks=[make_sink()])
    write_window(machines, 0)
    write_decision(machines, "old")
    deliver(machines)
    assert hook.events() == []
    everything = pipeline(days=1, sinks=[make_sink(since="all")])
    deliver(everything)
    assert len(hook.events()) == 11
    deliver(everything)
    assert len(hook.events()) == 11


def test_a_request_is_signed_as_standard_webhooks_says(owner, hook: Receiving) -> None:
    machines = owner()
    write_decision(machines, "d1")
    deliver(machines)
    (asked,) = hook.asked
    name, timestamp = asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
    signed = f"{name}.{timestamp}.".encode() + asked.body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert asked.headers["webhook-signature"] == f"v1,{expected}"
    assert asked.headers["content-type"].startswith("application/cloudevents-batch+json")
    assert abs(int(timestamp) - datetime.now(UTC).timestamp()) < 300


def test_a_window_scored_again_is_delivered_again_with_new_ids_for_new_scores(owner, hook: Receiving) -> None:
    machines = owner(make_sink(what=["scores"]))
    write_window(machines, 0)
    deliver(machines)
    write_window(machines, 0, seed=1)
    deliver(machines)
    events = hook.events()
    assert len(events) == 20
    assert len({event["data"]["key"] for event in events}) == 10
    assert len({event["id"] for event in events}) == 20


def test_a_receiver_that_is_down_gets_all_of_it_later_and_once(owner, hook: Receiving) -> None:
    machines = owner(make_sink(batch=4))
    write_window(machines, 0)
    write_alert(machines, "one")
    hook.answer = lambda asked: Reply(503)
    results = deliver(machines)
    assert len(hook.asked) == 2 + 1  # two attempts, and one for the next channel of a sink that failed
    assert "127.0.0.1" in results["ops", "scores"].error
    assert "topsecretpath" not in results["ops", "scores"].error
    assert results["ops", "scores"].due == 1
    hook.answer = lambda asked: Reply()
    hook.asked.clear()
    results = deliver(machines)
    assert (results["ops", "scores"].rows, results["ops", "scores"].error) == (10, "")
    assert [len(asked.json) for asked in hook.asked if len(asked.json) != 2] == [4, 4]
    assert len({event["id"] for event in hook.events()}) == 12


def test_a_delivery_that_stops_inside_a_window_goes_on_there(owner, hook: Receiving) -> None:
    machines = owner(make_sink(what=["scores"], batch=4, retry={"attempts": 1}))
    write_window(machines, 0)
    hook.answer = lambda asked: Reply(200 if len(hook.asked) < 2 else 503)
    deliver(machines)
    hook.answer = lambda asked: Reply()
    hook.asked.clear()
    deliver(machines)
    assert [len(asked.json) for asked in hook.asked] == [2]


def test_what_is_refused_is_a_dead_letter_and_the_next_part_goes_on(owner, hook: Receiving) -> None:
    machines = owner(make_sink(what=["decisions"], batch=1))
    for name in ("good", "poisoned", "better"):
        write_decision(machines, name)
    hook.answer = lambda asked: Reply(422 if "poisoned" in asked.body.decode() else 200)
    result = deliver(machines)["ops", "decisions"]
    assert (result.rows, result.dead, result.due) == (2, 1, 0)
    (state,) = describe_delivery(machines)
    assert state["dead"] == 1
    (file,) = (machines.home / "store" / "machines" / "dead_letters").glob("*.json")
    letter = json.loads(file.read_text())
    assert "422" in letter["reason"]
    assert letter["rows"][0]["key"] == "poisoned"
    with Deliverer(machines) as deliverer:
        assert [item.dead for item in deliverer.redeliver()] == [1]
        hook.answer = lambda asked: Reply()
        assert [item.rows for item in deliverer.redeliver()] == [1]
        assert [item.rows for item in deliverer.redeliver()] == [0]
    assert not file.exists()
    assert describe_delivery(machines)[0]["dead"] == 0
    assert [event["id"] for event in hook.events()][-1] == "poisoned"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_some_answers_are_tried_again_after_the_pause_that_they_ask_for(
    owner, hook: Receiving, status
) -> None:
    machines = owner(make_sink(what=["decisions"]))
    write_decision(machines, "d1")
    hook.answer = lambda asked: Reply(200 if hook.asked else status, headers={"Retry-After": "7"})
    pauses: list[float] = []
    with Deliverer(machines, pause=pauses.append) as deliverer:
        (result,) = deliverer.deliver_due()
    assert (result.rows, pauses) == (1, [7.0])


def test_a_long_pause_is_not_waited_for_but_kept(owner, hook: Receiving) -> None:
    machines = owner(make_sink(what=["decisions"]))
    write_decision(machines, "d1")
    hook.answer = lambda asked: Reply(429, headers={"Retry-After": "7200"})
    deliver(machines)
    assert len(hook.asked) == 1
    (state,) = describe_delivery(machines)
    left = datetime.fromisoformat(state["retry_at"]) - datetime.now(UTC)
    assert timedelta(hours=1) < left <= timedelta(hours=2)
    deliver(machines, at_once=False)
    assert len(hook.asked) == 1


def test_a_part_that_fails_for_too_long_is_a_dead_letter(owner, hook: Receiving, monkeypatch) -> None:
    machines = owner(make_sink(what=["decisions"], batch=1, retry={"attempts": 1, "give_up": "1h"}))
    write_decision(machines, "d1")
    write_decision(machines, "d2")
    hook.answer = lambda asked: Reply(500)
    deliver(machines)
    later = datetime.now(UTC) + timedelta(hours=2)
    monkeypatch.setattr("pynomaly.records.ledger.transit.deliveries.Deliveries.now", later)
    result = deliver(machines)["ops", "decisions"]
    assert (result.dead, result.due) == (1, 1)


def test_one_sink_that_is_down_stops_no_other(owner, hook: Receiving, monkeypatch) -> None:
    monkeypatch.setenv("NOBODY", "http://127.0.0.1:9/nobody")
    machines = owner(
        make_sink("nobody", address_env="NOBODY"), make_sink("unset", address_env="UNSET"), make_sink()
    )
    write_decision(machines, "d1")
    results = deliver(machines)
    assert results["ops", "decisions"].rows == 1
    assert "does not answer" in results["nobody", "decisions"].error
    assert results["unset", "decisions"].error.startswith("the environment variable UNSET is not set")


def test_no_secret_is_kept_anywhere(owner, hook: Receiving) -> None:
    machines = owner()
    write_decision(machines, "d1")
    hook.answer = lambda asked: Reply(400, {"you sent": f"{hook.address}/hook/topsecretpath {SECRET}"})
    deliver(machines)
    hook.answer = lambda asked: Reply(500, {"you sent": f"{hook.address}/hook/topsecretpath {SECRET}"})
    write_decision(machines, "d2")
    deliver(machines)
    kept = b"".join(path.read_bytes() for path in machines.home.rglob("*") if path.is_file())
    assert b"topsecretpath" not in kept
    assert SECRET.encode() not in kept
    assert b"answers 400" in kept
    assert os.environ["OPS_HOOK"].encode() not in kept


def test_two_processes_do_not_deliver_the_same_at_once(owner, hook: Receiving) -> None:
    machines = owner(make_sink(what=["decisions"]))
    write_decision(machines, "d1")
    with Ledger.open(machines.ledger_url) as ledger, ledger.hold_lease("deliver:machines:ops:decisions"):
        assert deliver(machines)["ops", "decisions"].rows == 0
    assert deliver(machines)["ops", "decisions"].rows == 1
    assert len(hook.asked) == 1


def test_the_live_path_keeps_its_receivers_open(owner, hook: Receiving) -> None:
    machines = owner(make_sink(what=["alerts"]))
    with Deliverer(machines, patient=False) as deliverer:
        for name in ("one", "two", "three"):
            write_alert(machines, name)
            (result,) = deliverer.deliver_due()
            assert result.rows == 2
    assert len(hook.asked) == 3


def test_a_sink_that_is_given_other_rows_from_now_on_goes_on(pipeline, hook: Receiving) -> None:
    machines = pipeline(days=1, sinks=[make_sink(what=["scores"], batch=4, since="all")])
    write_window(machines, 0)
    hook.answer = lambda asked: Reply(200 if len(hook.asked) < 2 else 503)
    deliver(machines)
    hook.answer = lambda asked: Reply()
    fewer = pipeline(days=1, sinks=[make_sink(what=["scores"], batch=4, since="all", only_alerts=True)])
    assert deliver(fewer)["ops", "scores"].due == 0
