"""What the README says exists, exists; what it tells people to type is held in `tests/docs`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)|`([\w./]+/[\w./]*)`", README))))
def test_paths_exist(path: tuple[str, str]) -> None:
    name = path[0] or path[1]
    if name.startswith((".venv/", "configs/machines")):
        return
    assert (ROOT / name).exists() or (ROOT / "docs" / name).exists(), name


def test_the_map_names_every_room() -> None:
    rooms = {path.name for path in (ROOT / "pynomaly").iterdir() if (path / "__init__.py").exists()}
    drawn = set(re.findall(r"^  (\w+)/", README, re.M))
    assert drawn == rooms


def test_deployments_file_matches_what_up_serves() -> None:
    from flows.serve import make_deployments
    from pynomaly.config import load_pipeline

    written = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]
    served = make_deployments(load_pipeline(ROOT / "configs" / "quickstart.yaml"))
    assert [item["name"] for item in written] == [item.name for item in served]
    for item, deployment in zip(written, served, strict=True):
        module, _, flow = item["entrypoint"].removesuffix("").partition(":")
        assert flow == deployment.flow_name
        assert f"def {flow}(" in (ROOT / module).read_text()
        crons = [schedule["cron"] for schedule in item.get("schedules", [])]
        assert crons == [schedule.schedule.cron for schedule in deployment.schedules]
        assert set(item["parameters"]) <= set(deployment._parameter_openapi_schema.properties)
        assert len(item.get("triggers", [])) == len(deployment.triggers)
