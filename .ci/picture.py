"""Draws the architecture as SVG: the path of a window's data, and which package may import which.

`picture` returns the SVG and writes nothing; ``make reference`` writes it into ``docs/pictures``. Sizes are
in pixels of a page 960 wide; words are text, so that they can be searched, read aloud and enlarged.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

__all__ = ["FLOW", "ROOMS", "picture"]

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

ROOMS = (
    (("flows",), "Prefect flows, command line: wiring only"),
    (("tasks",), "steps as Prefect tasks: retries, events"),
    (("steps", "serving"), "gather facts, ask, write down; answer over HTTP"),
    (("records",), "what is kept: ledger, registry, store, pages"),
    (("judging",), "pure decisions"),
    (("model",), "the bundle that ships"),
    (("detectors", "data"), "the catalogue; sources, windows, quality"),
    (("config",), "settings and bounds"),
    (("errors",), "one tree"),
)
"""Rows of packages from the top; a row may import those below it."""

DOORS = (
    ("flows, tasks", "Prefect"),
    ("records", "MLflow, SQLAlchemy, Evidently, Apprise"),
    ("detectors", "PyOD, scikit-learn, PyTorch"),
    ("data", "Great Expectations, SQLAlchemy, boto3, fsspec"),
    ("serving", "FastAPI"),
    ("steps", "Optuna, Dask"),
)
"""Packages, and the vendors' libraries that only they import."""

_STYLE = """
  .page { fill: #ffffff } text { font: 14px system-ui, sans-serif; fill: #1b1f24 }
  .small { font-size: 12px; fill: #4a5159 } .title { font-size: 16px; font-weight: 600 }
  .box { fill: #eef3fa; stroke: #3a5f95; stroke-width: 1.2 } .room { fill: #f3f4f6; stroke: #6b7280 }
  .way { stroke: #3a5f95; stroke-width: 1.6; fill: none; marker-end: url(#tip) }
"""


def picture() -> str:
    """Returns the whole SVG, with a title and a description for screen readers."""
    steps = ", ".join(name for name, _, _ in FLOW)
    packages = "; ".join(" and ".join(names) for names, _ in ROOMS)
    vendor_list = "; ".join(f"{room}: {vendors}" for room, vendors in DOORS)
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 746" role="img" '
        'aria-labelledby="title told">',
        '<title id="title">Architecture of Pynomaly</title>',
        f'<desc id="told">A window becomes, in this order: {steps}. Packages import downwards alone, from '
        f"the top: {packages}. Doors to vendors: {vendor_list}.</desc>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#3a5f95"/></marker></defs>',
        '<rect class="page" width="960" height="746"/>',
        *_draw_flow(24),
        *_draw_packages(190),
    ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _draw_text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    class_attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{class_attribute}>{escape(text)}</text>'


def _draw_flow(top: float) -> Iterator[str]:
    """Yield the row of steps that a window passes."""
    yield _draw_text(20, top + 10, "What a window becomes; nothing flows back", "title", "start")
    step, wide, y = 134, 116, top + 28
    for place, (name, holds, package) in enumerate(FLOW):
        x = 20 + place * step
        yield f'<rect class="box" x="{x}" y="{y}" width="{wide}" height="84" rx="6"/>'
        yield _draw_text(x + wide / 2, y + 22, name, "title")
        for line, words in enumerate(_split_in_two(holds)):
            yield _draw_text(x + wide / 2, y + 41 + 14 * line, words, "small")
        yield _draw_text(x + wide / 2, y + 76, package.removeprefix("pynomaly/"), "small")
        if place:
            yield f'<path class="way" d="M{x - step + wide} {y + 42} H{x - 2}"/>'


def _split_in_two(words: str) -> list[str]:
    """Returns `words` as one line, or two if it is longer than 16 characters."""
    if len(words) <= 16:
        return [words]
    parts = words.split()
    cut = min(range(1, len(parts)), key=lambda at: abs(len(" ".join(parts[:at])) - len(words) / 2))
    return [" ".join(parts[:cut]), " ".join(parts[cut:])]


def _draw_packages(top: float) -> Iterator[str]:
    """Yield the stack of packages, and the vendors' libraries beside it."""
    yield _draw_text(20, top, "Which package may import which: downwards alone", "title", "start")
    yield _draw_text(620, top, "Doors to vendors", "title", "start")
    height, gap, wide = 42, 18, 560
    for place, (names, holds) in enumerate(ROOMS):
        y = top + 16 + place * (height + gap)
        part = (wide - 12 * (len(names) - 1)) / len(names)
        for at, name in enumerate(names):
            x = 20 + at * (part + 12)
            yield f'<rect class="room" x="{x:g}" y="{y}" width="{part:g}" height="{height}" rx="5"/>'
            yield _draw_text(x + part / 2, y + 18, name)
        for at, words in enumerate(holds.split("; ") if len(names) > 1 else [holds]):
            yield _draw_text(20 + at * (part + 12) + part / 2, y + 34, words, "small")
        if place + 1 < len(ROOMS):
            yield f'<path class="way" d="M{20 + wide / 2:g} {y + height} v{gap - 2}"/>'
    for place, (room, vendors) in enumerate(DOORS):
        y = top + 40 + place * 48
        yield _draw_text(620, y, room, "", "start")
        yield _draw_text(620, y + 17, vendors, "small", "start")
