"""Reads and actions of the API: lists that page, answers on record, errors that name the field."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from pynomaly.config.notices import Console
from tests.console.conftest import first_alert, place_of

API = "/api/v1"


def read(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(f"{API}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_fleet_says_the_gravest_first(local: httpx.Client) -> None:
    payments, pumps = sorted(read(local, "/pipelines"), key=lambda item: str(item["name"]))
    assert (pumps["champion"], pumps["state"], pumps["gravity"]) == (2, "warning", "critical")
    assert pumps["reasons"][0] == "monitoring: warning"
    assert (pumps["rows"], pumps["alerting_rows"], pumps["alerts_per_day"]) == (96, 3, 3.0)
    assert (payments["champion"], payments["window"]) == (None, None)
    assert sum(pumps["open_alerts"].values()) + sum(payments["open_alerts"].values()) == 32
    assert read(local, "/pipelines/pumps") == pumps


def test_pages_of_a_list_are_the_list(local: httpx.Client) -> None:
    whole = read(local, "/alerts", limit=100)
    assert whole["next"] is None
    items, cursor = [], ""
    while True:
        page = read(local, "/alerts", limit=7, cursor=cursor)
        items += page["items"]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert items == whole["items"]
    assert len(items) == 32
    assert [item["severity"] for item in items] == sorted(
        (item["severity"] for item in items), key=["critical", "high", "medium", "low"].index
    )
    assert len(read(local, "/alerts", limit=100, quiet=True)["items"]) == 40


def test_filters_and_counts_agree(local: httpx.Client) -> None:
    query = {"pipeline": "pumps", "severity": "critical", "cause": "heat"}
    items = read(local, "/alerts", limit=100, **query)["items"]
    assert items
    assert {(item["pipeline"], item["severity"], item["cause"]) for item in items} == {
        ("pumps", "critical", "heat")
    }
    assert read(local, "/alerts/counts", **query) == {"open": {"critical": len(items)}}
    lanes = read(local, "/alerts/lanes", **query)
    assert sum(lane["total"] for lane in lanes) == len(items)


def test_an_answer_is_recorded_under_a_name_and_labels_rows(local: httpx.Client) -> None:
    alert = first_alert(local)
    place = f"{API}{place_of(alert)}"
    acknowledged = local.post(f"{place}/acknowledge", json={"note": "on it"}).json()
    assert (acknowledged["new"], acknowledged["alert"]["state"]) == (True, "acknowledged")
    assert not local.post(f"{place}/acknowledge", json={}).json()["new"]
    assert local.post(f"{place}/assign", json={"to": "ben"}).json()["alert"]["assignee"] == "ben"
    muted = local.post(f"{place}/mute", json={"hours": 4}).json()
    assert muted["alert"]["muted_until"] is not None
    commented = local.post(f"{place}/comments", json={"text": "the belt slips"}).json()
    assert commented["alert"]["comments"][0]["text"] == "the belt slips"
    resolved = local.post(f"{place}/resolve", json={"ending": "confirmed", "note": "bearing"}).json()
    assert (resolved["labelled"], resolved["alert"]["ending"]) == (1, "confirmed")
    late = local.post(f"{place}/acknowledge", json={})
    assert late.status_code == 422
    assert "was resolved as confirmed" in late.json()["detail"]
    assert read(local, place_of(alert))["note"] == "bearing"


def test_the_rows_around_an_alert_are_those_of_its_entity(local: httpx.Client) -> None:
    alert = first_alert(local, pipeline="pumps", until="2026-01-06T00:00:00Z", order="newest")
    series = read(local, f"{place_of(alert)}/series")
    assert series["column"] == alert["cause"]
    assert len(series["times"]) == len(series["values"]) == len(series["p_values"]) == 24
    assert series["times"] == sorted(series["times"])
    assert any(series["alerting"]) is (alert["entity"] == "a")
    assert "what is usual is not known" in series["notes"][0]  # no model is registered here
    late = first_alert(local, pipeline="pumps", since="2026-01-06T10:00:00Z")
    assert read(local, f"{place_of(late)}/series")["times"]


def test_one_answer_to_several_says_what_became_of_each(local: httpx.Client) -> None:
    items = read(local, "/alerts", limit=3)["items"]
    names = [{"pipeline": item["pipeline"], "alert": item["alert"]} for item in items]
    names.append({"pipeline": "pumps", "alert": "zzz"})
    answer = local.post(f"{API}/alerts/answers", json={"alerts": names, "resolve": {"ending": "false-alarm"}})
    assert [item["alert"]["alert"] for item in answer.json()["answered"]] == [item["alert"] for item in items]
    assert "no alert 'zzz'" in answer.json()["failed"]["pumps/zzz"]
    both = {"alerts": names, "resolve": {"ending": "confirmed"}, "acknowledge": {}}
    assert "exactly one" in local.post(f"{API}/alerts/answers", json=both).json()["detail"]


def test_decisions_are_a_timeline_with_evidence(local: httpx.Client) -> None:
    page = read(local, "/decisions", limit=1)
    (newest,) = page["items"]
    assert newest["kind"] == "degradation"
    (older,) = read(local, "/decisions", limit=1, cursor=page["next"])["items"]
    assert older["kind"] == "promote"
    detail = read(local, f"/pipelines/pumps/decisions/{older['seq']}")
    assert detail["evidence"]["replaces"] == 1
    assert read(local, "/pipelines/pumps/chain")["intact"]
    assert read(local, "/decisions", kind="rollback")["items"] == []
    assert local.get(f"{API}/pipelines/payments/decisions/{older['seq']}").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("/alerts?severity=grave", 422, "query.severity.0"),
        ("/alerts?limit=0", 422, "query.limit"),
        ("/alerts?cursor=abc", 422, "cursor 'abc' is none that a page gave"),
        ("/alerts?cursor=WzFd", 422, "cursor"),
        ("/alerts?since=2026-01-05T00:00:00", 422, "write an offset"),
        ("/alerts?pipeline=nothing", 404, "no pipeline 'nothing'"),
        ("/decisions?cursor=%00", 422, "cursor"),
        ("/pipelines/pump", 404, "no pipeline 'pump'"),
        ("/pipelines/pumps/alerts/zzzz", 404, "no alert 'zzzz'"),
        ("/pipelines/pumps/alerts/0", 404, "begins several alerts"),
        ("/pipelines/pumps/decisions/0", 422, "path.seq"),
        ("/pipelines/pumps/decisions/999", 404, "no decision 999"),
        ("/nowhere", 404, "Not Found"),
    ],
)
def test_an_error_says_what_is_wrong(local: httpx.Client, path: str, status: int, part: str) -> None:
    answer = local.get(f"{API}{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert part in problem["detail"]
    assert problem["status"] == status


@pytest.mark.parametrize(
    ("action", "body", "part"),
    [
        ("resolve", {"ending": "maybe"}, "body.ending"),
        ("resolve", {}, "body.ending"),
        ("resolve", {"ending": "confirmed", "who": "ann"}, "body.who"),
        ("mute", {"hours": 0}, "body.hours"),
        ("mute", {"hours": 1e9}, "body.hours"),
        ("comments", {"text": ""}, "body.text"),
        ("comments", {"text": "   "}, "the comment is empty"),
        ("assign", {"to": "x" * 201}, "body.to"),
        ("acknowledge", {"note": "x" * 4001}, "body.note"),
    ],
)
def test_a_wrong_answer_is_refused_whole(local: httpx.Client, action: str, body: Any, part: str) -> None:
    alert = first_alert(local)
    answer = local.post(f"{API}{place_of(alert)}/{action}", json=body)
    assert answer.status_code == 422
    assert part in answer.text
    assert first_alert(local) == alert


def test_an_unchanged_read_is_not_sent_again(local: httpx.Client) -> None:
    first = local.get(f"{API}/alerts")
    again = local.get(f"{API}/alerts", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    alert = first_alert(local)
    local.post(f"{API}{place_of(alert)}/acknowledge", json={})
    changed = local.get(f"{API}/alerts", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200


def test_a_repeated_request_gets_its_first_answer(local: httpx.Client) -> None:
    place = f"{API}{place_of(first_alert(local))}/comments"
    key = {"idempotency-key": "k1"}
    first = local.post(place, json={"text": "one"}, headers=key)
    local.post(place, json={"text": "two"})
    again = local.post(place, json={"text": "one"}, headers=key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert len(read(local, place.removeprefix(API).removesuffix("/comments"))["comments"]) == 2
    other = local.post(place, json={"text": "three"}, headers=key)
    assert other.status_code == 422
    assert "used for another request" in other.json()["detail"]


def test_a_promotion_that_does_not_wait_cannot_be_answered(local: httpx.Client) -> None:
    place = f"{API}/pipelines/pumps/promotions/7/approve"
    assert local.post(place, json={"reason": "x"}).status_code == 422
    assert read(local, "/promotions") == []


def test_settings_that_change_are_read_again_and_broken_ones_are_named(
    local: httpx.Client, configs: Any
) -> None:
    file = configs / "pumps.yaml"
    file.write_text(file.read_text().replace("The pumps of a plant", "Pumps of the second hall"))
    assert "second hall" in read(local, "/pipelines/pumps")["description"]
    file.write_text("name: [")
    assert "second hall" in read(local, "/pipelines/pumps")["description"]
    assert local.get("/healthz").json()["unreadable"] == ["pumps.yaml"]
    assert "pumps.yaml" in local.get("/").text


def test_a_person_gets_an_error_as_a_page(local: httpx.Client) -> None:
    browser = {"accept": "text/html,application/xhtml+xml"}
    for place, status, part in (
        ("/pipelines/nothing", 404, "no pipeline &#39;nothing&#39;"),
        ("/alerts?severity=grave", 422, "no severity"),
        ("/nowhere", 404, "Not Found"),
    ):
        answer = local.get(place, headers=browser)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert part in answer.text
    assert local.get("/pipelines/nothing").headers["content-type"] == "application/problem+json"


def test_what_was_declared_and_decided_around_an_alert_is_there(configs: Path, local: httpx.Client) -> None:
    alert = first_alert(local, pipeline="pumps")
    file = configs / "pumps.yaml"
    settings = yaml.safe_load(file.read_text())
    first = datetime.fromisoformat(alert["first"])
    around = {"start": first - timedelta(hours=1), "end": first + timedelta(hours=1)}
    other = {"start": first + timedelta(days=9), "end": first + timedelta(days=10)}
    (configs / "incidents.yaml").write_text(
        yaml.safe_dump(
            [
                {**around, "name": "pipe burst"},
                {**around, "entity": alert["entity"], "name": "its own"},
                {**around, "entity": "nobody", "name": "of another"},
                {**other, "name": "much later"},
            ]
        )
    )
    settings["data"]["incidents"] = "incidents.yaml"
    settings["grouping"] = {**settings.get("grouping", {}), "planned": "gone.yaml"}
    settings["console"] = {"runbook": "https://wiki.example.org/{pipeline}?of={entity}&why={cause}"}
    file.write_text(yaml.safe_dump(settings))
    read(local, "/pipelines")  # the settings are read again
    content = read(local, f"{place_of(alert)}/surroundings")
    assert sorted(item["name"] for item in content["incidents"]) == ["its own", "pipe burst"]
    assert content["runbook"] == f"https://wiki.example.org/pumps?of={alert['entity']}&why={alert['cause']}"
    [note] = content["notes"]
    assert note.startswith("Planned work: grouping.planned:")
    page = local.get(place_of(alert)).text
    assert "pipe burst" in page
    assert "its runbook" in page


def test_a_name_in_the_address_of_a_runbook_is_one_part_of_it() -> None:
    console = Console(runbook="https://wiki.example.org/{entity}/{cause}")
    assert console.link_runbook("p", "../a b", "x?y") == "https://wiki.example.org/..%2Fa%20b/x%3Fy"
    assert Console().link_runbook("p", "a", "b") == ""
