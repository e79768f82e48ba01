"""Fill a template to HTML; templates of the user take precedence.

Everything is escaped except the drawings of :mod:`~pynomaly.records.pages.charts`. Templates run in Jinja's
sandbox, so a folder of templates cannot run code. A name that a template uses and does not get is an error,
never a blank. A user's template may extend the one that it replaces under the name ``pynomaly/<name>``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from pynomaly.errors import ConfigError, RecordError
from pynomaly.records.formats import (
    format_interval,
    format_number,
    format_percent,
    format_utc,
    format_window,
    format_words,
)
from pynomaly.records.palette import declare_colors

__all__ = ["TEMPLATES", "list_templates", "render_template"]

# What a browser would break at a hyphen.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:\+\d\d:\d\d|Z)")
_WHOLE = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?: UTC)?)?|\b\d+(?:\.\d+)?e-\d+")

TEMPLATES = Path(__file__).parents[1] / "templates" / "pages"


def list_templates() -> tuple[str, ...]:
    """Return the names of the templates that a user may replace."""
    return tuple(sorted(path.name for path in TEMPLATES.glob("*.j2")))


def render_template(template: str, folder: str, content: dict[str, Any]) -> str:
    """Return a template filled with `content`.

    Parameters
    ----------
    template : str
        One of :func:`list_templates`.
    folder : str
        Folder whose templates replace those of the same name; "" for none.
    content : dict
        The names that the template may use, with their values.

    Raises
    ------
    ConfigError
        If a template of the user cannot be read or filled; the text says which one, where and why.
    RecordError
        If one of Pynomaly's templates does not get a fact that it uses.
    """
    from jinja2 import TemplateError, TemplateSyntaxError
    from jinja2.exceptions import SecurityError, TemplateNotFound

    try:
        return str(_build_environment(folder).get_template(template).render(**content))
    except TemplateSyntaxError as error:
        where = error.filename or error.name or template
        raise ConfigError(f"reports.templates: {where}, line {error.lineno}: {error.message}") from error
    except TemplateNotFound as error:
        raise ConfigError(
            f"reports.templates: no template {error.name!r} in {folder or TEMPLATES}"
        ) from error
    except SecurityError as error:
        raise ConfigError(f"reports.templates: {error.message}; templates run in a sandbox") from error
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        message = f"{template} cannot be filled: {error}"
        raise (
            ConfigError(f"reports.templates ({folder}): {message}") if folder else RecordError(message)
        ) from error


@lru_cache(maxsize=8)
def _build_environment(folder: str) -> Any:
    from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    ours = FileSystemLoader(TEMPLATES)
    first = [FileSystemLoader(folder)] if folder else []
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([*first, ours, PrefixLoader({"pynomaly": ours})]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "prose": _mark_prose,
        "number": format_number,
        "utc": format_utc,
        "interval": format_interval,
        "percent": format_percent,
        "words": format_words,
        "spoken": format_window,
    }
    environment.globals["palette"] = declare_colors
    return environment


def _mark_prose(text: str) -> Markup:
    """Return a sentence of the records, escaped, whose times are for people and whose numbers stay whole."""
    escaped = str(escape(_TIME.sub(_format_time, str(text)))).replace(" -&gt; ", " → ")
    return Markup(_WHOLE.sub(r'<span class="when">\g<0></span>', escaped))  # nosec B704  # escaped above


def _format_time(time: re.Match[str]) -> str:
    try:
        return format_utc(time[0])
    except ValueError:  # looks like a time and is none, as in a name
        return time[0]
