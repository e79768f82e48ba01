"""What the README says is there and runs; what it tells people to type is held in `tests/docs`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pynomaly.config import load_pipeline
from pynomaly.data import FrameContract, Window
from pynomaly.data.sources import read_source
from pynomaly.model.bundle import Bundle
from pynomaly.records.registry import Registry

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)|`([\w./]+/[\w./]*)`", README))))
def test_paths_exist(path: tuple[str, str]) -> None:
    name = path[0] or path[1]
    if name.startswith((".venv/", "configs/machines", "https")):
        return
    assert (ROOT / name).exists() or (ROOT / "docs" / name).exists(), name


def test_the_first_screen_says_what_it_is_and_what_to_type() -> None:
    first = README.split("\n## From here")[0]
    assert first.count("\n") <= 46
    assert all(
        text in first for text in ("no labels", "make demo", "make test", "pip install pynomaly-mlops")
    )
    assert len(re.findall(r"^pynomaly \w", first, re.M)) == 5


def test_torch_without_cuda_is_the_version_that_the_install_then_keeps() -> None:
    [version] = re.findall(r"torch==([\d.]+\d)", README)
    assert f"\ntorch=={version}\n" in (ROOT / "constraints.txt").read_text()


def test_the_lines_of_python_run_on_a_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYNOMALY_HOME", str(tmp_path / "home"))
    pipeline = load_pipeline(ROOT / "configs" / "quickstart.yaml")
    rows = read_source(pipeline.data, Window.parse("2026-01-05T00:00Z", "2026-01-19T00:00Z"))
    contract = FrameContract.infer(rows, pipeline.data)
    hbos = pipeline.training.candidates[1]
    bundle = Bundle.fit(rows[:4000], rows[4000:], pipeline, hbos, contract, {})
    registry = Registry.open_for(pipeline)
    with registry.start_parent_run("quickstart", "a training") as run:
        sha256 = bundle.save(tmp_path / "bundle")
        registry.register("quickstart", run, tmp_path / "bundle", sha256, example=bundle.golden, key="x")
    registry.set_alias("quickstart", "champion", 1)

    [lines] = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    monkeypatch.chdir(ROOT)
    exec(compile(lines, "README.md", "exec"), {})

    printed = capsys.readouterr().out
    assert "p_value" in printed
    assert "Reason(column=" in printed
    assert len([line for line in lines.splitlines() if line.strip()]) == 6


def test_the_map_names_every_room() -> None:
    rooms = {path.name for path in (ROOT / "pynomaly").iterdir() if (path / "__init__.py").exists()}
    drawn = set(re.findall(r"^  (\w+)/", CONTRIBUTING, re.M))
    assert drawn == rooms


@pytest.mark.slow
def test_deployments_file_matches_what_up_serves() -> None:
    from flows.serve import make_deployments

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
