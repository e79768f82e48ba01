"""The house rules, read from the code itself: which way imports go, who may open which vendor's door."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for top in ("pynomaly", "tasks", "flows") for path in (ROOT / top).rglob("*.py"))

# A room may import the rooms named here, and itself.
MAY_IMPORT = {
    "pynomaly.errors": set(),
    "pynomaly.config": {"pynomaly.errors"},
    "pynomaly.data": {"pynomaly.config", "pynomaly.errors"},
    "pynomaly.detectors": {"pynomaly.config", "pynomaly.errors"},
    "pynomaly.model": {"pynomaly.detectors", "pynomaly.data", "pynomaly.config", "pynomaly.errors"},
}
MAY_IMPORT["pynomaly.judging"] = {"pynomaly.model", *MAY_IMPORT["pynomaly.model"]}
MAY_IMPORT["pynomaly.records"] = {"pynomaly.judging", *MAY_IMPORT["pynomaly.judging"]}
MAY_IMPORT["pynomaly.steps"] = {"pynomaly.records", *MAY_IMPORT["pynomaly.records"]}
MAY_IMPORT["pynomaly.serving"] = {"pynomaly.records", *MAY_IMPORT["pynomaly.records"]}
MAY_IMPORT["tasks"] = set(MAY_IMPORT) | {"pynomaly"}
MAY_IMPORT["flows"] = {*MAY_IMPORT, "pynomaly"}

# The only places a vendor is imported; serving.py is the file MLflow itself loads.
DOORS = {
    "pyod": {"pynomaly/detectors/pyod_door.py"},
    "torch": {"pynomaly/detectors/torch_door.py"},
    "great_expectations": {"pynomaly/data/expectations.py"},
    "icalendar": {"pynomaly/data/incidents.py"},
    "optuna": {"pynomaly/steps/training/tuning.py"},
    "yaml": {"pynomaly/config/plain_yaml.py"},
    "boto3": {"pynomaly/data/places/bucket.py"},
    "fsspec": {"pynomaly/data/places/remote.py"},
    "openpyxl": {"pynomaly/records/anomaly_result.py"},
    "evidently": {"pynomaly/records/evidently_report.py", "pynomaly/records/evidently_pages.py"},
    "mlflow": {"pynomaly/records/registry", "pynomaly/model/serving.py"},
    "sqlalchemy": {"pynomaly/records/ledger", "pynomaly/data/sources/sql.py"},
    "alembic": {"pynomaly/records/ledger/migrations"},
    "shap": {"pynomaly/model/explanation/shap_door.py"},
    "lime": {"pynomaly/model/explanation/lime_door.py"},
    "apprise": {"pynomaly/records/notices.py"},
    "prefect": {"tasks", "flows"},
    "distributed": {"pynomaly/steps/runner.py"},
    "fastapi": {"pynomaly/serving/web.py"},
    "starlette": {"pynomaly/serving/web.py"},
    "uvicorn": {"pynomaly/serving/web.py"},
    "prometheus_client": {"pynomaly/serving/web.py", "pynomaly/serving/exporter.py"},
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "pynomaly" and len(parts) > 1 else parts[0]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_go_one_way(path: Path) -> None:
    here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    rooms = {name for name in MAY_IMPORT if "." in name}
    wrong = [
        name
        for name in imports(path)
        if name.split(".")[0] in ("pynomaly", "tasks", "flows")
        and room(name) != here
        and (room(name) in rooms or room(name) in ("tasks", "flows"))
        and room(name) not in MAY_IMPORT.get(here, set())
    ]
    assert not wrong, f"{relative(path)} may not import {wrong}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_each_vendor_has_one_door(path: Path) -> None:
    for name in imports(path):
        doors = DOORS.get(name.split(".")[0])
        if doors is not None:
            assert any(relative(path).startswith(door) for door in doors), f"{relative(path)} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_modules_open_with_what_they_promise_and_stay_short(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{relative(path)} has no docstring"
    assert len(text.splitlines()) <= 350, f"{relative(path)} is too long: split it"


def test_names_say_something() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "core", "base_service", "manager", "misc"}
    assert not [relative(path) for path in SOURCES if path.stem in vague]
    classes = [
        (relative(path), node.name)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Service", "Manager", "Handler", "Factory"))
    ]
    assert not classes


def test_nothing_unsafe_is_read() -> None:
    unsafe = [
        relative(path) for path in SOURCES if imports(path) & {"pickle", "joblib", "cloudpickle", "dill"}
    ]
    assert not unsafe


def test_public_names_exist() -> None:
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        names = next(
            (
                ast.literal_eval(node.value)
                for node in tree.body
                if isinstance(node, ast.Assign)
                and any(getattr(t, "id", "") == "__all__" for t in node.targets)
            ),
            None,
        )
        if names is None:
            continue
        defined = {getattr(node, "name", "") for node in tree.body}
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                defined |= {
                    name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
                }
            elif isinstance(node, ast.Import | ast.ImportFrom):
                defined |= {alias.asname or alias.name for alias in node.names}
        assert set(names) <= defined, f"{relative(path)}: __all__ names {set(names) - defined}"


def test_help_imports_nothing_heavy() -> None:
    heavy = [
        "prefect",
        "mlflow",
        "apprise",
        "torch",
        "sklearn",
        "pyod",
        "evidently",
        "great_expectations",
        "pandas",
    ]
    code = f"import sys, flows.cli; print([name for name in {heavy!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
