"""Who may what: every route for every role, wrong tokens, forms of other sites, names that are none."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from pynomaly.console.access.actors import ROLES
from pynomaly.console.access.limits import FailureLimit, RequestLimit
from pynomaly.console.access.sessions import Sessions, read_secret
from pynomaly.console.app import API_MODULES, PAGE_MODULES, create_console
from pynomaly.console.pipelines import Pipelines
from pynomaly.errors import ConfigError
from tests.console.conftest import SECRET, TRAIN, MakeClient, first_alert, place_of
from tests.servers import answering

ALERT = "/pipelines/pumps/alerts/{alert}"
NEEDS: dict[str, str] = {
    "GET /api/v1/me": "viewer",
    "GET /api/v1/tokens": "admin",
    "POST /api/v1/tokens": "admin",
    "DELETE /api/v1/tokens/{token}": "admin",
    "GET /api/v1/events": "viewer",
    "GET /api/v1/alerts": "viewer",
    "GET /api/v1/alerts/counts": "viewer",
    "GET /api/v1/alerts/lanes": "viewer",
    "POST /api/v1/alerts/answers": "viewer",
    "GET /api/v1/pipelines/{pipeline}/alerts/{alert}": "viewer",
    "GET /api/v1/pipelines/{pipeline}/alerts/{alert}/series": "viewer",
    **{
        f"POST /api/v1/pipelines/{{pipeline}}/alerts/{{alert}}/{action}": "analyst"
        for action in ("acknowledge", "resolve", "assign", "mute", "comments")
    },
    "GET /api/v1/pipelines": "viewer",
    "GET /api/v1/pipelines/{pipeline}": "viewer",
    "GET /api/v1/decisions": "viewer",
    "GET /api/v1/pipelines/{pipeline}/decisions/{seq}": "viewer",
    "GET /api/v1/pipelines/{pipeline}/chain": "viewer",
    "GET /api/v1/promotions": "viewer",
    "POST /api/v1/pipelines/{pipeline}/promotions/{version}/approve": "approver",
    "POST /api/v1/pipelines/{pipeline}/promotions/{version}/reject": "approver",
    "POST /api/v1/pipelines/{pipeline}/rollback": "approver",
    "GET /": "viewer",
    "GET /alerts": "viewer",
    "POST /alerts/answers": "form",
    "GET /pipelines/{pipeline}": "viewer",
    "GET /pipelines/{pipeline}/alerts/{alert}": "viewer",
    "POST /pipelines/{pipeline}/alerts/{alert}/answer": "form",
    "GET /decisions": "viewer",
    "GET /decisions/chain": "viewer",
    "GET /api/v1/pipelines/{pipeline}/alerts/{alert}/surroundings": "viewer",
    "GET /pipelines/{pipeline}/decisions/{seq}": "viewer",
    "POST /pipelines/{pipeline}/promotions/{version}": "form",
    "POST /pipelines/{pipeline}/rollback": "form",
    "GET /api/v1/files": "admin",
    "POST /api/v1/files": "admin",
    "POST /api/v1/files/{file}/reading": "admin",
    "POST /api/v1/files/{file}/pipeline": "admin",
    "GET /api/v1/pipelines/{pipeline}/training": "viewer",
    "POST /api/v1/pipelines/{pipeline}/training": "admin",
    "GET /own-data": "admin",
    "POST /own-data": "form",
    "GET /own-data/{file}": "admin",
    "GET /own-data/{file}/pipeline.yaml": "admin",
    "POST /own-data/{file}/pipeline": "form",
    "GET /pipelines/{pipeline}/training": "viewer",
    "POST /pipelines/{pipeline}/training": "form",
    "POST /graphql": "viewer",
    "GET /api/v1/pipelines/{pipeline}/comparison": "viewer",
    "GET /api/v1/views": "viewer",
    "PUT /api/v1/views/{name}": "viewer",
    "DELETE /api/v1/views/{name}": "viewer",
    "POST /alerts/views": "form",
    "GET /api/v1/pipelines/{pipeline}/versions/{version}": "viewer",
    "GET /pipelines/{pipeline}/versions/{version}": "viewer",
    "GET /pipelines/{pipeline}/versions": "viewer",
    "GET /pipelines/{pipeline}/versions/{version}/card": "viewer",
    "GET /pipelines/{pipeline}/windows/{window}/report": "viewer",
    "GET /palette.css": "open",
    "GET /worker.js": "open",
    "GET /login": "open",
    "POST /login": "form",
    "GET /login/provider": "provider",
    "GET /login/callback": "provider",
    "POST /logout": "form",
    "GET /healthz": "open",
}
"""The role that each route needs; ``form``: a proof of our page, too; ``provider``: one to sign in at.
Bulk answers ask it of each alert."""

BODIES: dict[str, Any] = {
    "acknowledge": {},
    "resolve": {"ending": "confirmed"},
    "assign": {"to": "ben"},
    "mute": {"hours": 1},
    "comments": {"text": "hm"},
    "tokens": {"name": "n", "actor": "a"},
    "approve": {"reason": "because"},
    "reject": {"reason": "because"},
    "rollback": {"reason": "because", "version": 2},
    "reading": {},
    "pipeline": {},
    "graphql": {"query": "{pipelines {name}}"},
    "v": {"query": "severity=critical"},
}

NAMES = {
    "pipeline": "pumps",
    "version": 2,
    "seq": 1,
    "token": "zz",
    "file": "zz",
    "window": "w",
    "name": "v",
}
QUERIES = {
    "POST /api/v1/files": "?name=a.csv",
    "GET /api/v1/pipelines/{pipeline}/comparison": "?first=1&second=2",
    "GET /pipelines/{pipeline}/windows/{window}/report": "?version=2",
}


def list_routes(configs: Path) -> set[str]:
    app = create_console(Pipelines([configs]), SECRET, home=configs.parent, train=TRAIN)
    own = [("", route) for route in app.routes]
    own += [("/api/v1", route) for module in API_MODULES for route in module.router.routes]
    own += [("", route) for module in PAGE_MODULES for route in module.router.routes]
    return {
        f"{method} {prefix}{route.path}"
        for prefix, route in own
        if isinstance(route, APIRoute)
        for method in route.methods
    }


def test_the_table_names_every_route(configs: Path) -> None:
    assert list_routes(configs) == set(NEEDS)


@pytest.mark.parametrize("role", ["nobody", *ROLES])
def test_each_route_asks_its_role(make_client: MakeClient, role: str) -> None:
    alert = first_alert(make_client(local=True), pipeline="pumps")["alert"]
    client = make_client("" if role == "nobody" else role)
    for route, needed in NEEDS.items():
        method, path = route.split(" ")
        place = path.format(**NAMES | {"alert": alert}) if "{" in path else path
        place += QUERIES.get(route, "")
        if path == "/api/v1/events" and role != "nobody":
            with client.stream(method, place) as answer:
                assert answer.status_code == 200
            continue
        action = place.rsplit("/", 1)[1]
        takes_body = method in ("POST", "PUT") and "/api/" in path
        body = {"json": BODIES[action]} if takes_body and action in BODIES else {}
        answer = client.request(method, place, **body, follow_redirects=False)
        if needed == "provider":  # nobody is sent to one where none is set
            assert answer.status_code == 404, route
        elif needed == "open":
            assert answer.status_code == 200, route
        elif role == "nobody":
            page = method == "GET" and not path.startswith("/api/")
            assert answer.status_code == (303 if page else 403 if path == "/login" else 401), route
        elif needed == "form":
            assert answer.status_code == 403, route
        elif ROLES.index(role) < ROLES.index(needed):  # type: ignore[arg-type]
            assert (answer.status_code, answer.json()["status"]) == (403, 403), route
        else:
            assert answer.status_code not in (401, 403), route


def test_a_role_is_for_its_pipelines_alone(make_client: MakeClient) -> None:
    client = make_client("approver", ("pay*",))
    assert [item["name"] for item in client.get("/api/v1/pipelines").json()] == ["payments"]
    assert {item["pipeline"] for item in client.get("/api/v1/alerts?limit=500").json()["items"]} == {
        "payments"
    }
    assert client.get("/api/v1/pipelines/pumps").status_code == 404
    assert client.get("/api/v1/alerts?pipeline=pumps").status_code == 404
    assert client.get("/api/v1/decisions").json()["items"] == []
    assert client.get("/api/v1/tokens").status_code == 403
    assert "pumps" not in client.get("/").text
    name = first_alert(make_client(local=True), pipeline="pumps")["alert"]
    bulk = {"alerts": [{"pipeline": "pumps", "alert": name}], "acknowledge": {}}
    assert client.post("/api/v1/alerts/answers", json=bulk).json()["failed"] == {
        f"pumps/{name}": "no pipeline 'pumps'"
    }


def test_the_actor_of_a_token_stands_in_the_ledger(make_client: MakeClient) -> None:
    client = make_client("analyst")
    place = f"/api/v1{place_of(first_alert(client))}"
    assert client.post(f"{place}/acknowledge", json={}).json()["alert"]["by"] == "analyst"
    viewer = make_client("viewer")
    refused = viewer.post(f"{place}/resolve", json={"ending": "confirmed"})
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "viewer is no analyst of " + place.split("/")[4],
    )


def test_a_token_ends_when_it_is_revoked_or_old(make_client: MakeClient, configs: Path) -> None:
    admin = make_client("admin")
    made = admin.post(
        "/api/v1/tokens", json={"name": "n", "actor": "ann", "role": "analyst", "days": 1}
    ).json()
    header = {"authorization": f"Bearer {made['secret']}"}
    assert admin.get("/api/v1/me", headers=header).json()["name"] == "ann"
    assert made["secret"] not in admin.get("/api/v1/tokens").text
    assert admin.delete(f"/api/v1/tokens/{made['token']['id']}").json()["revoked"] is not None
    refused = admin.get("/api/v1/me", headers=header)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "was revoked" in refused.json()["detail"]
    pipelines = Pipelines([configs])
    access = pipelines.open_ledger(pipelines.list_pipelines()[0].ledger_url).access
    _, secret = access.create_token("old", "ann", "admin", ("*",), datetime.now(UTC) - timedelta(seconds=1))
    pipelines.close()
    old = admin.get("/api/v1/me", headers={"authorization": f"Bearer {secret}"})
    assert (old.status_code, "has expired" in old.json()["detail"]) == (401, True)


def test_a_secret_is_in_one_answer_alone(make_client: MakeClient) -> None:
    admin, wish = make_client("admin"), {"name": "n", "actor": "ann"}
    secrets = [
        admin.post("/api/v1/tokens", json=wish, headers={"idempotency-key": "k"}).json()["secret"]
        for _ in range(2)
    ]
    assert len(set(secrets)) == 2


def test_wrong_tokens_lock_an_address_out(make_client: MakeClient) -> None:
    client = make_client("viewer")
    codes = [
        client.get("/api/v1/me", headers={"authorization": f"Bearer pyn_{number}"}).status_code
        for number in range(200)
    ]
    assert codes.count(401) < 20
    assert codes[-1] == 429
    locked = client.get("/api/v1/me")
    assert (locked.status_code, int(locked.headers["retry-after"]) > 0) == (429, True)


def test_limits_open_again() -> None:
    now = [0.0]
    requests = RequestLimit(2, 3, lambda: now[0])
    assert [requests.take("a") for _ in range(4)] == [0, 0, 0, 1]
    assert requests.take("b") == 0
    now[0] = 0.6
    assert requests.take("a") == 0
    failures = FailureLimit(2, 10, 100, lambda: now[0])
    for wait in (0, 10, 20, 40, 80, 100, 100):
        failures.record_failure("a")
        assert failures.wait_for("a") == wait
    assert failures.wait_for("b") == 0
    failures.record_success("a")
    assert failures.wait_for("a") == 0


@pytest.mark.parametrize(
    ("headers", "status", "part"),
    [
        ({"origin": "https://evil.example"}, 403, "another site"),
        ({"sec-fetch-site": "cross-site"}, 403, "another site"),
        ({"sec-fetch-site": "same-site"}, 403, "another site"),
        ({"content-type": "text/plain"}, 415, "application/json"),
        ({"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        ({"host": "evil.example"}, 421, "no name of this machine"),
        ({"cookie": "pynomaly_browser=abc"}, 403, "no proof"),
        ({"cookie": "pynomaly_browser=abc", "x-pynomaly-proof": "0" * 64}, 403, "no proof"),
    ],
)
def test_what_another_site_makes_a_browser_send_is_refused(
    local: httpx.Client, headers: dict[str, str], status: int, part: str
) -> None:
    alert = first_alert(local)
    place = f"/api/v1{place_of(alert)}/acknowledge"
    answer = local.post(place, content=b"{}", headers={"content-type": "application/json"} | headers)
    assert answer.status_code == status
    assert part in answer.json()["detail"]
    assert first_alert(local) == alert


def test_a_form_needs_the_proof_of_its_page(local: httpx.Client) -> None:
    place = place_of(first_alert(local))
    page = local.get(place).text
    proof = re.search(r'name="proof" value="(\w+)"', page)
    assert proof is not None
    assert local.post(f"{place}/answer", data={"answer": "acknowledge"}).status_code == 403
    assert local.post(f"{place}/answer", data={"answer": "acknowledge", "proof": "1"}).status_code == 403
    answer = local.post(f"{place}/answer", data={"answer": "acknowledge", "proof": proof[1]})
    assert answer.status_code == 200
    assert "looks at it" in answer.text


@pytest.mark.parametrize("hours", ["", "soon", "nan", "-1", "\u00b2"])
def test_a_form_with_a_wrong_field_changes_nothing(local: httpx.Client, hours: str) -> None:
    alert = first_alert(local)
    proof = re.search(r'name="proof" value="(\w+)"', local.get(place_of(alert)).text)
    assert proof is not None
    fields = {"answer": "mute", "hours": hours, "proof": proof[1]}
    answer = local.post(f"{place_of(alert)}/answer", data=fields)
    assert answer.status_code == 200
    assert "hours" in answer.text.partition('role="alert"')[2]
    assert first_alert(local) == alert


def test_a_session_is_opened_by_a_token_and_ends(make_client: MakeClient) -> None:
    admin = make_client("admin")
    secret = admin.post("/api/v1/tokens", json={"name": "n", "actor": "ann", "role": "analyst"}).json()[
        "secret"
    ]
    browser = make_client()
    asked = browser.get("/alerts", headers={"accept": "text/html"})
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=/alerts")
    proof = re.search(r'name="proof" value="(\w+)"', browser.get("/login").text)
    assert proof is not None
    wrong = browser.post("/login", data={"proof": proof[1], "token": "pyn_x", "next": "/alerts"})
    assert (wrong.status_code, "not known" in wrong.text) == (401, True)
    sent = {"proof": proof[1], "token": secret, "next": "//evil.example"}
    opened = browser.post("/login", data=sent)
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict"} <= set(opened.headers["set-cookie"].split("; "))
    assert "ann" in browser.get("/alerts").text
    assert browser.post("/logout", data={"proof": proof[1]}).headers["location"] == "/login"
    assert browser.get("/alerts").status_code == 303


def test_a_session_that_was_changed_is_none() -> None:
    sessions = Sessions(SECRET)
    cookie = sessions.sign({"token": "a"})
    assert sessions.read(cookie) == {"token": "a"}
    assert sessions.read(cookie[:-2] + "xx") is None
    assert Sessions("t" * 40).read(cookie) is None
    assert sessions.accepts("b", sessions.prove("b"))
    assert not sessions.accepts("", sessions.prove(""))


def test_the_secret_is_kept_for_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYNOMALY_CONSOLE_SECRET", raising=False)
    secret = read_secret(tmp_path / "home")
    assert len(secret) >= 32
    assert read_secret(tmp_path / "home") == secret
    assert (tmp_path / "home" / "console.key").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("PYNOMALY_CONSOLE_SECRET", "short")
    with pytest.raises(ConfigError, match="32 or more"):
        read_secret(tmp_path / "home")


def test_every_answer_is_safe_to_show(local: httpx.Client) -> None:
    for path in ("/", "/api/v1/me", "/nowhere", "/static/console.css"):
        headers = local.get(path).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert "strict-transport-security" not in headers


def test_tls_is_insisted_on_where_browsers_come_by_it(configs: Path) -> None:
    app = create_console(Pipelines([configs]), SECRET, home=configs.parent, train=TRAIN, https=True)
    with answering(app) as client:
        headers = client.get("/").headers
    assert "max-age=31536000" in headers["strict-transport-security"]
    assert "Secure" in headers["set-cookie"]


def test_a_body_has_bounds(local: httpx.Client) -> None:
    place = f"/api/v1{place_of(first_alert(local))}/comments"
    large = local.post(place, json={"text": "x" * 2_000_000})
    assert (large.status_code, "1000000 bytes" in large.json()["detail"]) == (413, True)

    def chunks() -> Any:
        for _ in range(40):
            yield b" " * 50_000

    streamed = local.post(place, content=chunks(), headers={"content-type": "application/json"})
    assert streamed.status_code == 413


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '" onload="x', "{{ 7 * 7 }}", "\u202eevil"])
def test_what_people_write_is_text(local: httpx.Client, text: str) -> None:
    place = place_of(first_alert(local))
    local.post(f"/api/v1{place}/comments", json={"text": text})
    page = local.get(place).text
    assert "<script>alert(1)" not in page
    assert 'onload="x' not in page
    assert "49" not in page.partition('class="comments"')[2].partition("</ol>")[0]
