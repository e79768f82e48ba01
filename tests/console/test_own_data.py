"""Own data: a file is dropped, read, corrected, made a pipeline of, and trained."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from pynomaly.config import load_pipeline
from pynomaly.console.app import create_console
from pynomaly.console.own_data.actions import write_pipeline
from pynomaly.console.own_data.corrections import Corrections
from pynomaly.console.own_data.inbox import DroppedFile, Inbox
from pynomaly.console.own_data.trainings import Trainings, split_output
from pynomaly.console.pipelines import Pipelines
from pynomaly.data.intake import read_table
from pynomaly.errors import ConfigError, UnknownNameError
from tests.console.conftest import SECRET
from tests.machines import make_machines
from tests.servers import answering

TABLE = make_machines(20).assign(
    time=lambda frame: frame["time"].dt.strftime("%Y-%m-%d %H:%M"), grade=lambda frame: frame.index % 5
)
CSV = TABLE.to_csv(index=False, sep=";", decimal=",").encode()
WAIT = Retrying(
    stop=stop_after_delay(300), wait=wait_fixed(0.05), retry=retry_if_result(lambda end: end is None)
)


async def in_parts(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def drop_into(inbox: Inbox, name: str, *parts: bytes) -> DroppedFile:
    return anyio.run(inbox.add_file, name, in_parts(*parts))


def drop(client: httpx.Client, name: str = "Halls 3.csv", content: bytes = CSV) -> str:
    answer = client.post(
        "/api/v1/files",
        params={"name": name},
        content=content,
        headers={"content-type": "application/octet-stream"},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["file"])


def wait_for_end(client: httpx.Client, pipeline: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        run: dict[str, Any] = client.get(f"/api/v1/pipelines/{pipeline}/training").json()
        return None if run["state"] == "running" else run

    run = WAIT(look)
    assert run is not None
    return run


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corrections") / "halls.csv"
    path.write_bytes(CSV)
    return path


class TestInbox:
    @pytest.mark.parametrize(
        ("name", "kept_as"),
        [
            ("halls.csv", "halls.csv"),
            ("../../etc/passwd", "passwd"),
            (r"C:\data\halls 3.xlsx", "halls 3.xlsx"),
            ("käse/größe.csv.gz", "größe.csv.gz"),
            ("a\x00b\n.csv", "a_b_.csv"),
            (".hidden.csv", "hidden.csv"),
            ("x" * 300 + ".csv", "x" * 116 + ".csv"),
        ],
    )
    def test_a_name_is_one_of_a_file_in_one_folder(self, tmp_path: Path, name: str, kept_as: str) -> None:
        file = drop_into(Inbox(tmp_path / "files", 100), name, b"a")
        assert (file.name, file.path.parent.parent) == (kept_as, tmp_path / "files")

    @pytest.mark.parametrize(
        ("name", "parts", "why"),
        [
            ("halls.csv", (b"x" * 60, b"x" * 60), "has more than 0 MB.*pynomaly init"),
            ("halls.csv", (), "halls.csv is empty"),
            ("..", (b"a",), "no name of a file"),
            ("", (b"a",), "no name of a file"),
        ],
    )
    def test_what_it_cannot_keep_leaves_nothing(
        self, tmp_path: Path, name: str, parts: tuple[bytes, ...], why: str
    ) -> None:
        inbox = Inbox(tmp_path / "files", 100)
        with pytest.raises(ConfigError, match=why):
            drop_into(inbox, name, *parts)
        assert list(tmp_path.rglob("*.csv")) == []
        assert inbox.list_files() == ()

    @pytest.mark.parametrize("file", ["", "..", "0" * 16, "../" + "0" * 13, "ABCDEF0123456789"])
    def test_an_id_that_is_none_is_said(self, tmp_path: Path, file: str) -> None:
        with pytest.raises(UnknownNameError, match="no dropped file"):
            Inbox(tmp_path, 100).find_file(file)

    def test_a_file_is_forgotten_after_a_week(self, tmp_path: Path) -> None:
        inbox = Inbox(tmp_path, 100)
        old, new = drop_into(inbox, "old.csv", b"a"), drop_into(inbox, "new.csv", b"b")
        week = datetime.now(UTC) - timedelta(days=7, minutes=1)
        os.utime(old.path, (week.timestamp(), week.timestamp()))
        assert [file.name for file in inbox.list_files()] == ["new.csv", "old.csv"]
        drop_into(inbox, "newest.csv", b"c")
        assert {file.name for file in inbox.list_files()} == {"new.csv", "newest.csv"}
        assert not old.path.exists()
        assert inbox.find_file(new.id) == new


class TestCorrections:
    @pytest.mark.parametrize(
        ("roles", "hints"),
        [
            ({}, {}),
            ({"noise": "out"}, {"ignore": ["noise"]}),
            ({"grade": "category"}, {"categorical": ["grade"]}),
            ({"heat": "counter"}, {"counters": ["heat"]}),
            ({"grade": "label"}, {"label": "grade"}),
            ({"time": "time", "machine": "entity"}, {"time": "time", "id": "machine"}),
        ],
    )
    def test_they_come_to_settings_under_data(
        self, table: Path, roles: dict[str, str], hints: dict[str, Any]
    ) -> None:
        assert Corrections(roles).build_hints(read_table(table)) == hints

    def test_a_label_that_is_said_to_be_a_number_becomes_a_feature(self, table: Path) -> None:
        reading = read_table(table)
        assert next(column for column in reading.columns if column.name == "anomaly").role == "label"
        hints = Corrections({"anomaly": "number"}).build_hints(reading)
        columns = {column.name: column for column in read_table(table, hints).columns}
        assert columns["anomaly"].is_feature
        assert columns["heat"].is_feature

    @pytest.mark.parametrize(
        ("roles", "settings", "why"),
        [
            ({"heat": "numbr"}, {}, "heat: no role 'numbr'.*number"),
            ({"heta": "out"}, {}, "no column 'heta'.*heat"),
            ({"heat": "entity", "machine": "entity"}, {}, "heat, machine cannot all be whose row"),
            ({}, {"decimals": ","}, "no setting 'decimals' here.*decimal"),
            ({}, {"skip_rows": "[1"}, "skip_rows is"),
        ],
    )
    def test_what_is_none_is_said(
        self, table: Path, roles: dict[str, str], settings: dict[str, str], why: str
    ) -> None:
        with pytest.raises(ConfigError, match=why):
            Corrections(roles, settings).build_hints(read_table(table))

    def test_settings_are_values_as_in_a_yaml(self) -> None:
        typed = {"separator": "tab", "skip_rows": "2", "header": "false", "missing_values": "[-, n/a]"}
        values = {"separator": "\t", "skip_rows": 2, "header": False, "missing_values": ["-", "n/a"]}
        assert Corrections({}, typed).build_settings() == values


class TestApi:
    def test_a_file_becomes_a_pipeline_that_trains(self, local: httpx.Client, configs: Path) -> None:
        file = drop(local)
        read = local.post(f"/api/v1/files/{file}/reading", json={}).json()
        roles = {column["name"]: column["role"] for column in read["reading"]["columns"]}
        assert (roles["time"], roles["machine"], roles["anomaly"]) == ("time", "entity", "label")
        assert yaml.safe_load(read["yaml"])["data"]["path"] == "../data/halls-3.csv"
        assert not (configs / "halls-3.yaml").exists()

        wish = {"name": "halls", "roles": {"noise": "out"}, "settings": {"timezone": "Europe/Berlin"}}
        made = local.post(f"/api/v1/files/{file}/pipeline", json=wish)
        assert made.json() == {"pipeline": "halls", "config": "halls.yaml", "training": True}
        pipeline = load_pipeline(configs / "halls.yaml")
        assert Path(pipeline.data.path).read_bytes() == CSV
        assert (pipeline.data.timezone, "noise" in pipeline.data.ignore) == ("Europe/Berlin", True)
        assert "halls" in {item["name"] for item in local.get("/api/v1/pipelines").json()}
        run = wait_for_end(local, "halls")
        assert (run["state"], run["words"]) == ("done", f"trains {(configs / 'halls.yaml').resolve()}")
        assert local.get("/api/v1/files").json() == []

    def test_what_is_wrong_with_a_file_is_in_its_reading(self, local: httpx.Client) -> None:
        file = drop(local, "notes.csv", b"time\n" + b"".join(b"2026-01-%02d\n" % day for day in range(1, 29)))
        read = local.post(f"/api/v1/files/{file}/reading", json={}).json()
        assert read["yaml"] is None
        assert "notes.csv" in read["problem"]
        assert "console" not in read["problem"]  # nothing of folders
        made = local.post(f"/api/v1/files/{file}/pipeline", json={})
        assert made.status_code == 422
        assert "no column" in made.json()["detail"]

    @pytest.mark.parametrize(
        ("wish", "why"),
        [
            ({"name": "pumps"}, "pumps.yaml exists in configs"),
            ({"name": "taken"}, "taken.csv exists in data"),
            ({"name": "../evil"}, "write it as 'evil'"),
            ({"roles": {"heta": "out"}}, "no column 'heta'"),
        ],
    )
    def test_nothing_is_written_over_or_elsewhere(
        self, local: httpx.Client, configs: Path, wish: dict[str, Any], why: str
    ) -> None:
        (configs.parent / "data").mkdir()
        (configs.parent / "data" / "taken.csv").write_text("mine")
        before = {path: path.read_bytes() for path in configs.parent.rglob("*.[cy][sa][vm]*")}
        file = drop(local)
        answer = local.post(f"/api/v1/files/{file}/pipeline", json=wish)
        assert answer.status_code == 422
        assert why in answer.json()["detail"]
        after = {path: path.read_bytes() for path in configs.parent.rglob("*.[cy][sa][vm]*")}
        assert {path for path in after if path not in before} == {next(configs.parent.rglob("Halls 3.csv"))}
        assert {path: after[path] for path in before} == before

    @pytest.mark.parametrize("blocked", ["data", "configs"])
    def test_a_disk_that_takes_only_one_of_both_gets_none(self, tmp_path: Path, blocked: str) -> None:
        (tmp_path / blocked).write_text("a file in the place of a folder")
        dropped = drop_into(Inbox(tmp_path / "files", len(CSV)), "halls.csv", CSV)
        with pytest.raises(ConfigError, match=r"cannot be written: (File exists|Not a directory)"):
            write_pipeline(dropped, Corrections(), "", tmp_path / "configs")
        assert [path.name for path in tmp_path.rglob("halls.*")] == ["halls.csv"]
        assert dropped.path.exists()

    def test_a_file_of_too_many_bytes_is_refused(
        self, configs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pynomaly.console.app.MAX_FILE", 1000)
        app = create_console(Pipelines([configs]), SECRET, home=configs.parent, train=())
        with answering(app) as client:
            answer = client.post(
                "/api/v1/files",
                params={"name": "a.csv"},
                content=CSV,
                headers={"content-type": "application/octet-stream"},
            )
            assert answer.status_code == 422
            assert "more than" in answer.json()["detail"]

    def test_where_single_files_are_shown_none_is_made(self, configs: Path) -> None:
        app = create_console(Pipelines([configs / "pumps.yaml"]), SECRET, home=configs.parent, train=())
        with answering(app) as client:
            file = drop(client)
            answer = client.post(f"/api/v1/files/{file}/pipeline", json={})
            assert answer.status_code == 422
            assert "start it over a folder" in answer.json()["detail"]
            assert "start it over a folder" in client.get("/own-data").text


class TestPages:
    def test_the_first_pipeline_is_made_where_there_is_none(self, tmp_path: Path) -> None:
        app = create_console(
            Pipelines([tmp_path / "configs"], may_be_empty=True),
            SECRET,
            home=tmp_path,
            train=(sys.executable, "-c", "import sys; sys.exit('no rows')"),
        )
        with answering(app) as client:
            assert "No pipeline yet" in client.get("/").text
            assert client.get("/api/v1/tokens").status_code == 404
            for place in ("/alerts", "/decisions", "/api/v1/alerts", "/healthz"):
                assert client.get(place).status_code == 200, place
            proof = find_proof(client.get("/own-data").text)
            sent = client.post(
                "/own-data", data={"proof": proof}, files={"file": ("halls.csv", CSV)}, follow_redirects=False
            )
            place = sent.headers["location"]
            assert sent.status_code == 303
            assert place in client.get("/own-data").text
            page = client.get(place, params={"role.noise": "out"}).text
            assert "Save and train halls" in page
            assert "../data/halls.csv" in page
            answer = client.get(f"{place}/pipeline.yaml", params={"role.noise": "out", "name": "cool"})
            assert "noise" in yaml.safe_load(answer.text)["data"]["ignore"]
            assert 'filename="cool.yaml"' in answer.headers["content-disposition"]
            made = client.post(
                f"{place}/pipeline", data={"proof": proof, "role.noise": "out"}, follow_redirects=False
            )
            assert made.headers["location"] == "/pipelines/halls/training"
            assert wait_for_end(client, "halls")["state"] == "failed"
            page = client.get("/pipelines/halls/training").text
            assert "exit code 1" in page
            assert "no rows" in page
            assert "Train again" in page

    @pytest.mark.parametrize("sent", [{}, {"file": ("empty.csv", b"")}, {"file": ("", b"a")}])
    def test_no_file_is_said_on_the_page(self, local: httpx.Client, sent: Any) -> None:
        proof = find_proof(local.get("/own-data").text)
        answer = local.post("/own-data", data={"proof": proof}, files=sent or {"other": ("", b"")})
        assert answer.status_code in (400, 422)
        assert re.search("no file was chosen|is empty", answer.text)

    def test_a_form_of_another_site_drops_nothing(self, local: httpx.Client) -> None:
        sent = local.post("/own-data", data={"proof": "0" * 64}, files={"file": ("halls.csv", CSV)})
        assert sent.status_code == 403
        assert local.get("/api/v1/files").json() == []

    def test_wrong_corrections_are_said_and_the_columns_stay(self, local: httpx.Client) -> None:
        file = drop(local)
        page = local.get(f"/own-data/{file}", params={"role.heat": "entity", "role.machine": "entity"}).text
        assert "cannot all be whose row" in page
        assert "role.noise" in page
        page = local.get(f"/own-data/{file}", params={"encoding": "klingon"}).text
        assert "klingon" in page

    def test_a_file_with_a_key_is_kept_once_and_not_held_in_memory(
        self, local: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(request: Any) -> bytes:
            raise AssertionError("the body is read whole")

        monkeypatch.setattr("starlette.requests.Request.body", refuse)

        def send(name: str, content: bytes = CSV) -> httpx.Response:
            headers = {"content-type": "application/octet-stream", "idempotency-key": "k"}
            return local.post("/api/v1/files", params={"name": name}, content=content, headers=headers)

        first, again = send("halls.csv"), send("halls.csv")
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.json() == first.json()
        assert [item["file"] for item in local.get("/api/v1/files").json()] == [first.json()["file"]]
        for other in (send("other.csv"), send("halls.csv", CSV + b"\n")):
            assert (other.status_code, "for another request" in other.json()["detail"]) == (422, True)


class TestTrainings:
    def test_a_second_of_the_same_and_a_third_at_once_are_refused(self, tmp_path: Path) -> None:
        for pipeline in ("a", "b"):  # a training ends when the test opens what it reads
            os.mkfifo(tmp_path / f"{pipeline}.yaml")
        blocking = Trainings(tmp_path, (sys.executable, "-c", "import sys; open(sys.argv[1]).read()"))
        try:
            blocking.start_training("a", tmp_path / "a.yaml", "ann")
            with pytest.raises(ConfigError, match="a is in training already"):
                blocking.start_training("a", tmp_path / "a.yaml", "ann")
            blocking.start_training("b", tmp_path / "b.yaml", "ann")
            with pytest.raises(ConfigError, match="a, b are in training"):
                blocking.start_training("c", tmp_path / "c.yaml", "ann")
        finally:
            for pipeline in ("a", "b"):
                (tmp_path / f"{pipeline}.yaml").open("w").close()
                WAIT(is_over, blocking, pipeline)

    def test_one_that_outlives_its_console_is_known_to_the_next(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.yaml")
        command = (sys.executable, "-c", "import sys; open(sys.argv[1]).read(); print('over'); sys.exit(3)")
        Trainings(tmp_path, command).start_training("a", tmp_path / "a.yaml", "ann")
        later = Trainings(tmp_path, command)  # a console that was started meanwhile
        try:
            WAIT(is_running, later, "a")
            with pytest.raises(ConfigError, match="a is in training already"):
                later.start_training("a", tmp_path / "a.yaml", "ben")
        finally:
            (tmp_path / "a.yaml").open("w").close()
        WAIT(is_over, later, "a")
        run = later.find_training("a")
        assert run is not None
        assert (run.state, run.code, run.words, run.by) == ("failed", 3, "over", "ann")

    def test_a_command_that_is_none_is_said(self, tmp_path: Path) -> None:
        trainings = Trainings(tmp_path, ("/nowhere/pynomaly",))
        trainings.start_training("a", tmp_path / "a.yaml", "ann")
        WAIT(is_over, trainings, "a")
        run = trainings.find_training("a")
        assert run is not None
        assert (run.state, run.code) == ("failed", 127)
        assert "/nowhere/pynomaly cannot be started" in run.words

    def test_one_that_was_killed_with_its_watcher_is_not_known(self, tmp_path: Path) -> None:
        fate = {"started": datetime.now(UTC).isoformat(), "by": "ann", "code": None}
        (tmp_path / "a.json").write_text(json.dumps(fate))
        (tmp_path / "a.log").write_bytes(b"half a \xff line")
        run = Trainings(tmp_path, ()).find_training("a")
        assert run is not None
        assert (run.state, run.by) == ("unknown", "ann")

    def test_steps_are_told_from_words(self) -> None:
        steps, words = split_output(
            "09:07:02.169 | INFO    | Flow run 'a latest' - Beginning flow run 'a latest'\n"
            "09:07:08.449 | INFO    | Task run 'plan-092' - Finished in state Completed()\n"
            "09:07:09.449 | WARNING | Task run 'fit-it-674' - Timeout of 9 seconds\n"
            "09:07:10.449 | ERROR   | Task run 'fit-it-674' - Task run failed with exception: X('no')\n"
            "Traceback (most recent call last):\n"
            '  File "a.py", line 1, in <module>\n'
            "pynomaly.errors.DataError: no\n"
            "pynomaly: no rows are left\n"
            "09:07:11.449 | INFO    | prefect - Stopping temporary server\n"
        )
        assert (steps, words) == (("plan",), "pynomaly: no rows are left")

    @pytest.mark.slow
    @pytest.mark.server
    def test_the_command_of_the_console_fails_with_its_reason(self, configs: Path) -> None:
        train = (sys.executable, "-m", "flows.cli", "train")
        app = create_console(Pipelines([configs]), SECRET, home=configs.parent, train=train)
        with answering(app) as client:
            assert client.post("/api/v1/pipelines/payments/training", json={}).status_code == 202
            run = wait_for_end(client, "payments")
        assert (run["state"], run["code"]) == ("failed", 2)
        assert re.fullmatch("pynomaly: no row lies in the window.*", run["words"])
        assert "Traceback" not in run["words"]


def is_over(trainings: Trainings, pipeline: str) -> bool | None:
    run = trainings.find_training(pipeline)
    return None if run is None or run.state == "running" else True


def is_running(trainings: Trainings, pipeline: str) -> bool | None:
    run = trainings.find_training(pipeline)
    return True if run is not None and run.state == "running" else None


def find_proof(page: str) -> str:
    proof = re.search(r'name="proof" value="(\w+)"', page)
    assert proof is not None
    return proof[1]


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Trainings get a home of their own."""
    monkeypatch.setenv("PYNOMALY_HOME", str(tmp_path / "home"))
