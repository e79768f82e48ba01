"""The picture of the architecture draws the rules that the code is held to, and can be read without eyes."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tests.docs.loaded import ROOT, script

picture, rooms = script("picture"), script("rooms")
DRAWN = picture.picture()
SVG = ElementTree.fromstring(DRAWN)
SPACE = "{http://www.w3.org/2000/svg}"


def find_boxes(kind: str) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of the boxes of one class, in the order in which they are drawn."""
    boxes = [box for box in SVG.iter(f"{SPACE}rect") if box.get("class") == kind]
    sides = [[float(box.get(name, 0)) for name in ("x", "y", "width", "height")] for box in boxes]
    return [(x, y, x + width, y + height) for x, y, width, height in sides]


def test_a_wing_is_drawn_above_what_it_imports() -> None:
    tops = {name: box[1] for name, box in zip(rooms.WINGS, find_boxes("wing"), strict=True)}
    for name in rooms.WINGS:
        assert all(tops[name] < tops[other] for other in rooms.allowed_wings(name))


def test_a_room_is_drawn_in_its_wing_to_the_right_of_what_it_imports() -> None:
    bands = dict(zip(rooms.WINGS, find_boxes("wing"), strict=True))
    boxes = find_boxes("room")
    for wing, row in rooms.WINGS.items():
        left, top, right, bottom = bands[wing]
        inside = [
            box for box in boxes if left < box[0] and top < box[1] and box[2] < right and box[3] < bottom
        ]
        drawn = set(row.rooms) - {rooms.GROUND}
        assert len(inside) == len(drawn)
        columns = {
            name: column
            for column, floor in enumerate(rooms.sort_by_floor(wing))
            for name in floor
            if name in drawn
        }
        for name in drawn:
            assert all(columns[other] < columns[name] for other in rooms.list_rooms_below(wing, name) & drawn)


def test_doors_are_where_the_code_has_them() -> None:
    assert set(picture.VENDORS) <= set(rooms.DOORS)
    assert picture.list_vendors("flows") == picture.list_vendors("tasks") == ["Prefect"]
    drawn = {vendor for wing in rooms.WINGS for vendor in picture.list_vendors(wing)}
    assert drawn == set(picture.VENDORS.values())
    spoken = str(SVG.findtext(f"{SPACE}desc"))
    assert all(vendor in spoken for vendor in drawn)


def test_packages_named_in_the_flow_are_there() -> None:
    assert all((ROOT / package).is_dir() for _, _, package in picture.FLOW)


def test_it_can_be_heard_searched_and_printed() -> None:
    assert SVG.get("role") == "img"
    labels = {element.get("id"): element.text or "" for element in SVG if element.get("id")}
    assert [len(labels[name]) > 10 for name in str(SVG.get("aria-labelledby")).split()] == [True, True]
    spoken = labels["description"]
    assert all(name in spoken for name, _, _ in picture.FLOW)
    written = {text.text for text in SVG.iter(f"{SPACE}text")}
    names = {room for row in rooms.WINGS.values() for room in row.rooms} - {rooms.GROUND}
    assert {*rooms.WINGS, *names} <= written
    assert all(name in spoken for name in names)
    assert not re.search(r"href|url\(http|<script|<image", DRAWN)


def test_nothing_is_drawn_outside_the_page() -> None:
    _, _, width, height = map(float, str(SVG.get("viewBox")).split())
    for kind in ("page", "box", "wing", "room"):
        boxes = find_boxes(kind)
        assert boxes
        assert all(x >= 0 and y >= 0 and right <= width and low <= height for x, y, right, low in boxes)


def test_words_fit_into_their_boxes() -> None:
    """Seven pixels a character is what system fonts of 12 pixels need at most on average."""
    longest = max((room for row in rooms.WINGS.values() for room in row.rooms), key=len)
    left, _, right, _ = find_boxes("room")[0]
    assert 7 * len(longest) <= right - left
