"""Workflows and updates under `.github/`: valid by their schemas, careful, made of the project's commands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.loaded import ROOT, script

newest, release = script("newest"), script("release")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
UPDATES = ROOT / ".github" / "dependabot.yml"
PYTHONS = ["3.11", "3.12", "3.13"]


def check_schema(schema: str, file: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent))
    assert program, "check-jsonschema is not installed: install the dev extra"
    command = [program, "--builtin-schema", schema, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read_jobs(path: Path) -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(path.read_text())["jobs"])


def read_steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read_jobs(path).values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_workflows_are_valid(schema: str, path: Path) -> None:
    answer = check_schema(schema, path)
    assert answer.returncode == 0, answer.stdout


def test_updates_are_valid(tmp_path: Path) -> None:
    answer = check_schema("vendor.dependabot", UPDATES)
    assert answer.returncode == 0, answer.stdout
    broken = tmp_path / "dependabot.yml"
    broken.write_text(UPDATES.read_text().replace("interval: weekly", "interval: often", 1))
    assert check_schema("vendor.dependabot", broken).returncode == 1


def test_a_mistake_in_a_workflow_is_noticed(tmp_path: Path) -> None:
    broken = tmp_path / "ci.yaml"
    broken.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "run-on:", 1))
    assert check_schema("vendor.github-workflows", broken).returncode == 1


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_careful(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert not re.search(r"secrets\.|pull_request_target", path.read_text())
    for step in read_steps(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), "an action is named by its commit"
            if "checkout" in step["uses"]:
                assert step["with"]["persist-credentials"] is False
        assert "${{ github." not in step.get("run", ""), "what others write is no part of a shell script"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_runs_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for step in read_steps(path):
        script_text = step.get("run", "")
        assert set(re.findall(r"\bmake ([a-z]+)", script_text)) <= targets
        assert all((ROOT / name).is_file() for name in re.findall(r"\.ci/\w+\.py", script_text))


def test_every_python_that_is_promised_is_tested() -> None:
    jobs = read_jobs(ROOT / ".github" / "workflows" / "ci.yaml")
    assert jobs["check"]["strategy"]["matrix"]["python"] == PYTHONS
    tested = jobs["test"]["strategy"]["matrix"]["python"]
    assert {PYTHONS[0], PYTHONS[-1]} <= set(tested) <= set(PYTHONS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert promised == PYTHONS
    beyond = f"3.{int(PYTHONS[-1].removeprefix('3.')) + 1}"
    assert project["requires-python"] == f">={PYTHONS[0]},<{beyond}"


def test_one_job_alone_may_publish() -> None:
    jobs = read_jobs(ROOT / ".github" / "workflows" / "release.yaml")
    permissions = {name: job.get("permissions", {}) for name, job in jobs.items()}
    assert permissions == {"build": {}, "publish": {"id-token": "write"}, "page": {"contents": "write"}}
    assert jobs["publish"]["needs"] == "build"
    assert jobs["page"]["needs"] == "publish"
    assert not any("checkout" in str(step) for name in ("publish", "page") for step in jobs[name]["steps"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pynomaly").mkdir()
    (tmp_path / "pynomaly" / "__init__.py").write_text('__version__ = "0.2.0"\n')
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [0.2.0] - 2027-01-01\n")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text", "tag", "reason"),
    [
        ("CHANGELOG.md", "\n## [0.2.0]", "v0.2.0", None),
        ("CHANGELOG.md", "\n## [0.2.0]", "0.2.0", "the tag must be v0.2.0"),
        ("CHANGELOG.md", "\n## [0.2.0]", "v0.3.0", "the tag must be v0.2.0"),
        ("CHANGELOG.md", "\n## [Unreleased]", "v0.2.0", "no heading [0.2.0]"),
        ("pynomaly/__init__.py", '__version__ = "0.1.0"', "v0.2.0", "__version__ is 0.1.0"),
    ],
)
def test_a_tag_is_released_if_everything_agrees(
    project: Path, file: str, text: str, tag: str, reason: str | None
) -> None:
    (project / file).write_text(text)
    answer = release.compare_tag(tag, project)
    assert answer is None if reason is None else reason in str(answer)


@pytest.mark.parametrize(
    ("line", "lifted"),
    [
        ("optuna>=5,<6", "optuna>=5"),
        ("psycopg[binary]>=3.2,<4", "psycopg[binary]>=3.2"),
        ("pyarrow>=17", "pyarrow>=17"),
        ("pandas-stubs", "pandas-stubs"),
        ("a==1.2", "a"),
        ('b<2; python_version < "3.13"', 'b; python_version < "3.13"'),
    ],
)
def test_lifting_keeps_lower_bounds(line: str, lifted: str) -> None:
    assert newest.lift_upper_bound(line) == lifted


def test_the_newest_is_tried_of_all_that_is_asked_for() -> None:
    kept, lifted = newest.list_requirements("kept"), newest.list_requirements("lifted")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["dependencies"]) < set(kept)
    assert len(kept) == len(lifted)
    assert any("<" in line for line in kept)
    assert not any("<" in line.split(";")[0] for line in lifted)
    with pytest.raises(SystemExit, match="allowed are kept and lifted"):
        newest.list_requirements("all")


def test_what_is_newer_and_what_broke_is_said() -> None:
    pins = "# one set\ntorch==2.13.0\nPyYAML==6.0.2\nscipy==1.15.0\nabsent==1.0\n"
    table = newest.describe_differences(pins, {"torch": "2.13.0+cpu", "pyyaml": "6.0.3", "scipy": "1.15.0"})
    assert table.splitlines()[2:] == ["| pyyaml | 6.0.2 | 6.0.3 |"]
    assert newest.describe_differences(pins, {"torch": "2.13.0"}) == "Every package has its pinned version."
    log = "..F\nFAILED tests/a.py::test_b - AssertionError\nERROR tests/c.py\n2 failed\n"
    assert newest.describe_failures(log).splitlines() == [
        "2 failed:", "", "- `tests/a.py::test_b - AssertionError`", "- `tests/c.py`",
    ]  # fmt: skip
    assert "did not get as far" in newest.describe_failures("collecting ...")
