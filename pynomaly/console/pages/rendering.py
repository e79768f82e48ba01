"""Templates to pages. Everything is escaped; a name that a template uses and does not get is an error."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pynomaly.console.context import Asked
from pynomaly.records.diff_page import format_example_rows
from pynomaly.records.formats import (
    format_number,
    format_percent,
    format_utc,
    format_window,
    format_words,
)

__all__ = ["format_age", "render_page"]

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
    return environment


def _format_time(moment: datetime | str | None) -> str:
    return format_utc(moment.isoformat() if isinstance(moment, datetime) else moment)
