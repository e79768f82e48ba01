"""Reads by GraphQL: the same as those of the API, with the same rights, and no query that costs too much."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from graphql import get_introspection_query, parse
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.console.graph.query_cost import MAX_COST, measure_query
from tests.console.conftest import MakeClient, first_alert


def ask(client: httpx.Client, query: str, **variables: Any) -> dict[str, Any]:
    answer = client.post("/graphql", json={"query": query, "variables": variables})
    return {"status": answer.status_code, **answer.json()}


def read(client: httpx.Client, query: str, **variables: Any) -> Any:
    answer = ask(client, query, **variables)
    assert (answer["status"], answer.get("errors")) == (200, None)
    return answer["data"]


def refusal(client: httpx.Client, query: str, **variables: Any) -> str:
    answer = ask(client, query, **variables)
    assert answer["errors"], answer
    return str(answer["errors"][0]["message"])


def test_it_answers_what_the_api_answers(local: httpx.Client) -> None:
    alert = first_alert(local)
    data = read(
        local,
        """query ($pipeline: String!, $alert: String!) {
            pipelines { name gravity reasons champion open_alerts }
            pipeline(name: $pipeline) { name facts { policy versions { version } windows { window rows } } }
            alerts(limit: 3, states: ["open"], order: "newest") { items { alert pipeline p_value last } next }
            alert(pipeline: $pipeline, alert: $alert) { reasons carriers { feature share } row_keys }
            decisions(kinds: ["promote"]) { items { seq kind subject reasons } next }
            decision(pipeline: "pumps", seq: 1) { evidence hash }
            promotions { version }
        }""",
        pipeline=alert["pipeline"],
        alert=alert["alert"],
    )
    names = ("name", "gravity", "reasons", "champion", "open_alerts")
    fleet = local.get("/api/v1/pipelines").json()
    assert data["pipelines"] == [{name: line[name] for name in names} for line in fleet]
    page = local.get("/api/v1/alerts", params={"limit": 3, "state": "open", "order": "newest"}).json()
    assert [item["alert"] for item in data["alerts"]["items"]] == [item["alert"] for item in page["items"]]
    assert data["alerts"]["next"] == page["next"]
    detail = local.get(f"/api/v1/pipelines/{alert['pipeline']}/alerts/{alert['alert']}").json()
    assert data["alert"]["reasons"] == detail["reasons"]
    assert data["alert"]["row_keys"] == detail["row_keys"]
    assert [item["kind"] for item in data["decisions"]["items"]] == ["promote"]
    assert data["decision"]["hash"] == local.get("/api/v1/pipelines/pumps/decisions/1").json()["hash"]


def test_a_pipeline_leads_to_its_alerts_page_by_page(local: httpx.Client) -> None:
    query = """query ($cursor: String! = "") {
        pipeline(name: "pumps") { alerts(limit: 10, cursor: $cursor) { items { alert pipeline } next } }
    }"""
    names: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = read(local, query, cursor=cursor)["pipeline"]["alerts"]
        assert {item["pipeline"] for item in page["items"]} == {"pumps"}
        names += [item["alert"] for item in page["items"]]
        cursor = page["next"]
    every = local.get("/api/v1/alerts", params={"pipeline": "pumps", "limit": 500}).json()["items"]
    assert len(every) > 20
    assert names == [item["alert"] for item in every]


def test_nobody_reads_more_than_by_the_api(make_client: MakeClient) -> None:
    client = make_client("viewer", ("payments",))
    assert [item["name"] for item in read(client, "{pipelines{name}}")["pipelines"]] == ["payments"]
    alerts = read(client, "{alerts(limit: 500) {items {pipeline}}}")["alerts"]["items"]
    assert {item["pipeline"] for item in alerts} == {"payments"}
    for query in (
        '{pipeline(name: "pumps") {name}}',
        '{alerts(pipelines: ["pumps"]) {next}}',
        '{decision(pipeline: "pumps", seq: 1) {hash}}',
    ):
        assert "no pipeline 'pumps'" in refusal(client, query)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "query"),
        ("{", "Syntax Error"),
        ("{pipelinez {name}}", "Cannot query field 'pipelinez'"),
        ("{pipelines}", "must have a selection"),
        ("mutation {resolve}", "not configured to execute mutation"),
        ("query A {pipelines {name}} query B {pipelines {name}}", "name one in operationName"),
        ('{alerts(states: ["opne"]) {next}}', "states has 'opne'; did you mean 'open'?"),
        ('{alerts(order: "oldest") {next}}', "order has 'oldest'"),
        ("{alerts(limit: 0) {next}}", "limit is 0; 1 to 500"),
        ('{alerts(cursor: "zz") {next}}', "cursor"),
        ('{alerts(since: "2026-01-05T00:00:00") {next}}', "write an offset"),
        ('{alert(pipeline: "pumps", alert: "zzzz") {alert}}', "no alert"),
        ("{" + "pipelines {name} " * 500 + "}", "more than 2000 tokens"),
        ("{pipelines(limit: 500) {alerts(limit: 500) {items {alert}}}}", "may cost"),
        ("{" + " ".join(f"a{i}: promotions {{version}}" for i in range(11)) + "}", "may cost 11,011"),
        ("{pipelines {...a}} fragment a on Pipeline {...a}", "Cannot spread fragment 'a' within itself"),
        ("{pipelines " + "{alerts {items " * 5 + "{alert}" + "}" * 10 + "}", "fields deep"),
        (
            "{__schema {types {fields {type {fields {type {fields {name}}}}}}}}",
            "the query about types goes too deep",
        ),
    ],
)
def test_what_is_not_answered_says_why(local: httpx.Client, query: str, why: str) -> None:
    answer = local.post("/graphql", json={"query": query})
    assert answer.status_code in (200, 400, 422)
    assert why in answer.text.replace("\\u2013", "-")


def test_a_tool_reads_the_schema(local: httpx.Client) -> None:
    types = read(local, get_introspection_query())["__schema"]["types"]
    assert {"Pipeline", "AlertPage", "AlertDetail"} <= {item["name"] for item in types}


def test_a_defect_says_nothing_of_itself(local: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("password")

    monkeypatch.setattr("pynomaly.console.graph.schema.describe_pipeline", fail)
    assert (
        refusal(local, '{pipeline(name: "pumps") {facts {policy}}}') == "the console failed; its log says why"
    )


@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, {"origin": "https://evil.example"}])
def test_a_page_of_another_site_asks_nothing(local: httpx.Client, headers: dict[str, str]) -> None:
    answer = local.post("/graphql", content='{"query": "{pipelines{name}}"}', headers=headers)
    assert answer.status_code in (403, 415)
    assert local.get("/graphql").status_code == 405


def test_who_has_no_token_is_asked_for_one(make_client: MakeClient) -> None:
    assert make_client().post("/graphql", json={"query": "{pipelines{name}}"}).status_code == 401


def test_a_limit_in_a_variable_counts() -> None:
    document = parse("query ($n: Int) {pipelines(limit: $n) {alerts(limit: 1) {next}}}")
    assert measure_query(document, {"n": 10}).cost == 1 + 10 * 21
    assert measure_query(document, {}).cost == 1 + 500 * 21
    assert measure_query(document, {"n": "many"}).find_problem()


def test_many_spreads_of_spreads_are_measured_in_the_time_of_reading() -> None:
    doubling = " ".join(f"fragment f{i} on Pipeline {{...f{i + 1} ...f{i + 1}}}" for i in range(200))
    document = parse(f"{{pipelines {{...f0}}}} {doubling} fragment f200 on Pipeline {{name}}")
    assert measure_query(document, {}).cost > MAX_COST


@given(st.integers(1, 500), st.integers(1, 500))
def test_the_cost_of_lists_in_lists_is_their_product(outer: int, inner: int) -> None:
    document = parse(f"{{pipelines(limit: {outer}) {{alerts(limit: {inner}) {{items {{alert}}}}}}}}")
    assert measure_query(document, {}).cost == 1 + outer * (20 + inner * 2)
