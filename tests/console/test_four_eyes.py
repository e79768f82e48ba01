"""Two people approve a promotion in the console: pages and API, by who asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Decision, Ledger
from tests.console.promotions import wait_for_two
from tests.console.providers import SignInSite, read_proof, running_site

pytestmark = [pytest.mark.slow, pytest.mark.server]

PLACE = "/pipelines/pumps/promotions/2"


@pytest.fixture
def pumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    return wait_for_two(tmp_path / "configs", monkeypatch)


@pytest.fixture
def site(pumps: Pipeline) -> Iterator[SignInSite]:
    with running_site(pumps.origin.parent) as made:
        yield made


def read_lines(pumps: Pipeline, kind: str) -> list[Decision]:
    with Ledger.open(pumps.ledger_url) as ledger:
        return list(ledger.list_decisions("pumps", kind))


def approve(browser: httpx.Client, reason: str = "because") -> httpx.Response:
    """Answer by the API, as a script of our own page does."""
    headers = {"x-pynomaly-proof": read_proof(browser, "/decisions")}
    return browser.post(f"/api/v1{PLACE}/approve", json={"reason": reason}, headers=headers)


def test_two_people_of_one_name_approve_and_one_person_does_not_count_twice(
    site: SignInSite, pumps: Pipeline
) -> None:
    with site.signed_in("u-ann") as ann, site.signed_in("u-ben") as ben:
        first = approve(ann).json()
        assert first["kind"] == "approval"
        assert "1 of 2 people: it waits for another approver" in first["reasons"][1]
        again = approve(ann)
        assert (again.status_code, again.headers["content-type"]) == (403, "application/problem+json")
        assert "ann has approved pumps v2 already, and counts once: 1 of 2" in again.json()["detail"]
        (waits,) = ben.get("/api/v1/promotions").json()
        assert (waits["approvals"], waits["needed"], waits["obstacle"]) == (["ann"], 2, "")
        (waits,) = ann.get("/api/v1/promotions").json()
        assert "ann has approved pumps v2 already" in waits["obstacle"]
    with site.signed_in("u-namesake") as namesake:
        assert approve(namesake).json()["kind"] == "promote"
    signed = [
        item.evidence["signed"]["subject"]
        for kind in ("approval", "promote")
        for item in read_lines(pumps, kind)[:1]
    ]
    assert signed == ["u-ann", "u-namesake"]


def test_who_may_not_or_is_nobody_s_word_does_not_count(site: SignInSite, pumps: Pipeline) -> None:
    access = site.app.state.console.doorkeeper.read_access()
    for role in ("viewer", "analyst", "approver", "admin"):
        _, secret = access.create_token("t", "ann", role, ("*",), datetime.now(UTC) + timedelta(days=1))
        headers = {"authorization": f"Bearer {secret}"}
        refused = site.client.post(f"/api/v1{PLACE}/approve", json={"reason": "because"}, headers=headers)
        part = "on a token does not count" if role in ("approver", "admin") else "is no approver of pumps"
        assert (refused.status_code, part in refused.json()["detail"]) == (403, True), role
    with site.signed_in("u-vera") as vera:
        refused = approve(vera)
        assert (refused.status_code, refused.json()["detail"]) == (403, "vera is no approver of pumps")
    assert read_lines(pumps, "approval") == []


def test_the_page_says_how_many_and_offers_what_counts(site: SignInSite, pumps: Pipeline) -> None:
    with site.signed_in("u-ann") as ann, site.signed_in("u-ben") as ben:
        fields = {"proof": read_proof(ann, "/decisions"), "answer": "approve", "reason": "because"}
        assert "0 of 2 people have approved it" in ann.get("/decisions").text
        page = ann.post(PLACE, data=fields).text
        assert "1 of 2 people have approved it: ann" in page
        assert 'value="approve"' not in page
        assert 'value="reject"' in page
        assert "ann has approved pumps v2 already" in ann.post(PLACE, data=fields).text
        assert 'value="approve"' in ben.get("/decisions").text
        fields["proof"] = read_proof(ben, "/decisions")
        assert "promote of pumps v2: ben approved: because" in ben.post(PLACE, data=fields).text
    assert len(read_lines(pumps, "approval")) == 1
