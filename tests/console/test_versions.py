"""Two versions side by side, and the pages that trainings and verdicts wrote, in a home of three versions."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pynomaly.console.app import create_console
from pynomaly.console.pipelines import Pipelines
from pynomaly.records.store import Store
from tests.console.conftest import SECRET, TRAIN
from tests.servers import answering

HOME = Path(__file__).parent.parent / "golden" / "first_edition.tar.gz"


@contextmanager
def run_golden_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """The console over a home that an earlier edition wrote."""
    monkeypatch.delenv("PYNOMALY_HOME", raising=False)
    with tarfile.open(HOME) as archive:
        archive.extractall(folder, filter="data")
    pipelines = Pipelines([folder / "configs"])
    with answering(create_console(pipelines, SECRET, home=folder, train=TRAIN)) as made:
        yield made


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    with run_golden_home(tmp_path, monkeypatch) as made:
        yield made


def compare(client: httpx.Client, first: int, second: int) -> dict[str, Any]:
    answer = client.get("/api/v1/pipelines/machines/comparison", params={"first": first, "second": second})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_what_differs_is_marked(client: httpx.Client) -> None:
    content = compare(client, 1, 2)
    facts = {item["name"]: item for item in content["facts"]}
    assert facts["reference"]["differs"]
    assert facts["reference"]["first"] == "2026-01-01 00:00 to 2026-01-15 00:00 UTC"
    assert facts["rows of the reference"]["first"] == "336"
    assert facts["detector"] == {
        "name": "detector",
        "first": "iforest",
        "second": "iforest",
        "differs": False,
    }
    assert [item["kind"] for item in content["decisions"]] == ["refuse"]
    assert (content["gained"], content["lost"]) == ([], [])
    mirrored = compare(client, 2, 1)
    assert [(item["second"], item["first"]) for item in mirrored["facts"]] == [
        (item["first"], item["second"]) for item in content["facts"]
    ]


def test_a_version_with_another_policy_alone_differs_in_that(client: httpx.Client) -> None:
    content = compare(client, 1, 3)
    differing = {item["name"] for item in content["facts"] if item["differs"]}
    assert differing == {"alert policy", "normal rows that alert, as promised"}
    assert [item["kind"] for item in content["decisions"]] == ["rollback", "promote"]


@pytest.mark.parametrize(
    ("query", "status", "why"),
    [
        ({"first": 1, "second": 9}, 404, "there is: v1, v2, v3"),
        ({"first": 0, "second": 1}, 422, "first"),
        ({"first": 1}, 422, "second"),
    ],
)
def test_a_version_that_is_none_is_said(
    client: httpx.Client, query: dict[str, int], status: int, why: str
) -> None:
    answer = client.get("/api/v1/pipelines/machines/comparison", params=query)
    assert (answer.status_code, why in answer.json()["detail"]) == (status, True)


def test_the_page_begins_with_the_champion_and_the_newest_other(client: httpx.Client) -> None:
    page = client.get("/pipelines/machines/versions").text
    assert '<option value="1" selected>v1, champion' in page
    assert "differs" in page
    assert "/pipelines/machines/versions" in client.get("/pipelines/machines").text


def read_model(client: httpx.Client, version: int) -> dict[str, Any]:
    answer = client.get(f"/api/v1/pipelines/machines/versions/{version}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_version_says_how_it_is_calibrated_and_how_its_windows_moved(client: httpx.Client) -> None:
    model = read_model(client, 1)
    assert (model["champion"], model["detector"], model["notes"]) == (True, "iforest", [])
    levels = {item["asked"]: item for item in model["calibration"]}
    assert {0.5, 0.1, 0.01, 0.001} <= set(levels)
    assert all(item["low"] <= item["observed"] <= item["high"] for item in levels.values())
    assert model["windows"]
    for item in model["windows"]:
        assert item["low"] <= item["observed"] <= item["high"]
        assert 0 <= item["data"] <= 1
    assert [item["start"] for item in model["windows"]] == sorted(item["start"] for item in model["windows"])
    assert 0 < model["notice"] < model["strong"]


def test_a_version_says_where_it_comes_from_and_what_became_of_it(client: httpx.Client) -> None:
    first, third = read_model(client, 1)["lineage"], read_model(client, 3)["lineage"]
    assert [item["kind"] for item in first[:2]] == ["data", "run"]
    assert first[0]["text"].startswith("2026-01-01 00:00 to 2026-01-15 00:00 UTC, 336 rows; hash ")
    assert first[1]["run"]
    assert ("successor", 3) in [(item["kind"], item["version"]) for item in first]
    assert not [item for item in first if item["kind"] == "parent"]  # the first champion replaced none
    assert [item["version"] for item in third if item["kind"] == "parent"] == [1]
    assert third[1]["version"] == 1  # its scores are those of version 1
    assert all(item["seq"] for item in third if item["kind"] == "decision")


def test_the_page_of_a_version_has_its_figures_as_tables_and_says_what_is_not_known(
    client: httpx.Client,
) -> None:
    page = client.get("/pipelines/machines/versions/1").text
    assert 'data-model="calibration"' in page
    assert 'data-model="rates"' in page
    assert page.count("As a table") == 2
    assert "/pipelines/machines/versions?first=" in client.get("/pipelines/machines/versions/3").text
    unjudged = client.get("/pipelines/machines/versions/2").text
    assert "No window was judged under this version yet." in unjudged
    assert client.get("/pipelines/machines/versions/9").status_code == 404
    assert client.get("/api/v1/pipelines/machines/versions/9").status_code == 404


def test_a_written_page_is_shown_under_rules_of_its_own(client: httpx.Client, tmp_path: Path) -> None:
    store = Store(tmp_path / ".pynomaly" / "store")
    window = "20260126T000000Z--20260202T000000Z"
    for name in ("training-v1", f"window-{window}-v1"):
        store.write_report("machines", name, f"<p>{name}</p>")
    card = client.get("/pipelines/machines/versions/1/card")
    assert card.status_code == 200, card.text
    assert card.text == "<p>training-v1</p>"
    assert card.headers.get_list("content-security-policy") == [card.headers["content-security-policy"]]
    assert "sandbox" in card.headers["content-security-policy"]
    assert card.headers["x-frame-options"] == "DENY"
    report = client.get(f"/pipelines/machines/windows/{window}/report", params={"version": 1})
    assert report.text == f"<p>window-{window}-v1</p>"


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("versions/9/card", 404),
        ("windows/20260126T000000Z--20260202T000000Z/report?version=7", 404),
        ("windows/..%2F..%2Fmachines/report?version=1", 404),
        ("windows/a.b/report?version=1", 422),
    ],
)
def test_a_page_that_is_none_is_said(client: httpx.Client, place: str, status: int) -> None:
    assert client.get(f"/pipelines/machines/{place}").status_code == status
