"""Draws the architecture as SVG: the path of a window's data, and the rooms of the table in `rooms.py`.

`picture` returns the SVG and writes nothing; ``make reference`` writes it into ``docs/pictures``. Sizes are
in pixels of a page 960 wide; words are text, so that they can be searched, read aloud and enlarged.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from html import escape

from rooms import DOORS, GROUND, WINGS, sort_by_floor

__all__ = ["FLOW", "STYLE", "VENDORS", "draw_text", "list_vendors", "picture"]

FLOW = (
    ("frame", "rows of a window", "pynomaly/data"),
    ("report", "what is wrong with them", "pynomaly/data"),
    ("model", "fitted, sealed, named", "pynomaly/model"),
    ("scores", "p-values, alerts", "pynomaly/model"),
    ("verdict", "superior? drifted?", "pynomaly/judging"),
    ("decision", "promote, retrain, none", "pynomaly/judging"),
    ("record", "ledger, MLflow, files", "pynomaly/records"),
)
"""Steps that a window passes, in order: name, content, and the package that makes it."""

VENDORS = {
    "alembic": "Alembic",
    "apprise": "Apprise",
    "boto3": "boto3",
    "distributed": "Dask",
    "evidently": "Evidently",
    "fastapi": "FastAPI",
    "fsspec": "fsspec",
    "great_expectations": "Great Expectations",
    "icalendar": "iCalendar",
    "lime": "LIME",
    "mlflow": "MLflow",
    "openpyxl": "openpyxl",
    "optuna": "Optuna",
    "prefect": "Prefect",
    "prometheus_client": "Prometheus",
    "pyod": "PyOD",
    "shap": "SHAP",
    "sqlalchemy": "SQLAlchemy",
    "torch": "PyTorch",
    "yaml": "PyYAML",
}
"""How vendors spell what a door of `rooms.DOORS` opens to; what is not here is not drawn."""

_TOP, _GAP, _ROW = 190, 6, 26
"""Where the wings begin, the space between two of them, and the height of a room's row."""

STYLE = """
  .page { fill: #ffffff } text { font: 14px system-ui, sans-serif; fill: #1b1f24 }
  .small { font-size: 12px; fill: #4a5159 } .title { font-size: 16px; font-weight: 600 }
  .box { fill: #eef3fa; stroke: #3a5f95; stroke-width: 1.2 } .wing { fill: #f3f4f6; stroke: #6b7280 }
  .room { fill: #ffffff; stroke: #6b7280 }
  .way { stroke: #3a5f95; stroke-width: 1.6; fill: none; marker-end: url(#tip) }
"""


def picture() -> str:
    """Returns the whole SVG, with a title and a description for screen readers."""
    steps = ", ".join(name for name, _, _ in FLOW)
    wings = "; ".join(_describe_wing(name) for name in WINGS)
    bands = list(_draw_wings(_TOP + 16))
    height = _TOP + 16 + sum(_measure_wing(name) + _GAP for name in WINGS) + 14
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {height}" role="img" '
        'aria-labelledby="title description">',
        '<title id="title">Architecture of Pynomaly</title>',
        f'<desc id="description">A window becomes, in this order: {steps}. Wings import downwards alone, and '
        f"rooms of a wing import rooms to their left. From the top: {escape(wings)}.</desc>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#3a5f95"/></marker></defs>',
        f'<rect class="page" width="960" height="{height}"/>',
        *_draw_flow(24),
        draw_text(20, _TOP, "Who may import whom: wings downwards, rooms to their left", "title", "start"),
        draw_text(940, _TOP, "doors to vendors", "small", "end"),
        *bands,
    ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def list_vendors(wing: str) -> list[str]:
    """Returns what `wing` opens a door to, as the vendors spell it."""
    folder = wing if wing in ("tasks", "flows") else f"pynomaly/{wing}"
    return [
        VENDORS[vendor]
        for vendor, doors in DOORS.items()
        if vendor in VENDORS and any(f"{door}/".startswith(f"{folder}/") for door in doors)
    ]


def _describe_wing(name: str) -> str:
    rooms = [room for floor in _list_floors(name) for room in floor]
    parts = [f"rooms {', '.join(rooms)}"] if rooms else []
    vendors = list_vendors(name)
    parts += [f"doors to {', '.join(vendors)}"] if vendors else []
    return f"{name}: {WINGS[name].holds}" + "".join(f", {part}" for part in parts)


def _list_floors(name: str) -> list[list[str]]:
    """Returns the rooms of a wing by floor, without its ground."""
    floors = [[room for room in floor if room != GROUND] for floor in sort_by_floor(name)]
    return [floor for floor in floors if floor]


def draw_text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    """Returns a line of text at a point of the page."""
    class_attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{class_attribute}>{escape(text)}</text>'


def _draw_flow(top: float) -> Iterator[str]:
    """Yield the row of steps that a window passes."""
    yield draw_text(20, top + 10, "What a window becomes; nothing flows back", "title", "start")
    step, wide, y = 134, 116, top + 28
    for place, (name, holds, package) in enumerate(FLOW):
        x = 20 + place * step
        yield f'<rect class="box" x="{x}" y="{y}" width="{wide}" height="84" rx="6"/>'
        yield draw_text(x + wide / 2, y + 22, name, "title")
        for line, words in enumerate(_split_in_two(holds)):
            yield draw_text(x + wide / 2, y + 41 + 14 * line, words, "small")
        yield draw_text(x + wide / 2, y + 76, package.removeprefix("pynomaly/"), "small")
        if place:
            yield f'<path class="way" d="M{x - step + wide} {y + 42} H{x - 2}"/>'


def _split_in_two(words: str, width: int = 16) -> list[str]:
    """Returns `words` as one line, or two if it is longer than `width` characters."""
    if len(words) <= width:
        return [words]
    parts = words.split()
    cut = min(range(1, len(parts)), key=lambda at: abs(len(" ".join(parts[:at])) - len(words) / 2))
    return [" ".join(parts[:cut]), " ".join(parts[cut:])]


def _measure_wing(name: str) -> int:
    """Returns the height of a wing's band in pixels."""
    most = max((len(floor) for floor in _list_floors(name)), default=0)
    return max(44, 12 + _ROW * most)


def _draw_wings(top: int) -> Iterator[str]:
    """Yield a band for each wing: its name and content, its rooms by floor, and its vendors."""
    y = top
    for name, wing in WINGS.items():
        high = _measure_wing(name)
        yield f'<rect class="wing" x="20" y="{y}" width="920" height="{high}" rx="5"/>'
        yield draw_text(32, y + 18, name, "title", "start")
        for line, words in enumerate(_split_in_two(wing.holds, 26)):
            yield draw_text(32, y + 33 + 13 * line, words, "small", "start")
        floors = _list_floors(name)
        step = min(106, 660 // max(1, len(floors)))  # many floors stand closer
        for column, floor in enumerate(floors):
            x = 214 + step * column
            for place, room in enumerate(floor):
                at = y + 6 + _ROW * place
                yield f'<rect class="room" x="{x}" y="{at}" width="{step - 6}" height="{_ROW - 4}" rx="4"/>'
                yield draw_text(x + step // 2 - 3, at + 16, room, "small")
        for line, words in enumerate(textwrap.wrap(", ".join(list_vendors(name)), 24)):
            yield draw_text(930, y + 17 + 13 * line, words, "small", "end")
        y += high + _GAP
