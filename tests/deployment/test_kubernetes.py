"""The Kubernetes work pool: its template is what Prefect renders, and what it renders Kubernetes accepts."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from prefect.utilities.schema_tools.validation import is_valid_schema
from prefect.utilities.templating import apply_values, find_placeholders

from tests.deployment.stack import COMPOSE, ROOT

FOLDER = ROOT / "deployments" / "kubernetes"
TEMPLATE: dict[str, Any] = json.loads((FOLDER / "job-template.json").read_text())
WORKER: list[dict[str, Any]] = list(yaml.safe_load_all((FOLDER / "worker.yaml").read_text()))
CONSOLE: list[dict[str, Any]] = list(yaml.safe_load_all((FOLDER / "console.yaml").read_text()))
# What Prefect's worker asks of a template, read from prefect-kubernetes 0.8.
ASKED = {"command", "env", "labels", "annotations", "name", "namespace", "job_manifest", "cluster_config"}
ASKED |= {"job_watch_timeout_seconds", "pod_watch_timeout_seconds", "stream_output"}
VERSIONS = ("1.30.0", "1.33.0")


def rendered(**values: Any) -> dict[str, Any]:
    """The job of a flow run, as Prefect puts it together from defaults and a deployment's job variables."""
    properties = TEMPLATE["variables"]["properties"]
    defaults = {name: item["default"] for name, item in properties.items() if item.get("default") is not None}
    job = apply_values(copy.deepcopy(TEMPLATE["job_configuration"]), defaults | values, remove_notset=True)
    return dict(job["job_manifest"])


def checked(resource: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


def test_the_template_is_one_of_prefects() -> None:
    assert set(TEMPLATE) == {"job_configuration", "variables"}
    assert set(TEMPLATE["job_configuration"]) == ASKED
    assert is_valid_schema(TEMPLATE["variables"], preprocess=False) is None
    Draft202012Validator.check_schema(TEMPLATE["variables"])
    used = {item.name for item in find_placeholders(TEMPLATE["job_configuration"])}
    assert used == set(TEMPLATE["variables"]["properties"])


def test_defaults_keep_to_their_own_schema() -> None:
    properties = TEMPLATE["variables"]["properties"]
    defaults = {name: item["default"] for name, item in properties.items() if "default" in item}
    Draft202012Validator(TEMPLATE["variables"]).validate(defaults)
    assert all(item.get("description") for item in properties.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_accepts_the_job(version: str) -> None:
    job = rendered(
        env=[{"name": "PYNOMALY_ENV", "value": "staging"}], command=["prefect", "flow-run", "execute"]
    )
    pod = job["spec"]["template"]["spec"]
    # Prefect refuses a template without these two, and Kubernetes knows them elsewhere: it drops them.
    assert (pod.pop("parallelism"), pod.pop("completions")) == (1, 1)
    checked(job, version)
    broken = copy.deepcopy(job)
    broken["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagePullPolice"):
        checked(broken, version)


def test_the_job_starts_prefect_and_not_the_images_own_command() -> None:
    container = rendered(command=["prefect", "flow-run", "execute"])["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert (
        'ENTRYPOINT ["pynomaly"]' in (ROOT / "docker" / "Dockerfile").read_text()
    )  # args alone would follow it
    assert [*container["command"], *container["args"]] == ["env", "prefect", "flow-run", "execute"]


def test_a_run_may_little() -> None:
    pod = rendered()["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    mounted = {item["mountPath"] for item in container["volumeMounts"]}
    assert mounted == {"/state", "/tmp"}
    assert rendered()["spec"]["backoffLimit"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", CONSOLE, ids=lambda item: f"{item['kind']} {item['metadata']['name']}")
def test_kubernetes_accepts_the_console(resource: dict[str, Any], version: str) -> None:
    checked(resource, version)


def test_the_console_is_for_a_team_and_may_little() -> None:
    deployment, service, _ = CONSOLE
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {"--team", "--https"} <= set(container["args"])
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["automountServiceAccountToken"] is False
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    kept = {item["metadata"]["name"] for item in WORKER if item["kind"] in ("ConfigMap", "ServiceAccount")}
    assert pod["serviceAccountName"] in kept
    (config,) = [item["configMapRef"]["name"] for item in container["envFrom"] if "configMapRef" in item]
    assert config in kept


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", WORKER, ids=lambda item: f"{item['kind']} {item['metadata']['name']}")
def test_kubernetes_accepts_the_worker(resource: dict[str, Any], version: str) -> None:
    checked(resource, version)


def test_the_worker_and_its_jobs_fit_together() -> None:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for item in WORKER:
        by_kind.setdefault(item["kind"], []).append(item)
    properties = TEMPLATE["variables"]["properties"]
    accounts = {item["metadata"]["name"] for item in by_kind["ServiceAccount"]}
    assert properties["service_account_name"]["default"] in accounts
    assert {item["metadata"].get("namespace", "pynomaly") for item in WORKER} == {
        properties["namespace"]["default"]
    }
    (deployment,) = by_kind["Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] in accounts
    pool = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["definitions"]["pool"]["name"]
    command = pod["containers"][0]["command"]
    assert command[command.index("--pool") + 1] == pool


def test_jobs_are_told_what_workers_of_compose_are() -> None:
    """One list of addresses and secrets for both ways to run: a name only one of them knows is a mistake."""
    worker = yaml.safe_load(COMPOSE.read_text())["services"]["worker"]["environment"]
    config = next(item for item in WORKER if item["kind"] == "ConfigMap")["data"]
    secrets = [line.split("=") for line in (FOLDER / "secret.env.example").read_text().splitlines()]
    assert not [name for name, value in secrets if value]
    names = set(config) | {name for name, _ in secrets}
    only_there = {"PREFECT_WORKER_WEBSERVER_HOST", "PREFECT_WORKER_WEBSERVER_PORT"}
    only_there |= {"MLFLOW_S3_ENDPOINT_URL", "PYNOMALY_MLFLOW_PAGES"}
    assert names == set(worker) - only_there
    assert not set(config) & {name for name, _ in secrets}
    assert "/deployments/kubernetes/secret.env" in Path(ROOT / ".gitignore").read_text().splitlines()
