"""What a command must not import: each of these libraries is up to two seconds of its start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FIT = ["sklearn", "pyod", "numba", "torch", "scipy.stats"]
DRAW = ["matplotlib", "plotly", "evidently"]
REST = ["great_expectations", "apprise", "distributed"]
CODE = """
import atexit, json, sys
from flows.cli import main
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
main()
"""


def list_modules(*arguments: str, home: Path) -> set[str]:
    """The modules of a process at the end of ``pynomaly ARGUMENTS`` in a new home."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PYNOMALY_HOME": str(home), "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=home.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode in (0, 2), answer.stderr  # 2: no champion yet
    return set(json.loads(answer.stderr.strip().splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["status", "history", "alerts"])
def test_a_command_that_only_reads_starts_no_orchestrator(
    name: str, pipeline_file: Callable[..., Path], tmp_path: Path
) -> None:
    modules = list_modules(name, str(pipeline_file()), home=tmp_path / "home")
    assert "flows.cli" in modules
    assert modules.isdisjoint(["prefect", "mlflow", *FIT, *DRAW, *REST])


@pytest.mark.flow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["score", "reconcile"])
def test_a_flow_that_fits_and_draws_nothing_loads_nothing_for_it(
    name: str, pipeline_file: Callable[..., Path], tmp_path: Path
) -> None:
    modules = list_modules(name, str(pipeline_file()), home=tmp_path / "home")
    assert "prefect" in modules
    assert modules.isdisjoint([*FIT, *DRAW, *REST])
    # The server is another process; of its half of Prefect the command needs nothing.
    assert "prefect.server.api.server" not in modules


@pytest.mark.flow
@pytest.mark.timeout(600)
def test_status_reads_a_store_that_is_there_without_mlflow(
    pipeline_file: Callable[..., Path], tmp_path: Path
) -> None:
    config, home = str(pipeline_file()), tmp_path / "home"
    list_modules("score", config, home=home)  # makes the store
    assert (home / "mlflow" / "mlflow.db").is_file()
    assert list_modules("status", config, home=home).isdisjoint(["prefect", "mlflow", *FIT, *DRAW, *REST])
