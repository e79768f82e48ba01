"""Events of security: one line of JSON each, of one shape, in which no secret stands."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from pynomaly.console.access.security_events import SECURITY_LOG, SecurityEvent, log_event
from tests.console.conftest import MakeClient, first_alert, place_of
from tests.console.providers import read_proof, running_site, sign_in

pytestmark = pytest.mark.server

KEYS = ["at", "event", "name", "way", "issuer", "subject", "token", "address", "about", "reason"]


@pytest.fixture(autouse=True)
def listen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, SECURITY_LOG)


def read_events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    lines = [record for record in caplog.records if record.name == SECURITY_LOG]
    events = [json.loads(record.getMessage()) for record in lines]
    for event, record in zip(events, lines, strict=True):
        assert list(event) == KEYS
        assert event["event"] in get_args(SecurityEvent)
        is_expected = event["event"] in ("signed_in", "signed_out", "token_made", "token_revoked")
        assert record.levelno == (logging.INFO if is_expected else logging.WARNING)
    return events


def test_a_token_is_made_used_to_sign_in_and_revoked(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    admin = make_client("admin")
    wish = {"name": "n", "actor": "ann", "role": "analyst", "pipelines": ["pumps"]}
    made = admin.post("/api/v1/tokens", json=wish).json()
    name = made["token"]["id"]
    browser = make_client()
    fields = {"proof": read_proof(browser, "/login"), "token": made["secret"], "next": "/"}
    assert browser.post("/login", data=fields).status_code == 303
    assert browser.post("/logout", data={"proof": fields["proof"]}).status_code == 303
    admin.delete(f"/api/v1/tokens/{name}")
    assert browser.post("/login", data=fields).status_code == 401
    events = read_events(caplog)
    assert [(item["event"], item["name"], item["about"] or item["token"]) for item in events] == [
        ("token_made", "admin", name),
        ("signed_in", "ann", name),
        ("signed_out", "ann", name),
        ("token_revoked", "admin", name),
        ("token_refused", "", name),
    ]
    assert events[0]["reason"].startswith("analyst of pumps for ann, until ")
    assert {item["address"] for item in events} == {"127.0.0.1"}
    assert made["secret"] not in caplog.text


def test_wrong_tokens_and_the_lock_out_are_named(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client()
    for number in range(6):
        client.get("/api/v1/me", headers={"authorization": f"Bearer pyn_wrong{number}"})
    assert [item["event"] for item in read_events(caplog)] == ["token_refused"] * 5 + ["locked_out"]
    assert "pyn_wrong" not in caplog.text


def test_who_lacks_a_role_is_named(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    viewer = make_client("viewer")
    place = place_of(first_alert(viewer, pipeline="pumps"))
    viewer.post(f"/api/v1{place}/acknowledge", json={})
    viewer.get("/api/v1/tokens")
    assert [(item["event"], item["name"], item["about"], item["reason"]) for item in read_events(caplog)] == [
        ("role_refused", "viewer", "pumps", "viewer is no analyst of pumps"),
        ("role_refused", "viewer", "*", "viewer is no admin of all pipelines"),
    ]


def test_what_another_site_sends_is_named(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    local = make_client(local=True)
    local.post("/logout", data={}, headers={"origin": "https://evil.example"})
    local.post("/logout", data={})
    local.get("/", headers={"host": "evil.example"})
    foreign, proofless, host = read_events(caplog)
    assert (foreign["event"], foreign["about"], proofless["event"]) == (
        "request_refused",
        "POST /logout",
        "request_refused",
    )
    assert "https://evil.example, another site" in foreign["reason"]
    assert "load the page again" in proofless["reason"]
    assert (host["event"], host["about"]) == ("host_refused", "evil.example")


def test_people_of_a_provider_are_named_by_subject(configs: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_site(configs) as site, site.browsing() as browser:
        assert sign_in(browser, "u-eve").status_code == 403
        browser.get("/login/callback?code=x&state=y")
        browser.cookies.clear()
        assert sign_in(browser, "u-ann").status_code == 200
        browser.post("/logout", data={"proof": read_proof(browser)})
        issuer = site.issuer
    events = read_events(caplog)
    assert [(item["event"], item["subject"], item["issuer"]) for item in events] == [
        ("sign_in_refused", "u-eve", issuer),
        ("sign_in_refused", "", ""),
        ("signed_in", "u-ann", issuer),
        ("signed_out", "u-ann", issuer),
    ]
    assert "has no role here" in events[0]["reason"]
    assert "was used, came too late" in events[1]["reason"]


def test_a_name_makes_no_second_line_and_no_long_one(caplog: pytest.LogCaptureFixture) -> None:
    log_event("host_refused", about="a\nINFO pynomaly.security: {}\u2028" + "x" * 5000)
    (event,) = read_events(caplog)
    assert len(event["about"]) == 300
    assert re.search(r"[^\x20-\x7e]", caplog.records[-1].getMessage()) is None
