"""The client of the API, and the commands that use it where ``PYNOMALY_URL`` is set."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from flows.cli import app
from pynomaly.console.client import ConsoleClient
from pynomaly.console.schemas import DecisionSummary, PendingPromotion
from pynomaly.errors import ConfigError, NothingPendingError, RecordError, UnknownNameError
from pynomaly.records.ledger import Decision
from tests.console.conftest import START, MakeClient, first_alert
from tests.console.test_own_data import CSV


@pytest.fixture
def console(make_client: MakeClient) -> ConsoleClient:
    browser = make_client("approver")
    return ConsoleClient(str(browser.base_url), browser.headers["authorization"].removeprefix("Bearer "))


def test_it_reads_and_answers_as_its_token_may(console: ConsoleClient) -> None:
    with console:
        assert {item.name for item in console.list_pipelines()} == {"pumps", "payments"}
        alerts = list(console.list_alerts(pipeline="pumps", quiet=True))
        assert [item.alert for item in console.list_alerts(3, pipeline="pumps", quiet=True)] == [
            item.alert for item in alerts[:3]
        ]
        assert console.count_alerts(pipeline="pumps", quiet=True) == len(alerts) == 32
        name = alerts[0].alert
        assert console.acknowledge("pumps", name, "on it").alert.by == "approver"
        assert console.assign("pumps", name, "ben").alert.assignee == "ben"
        muted = console.mute("pumps", name, 2).alert.muted_until
        assert muted is not None
        assert muted > datetime.now(UTC)
        assert console.comment("pumps", name, "hm").alert.comments[0]["text"] == "hm"
        assert console.resolve("pumps", name, "confirmed").labelled == 1
        assert console.find_alert("pumps", name[:5]).ending == "confirmed"
        assert [item.kind for item in console.list_decisions(pipeline="pumps")] == ["degradation", "promote"]
        assert console.list_promotions("pumps") == ()


def test_it_drops_a_file_and_makes_a_pipeline_of_it(make_client: MakeClient, tmp_path: Path) -> None:
    browser = make_client("admin")
    table = tmp_path / "dropped.csv"
    table.write_bytes(CSV)
    token = browser.headers["authorization"].removeprefix("Bearer ")
    with ConsoleClient(str(browser.base_url), token) as console:
        file = console.drop_file(table, "Halls.csv")
        assert (file.name, file.size) == ("Halls.csv", len(CSV))
        assert console.list_files() == (file,)
        reading = console.read_file(file.file, roles={"noise": "out"})
        assert "left out, as asked" in str(reading.reading)
        with pytest.raises(ConfigError, match=r"role"):
            console.read_file(file.file, role={})
        with pytest.raises(ConfigError, match="is no file"):
            console.drop_file(tmp_path / "nothing.csv")
        made = console.make_pipeline(file.file, roles={"noise": "out"}, train=False)
        assert (made.pipeline, made.training, console.list_files()) == ("halls", False, ())
        assert console.start_training("halls").by == "admin"
        assert console.find_training("halls").state in ("running", "done")
        assert console.save_view("mine & yours", "severity=high").query == "severity=high"
        assert [item.name for item in console.list_views()] == ["mine & yours"]
        console.delete_view("mine & yours")
        assert console.list_views() == ()
        with pytest.raises(UnknownNameError, match="no training of pumps v1"):
            console.compare_versions("pumps", 1, 2)


def test_errors_are_those_of_the_call_beside_the_records(console: ConsoleClient) -> None:
    with console:
        with pytest.raises(UnknownNameError, match="no alert 'zzz'"):
            console.find_alert("pumps", "zzz")
        with pytest.raises(UnknownNameError, match="no pipeline 'pump'"):
            list(console.list_alerts(pipeline="pump"))
        with pytest.raises(ConfigError, match=r"--as 'maybe'"):
            console.resolve("pumps", "zzz", "maybe")
        with pytest.raises(ConfigError, match="severity"):
            list(console.list_alerts(severity="grave"))
        with pytest.raises(NothingPendingError, match="never waited for an answer"):
            console.answer_promotion("payments", 7, "because", approve=False)
    with pytest.raises(ConfigError, match="write an address"):
        ConsoleClient("127.0.0.1:4300")
    with ConsoleClient("http://127.0.0.1:9") as nobody, pytest.raises(RecordError, match="does not answer"):
        nobody.list_pipelines()


def test_an_answer_that_is_sent_twice_is_recorded_once(
    console: ConsoleClient, local: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert, request, cuts = first_alert(local), console._client.request, []

    def cut_once(*words: Any, **options: Any) -> httpx.Response:
        answer = request(*words, **options)
        if not cuts:
            cuts.append(answer)
            raise httpx.ReadError("cut")
        return answer

    monkeypatch.setattr(console._client, "request", cut_once)
    with console:
        answered = console.comment(alert["pipeline"], alert["alert"], "once")
    assert answered.new
    assert len(answered.alert.comments) == 1
    assert len(cuts) == 1


def call(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output + str(result.exception or "")


def test_commands_need_no_records_where_a_console_is_named(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    browser = make_client("analyst")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("PYNOMALY_URL", str(browser.base_url))
    monkeypatch.setenv("PYNOMALY_TOKEN", browser.headers["authorization"].removeprefix("Bearer "))
    code, text = call("alerts", "pumps", "--limit", "2", "--json")
    assert code == 0, text
    listed = json.loads(text)
    assert (len(listed["alerts"]), listed["total"]) == (2, 24)
    name = listed["alerts"][0]["alert"]
    assert "of 24 alerts" in call("alerts", "pumps")[1]
    assert f"alert {name}" in call("alerts", "pumps", "--show", name)[1]
    assert "acknowledged, by analyst" in call("ack", "pumps", name)[1]
    assert "for ben" in call("assign", "pumps", name, "ben")[1]
    assert "muted until" in call("mute", "pumps", name, "--for", "2h")[1]
    assert "analyst: hm" in call("comment", "pumps", name, "hm")[1]
    assert "1 rows labelled" in call("resolve", "pumps", name, "--as", "false-alarm")[1]
    assert "promote: pumps v2" in call("history", "pumps")[1]
    assert "pumps: no promotion waits for an answer" in call("pending", "pumps")[1]
    for words, part in (
        (("approve", "pumps"), "no promotion of pumps waits"),
        (("rollback", "payments"), "has no champion"),
        (("rollback", "pumps", "--reason", "because"), "analyst is no approver of pumps"),
        (("alerts", "pumps", "--output", "a.csv"), "unset PYNOMALY_URL"),
        (("alerts", "nothing"), "no pipeline 'nothing'"),
        (("history", "pumps", "--kind", "promotion"), "no kind of decision"),
    ):
        code, text = call(*words)
        assert code != 0, words
        assert part in text, (words, text)
    assert list(elsewhere.iterdir()) == []


def test_what_waits_is_shown_as_beside_the_records(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = make_client("viewer")
    monkeypatch.setenv("PYNOMALY_URL", str(browser.base_url))
    monkeypatch.setenv("PYNOMALY_TOKEN", browser.headers["authorization"].removeprefix("Bearer "))
    decision = Decision(
        "k", "pumps", "pending", "pumps v3", "superior", ("it ranks better",), {}, START, seq=7
    )
    waiting = PendingPromotion(
        pipeline="pumps",
        version=3,
        replaces=2,
        expires=START,
        decision=DecisionSummary.of_decision(decision),
        verdict=None,
        diff=None,
        diff_error="no window was scored",
        approvals=("ann",),
        needed=2,
        obstacle="",
    )
    monkeypatch.setattr(ConsoleClient, "list_promotions", lambda client, pipeline: (waiting,))
    code, text = call("pending", "pumps")
    assert code == 0, text
    for part in ("pending: pumps v3", "it ranks better", "1 of 2 people", "ann", "no window was scored"):
        assert part in text, (part, text)
