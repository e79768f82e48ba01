"""The champion over HTTP: the numbers of the batch, refusals that name the field, a new champion unasked."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from flows.cli import app as command_line
from pynomaly.config import Pipeline, load_pipeline
from pynomaly.records.registry import Registry
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.serving.tokens import BearerTokens
from pynomaly.serving.web import create_app
from tests.machines import make_machines, make_small_settings
from tests.servers import answering
from tests.steps.conftest import start_with_champion

ROWS = make_machines(28)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline with a champion, made once."""
    folder = tmp_path_factory.mktemp("served")
    ROWS.to_csv(folder / "machines.csv", index=False)
    file = folder / "machines.yaml"
    file.write_text(
        yaml.safe_dump(
            make_small_settings(features={"calendar": True}, serving={"max_rows": 500, "max_megabytes": 0.2})
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYNOMALY_HOME", str(folder / "home"))
        made = load_pipeline(file)
        _, decision = start_with_champion(made)
        assert decision.kind == "promote"
        yield made


@pytest.fixture(scope="module")
def live(settings: Pipeline) -> LiveChampion:
    champion = LiveChampion(settings)
    assert champion.refresh()
    return champion


@pytest.fixture(scope="module")
def client(settings: Pipeline, live: LiveChampion) -> Iterator[httpx.Client]:
    with answering(create_app(settings, live=live)) as asked:
        yield asked


def sent(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a client would write them."""
    return list(json.loads(frame.to_json(orient="records", date_format="iso", double_precision=15)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Until it answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            select.select([], [], [], 0.1)
    raise AssertionError(f"{url} does not answer")


def one(**changes: Any) -> dict[str, Any]:
    row = {"time": "2026-01-05T00:00:00+00:00", "machine": "a", "heat": 20.5, "power": 5.25, "noise": 0.5}
    return {name: cell for name, cell in {**row, **changes}.items() if cell is not ...}


@pytest.mark.slow
def test_answers_are_the_batchs_to_the_bit_alone_and_together(
    client: httpx.Client, live: LiveChampion
) -> None:
    assert live.served is not None
    frame = ROWS.iloc[:300]
    batch = live.served.bundle.score(frame)
    rows = json.loads(frame.drop(columns="time").to_json(orient="records", double_precision=15))
    for row, moment, (_, cells) in zip(rows, frame["time"], frame.iterrows(), strict=True):
        row["time"] = moment.isoformat()
        row |= {name: float(cells[name]) for name in ("heat", "power", "noise")}
    together = client.post("/score", json={"rows": rows}).json()
    assert together["version"] == 1
    assert together["model"] == "machines"
    alone = [client.post("/score", json={"rows": [row]}).json()["rows"][0] for row in rows[:20]]
    assert alone == together["rows"][:20]
    scored = pd.DataFrame(together["rows"])
    assert list(scored) == list(batch)
    for name in batch:
        np.testing.assert_array_equal(scored[name].to_numpy(), batch[name].to_numpy(), err_msg=name)


@pytest.mark.parametrize(
    ("body", "status", "place", "message"),
    [
        (b"{", 400, [], "not JSON"),
        (b"[]", 422, [], "object with rows"),
        (b'{"rows": [{"heat": NaN}]}', 400, [], "not JSON"),
        ({}, 422, ["rows"], "missing"),
        ({"row": []}, 422, ["row"], "did you mean 'rows'"),
        ({"rows": {}}, 422, ["rows"], "list"),
        ({"rows": []}, 422, ["rows"], "at least one"),
        ({"rows": [1]}, 422, ["rows", 0], "object"),
        ({"rows": [one(), one(power=...)]}, 422, ["rows", 1, "power"], "missing"),
        ({"rows": [one(power=..., powr=1.0)]}, 422, ["rows", 0, "power"], "the row has 'powr'"),
        ({"rows": [one(), one(heat="hot")]}, 422, ["rows", 1, "heat"], "a number is needed"),
        ({"rows": [one(heat=True)]}, 422, ["rows", 0, "heat"], "a number is needed"),
        ({"rows": [one(heat=[1])]}, 422, ["rows", 0, "heat"], "a number is needed"),
        ({"rows": [one(heat=None, power=None, noise=None)]}, 422, ["rows", 0], "every column"),
        ({"rows": [one(time="yesterday")]}, 422, ["rows", 0, "time"], "ISO 8601"),
        ({"rows": [one(), one(time="2026-01-05T00:00:00")]}, 422, ["rows", 1, "time"], "offset"),
        ({"rows": [one(time=3)]}, 422, ["rows", 0, "time"], "a time like"),
        ({"rows": [one()], "reasons": "all"}, 422, ["reasons"], "whole number"),
        ({"rows": [one()], "reasons": 21}, 422, ["reasons"], "from 0 to 20"),
        ({"rows": [one()] * 501}, 422, ["rows"], "at most 500"),
        ({"rows": [one(machine="x" * 300_000)]}, 413, [], "larger than"),
        (b'{"rows": [{"heat": 1e999}]}', 400, [], "not JSON"),
    ],
)
def test_a_refusal_names_row_and_field(
    client: httpx.Client, body: Any, status: int, place: list[Any], message: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/score", content=content)
    assert answer.status_code == status, answer.text
    [detail] = answer.json()["detail"]
    assert detail["loc"] == place
    assert message in detail["msg"]


def test_an_alert_comes_with_what_carries_it_where_that_is_asked_for(client: httpx.Client) -> None:
    rows = [one(), one(power=60.0), one(power=-60.0)]
    plain = client.post("/score", json={"rows": rows}).json()["rows"]
    assert all("reasons" not in row for row in plain)
    scored = client.post("/score", json={"rows": rows, "reasons": 1}).json()["rows"]
    assert [row["is_anomaly"] for row in scored] == [False, True, True]
    assert "reasons" not in scored[0]
    assert [row["reasons"][0]["column"] for row in scored[1:]] == ["power", "power"]
    assert scored[1]["reasons"][0]["value"] == 60.0
    assert scored[1]["reasons"][0]["fall"] > 0
    assert [{**row, "reasons": None} for row in scored] == [{**row, "reasons": None} for row in plain]


def test_a_missing_number_is_the_models_business(client: httpx.Client, live: LiveChampion) -> None:
    assert live.served is not None
    [row] = client.post("/score", json={"rows": [one(noise=None)]}).json()["rows"]
    frame = pd.DataFrame([one(noise=np.nan)]).assign(time=lambda f: pd.to_datetime(f["time"], utc=True))
    assert row["score"] == live.served.bundle.score(frame)["score"].iloc[0]


def test_the_document_describes_what_is_taken_and_its_example_is_answered(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["info"]["version"] == "v1"
    row = document["components"]["schemas"]["Row"]
    assert {"heat", "power", "noise"} <= set(row["required"])
    body = document["components"]["schemas"]["ScoreRequest"]
    answer = client.post("/score", json=body["example"])
    assert answer.status_code == 200, answer.text
    properties = document["components"]["schemas"]["ScoredRow"]["properties"]
    assert set(answer.json()["rows"][0]) <= set(properties)
    page = client.get("/docs")
    assert page.status_code == 200
    assert "http" not in page.text.replace("http-equiv", "")
    assert client.get("/static/swagger-ui-bundle.js").status_code == 200


@pytest.mark.slow
def test_requests_made_from_the_document_are_answered_as_it_says(client: httpx.Client) -> None:
    """Schemathesis: valid bodies are scored, invalid ones refused, every answer has its documented shape."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given
    from hypothesis import settings as hypothesis_settings

    schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    operations = [item.ok() for item in schema.get_all_operations()]
    assert len(operations) == 4
    for operation in operations:

        @given(case=operation.as_strategy())
        @hypothesis_settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def answered(case: schemathesis.Case) -> None:
            case.call_and_validate()

        answered()


def test_health_model_and_figures(client: httpx.Client, live: LiveChampion) -> None:
    health = client.get("/health")
    assert (health.status_code, health.json()["status"], health.json()["version"]) == (200, "ok", 1)
    model = client.get("/model").json()
    assert live.served is not None
    assert model["sha256"] == live.served.ref.sha256
    assert model["threshold"] == live.served.bundle.policy.threshold
    before = figures(client)
    client.post("/score", json={"rows": [one(), one()]})
    client.post("/score", json={"rows": []})
    client.get("/no/such/path")
    after = figures(client)
    assert after["pynomaly_rows_total"] - before.get("pynomaly_rows_total", 0) == 2
    assert after['pynomaly_requests_total{code="422",path="/score"}'] > 0
    assert after['pynomaly_requests_total{code="404",path="other"}'] > 0
    assert after["pynomaly_champion_version"] == 1


def figures(client: httpx.Client) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_token_is_asked_for_where_scores_are_given(settings: Pipeline, live: LiveChampion) -> None:
    with answering(create_app(settings, BearerTokens(lambda: "s3cret"), live)) as client:
        assert client.post("/score", json={"rows": [one()]}).status_code == 401
        wrong = {"Authorization": "Bearer other"}
        assert client.post("/score", json={"rows": [one()]}, headers=wrong).status_code == 401
        assert client.get("/model").status_code == 401
        right = {"Authorization": "Bearer s3cret"}
        assert client.post("/score", json={"rows": [one()]}, headers=right).status_code == 200
        assert client.get("/health").status_code == 200
        assert client.get("/openapi.json").json()["security"] == [{"token": []}]


def test_without_a_champion_it_says_so(pipeline_without: Pipeline) -> None:
    empty = LiveChampion(pipeline_without)
    assert not empty.refresh()
    with answering(create_app(pipeline_without, live=empty)) as client:
        answer = client.post("/score", json={"rows": [one()]})
        assert answer.status_code == 503
        assert "nothing has been promoted" in answer.json()["detail"][0]["msg"]
        assert client.get("/health").status_code == 503
        assert client.get("/health").json()["status"] == "empty"
        assert client.get("/openapi.json").status_code == 200


@pytest.fixture
def pipeline_without(tmp_path: Path) -> Pipeline:
    ROWS.to_csv(tmp_path / "machines.csv", index=False)
    (tmp_path / "machines.yaml").write_text(yaml.safe_dump(make_small_settings()))
    return load_pipeline(tmp_path / "machines.yaml")


def test_a_new_champion_is_served_without_a_restart_and_an_outage_keeps_the_old(
    pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pipeline()
    start_with_champion(made)
    registry = Registry.open_for(made)
    live = LiveChampion(made)
    live.refresh()
    first = live.served
    assert first is not None
    assert not live.refresh()
    assert live.served is first
    with answering(create_app(made, live=live)) as client:
        before = client.post("/score", json={"rows": [one()]}).json()

        def gone(*_: Any) -> Any:
            from pynomaly.errors import RecordError

            raise RecordError("the registry is away")

        with monkeypatch.context() as patch:
            patch.setattr(Registry, "resolve_alias", gone)
            assert not live.refresh()
            health = client.get("/health").json()
            assert (health["status"], health["problem"]) == ("stale", "the registry is away")
            assert client.post("/score", json={"rows": [one()]}).json() == before
        changed = first.bundle.with_policy(first.bundle.policy)
        folder = made.home / "other"
        sha256 = changed.save(folder)
        run = first.ref.run_id
        second = registry.register("machines", run, folder, sha256, example=changed.golden, key="other")
        registry.set_alias("machines", "champion", second.version)
        assert live.refresh() or live.served.ref.version == 2  # the same content may keep its hash
        after = client.post("/score", json={"rows": [one()]}).json()
        assert after["version"] == 2
        assert after["rows"] == before["rows"]
        assert client.get("/health").json()["status"] == "ok"


def test_a_champion_that_was_tampered_with_is_not_served(
    pipeline: Callable[..., Pipeline],
) -> None:
    made = pipeline()
    start_with_champion(made)
    for file in made.home.rglob("calibration.npz"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    live = LiveChampion(made)
    assert not live.refresh()
    assert live.served is None
    assert "calibration.npz" in live.problem


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    def make(**blocks: Any) -> Pipeline:
        ROWS.to_csv(tmp_path / "machines.csv", index=False)
        (tmp_path / "machines.yaml").write_text(yaml.safe_dump(make_small_settings(**blocks)))
        return load_pipeline(tmp_path / "machines.yaml")

    return make


@pytest.mark.slow
def test_a_models_past_comes_with_the_request(pipeline: Callable[..., Pipeline]) -> None:
    made = pipeline(data={"series": {"columns": ["heat", "power"], "rows": 4, "history": "1d"}})
    start_with_champion(made)
    live = LiveChampion(made)
    live.refresh()
    assert live.served is not None, live.problem
    from pynomaly.data.series import add_past_features

    whole = add_past_features(ROWS, "time", "machine", made.data.series)
    wanted = live.served.bundle.score(whole.iloc[400:420])
    cells = ROWS.drop(columns="anomaly")
    rows = [{**row, "time": row["time"].isoformat()} for row in cells.iloc[400:420].to_dict("records")]
    past = [{**row, "time": row["time"].isoformat()} for row in cells.iloc[360:400].to_dict("records")]
    with answering(create_app(made, live=live)) as client:
        shuffled = list(reversed(rows))
        answer = client.post("/score", json={"rows": shuffled, "history": list(reversed(past))}).json()
        assert [row["score"] for row in reversed(answer["rows"])] == wanted["score"].tolist()
        alone = client.post("/score", json={"rows": rows[:1]}).json()["rows"][0]
        assert alone["score"] != wanted["score"].iloc[0]
        row = {name: cell for name, cell in rows[0].items() if name != "machine"}
        refused = client.post("/score", json={"rows": [row]})
        assert refused.json()["detail"][0]["loc"] == ["rows", 0, "machine"]


def test_other_machines_need_a_token(
    pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pipeline()
    monkeypatch.delenv("PYNOMALY_SERVE_TOKEN", raising=False)
    result = CliRunner().invoke(command_line, ["serve", str(made.origin), "--host", "0.0.0.0"])
    assert "PYNOMALY_SERVE_TOKEN" in str(result.exception)


@pytest.mark.slow
def test_mlflows_own_server_gives_the_same_numbers(
    settings: Pipeline, live: LiveChampion, tmp_path: Path
) -> None:
    assert live.served is not None
    frame = ROWS.iloc[:50]
    port = free_port()
    beside = Path(sys.executable).parent  # where mlflow finds the server it starts, too
    command = [str(beside / "mlflow"), "models", "serve", "--env-manager", "local"]
    command += ["-m", "models:/machines@champion", "-p", str(port)]
    environment = {
        **os.environ,
        "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLFLOW_DISABLE_TELEMETRY": "1",
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", server)
        rows = [{**row, "time": row["time"].isoformat()} for row in frame.to_dict("records")]
        answer = httpx.post(
            f"http://127.0.0.1:{port}/invocations", json={"dataframe_records": rows}, timeout=60
        )
        assert answer.status_code == 200, answer.text
        predictions = pd.DataFrame(answer.json()["predictions"])
        batch = live.served.bundle.score(frame)
        for name in ("score", "p_value"):
            np.testing.assert_allclose(predictions[name], batch[name].to_numpy(), rtol=1e-9, err_msg=name)
        assert predictions["is_anomaly"].tolist() == batch["is_anomaly"].tolist()
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
