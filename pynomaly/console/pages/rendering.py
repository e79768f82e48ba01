"""Templates to pages. Everything is escaped; a name that a template uses and does not get is an error."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pynomaly.console.context import Asked
from pynomaly.records.diff_page import format_example_rows
from pynomaly.records.formats import (
    format_number,
    format_percent,
    format_utc,
    format_window,
    format_words,
)

__all__ = ["format_age", "render_page", "render_part"]

TEMPLATES = Path(__file__).parents[1] / "templates"
_STEPS = ((86400 * 365.25, "year"), (86400 * 30.44, "month"), (86400, "day"), (3600, "hour"), (60, "minute"))


def render_page(
    template: str, asked: Asked | None, status: int = 200, here: str = "", **content: Any
) -> HTMLResponse:
    """Return a page.

    Parameters
    ----------
    template : str
        File without its ending.
    asked : Asked or None
        Whose page; None where nobody is known.
    here : str
        Address of the page in the navigation.
    """
    now = asked.now if asked else None
    text = _build_environment().get_template(f"{template}.html.j2")
    page = text.render(asked=asked, here=here, now=now, **content)
    return HTMLResponse(page, status, headers={"Cache-Control": "no-store"})


def render_part(template: str, **content: Any) -> str:
    """Return a part of pages that is the same for all who may see it, to be kept for a moment."""
    return _build_environment().get_template(f"{template}.html.j2").render(**content)


def format_age(moment: datetime, now: datetime) -> str:
    """Format how long ago, or in how long, in one unit: ``3 hours ago``, ``in 2 days``."""
    seconds = (now - moment).total_seconds()
    for span, unit in _STEPS:
        if abs(seconds) >= span:
            count = round(abs(seconds) / span)
            text = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now" if seconds >= 0 else "in a moment"


@lru_cache(maxsize=1)
def _build_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "ago": format_age,
        "examples": format_example_rows,
        "number": format_number,
        "percent": format_percent,
        "spoken": format_window,
        "utc": _format_time,
        "words": format_words,
    }
    environment.globals["moment"] = _draw_moment
    return environment


def _draw_moment(moment: datetime | None, now: datetime) -> Markup:
    """Return a time for people, with the exact one behind it. No macro: a fleet of 500 has two thousand."""
    if moment is None:
        return Markup('<span class="quiet">–</span>')
    exact = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    line = Markup('<time datetime="{}" title="{}">{}</time>')
    return line.format(moment.isoformat(), exact, format_age(moment, now))


def _format_time(moment: datetime | str | None) -> str:
    return format_utc(moment.isoformat() if isinstance(moment, datetime) else moment)
