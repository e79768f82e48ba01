"""The picture of the architecture draws the rules that the code is held to, and can be read without eyes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tests.docs.loaded import ROOT, script
from tests.test_architecture import DOORS, MAY_IMPORT

picture = script("picture")
DRAWN = picture.picture()
SVG = ElementTree.fromstring(DRAWN)
SPELLED = {
    "pyod": "PyOD",
    "torch": "PyTorch",
    "great_expectations": "Great Expectations",
    "optuna": "Optuna",
    "boto3": "boto3",
    "fsspec": "fsspec",
    "evidently": "Evidently",
    "mlflow": "MLflow",
    "sqlalchemy": "SQLAlchemy",
    "apprise": "Apprise",
    "prefect": "Prefect",
    "distributed": "Dask",
    "fastapi": "FastAPI",
}


def test_every_package_is_drawn_above_what_it_may_import() -> None:
    rows = [set(names) for names, _ in picture.ROOMS]
    row = {name: place for place, names in enumerate(rows) for name in names}
    rules = {
        room.split(".")[-1]: {name.split(".")[-1] for name in below} for room, below in MAY_IMPORT.items()
    }
    assert set(row) == set(rules)
    for room, below in rules.items():
        for name in below - {"pynomaly"}:
            assert row[room] < row[name], f"{room} stands beside or below {name}"


def test_doors_are_where_the_code_has_them() -> None:
    drawn = dict(picture.DOORS)
    for vendor, spelled in SPELLED.items():
        rooms = {door.removeprefix("pynomaly/").split("/")[0] for door in DOORS[vendor]}
        for room in rooms - {"model"}:
            key = next(key for key in drawn if room in key.split(", "))
            assert spelled in drawn[key], f"{room} opens {vendor}"


def test_packages_named_in_the_flow_are_there() -> None:
    assert all((ROOT / package).is_dir() for _, _, package in picture.FLOW)


def test_it_can_be_heard_searched_and_printed() -> None:
    space = "{http://www.w3.org/2000/svg}"
    assert SVG.get("role") == "img"
    told = {element.get("id"): element.text or "" for element in SVG if element.get("id")}
    assert [len(told[name]) > 10 for name in str(SVG.get("aria-labelledby")).split()] == [True, True]
    spoken = told["told"]
    assert all(name in spoken for name, _, _ in picture.FLOW)
    written = {text.text for text in SVG.iter(f"{space}text")}
    assert {name for names, _ in picture.ROOMS for name in names} <= written
    assert not re.search(r"href|url\(http|<script|<image", DRAWN)


def test_nothing_is_drawn_outside_the_page() -> None:
    _, _, wide, high = map(float, str(SVG.get("viewBox")).split())
    for box in SVG.iter("{http://www.w3.org/2000/svg}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        assert x + float(box.get("width", 0)) <= wide
        assert y + float(box.get("height", 0)) <= high
