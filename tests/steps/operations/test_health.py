"""``pynomaly doctor``: each check is right where things are right, and says what to do where they are not."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from flows.machine.servers import find_free_port
from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.records.ledger import Ledger
from pynomaly.records.ledger.migrations import HEAD, VERSION_TABLE, upgrade_tables
from pynomaly.records.ledger.revision import find_newest_revision, inspect_database
from pynomaly.steps.operations import connectivity, health
from pynomaly.steps.operations.finding import Finding
from tests.databases import create_database
from tests.machines import make_machines, make_small_settings

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    make_machines(2).to_csv(tmp_path / "machines.csv", index=False)
    return parse_pipeline(make_small_settings(), tmp_path / "machines.yaml")


def named(findings: list[Finding], check: str) -> Finding:
    (one,) = [item for item in findings if item.check == check]
    return one


def wrong(finding: Finding, *sentences: str, state: str = "wrong") -> None:
    assert finding.state == state, finding
    assert finding.mend, finding
    for words in sentences:
        assert words in f"{finding.fact} | {finding.mend}", finding


@contextmanager
def server(**answers: tuple[int, str]) -> Iterator[str]:
    """A server that gives fixed answers, by the last word of the path, and says what it was asked with."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.split("?")[0].rsplit("/", 1)[-1]
            status, body = answers.get(name, (404, ""))
            if "Authorization" not in self.headers and status == 200 and "guarded" in answers:
                status = 401
            self.send_response_only(status)
            self.send_header("Date", answers.get("date", (0, ""))[1] or self.date_time_string())
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}"
        finally:
            listening.shutdown()
            thread.join()


# This machine


def test_a_sound_installation_has_nothing_wrong(pipeline: Pipeline) -> None:
    findings = health.check_installation(pipeline, pipeline.home)
    assert not [item for item in findings if item.state == "wrong"], findings
    checks = {item.check for item in findings}
    assert {"python", "home", "disk", "source", "ledger's database", "MLflow's database"} <= checks
    assert {"Prefect's database", "prefect", "mlflow", "registry", "messages"} <= checks
    assert all(set(item.to_dict()) == {"check", "state", "found", "mend"} for item in findings)


def test_looking_makes_no_database(pipeline: Pipeline) -> None:
    connectivity.check_prefect_database(f"sqlite:///{pipeline.home}/prefect/prefect.db")
    assert [item.state for item in connectivity.check_records(pipeline)] == ["ok", "ok"]
    assert not list(pipeline.home.rglob("*.db"))


def test_a_python_outside_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "metadata", lambda name: {"Requires-Python": "<3"})
    finding = health._check_python()
    assert (finding.state, finding.mend) == ("wrong", "use a Python <3")


def test_a_dependency_outside_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "requires", lambda name: ["numpy<1", "nobody-has-this>=2"])
    first, second = health._check_packages()
    wrong(first, version("numpy"), "pip install 'numpy<1'")
    wrong(second, "not installed", "pip install 'nobody-has-this>=2'")


def test_packages_beside_their_pins(tmp_path: Path) -> None:
    pins = tmp_path / "constraints.txt"
    pins.write_text(f"# a comment\nnumpy=={version('numpy')}\nnobody-has-this==1\n")
    assert health._check_pins(pins) == [Finding("pins", "ok", "1 packages as in constraints.txt")]
    pins.write_text("numpy==1.0\n")
    (finding,) = health._check_pins(pins)
    wrong(finding, f"numpy {version('numpy')}, tested with 1.0", "pip install -c", state="warning")
    assert health._check_pins(tmp_path / "nowhere.txt") == []


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(health.tempfile, "NamedTemporaryFile", refused)  # root may write anywhere
    wrong(health._check_home(tmp_path), "Permission denied", "PYNOMALY_HOME")


def test_a_home_that_everybody_may_change(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch(mode=0o640)
    assert health._check_permissions(tmp_path)[0].state == "ok"
    (tmp_path / "ledger.db").chmod(0o666)
    (finding,) = health._check_permissions(tmp_path)
    wrong(finding, "ledger.db", "chmod -R o-w", state="warning")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert health._check_disk(tmp_path).state == (
        "ok" if shutil.disk_usage(tmp_path).free > 2e9 else "warning"
    )
    monkeypatch.setattr(health.shutil, "disk_usage", lambda folder: SimpleNamespace(free=3e8))
    wrong(health._check_disk(tmp_path), "0.3 GB free", "free some space", state="warning")


def test_a_source_that_is_not_there(pipeline: Pipeline) -> None:
    Path(str(pipeline.data.path)).unlink()
    wrong(health._check_source(pipeline), "machines.csv", "mend the block 'data'")


# Databases


def test_newest_revisions_are_those_the_packages_make(pipeline: Pipeline) -> None:
    """Read from files, and what a store that MLflow has just made says."""
    from pynomaly.records.registry import Registry

    Registry.open_for(pipeline)
    newest = find_newest_revision("mlflow", "store", "db_migrations", "versions")
    assert inspect_database(pipeline.tracking_uri).revision == newest != ""
    for dialect in ("sqlite", "postgresql"):
        assert find_newest_revision("prefect", "server", "database", "_migrations", "versions", dialect)
    assert find_newest_revision("nobody_has_this", "versions") == ""


@pytest.mark.parametrize(
    ("revision", "state", "sentence"),
    [
        (HEAD, "ok", ""),
        ("0001", "warning", "the next command that opens it"),
        ("9999", "wrong", "upgrade Pynomaly"),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def test_the_ledgers_revision(
    kind: str, revision: str, state: str, sentence: str, tmp_path: Path, request: Any, pipeline: Pipeline
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    if kind == "postgresql":
        url = create_database(request.getfixturevalue("postgres"))
    engine = create_engine(url)
    with engine.begin() as connection:
        upgrade_tables(connection, min(revision, HEAD))
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
    engine.dispose()
    records = pipeline.records.model_copy(update={"ledger": url})
    findings = list(connectivity.check_records(pipeline.model_copy(update={"records": records})))
    ledger = named(findings, "ledger's database")
    assert ledger.state == state
    if sentence:
        wrong(ledger, revision, sentence, state=state)
    assert inspect_database(url, VERSION_TABLE).revision == revision  # looked at, not migrated
    if kind == "postgresql":
        assert named(findings, "clock of ledger's database").state == "ok"


@pytest.mark.parametrize(
    ("check", "command"), [("MLflow", "mlflow db upgrade"), ("Prefect", "server database upgrade")]
)
def test_a_database_of_another_version(check: str, command: str, tmp_path: Path, pipeline: Pipeline) -> None:
    file = tmp_path / "home" / ("mlflow/mlflow.db" if check == "MLflow" else "prefect/prefect.db")
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as made, made:
        made.execute("CREATE TABLE alembic_version (version_num TEXT)")
        made.execute("INSERT INTO alembic_version VALUES ('abc123')")
    findings = health.check_installation(pipeline, pipeline.home)
    wrong(named(findings, f"{check}'s database"), "abc123", command)
    assert check == "Prefect" or "registry" not in {item.check for item in findings}


def test_a_database_that_cannot_be_reached(pipeline: Pipeline) -> None:
    url = f"postgresql+psycopg://me:s3cret@127.0.0.1:{find_free_port()}/ledger"
    (finding,) = connectivity.check_database("ledger's database", url, VERSION_TABLE, HEAD, "")
    wrong(finding, "refused", "start PostgreSQL")
    assert "s3cret" not in str(finding)
    (finding,) = connectivity.check_database("ledger's database", "oracle://db/x", VERSION_TABLE, HEAD, "")
    wrong(finding, "no address of a PostgreSQL")


def test_a_user_that_the_database_does_not_know(postgres: Any) -> None:
    url = make_url(create_database(postgres)).set(username="stranger", password="s3cret")
    (finding,) = connectivity.check_database(
        "Prefect's database", url.render_as_string(hide_password=False), "alembic_version", "", ""
    )
    wrong(finding, "stranger", "user or password")
    assert "s3cret" not in str(finding)


# Clocks


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0, "ok"), (4, "ok"), (6, "warning"), (59, "warning"), (61, "wrong"), (86_400, "wrong")],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_clocks_that_disagree(seconds: int, state: str, sign: int) -> None:
    (finding,) = connectivity.check_clock("it", NOW + sign * timedelta(seconds=seconds), NOW)
    assert finding.state == state
    if state != "ok":
        wrong(finding, f"{seconds} s apart", "NTP", state=state)


def test_a_server_whose_clock_is_off() -> None:
    date = "Mon, 05 Jan 2026 00:00:00 GMT"
    ours = json.dumps(version("prefect"))
    with server(version=(200, ours), date=(200, date)) as address:
        api, apart = connectivity.check_prefect_server(f"{address}/api")
    assert api.state == "ok"
    wrong(apart, "NTP")


# Servers


def test_prefects_api() -> None:
    with server(version=(200, json.dumps(version("prefect"))), guarded=(200, "")) as address:
        assert {item.state for item in connectivity.check_prefect_server(f"{address}/api", "me:secret")} == {
            "ok"
        }
        (finding,) = connectivity.check_prefect_server(f"{address}/api")
        wrong(finding, "401", "PREFECT_API_AUTH_STRING")
    with server(version=(200, '"2.1.0"')) as address:
        wrong(
            connectivity.check_prefect_server(f"{address}/api")[0],
            "2.1.0 there",
            "constraints.txt",
            state="warning",
        )
    with server() as address:
        wrong(connectivity.check_prefect_server(address)[0], "404", "ends in /api")
    wrong(connectivity.check_prefect_server(address)[0], "nobody answers", "PREFECT_API_URL")


def test_mlflows_server() -> None:
    answers = {"version": (200, version("mlflow")), "search": (200, "{}")}
    with server(**answers, guarded=(200, "")) as address:
        assert {item.state for item in connectivity.check_mlflow_server(address, "me:secret")} == {"ok"}
        wrong(connectivity.check_mlflow_server(address)[0], "401", "MLFLOW_TRACKING_USERNAME")
    with server(**answers | {"version": (200, "2.9.2")}) as address:
        wrong(connectivity.check_mlflow_server(address)[0], "2.9.2 there", state="warning")
    wrong(connectivity.check_mlflow_server(address)[0], "nobody answers", "start the server")


def test_evidentlys_pages_are_missed_and_no_more(pipeline: Pipeline) -> None:
    with server(version=(200, "{}")) as address:
        assert connectivity.check_page("Evidently's pages", f"{address}/api/version").state == "ok"
    wrong(
        connectivity.check_page("Evidently's pages", f"{address}/api/version"),
        "nobody answers",
        state="warning",
    )


def test_buckets(bucket: str, monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> None:
    records = pipeline.records.model_copy(update={"store": bucket, "artifacts": f"{bucket}/mlflow"})
    findings = list(connectivity.check_records(pipeline.model_copy(update={"records": records})))
    assert {item.state for item in findings} == {"ok"}
    assert [item.check for item in findings][-2:] == ["store in s3", "artifacts in s3"]
    wrong(connectivity.check_bucket("store", "s3://there-is-no-such-bucket/x"), "AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stranger")
    wrong(connectivity.check_bucket("store", bucket), "AWS_SECRET_ACCESS_KEY")


def test_what_cannot_be_reached_is_said_once(pipeline: Pipeline) -> None:
    url = f"postgresql://me@127.0.0.1:{find_free_port()}/ledger"
    records = pipeline.records.model_copy(update={"ledger": url})
    findings = health.check_installation(pipeline.model_copy(update={"records": records}), pipeline.home)
    assert [item.check for item in findings if item.state == "wrong"] == ["ledger's database"]


def test_messages_that_wait_are_told(pipeline: Pipeline) -> None:
    with Ledger.open(pipeline.ledger_url):
        pass
    assert health._check_messages(pipeline).state == "ok"
