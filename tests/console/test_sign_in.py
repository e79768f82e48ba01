"""People sign in at a real provider: who they are, what they may, and each way in which it fails."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from pynomaly.console.access.actors import ROLES, Role
from pynomaly.console.access.sessions import Sessions
from pynomaly.console.access.sign_in import DEPARTURE_COOKIE
from pynomaly.console.access.sign_in_settings import load_sign_in
from pynomaly.errors import ConfigError
from pynomaly.records.ledger import SIGNED, Decision, Identity, Ledger, sign_lines
from tests.console.conftest import SECRET, first_alert, place_of
from tests.console.providers import SignInSite, read_proof, running_site, sign_in
from tests.console.test_access import BODIES, NEEDS

pytestmark = pytest.mark.server

SETTINGS = """
provider:
  issuer: https://id.plant.example
  client: pynomaly
  address: https://pynomaly.plant.example
grants:
  - {role: viewer, values: [readers]}
"""


@pytest.fixture
def site(configs: Path) -> Iterator[SignInSite]:
    with running_site(configs) as made:
        yield made


def test_a_person_signs_in_and_has_the_roles_of_their_groups(site: SignInSite) -> None:
    with site.signed_in("u-ann") as ann:
        me = ann.get("/api/v1/me").json()
        assert (me["name"], me["way"]) == ("ann", "session")
        assert me["grants"] == [{"role": "approver", "pipelines": ["pumps"]}]
        assert (me["issuer"], me["subject"]) == (site.issuer, "u-ann")
        assert ann.get("/pipelines/payments").status_code == 404
        assert "ann" in ann.get("/").text


@pytest.mark.parametrize("inside", [False, True])
def test_claims_come_from_the_statement_or_from_the_page_about_the_person(
    configs: Path, *, inside: bool
) -> None:
    with running_site(configs, inside=inside) as site, site.signed_in("u-vera") as vera:
        assert vera.get("/api/v1/me").json()["grants"] == [{"role": "viewer", "pipelines": ["*"]}]


def test_a_client_without_a_secret_signs_people_in(configs: Path) -> None:
    with running_site(configs, public=True) as site, site.signed_in("u-ben") as ben:
        assert ben.get("/api/v1/me").json()["name"] == "ben"


def test_a_wrong_role_is_refused(site: SignInSite) -> None:
    with site.signed_in("u-vera") as vera:
        proof = read_proof(vera, "/decisions")
        place = "/pipelines/pumps/promotions/2"
        refused = vera.post(place, data={"proof": proof, "answer": "approve", "reason": "because"})
        assert "vera is no approver of pumps" in refused.text
        assert vera.get("/api/v1/tokens").status_code == 403


def test_who_has_no_role_is_not_signed_in(site: SignInSite) -> None:
    with site.browsing() as browser:
        refused = sign_in(browser, "u-eve")  # her provider has not verified that address
        assert (refused.status_code, "eve is known, but has no role here" in refused.text) == (403, True)
        assert browser.get("/api/v1/me").status_code == 401


def test_a_person_of_the_settings_is_known_by_a_verified_address(site: SignInSite) -> None:
    with site.signed_in("u-adam") as adam:
        assert adam.get("/api/v1/tokens").status_code == 200


def test_the_page_that_was_wanted_comes_after_the_sign_in(site: SignInSite) -> None:
    with site.browsing() as browser:
        asked = browser.get("/alerts")
        assert "Sign in at localhost" in asked.text
        assert 'href="/login/provider?next=/alerts"' in asked.text
        after = sign_in(browser, "u-ann", "/alerts")
        assert 'content="0; url=/alerts"' in after.text
        assert 'url=/"' in sign_in(browser, "u-ann", "//evil.example").text


def test_who_answered_is_kept_by_issuer_and_subject(site: SignInSite) -> None:
    console = site.app.state.console
    for login in ("u-ann", "u-namesake"):
        with site.signed_in(login) as person:
            alert = first_alert(person, pipeline="pumps")
            fields = {"proof": read_proof(person, place_of(alert)), "answer": "comment", "note": login}
            assert person.post(f"{place_of(alert)}/answer", data=fields).status_code == 200
    pumps = console.pipelines.find_pipeline("pumps")
    events = console.pipelines.open_ledger(pumps.ledger_url).answers.list_events("pumps", alert["alert"])
    comments = [event for event in events if event.event == "commented"]
    assert [(event.actor, event.content["text"]) for event in comments] == [
        ("ann", "u-ann"),
        ("ann", "u-namesake"),
    ]
    for event in comments:
        subject = event.content["text"]
        expected = {"name": "ann", "way": "session", "issuer": site.issuer, "subject": subject}
        assert event.content["signed"] == expected


def test_a_session_is_a_new_one_each_time_and_ends_everywhere(site: SignInSite) -> None:
    with site.browsing() as browser:
        browser.cookies.set("pynomaly_session", "chosen-by-another", domain="127.0.0.1")
        sign_in(browser, "u-ann")
        first = [cookie.value for cookie in browser.cookies.jar if cookie.name == "pynomaly_session"][-1]
        assert first != "chosen-by-another"
        proof = read_proof(browser)
        out = browser.post("/logout", data={"proof": proof})
        assert f"url={site.issuer}/session/end?client_id=console&amp;post_logout_redirect_uri=" in out.text
    with site.browsing() as thief:
        thief.cookies.set("pynomaly_session", str(first), domain="127.0.0.1")
        assert thief.get("/api/v1/me").status_code == 401
    with site.signed_in("u-ann") as again:
        values = [cookie.value for cookie in again.cookies.jar if cookie.name == "pynomaly_session"]
        assert values != [first]


def test_a_session_ends_with_what_the_provider_said(configs: Path) -> None:
    with running_site(configs, ttl=40) as site, site.browsing() as browser:
        answer = sign_in(browser, "u-ann")
        cookie = next(item for item in answer.headers.get_list("set-cookie") if "pynomaly_session" in item)
        seconds = int(cookie.partition("Max-Age=")[2].partition(";")[0])
        assert 0 < seconds <= 40
        keeper = site.app.state.console.doorkeeper
        clock = keeper.clock
        keeper.clock = lambda: clock().replace(year=clock().year + 1)
        ended = browser.get("/alerts")
        assert (ended.url.path, "Sign in at" in ended.text) == ("/login", True)


def depart(browser: httpx.Client, login: str) -> str:
    """Sign in at the provider, and return the address that it sends the browser back to, not yet asked."""
    back: list[str] = []

    def stop(request: httpx.Request) -> None:
        if request.url.path == "/login/callback" and not back:
            back.append(str(request.url))
            raise httpx.RequestError("held")

    browser.event_hooks = {"request": [stop], "response": []}
    with pytest.raises(httpx.RequestError, match="held"):
        sign_in(browser, login)
    browser.event_hooks = {"request": [], "response": []}
    return back[0]


def test_an_answer_is_taken_once(site: SignInSite) -> None:
    with site.browsing() as browser:
        place = depart(browser, "u-ann")
        assert browser.get(place).status_code == 200
        again = browser.get(place)
        assert (again.status_code, "was used, came too late" in again.text) == (401, True)


def test_an_answer_belongs_to_the_browser_that_left(site: SignInSite) -> None:
    with site.browsing() as ann, site.browsing() as other:
        place = depart(ann, "u-ann")
        without = other.get(place)
        assert (without.status_code, "another browser" in without.text) == (401, True)
        depart(other, "u-ben")
        mixed = other.get(place)
        assert (mixed.status_code, "wrong state" in mixed.text) == (401, True)
        assert other.get("/api/v1/me").status_code == 401


def change_departure(browser: httpx.Client, **changes: str) -> None:
    sessions = Sessions(SECRET)
    kept = next(cookie for cookie in browser.cookies.jar if cookie.name == DEPARTURE_COOKIE)
    content = sessions.read(str(kept.value), "departure")
    assert content is not None
    browser.cookies.delete(DEPARTURE_COOKIE, domain="127.0.0.1", path="/login")
    browser.cookies.set(
        DEPARTURE_COOKIE, sessions.sign(content | changes, "departure"), domain="127.0.0.1", path="/login"
    )


@pytest.mark.parametrize(
    ("changes", "part"),
    [({"nonce": "another"}, "wrong nonce"), ({"verifier": "w" * 64}, "invalid_grant")],
)
def test_a_statement_for_another_sign_in_is_refused(
    site: SignInSite, changes: dict[str, str], part: str
) -> None:
    with site.browsing() as browser:
        place = depart(browser, "u-ann")
        change_departure(browser, **changes)
        refused = browser.get(place)
        assert (refused.status_code, part in refused.text) == (401, True)
        assert browser.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("hours", [-2, 2])
def test_clocks_that_differ_are_named(site: SignInSite, hours: int) -> None:
    site.provider.clock = lambda: time.time() + hours * 3600
    with site.browsing() as browser:
        refused = sign_in(browser, "u-ann")
        assert (refused.status_code, "clocks of the provider and of this machine" in refused.text) == (
            401,
            True,
        )


def test_an_answer_of_another_issuer_is_refused(site: SignInSite) -> None:
    with site.browsing() as browser:
        place = depart(browser, "u-ann").replace("iss=http%3A%2F%2Flocalhost", "iss=http%3A%2F%2Fevil")
        refused = browser.get(place)
        assert (refused.status_code, "another provider" in refused.text) == (401, True)


def test_a_person_who_turns_back_is_told_so(site: SignInSite) -> None:
    with site.browsing() as browser:
        page = browser.get("/login/provider")
        refused = browser.get(f"{page.url}/abort")
        assert (refused.status_code, "End-User aborted interaction" in refused.text) == (401, True)


def test_a_provider_that_is_away_is_named_and_a_token_still_works(site: SignInSite) -> None:
    site.stop_provider()
    with site.browsing() as browser:
        away = browser.get("/login/provider")
        assert (away.status_code, f"{site.issuer} does not answer" in away.text) == (503, True)
        assert 'name="token"' in away.text


def test_a_provider_that_goes_away_meanwhile_is_named(site: SignInSite) -> None:
    with site.browsing() as browser:
        place = depart(browser, "u-ann")
        site.stop_provider()
        away = browser.get(place)
        assert (away.status_code, "does not answer" in away.text) == (503, True)


def test_what_is_asked_of_the_provider_hides_what_proves_it(site: SignInSite) -> None:
    sent = site.client.get("/login/provider?next=/alerts")
    query = {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["location"]).query).items()}
    assert (query["code_challenge_method"], query["response_type"]) == ("S256", "code")
    assert {"state", "nonce", "code_challenge"} <= query.keys()
    cookie = sent.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "Path=/login", "SameSite=lax"))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("https://id.plant.example", "http://id.plant.example"), "provider.issuer: https, except on this"),
        (("client: pynomaly", "clint: pynomaly"), "unknown key 'provider.clint'"),
        (("role: viewer", "role: reader"), "grants.0.role"),
        (("values: [readers]", "pipelines: [pumps]"), "neither values nor people"),
        (("address:", "scopes: [profile]\n  address:"), "'openid' must be among them"),
        (("provider:", "provider: ["), "--sign-in"),
    ],
)
def test_settings_that_are_none_name_the_key(tmp_path: Path, change: tuple[str, str], part: str) -> None:
    file = tmp_path / "sign-in.yaml"
    file.write_text(SETTINGS)
    assert load_sign_in(file).provider.redirect == "https://pynomaly.plant.example/login/callback"
    file.write_text(SETTINGS.replace(*change))
    with pytest.raises(ConfigError) as raised:
        load_sign_in(file)
    assert part in str(raised.value)


def test_the_secret_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sign-in.yaml"
    file.write_text(SETTINGS)
    monkeypatch.delenv("PYNOMALY_OIDC_SECRET", raising=False)
    with pytest.raises(ConfigError, match=r"\$PYNOMALY_OIDC_SECRET is not set"):
        load_sign_in(file).read_secret()


def test_nobody_signs_for_another_name(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    forged = {SIGNED: {"name": "ann", "way": "session", "issuer": "i", "subject": "s"}}
    identity = Identity("ann", "session", "https://id.plant.example", "u-ann")
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:

        def record(key: str, actor: str) -> dict[str, object]:
            line = Decision(key, "p", "retrain", "v1", "none", (), forged, moment, actor=actor)
            return dict(ledger.record_decision(line).evidence)

        assert record("outside", "ann") == {}
        with sign_lines(identity):
            assert record("own", "ann") == {SIGNED: identity.to_dict()}
            assert record("other", "pynomaly") == {}
        assert ledger.verify_chain().intact


@pytest.mark.parametrize(
    ("login", "role"), [("u-vera", "viewer"), ("u-ben", "approver"), ("u-adam", "admin")]
)
def test_each_route_asks_the_role_of_a_person_and_the_proof_of_our_page(
    site: SignInSite, login: str, role: Role
) -> None:
    with site.signed_in(login) as person:
        person.headers["accept"], person.follow_redirects = "*/*", False
        alert = first_alert(person, pipeline="pumps")["alert"]
        names = {"pipeline": "pumps", "alert": alert, "version": "2", "seq": "1"}
        proof = {"x-pynomaly-proof": read_proof(person, "/decisions")}
        for route, needed in NEEDS.items():
            method, path = route.split(" ")
            place = re.sub(r"{(\w+)}", lambda part: names.get(part[1], "zz"), path)
            body = BODIES.get(place.rsplit("/", 1)[1]) if method == "POST" else None
            if needed not in ROLES or place.endswith("/events") or (method == "POST" and body is None):
                continue
            sent = json.dumps(body or {}) if method != "GET" else None
            headers = {"content-type": "application/json"}
            if method != "GET":
                assert person.request(method, place, headers=headers, content=sent).status_code == 403, route
            answer = person.request(method, place, headers=headers | proof, content=sent)
            if ROLES.index(role) < ROLES.index(needed):
                assert (answer.status_code, "is no" in answer.json()["detail"]) == (403, True), route
            else:
                assert answer.status_code not in (401, 403), route
