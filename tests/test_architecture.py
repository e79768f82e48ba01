"""The house rules, read from the code itself: which way imports go, who may open which vendor's door."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.docs.loaded import ROOT, script

imports, rooms, signs = script("imports"), script("rooms"), script("signs")
SOURCES = imports.list_sources()
FOLDERS = sorted({path.parent for path in SOURCES})
GRAPH = imports.read_graph()
WINGS = rooms.WINGS


def name_path(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def find_folder(wing: str) -> Path:
    return ROOT / wing if wing in ("tasks", "flows") else ROOT / "pynomaly" / wing


def locate(module: str) -> tuple[str, str]:
    """The wing of a module, and its room there."""
    wing, _, place = module.removeprefix("pynomaly.").partition(".")
    room = place.split(".")[0]
    return wing, room if room in WINGS[wing].rooms else rooms.GROUND


def list_wrong_imports(module: str, targets: Iterable[str]) -> list[str]:
    """Those of `targets` that `module` may not import by the table."""
    wing, room = locate(module)
    wrong = []
    for target in targets:
        target_wing, target_room = locate(target)
        if target_wing != wing:
            allowed = target_wing in rooms.allowed_wings(wing)
        else:
            allowed = target_room == room or target_room in rooms.list_rooms_below(wing, room)
        if not allowed:
            wrong.append(target)
    return wrong


def test_imports_go_one_way() -> None:
    wrong = {
        module: list_wrong_imports(module, targets)
        for module, targets in GRAPH.items()
        if module != "pynomaly" and list_wrong_imports(module, targets)
    }
    assert wrong == {}, "see WINGS in .ci/rooms.py"


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("pynomaly.steps.training.prepare", "pynomaly.steps.promotion.promote"),
        ("pynomaly.steps.keys", "pynomaly.steps.alerting.resolve_alerts"),
        ("pynomaly.judging.comparison.verdict", "pynomaly.judging.drift.retraining"),
        ("pynomaly.model.explanation.explain", "pynomaly.model.bundle"),
        ("pynomaly.detectors.numerics.exact", "pynomaly.detectors.base"),
        ("pynomaly.detectors.methods.forest", "pynomaly.model.bundle"),
        ("pynomaly.data.window", "pynomaly.data.sources"),
        ("pynomaly.records.store", "pynomaly.steps.keys"),
        ("pynomaly.serving.web", "pynomaly.steps.champion"),
        ("tasks.training", "flows.training"),
    ],
)
def test_an_arrow_upwards_is_noticed(module: str, target: str) -> None:
    assert {module, target} <= set(GRAPH)
    assert list_wrong_imports(module, [target]) == [target]


def test_the_table_names_every_package() -> None:
    top_packages = {path.parent.name for path in (ROOT / "pynomaly").glob("*/__init__.py")}
    assert {"errors", "tasks", "flows", *top_packages} == set(WINGS)
    for wing, row in WINGS.items():
        packages = {path.parent.name for path in find_folder(wing).glob("*/__init__.py")}
        assert packages <= set(row.rooms), f"{wing} has sub-packages that .ci/rooms.py lacks"
        names = {path.stem for path in find_folder(wing).glob("*")} | {rooms.GROUND}
        assert set(row.rooms) <= names, f".ci/rooms.py names rooms that {wing} lacks"


def test_no_two_rooms_stand_above_each_other() -> None:
    for wing, row in WINGS.items():
        floors = rooms.sort_by_floor(wing)
        assert sorted(room for floor in floors for room in floor) == sorted(row.rooms)
        assert set(row.below) <= set(list(WINGS)[list(WINGS).index(wing) + 1 :])


def test_circles_are_detected() -> None:
    assert imports.find_circles({"a": ["b"], "b": ["c"], "c": ["d"], "d": ["b"]}) == [["b", "c", "d"]]
    assert imports.find_circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert imports.find_circles(GRAPH) == []


def test_no_packages_import_each_other_in_a_circle() -> None:
    """A sub-package counts as one box, a module beside sub-packages as a box of its own."""

    def name_box(module: str) -> str:
        depth = 3 if module.startswith("pynomaly.") else 2
        return ".".join(module.split(".")[:depth])

    arrows: dict[str, set[str]] = {}
    for module, targets in GRAPH.items():
        boxes = {name_box(target) for target in targets} - {name_box(module)}
        arrows.setdefault(name_box(module), set()).update(boxes)
    assert imports.find_circles(arrows) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=name_path)
def test_folders_stay_small(folder: Path) -> None:
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= (25 if folder.name == "methods" else 15), f"{name_path(folder)}: split it"


@pytest.mark.parametrize("path", signs.list_packages(), ids=lambda path: name_path(path.parent))
def test_a_package_says_what_it_holds_who_calls_it_and_what_it_may_import(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == signs.write_sign(path), "run: make reference"
    assert not text.startswith('"""Called by'), "it does not say what it holds"


@pytest.mark.parametrize("vendor", rooms.DOORS)
def test_each_vendor_has_one_door(vendor: str) -> None:
    doors = rooms.DOORS[vendor]
    users = {
        name_path(path)
        for path in SOURCES
        if any(name.split(".")[0] == vendor for name in imports.read_imports(path))
    }
    assert {user for user in users if not user.startswith(doors)} == set()
    assert [door for door in doors if not (ROOT / door).exists()] == [], "no such door"


def test_modules_open_with_what_they_promise() -> None:
    silent = [name_path(path) for path in SOURCES if not ast.get_docstring(imports.parse_file(path))]
    assert silent == []


def test_modules_stay_short() -> None:
    lengths = {name_path(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > 350} == {}, "split them"


def test_names_say_something() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "core", "base_service", "manager", "misc"}
    assert not [name_path(path) for path in SOURCES if path.stem in vague]
    classes = [
        (name_path(path), node.name)
        for path in SOURCES
        for node in ast.walk(imports.parse_file(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Service", "Manager", "Handler", "Factory"))
    ]
    assert not classes


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in ast.walk(imports.parse_file(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name_path(path))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_nothing_unsafe_is_read() -> None:
    unsafe = [
        name_path(path)
        for path in SOURCES
        if imports.read_imports(path) & {"pickle", "joblib", "cloudpickle", "dill"}
    ]
    assert not unsafe


@pytest.mark.slow
def test_public_names_exist() -> None:
    for path in SOURCES:
        tree = imports.parse_file(path)
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
        assert set(names) <= defined, f"{name_path(path)}: __all__ names {set(names) - defined}"


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


def test_the_guide_shows_the_floors_of_the_table() -> None:
    assert rooms.draw_floors() in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
