"""The document of the API: requests made from it are answered as it says, by Schemathesis."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from tests.console.conftest import MakeClient, first_alert

pytestmark = pytest.mark.slow


@pytest.fixture
def admin(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """An admin of whom no request is one too many."""
    monkeypatch.setattr("pynomaly.console.access.limits.RequestLimit.take", lambda self, key: 0)
    monkeypatch.setattr("pynomaly.console.access.limits.FailureLimit.wait_for", lambda self, key: 0)
    return make_client("admin")


def test_requests_made_from_the_document_are_answered_as_it_says(admin: httpx.Client) -> None:
    authorization = admin.headers["authorization"]
    document = admin.get("/api/v1/openapi.json").json()
    alert = first_alert(admin, pipeline="payments")["alert"]
    known = {"pipeline": "payments", "alert": alert, "version": 2, "seq": 1}
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=str(admin.base_url))
    operations = [item.ok() for item in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        if operation.path.endswith("/events"):
            continue  # it does not end

        @given(case=operation.as_strategy(), is_known=strategies.booleans())
        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: schemathesis.Case, is_known: bool) -> None:
            if is_known:  # most made-up names are of nothing; these are of something
                case.path_parameters = {**(case.path_parameters or {}), **_pick(known, case)}
            # Not asked: the token given here is taken for a made-up one (test_access asks for tokens), and no
            # schema can say what a cursor is, or that exactly one answer is to be given.
            excluded = [ignored_auth, positive_data_acceptance]
            case.call_and_validate(headers={"authorization": authorization}, excluded_checks=excluded)

        ask()


def test_every_route_says_what_it_does_and_what_can_go_wrong(admin: httpx.Client) -> None:
    document = admin.get("/api/v1/openapi.json").json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], (method, path)
            for kind, body in operation.get("requestBody", {}).get("content", {}).items():
                if kind == "application/octet-stream":
                    continue  # a file
                name = body["schema"]["$ref"].rpartition("/")[2]
                assert document["components"]["schemas"][name]["example"], (method, path)
            assert {"401", "403", "404", "422", "429", "503"} <= set(operation["responses"]), (method, path)


def _pick(known: dict[str, Any], case: schemathesis.Case) -> dict[str, Any]:
    return {name: value for name, value in known.items() if f"{{{name}}}" in case.path}
