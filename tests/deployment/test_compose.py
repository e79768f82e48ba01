"""docker/compose.yaml and docker/Dockerfile: valid, careful, and what they start works together."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import create_engine, text

from tests.deployment.stack import COMPOSE, ROOT, Stack, example, filled
from tests.flows.machine.test_up import until
from tests.machines import make_machines, make_small_settings

TEMPLATE = (ROOT / "deployments" / "kubernetes" / "job-template.json").read_text()
SECRETS = {
    "PYTHON_DIGEST": f"sha256:{'1' * 64}",
    "POSTGRES_DIGEST": f"sha256:{'2' * 64}",
    "DATABASE_USER": "pynomaly",
    "DATABASE_PASSWORD": "database-of-this-test",
    "S3_ACCESS_KEY": "key-of-this-test",
    "S3_SECRET_KEY": "bucket-of-this-test",
    "PREFECT_AUTH": "team:prefect-of-this-test",
    "MLFLOW_USER": "admin",
    "MLFLOW_PASSWORD": "mlflow-of-this-test",
    "MLFLOW_SECRET_KEY": "sessions-of-this-test",
    "EVIDENTLY_SECRET": "evidently-of-this-test",
    "CONSOLE_SECRET": "console-of-this-test-of-some-length",
}
OF_STREAMS = {"REDIS_DIGEST": f"sha256:{'3' * 64}", "REDIS_PASSWORD": "broker-of-this-test"}
"""Asked for by a service of the profile `stream` alone: without it nobody has to fill them in."""


def services(secrets: dict[str, str] = SECRETS) -> dict[str, Any]:
    return dict(yaml.safe_load(filled(COMPOSE.read_text(), OF_STREAMS | secrets))["services"])


def tool(*words: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which(str(words[0]), path=str(Path(sys.executable).parent))
    assert program, f"{words[0]} is not installed: install the dev extra"
    return subprocess.run([program, *map(str, words[1:])], capture_output=True, text=True, cwd=ROOT)


def test_the_file_is_what_compose_reads(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(filled(COMPOSE.read_text(), SECRETS))
    for checked in (COMPOSE, file):
        answer = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", checked)
        assert answer.returncode == 0, answer.stdout
    broken = tmp_path / "broken.yaml"
    broken.write_text(file.read_text().replace("entrypoint:", "entrypont:", 1))
    assert tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", broken).returncode == 1


def test_the_dockerfile_passes_its_linter(tmp_path: Path) -> None:
    answer = tool("hadolint", "docker/Dockerfile")
    assert answer.returncode == 0, answer.stdout
    root = tmp_path / "Dockerfile"
    root.write_text("FROM python:latest\nRUN cd /tmp\n")
    assert tool("hadolint", root).returncode == 1


def test_the_image_is_pinned_and_runs_as_nobody_in_particular() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    bases = [line for line in lines if line.startswith("FROM ")]
    assert len(bases) == 2
    assert all("@${DIGEST}" in line for line in bases)
    assert "ARG DIGEST" in lines  # without a default: a build that does not say it fails
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    assert list((ROOT / "docker").rglob("*Dockerfile*")) == [ROOT / "docker" / "Dockerfile"]


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_what_is_missing_stops_it(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        services({key: value for key, value in SECRETS.items() if key != name})


def test_the_example_names_every_value_and_holds_no_secret() -> None:
    named = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    assert set(example()) == named
    held = {name for name, value in example().items() if value}
    assert held == {"DATABASE_USER", "MLFLOW_USER"}
    assert "/docker/.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert "docker/.env" in (ROOT / ".dockerignore").read_text().splitlines()


@pytest.mark.parametrize("name", sorted(services()))
def test_each_service_is_careful(name: str) -> None:
    service = services()[name]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", []))
    assert "no-new-privileges:true" in service["security_opt"]
    assert name == "deploy" or {"test", "interval", "retries"} <= set(service["healthcheck"])
    assert not service.get("privileged")
    if name in ("postgres", "broker"):
        assert re.search(r"@sha256:\w{64}$", service["image"])
    if name != "postgres":
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]


def test_each_service_knows_its_own_secrets_only() -> None:
    secrets = SECRETS | OF_STREAMS
    known = {
        name: {key for key, value in secrets.items() if value in json.dumps(service.get("environment", {}))}
        - {"DATABASE_USER", "MLFLOW_USER"}
        for name, service in services().items()
    }
    database, bucket = {"DATABASE_PASSWORD"}, {"S3_ACCESS_KEY", "S3_SECRET_KEY"}
    assert known == {
        "postgres": database,
        "s3": bucket,
        "broker": {"REDIS_PASSWORD"},
        "mlflow": database | bucket | {"MLFLOW_PASSWORD", "MLFLOW_SECRET_KEY"},
        "prefect": database | {"PREFECT_AUTH"},
        "evidently": {"EVIDENTLY_SECRET"},
        "deploy": {"PREFECT_AUTH"},
        "worker": database | bucket | {"PREFECT_AUTH", "MLFLOW_PASSWORD", "EVIDENTLY_SECRET"},
        "stream": database | bucket | {"MLFLOW_PASSWORD", "REDIS_PASSWORD"},
        "metrics": database,
        "console": database | bucket | {"MLFLOW_PASSWORD", "CONSOLE_SECRET"},
    }
    commands = json.dumps([[item.get("entrypoint"), item.get("command")] for item in services().values()])
    assert not [name for name, value in secrets.items() if "_USER" not in name and value in commands]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The whole of compose.yaml over one small pipeline."""
    monkeypatch.setenv("PATH", os.environ["PATH"])  # PostgreSQL's programs are added, and taken away again
    project = tmp_path / "app"
    (project / "configs").mkdir(parents=True)
    for name in ("flows", "tasks", "pynomaly", "deployments"):
        (project / name).symlink_to(ROOT / name)
    start = str(datetime.now(UTC).date() - timedelta(days=28))
    make_machines(28, start=start).to_csv(project / "configs" / "machines.csv", index=False)
    settings = make_small_settings() | {"name": "quickstart"}
    (project / "configs" / "quickstart.yaml").write_text(yaml.safe_dump(settings))
    stack = Stack(tmp_path, project, SECRETS)
    with stack.up():
        yield stack


@pytest.mark.flow
@pytest.mark.timeout(900)
def test_what_it_starts_works_together_and_asks_for_passwords(stack: Stack, monkeypatch: Any) -> None:
    address = {name: f"http://127.0.0.1:{stack.ports[port]}" for name, port in ADDRESSES.items()}
    prefect = httpx.Client(base_url=f"{address['prefect']}/api", timeout=30, auth=tuple_of("PREFECT_AUTH"))
    with prefect:
        deployments = prefect.post("/deployments/filter", json={}).raise_for_status().json()
        assert len(deployments) == len({item["flow_id"] for item in deployments}) > 8
        flows = {item["id"]: item["name"] for item in prefect.post("/flows/filter", json={}).json()}
        for flow in ("train", "score", "monitor"):
            run_to_the_end(prefect, next(d["id"] for d in deployments if flows[d["flow_id"]] == flow))
        kubernetes = {"name": "cluster", "type": "kubernetes", "base_job_template": json.loads(TEMPLATE)}
        prefect.post("/work_pools/", json=kubernetes).raise_for_status()
    champion = "/api/2.0/mlflow/registered-models/alias?name=quickstart&alias=champion"
    mlflow_auth = (SECRETS["MLFLOW_USER"], SECRETS["MLFLOW_PASSWORD"])
    answer = httpx.get(address["mlflow"] + champion, auth=mlflow_auth, timeout=30)
    assert answer.json()["model_version"]["version"] == "1"

    worker = stack.environment("worker")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, worker[name])
    kept = list(bucket().list_objects_v2(Bucket="pynomaly")["Contents"])
    for prefix in ("store/quickstart/scores/", "mlflow/"):
        assert [item["Key"] for item in kept if item["Key"].startswith(prefix)], prefix
    url = worker["PYNOMALY_LEDGER"].replace("://", f"://{worker['PGUSER']}:{worker['PGPASSWORD']}@")
    assert {"retrain", "promote", "degradation"} <= kinds(url)
    projects = httpx.get(f"{address['evidently']}/api/projects", timeout=30).json()
    projects = projects["items"] if isinstance(projects, dict) else projects
    shown = [item["id"] for item in projects if item["name"] == "quickstart"]
    assert len(shown) == 1
    assert httpx.get(f"{address['evidently']}/api/projects/{shown[0]}/reports", timeout=30).json()

    metrics = httpx.get(f"http://127.0.0.1:{stack.ports[9410]}/metrics", timeout=30).text
    assert 'pynomaly_pipeline_champion_version{pipeline="quickstart"} 1.0' in metrics

    console = f"http://127.0.0.1:{stack.ports[4300]}"
    assert httpx.get(f"{console}/api/v1/pipelines", timeout=30).status_code == 401
    token = run_token(stack, "--new", "test", "--for", "ann", "--role", "analyst")
    bearer = {"authorization": f"Bearer {token['secret']}"}
    (line,) = httpx.get(f"{console}/api/v1/pipelines", headers=bearer, timeout=30).json()
    assert (line["name"], line["champion"]) == ("quickstart", 1)

    assert {item["state"] for item in doctor(stack)} <= {"ok", "warning"}
    refused = [item for item in doctor(stack, PREFECT_API_AUTH_STRING="a:b") if item["state"] == "wrong"]
    assert [item["check"] for item in refused] == ["Prefect's API"]
    strangers_are_refused(address, url, champion, monkeypatch)


ADDRESSES = {"prefect": 4200, "mlflow": 5000, "s3": 8333, "evidently": 8000}


def run_token(stack: Stack, *words: str) -> dict[str, Any]:
    """What `pynomaly token` answers where the console runs."""
    answer = subprocess.run(
        [sys.executable, "-m", "flows.cli", "token", *words, "--json"],
        cwd=stack.project,
        env=stack.environment("console"),
        capture_output=True,
        check=True,
    )
    return dict(json.loads(answer.stdout))


def doctor(stack: Stack, **changed: str) -> list[dict[str, str]]:
    """What `pynomaly doctor` says where a worker runs."""
    answer = subprocess.run(
        [sys.executable, "-m", "flows.cli", "doctor", "configs/quickstart.yaml", "--json"],
        env=stack.environment("worker") | changed,
        cwd=stack.project,
        capture_output=True,
        text=True,
    )
    checks: list[dict[str, str]] = json.loads(answer.stdout)["checks"]
    looked_at = {item["check"] for item in checks}
    assert {"Prefect's API", "MLflow's server", "ledger's database", "store in s3"} <= looked_at, looked_at
    assert {"clock of Prefect's API", "clock of MLflow's server", "Evidently's pages"} <= looked_at or changed
    return checks


def tuple_of(name: str) -> tuple[str, str]:
    user, _, password = SECRETS[name].partition(":")
    return user, password


def run_to_the_end(prefect: httpx.Client, deployment: str) -> None:
    asked = {"state": {"type": "SCHEDULED"}, "parameters": {"as_of": "latest"}}
    asked["parameters"]["config"] = "configs/quickstart.yaml"
    made = prefect.post(f"/deployments/{deployment}/create_flow_run", json=asked).raise_for_status().json()

    def ended() -> dict[str, Any]:
        run = prefect.get(f"/flow_runs/{made['id']}").raise_for_status().json()
        assert run["state_type"] in ("COMPLETED", "FAILED", "CRASHED"), run["state_name"]
        return dict(run)

    run = until(ended, 180)
    assert run["state_type"] == "COMPLETED", run["state"]


def bucket(**keys: str) -> Any:
    import boto3

    return boto3.client("s3", **keys)


def kinds(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return {kind for (kind,) in connection.execute(text("SELECT kind FROM decisions"))}
    finally:
        engine.dispose()


def strangers_are_refused(address: dict[str, str], url: str, champion: str, monkeypatch: Any) -> None:
    from botocore.exceptions import ClientError
    from sqlalchemy.exc import OperationalError

    for auth in (None, ("team", "guessed")):
        asked = httpx.post(f"{address['prefect']}/api/deployments/filter", json={}, auth=auth, timeout=30)
        assert asked.status_code == 401
        assert httpx.get(address["mlflow"] + champion, auth=auth, timeout=30).status_code == 401
    for headers in ({}, {"evidently-secret": "guessed"}):
        made = httpx.post(
            f"{address['evidently']}/api/projects", json={"name": "x"}, headers=headers, timeout=30
        )
        assert made.status_code in (401, 403), made.text
    guessed = {"aws_access_key_id": SECRETS["S3_ACCESS_KEY"], "aws_secret_access_key": "guessed"}
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        bucket(**guessed).list_objects_v2(Bucket="pynomaly")
    assert httpx.get(f"{address['s3']}/pynomaly", timeout=30).status_code == 403
    with pytest.raises(OperationalError, match="password authentication failed"):
        kinds(url.replace(SECRETS["DATABASE_PASSWORD"], "guessed"))
