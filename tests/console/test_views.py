"""Saved views: each person's own, by API and page; a wrong filter is named."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from pynomaly.console.access.actors import Actor
from pynomaly.console.api.inbox_address import normalize_query
from pynomaly.errors import ConfigError
from pynomaly.records.ledger import Identity
from tests.console.conftest import MakeClient

VIEWS = "/api/v1/views"
JSON = {"content-type": "application/json"}


def list_names(client: httpx.Client) -> list[str]:
    return [item["name"] for item in client.get(VIEWS).json()]


def send_form(client: httpx.Client, **fields: str) -> httpx.Response:
    proof = re.search(r'name="proof" value="(\w+)"', client.get("/alerts").text)
    assert proof is not None
    return client.post("/alerts/views", data={"proof": proof[1], **fields})


def test_a_view_is_saved_replaced_and_deleted(local: httpx.Client) -> None:
    assert local.get(VIEWS).json() == []
    saved = local.put(f"{VIEWS}/night shift", json={"query": "?severity=critical&words=&state=open"})
    assert (saved.status_code, saved.json()["query"]) == (200, "state=open&severity=critical")
    local.put(f"{VIEWS}/bearings", json={"query": "cause=heat"})
    local.put(f"{VIEWS}/night shift", json={"query": "severity=high"})
    assert [(item["name"], item["query"]) for item in local.get(VIEWS).json()] == [
        ("bearings", "cause=heat"),
        ("night shift", "severity=high"),
    ]
    left = local.delete(f"{VIEWS}/bearings", headers=JSON)
    assert [item["name"] for item in left.json()] == ["night shift"]
    gone = local.delete(f"{VIEWS}/bearings", headers=JSON)
    assert (gone.status_code, "no view 'bearings'" in gone.json()["detail"]) == (404, True)


def test_each_has_their_own(make_client: MakeClient) -> None:
    analyst, viewer, local = make_client("analyst"), make_client("viewer"), make_client(local=True)
    for client, name in ((analyst, "a"), (viewer, "v"), (local, "l")):
        assert client.put(f"{VIEWS}/{name}", json={"query": ""}).status_code == 200
    assert [list_names(client) for client in (analyst, viewer, local)] == [["a"], ["v"], ["l"]]
    assert viewer.delete(f"{VIEWS}/a").status_code == 404


def test_a_person_is_the_same_by_whatever_way_and_a_name_is_no_person() -> None:
    def own(**identity: Any) -> str:
        return Actor((), Identity(**identity)).owner

    ann = own(name="ann", way="session", issuer="https://id", subject="7")
    assert ann == own(name="ann of plant 2", way="session", issuer="https://id", subject="7")
    assert own(name="ann", way="token", token="1") == own(name="ann", way="session", token="1")
    assert len({ann, own(name="ann", way="token"), own(name="https://id 7", way="local")}) == 3


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("severity=grave", "no severity 'grave'"),
        ("state=asleep", "no state 'asleep'"),
        ("order=oldest", "no order 'oldest'"),
        ("since=yesterday", "write a time"),
        ("colour=red", "no filter 'colour'"),
    ],
)
def test_a_filter_that_is_none_is_said_when_it_is_saved(local: httpx.Client, query: str, part: str) -> None:
    answer = local.put(f"{VIEWS}/x", json={"query": query})
    assert (answer.status_code, part in answer.json()["detail"]) == (422, True)
    assert list_names(local) == []


@pytest.mark.parametrize("name", ["x" * 81, "a%00b", "a%0Ab"])
def test_a_name_that_is_none_is_refused(local: httpx.Client, name: str) -> None:
    assert local.put(f"{VIEWS}/{name}", json={"query": ""}).status_code == 422


def test_a_hundred_are_enough(local: httpx.Client) -> None:
    for number in range(100):
        assert local.put(f"{VIEWS}/{number}", json={"query": ""}).status_code == 200
    refused = local.put(f"{VIEWS}/one more", json={"query": ""})
    assert (refused.status_code, "delete one" in refused.json()["detail"]) == (422, True)
    assert local.put(f"{VIEWS}/7", json={"query": "words=pump"}).status_code == 200


def test_the_page_saves_what_it_shows_and_links_it(local: httpx.Client) -> None:
    saved = send_form(local, action="save", name="hot & loud", query="severity=critical&cause=heat")
    assert (saved.status_code, saved.headers["location"]) == (303, "/alerts?severity=critical&cause=heat")
    page = local.get(saved.headers["location"]).text
    assert '<a href="/alerts?severity=critical&amp;cause=heat" aria-current="true">hot &amp; loud</a>' in page
    wrong = send_form(local, action="save", name="a/b", query="severity=critical")
    assert (wrong.status_code, "is no name of a view" in wrong.text) == (200, True)
    assert re.search(r's-critical" href="[^"]*" aria-current="true"', wrong.text)  # the filters stay
    assert "<option selected>critical</option>" in wrong.text
    assert send_form(local, action="delete", name="hot & loud", query="").headers["location"] == "/alerts?"
    assert list_names(local) == []


def test_a_query_is_saved_in_one_order() -> None:
    assert normalize_query("words=a+b&pipeline=pumps&quiet=true") == "pipeline=pumps&words=a+b&quiet=true"
    assert normalize_query("") == ""
    with pytest.raises(ConfigError, match=r"no filter 'severty'.*severity"):
        normalize_query("severty=low")
