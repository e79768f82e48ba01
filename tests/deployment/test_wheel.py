"""A wheel is enough: built, installed where the repository is not, and used in an empty folder."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.machines import make_machines

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what is packed, so that nothing is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("pynomaly", "tasks", "flows", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(out), str(source)], check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `pynomaly` of an environment that has the wheel, what it depends on, and no repository."""
    where = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(where)], check=True)
    python = where / "bin" / "python"
    packages = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    others = [path for path in sys.path if path.endswith("site-packages")] or [sysconfig.get_path("purelib")]
    (packages / "dependencies.pth").write_text("\n".join(others))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--force-reinstall", str(wheel)], check=True, capture_output=True)
    return where / "bin" / "pynomaly"


def run(command: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    hidden = {"PYTHONPATH", "PYNOMALY_HOME", "PREFECT_HOME", "PREFECT_API_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [str(command), *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=250
    )


def test_it_holds_the_library_the_flows_and_the_examples_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {name for name in tops if not name.endswith((".data", ".dist-info"))} == {
        "pynomaly",
        "tasks",
        "flows",
    }
    assert sum(name.endswith("share/pynomaly/configs/quickstart.yaml") for name in names) == 1
    assert "pynomaly/py.typed" in names
    for kind in ("*.j2", "*.sql"):  # templates of pages, and the kept databases of new homes
        kept_files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pynomaly").rglob(kind)}
        assert kept_files
        assert kept_files <= set(names)


def test_an_empty_folder_gets_the_example_and_trains_on_own_data(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "version")
    assert where.returncode == 0, where.stderr
    example = run(installed, tmp_path, "init", "--example", "--json")
    assert example.returncode == 0, example.stderr
    assert (tmp_path / "configs" / "quickstart.yaml").read_bytes() == (
        ROOT / "configs" / "quickstart.yaml"
    ).read_bytes()
    again = run(installed, tmp_path, "init", "--example")
    assert again.returncode == 2
    assert "quickstart.yaml" in again.stderr
    both = run(installed, tmp_path, "init", "machines.csv", "--example")
    assert both.returncode == 2
    assert "not both" in both.stderr

    make_machines(28).to_csv(tmp_path / "machines.csv", index=False)
    drafted = run(
        installed, tmp_path, "init", "machines.csv", "--id", "machine", "--label", "anomaly", "--json"
    )
    assert drafted.returncode == 0, drafted.stderr
    config = tmp_path / json.loads(drafted.stdout)["config"]
    config.write_text(re.sub(r"candidates: \[.*?\]", "candidates: [hbos]", config.read_text()))
    trained = run(installed, tmp_path, "train", "configs/machines.yaml", "--json")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["trained"]
    status = run(installed, tmp_path, "status", "configs/machines.yaml", "--json")
    assert status.returncode == 0, status.stderr
    examined = run(installed, tmp_path, "doctor", "--json")
    states = {check["check"]: check["state"] for check in json.loads(examined.stdout)["checks"]}
    assert "wrong" not in states.values(), states


def test_what_is_imported_at_run_time_is_a_dependency() -> None:
    """A package that another one happens to bring may go away with it; an extra has its own door."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    texts = [*project["dependencies"], *(text for extra in extras for text in extra)]
    declared = {re.split(r"[\[<>=!~; ]", text)[0].lower().replace("_", "-") for text in texts}
    parts_of = {
        "botocore": "boto3",
        "starlette": "fastapi",
        "markupsafe": "jinja2",
        "pydantic-core": "pydantic",
        "fsspec": "gcsfs",
        "aiormq": "aio-pika",
    }
    distributions = packages_distributions()
    missing: dict[str, str] = {}
    for top in ("pynomaly", "tasks", "flows"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules = [node.module]
                for module in {name.split(".")[0] for name in modules}:
                    if module in sys.stdlib_module_names or module in ("pynomaly", "tasks", "flows"):
                        continue
                    owners = {name.lower().replace("_", "-") for name in distributions.get(module, [module])}
                    if not ({parts_of.get(name, name) for name in owners} & declared):
                        missing[module] = path.relative_to(ROOT).as_posix()
    assert not missing
