"""``make reference``: writes the pages that are generated from the code, so that they cannot differ from it.

`configuration` reads the settings' models, `api` the public modules, `commands` the application,
`detectors` the catalogue; `picture` and `floors` draw the table of `rooms`. Each returns a page and writes
nothing. `PAGES` names the files, and `signs` the packages whose docstrings end in who calls them; tests
compare each with what is generated.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import api
import commands
import picture
import rooms
import signs
import stream_picture
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from pynomaly.config import Pipeline
from pynomaly.config.spelling.units import spell_duration
from pynomaly.detectors.catalogue import DETECTORS, DetectorEntry
from pynomaly.detectors.catalogue_page import render_catalogue
from pynomaly.detectors.parameters import ChoiceParameter, IntegerParameter, NumberParameter, WidthsParameter

__all__ = ["PAGES", "configuration", "detectors", "floors", "keys", "main"]

ROOT = Path(__file__).parents[1]

UNITS = {
    "kib": "KiB", "mib": "MiB", "mb": "MB", "megabytes": "MB", "ms": "ms", "day": "alerts a day",
    "days": "days", "rows": "rows", "categories": "values", "columns": "columns", "cells": "cells",
    "windows": "windows", "positives": "rows", "workers": "processes", "trials": "fits", "newest": "versions",
    "resamples": "draws", "attempts": "tries", "bake": "windows", "man": "runs", "factor": "times",
    "shift": "robust deviations", "folds": "folds", "repeats": "draws", "seasons": "weeks",
    "blocks": "blocks", "flapping": "alerts",
}  # fmt: skip
"""Units by the last word of a key, for types that do not say the unit."""

_FLOORS = "```text\n"

SHARES = {(0, 1), (0, 0.5), (0, 0.9), (0.5, 1)}


def configuration() -> str:
    """Returns the page of every key of a pipeline: type, default, bounds, unit, meaning."""
    lines = [
        "# Settings",
        "",
        "Every key of a pipeline's YAML. `configs/quickstart.yaml` holds each once, with its default or",
        "what the bundled fleet needs; `pynomaly config CONFIG` says which value counts and where it came",
        "from. Unknown keys are refused, and the nearest that exists is named. *Time spans* are a whole",
        "number and `s`, `m`, `h`, `d` or `w`, like `12h`; *shares* are parts of 1. Relative paths start at",
        "the folder of the YAML. What a key may be beside another (`source: sql` needs `query`) is checked",
        "when it is read.",
        "",
        "This page is written by `make reference`.",
    ]
    for above, model in _iterate_blocks():
        lines += ["", f"## {above or 'The pipeline'}", "", _read_first_paragraph(model), ""]
        lines += ["| key | type | default | allowed | unit | meaning |", "|---|---|---|---|---|---|"]
        properties = model.model_json_schema()["properties"]
        for name, field in model.model_fields.items():
            if not field.exclude:
                lines.append(_format_key_row(above, name, field, properties[name]))
    return "\n".join(lines) + "\n"


def keys() -> list[str]:
    """Returns every key of a pipeline with the keys above it, like ``data.series.rows``."""
    return [
        f"{above}.{name}".lstrip(".")
        for above, model in _iterate_blocks()
        for name, field in model.model_fields.items()
        if not field.exclude
    ]


def _iterate_blocks(
    model: type[BaseModel] = Pipeline, above: str = ""
) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each block of settings with the keys that lead to it, then the blocks inside it."""
    yield above, model
    for name, field in model.model_fields.items():
        models = _list_inner_models(field.annotation)
        for inner in models:
            kind = str(inner.model_fields["kind"].default) if len(models) > 1 else ""
            many = f"[{kind}]" if field.annotation is not inner else ""
            yield from _iterate_blocks(inner, f"{above}.{name}{many}".lstrip("."))


def _list_inner_models(annotation: Any) -> list[type[BaseModel]]:
    """Returns the models in an annotation: several for blocks of several kinds, named by their `kind`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for item in getattr(annotation, "__args__", ()) for model in _list_inner_models(item)]


def _find_inner_model(field: FieldInfo) -> type[BaseModel] | None:
    return next(iter(_list_inner_models(field.annotation)), None)


def _read_first_paragraph(kind: type) -> str:
    """Returns the first paragraph of a docstring, as Markdown."""
    text = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    return text.replace("``", "`")


def _format_key_row(above: str, name: str, field: FieldInfo, schema: dict[str, Any]) -> str:
    schema = next((part for part in schema.get("anyOf", ()) if part.get("type") != "null"), schema)
    kind = _describe_type(field, schema)
    place = re.sub(r"\W", "", f"{above}{name}")  # the anchor that the site and the code host give a heading
    cells = [
        f"`{name}`",
        f"[{kind}](#{place})" if "block" in kind else kind,
        _format_default(field),
        _describe_allowed(schema),
        _find_unit(name, kind, schema),
        field.description or _read_first_paragraph(_find_inner_model(field) or type(None)),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _describe_type(field: FieldInfo, schema: dict[str, Any]) -> str:
    if len(_list_inner_models(field.annotation)) > 1:
        return "list, by `kind`"
    if _find_inner_model(field) is not None:
        return "list of blocks" if schema.get("type") == "array" else "block"
    if schema.get("format") == "duration":
        return "time span"
    if schema.get("format") == "date-time":
        return "time with an offset"
    names = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    if "enum" in schema:
        return "word"
    if schema["type"] == "array":
        return f"list of {'words' if 'enum' in schema['items'] else names[schema['items']['type']] + 's'}"
    return names.get(schema["type"], "mapping")


def _format_default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)  # type: ignore[call-arg]
    if isinstance(value, BaseModel):
        return ""
    return f"`{_format_value(value)}`"


def _format_value(value: object) -> str:
    if isinstance(value, timedelta):
        return spell_duration(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_format_value, value))}]"
    return f'"{value}"' if value == "" or (isinstance(value, str) and " " in value) else f"{value}"


def _describe_allowed(schema: dict[str, Any]) -> str:
    item_schema = schema.get("items", {})
    choices = schema.get("enum") or item_schema.get("enum")
    if choices:
        return ", ".join(f"`{word}`" for word in choices)
    limits = [_describe_bounds(schema) or _describe_bounds(item_schema)]
    if "pattern" in schema:
        limits.append(f"`{schema['pattern']}`")
    if schema.get("minItems") or schema.get("minLength"):
        limits.append("not empty" if schema.get("maxLength") != 1 else "one character")
    return "; ".join(filter(None, limits))


def _describe_bounds(schema: dict[str, Any]) -> str:
    """Returns the bounds in words; bounds of time spans are written as time spans."""

    def format_bound(value: object) -> str:
        if isinstance(value, str):
            return spell_duration(TypeAdapter(timedelta).validate_python(value))
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"

    bounds = []
    for word, names in {
        "from": ("minimum", "ge"),
        "above": ("exclusiveMinimum", "gt"),
        "to": ("maximum", "le"),
        "below": ("exclusiveMaximum", "lt"),
    }.items():
        bound = next((schema[name] for name in names if name in schema), None)
        if bound is not None:
            bounds.append(f"{word} {format_bound(bound)}")
    return " ".join(bounds).replace(" below", ", below")


def _find_unit(name: str, kind: str, schema: dict[str, Any]) -> str:
    if kind == "time span":
        return "s, m, h, d, w"
    if kind not in ("whole number", "number") or name == "seed":
        return ""
    if word := UNITS.get(name.rsplit("_", 1)[-1]):
        return word
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return "share" if (low, high) in SHARES else "count" if kind == "whole number" else "number"


def detectors() -> str:
    """Returns the page of every detector: its catalogue entry, its parameters with bounds, its sources."""
    lines = [
        "# Detectors, one by one",
        "",
        "What `pynomaly detectors` lists, with each parameter as `training.candidates` takes it, like",
        "`{detector: knn, params: {n_neighbors: 20}}`. *Explained by* is how a score is divided among",
        "columns: `paths`, `terms` of a sum, `members` of an ensemble, or `occlusion`. What the words mean,",
        "and which detectors are not offered: [Detectors](detectors.md).",
        "",
        "This page is written by `make reference`.",
    ]
    for name, row in DETECTORS.items():
        lines += ["", f"## {name}", "", *_render_detector(row)]
    return "\n".join(lines) + "\n"


def _render_detector(row: DetectorEntry) -> Iterator[str]:
    kind = row.resolve()
    rows = f"more than {row.max_rows:,} are sampled by seed" if row.max_rows else "all"
    yield f"Finds {row.summary}. Fails on: {row.limits}."
    yield ""
    yield "| family | fit by | cost of a fit | rows | depends on the seed | keeps rows | explained by |"
    yield "|---|---|---|---|---|---|---|"
    yes = {True: "yes", False: "no"}
    cells = [row.family, row.source, row.cost, rows, yes[not row.deterministic], yes[row.keeps_rows]]
    yield f"| {' | '.join(cells)} | {kind.explains} |"
    if kind.parameters:
        yield ""
        yield "| parameter | default | allowed | worth trying |"
        yield "|---|---|---|---|"
        for name, parameter in kind.parameters.items():
            search_values = ", ".join(f"`{_format_value(value)}`" for value in row.search_space.get(name, ()))
            bounds = _describe_parameter_bounds(parameter)
            yield f"| `{name}` | `{_format_value(parameter.default)}` | {bounds} | {search_values} |"
    else:
        yield ""
        yield "It has no parameters."
    yield ""
    yield f"Source: {'; '.join(_read_references(kind))}"


def _describe_parameter_bounds(parameter: object) -> str:
    match parameter:
        case IntegerParameter(low=low, high=high):
            return f"whole number from {low:,} to {high:,}"
        case NumberParameter(low=low, high=high, open_low=above):
            return f"number {'above' if above else 'from'} {low:g} to {high:g}"
        case ChoiceParameter(options=options):
            return ", ".join(f"`{option}`" for option in options)
        case WidthsParameter(high=high, longest=longest):
            return f"list of 1 to {longest} whole numbers up to {high:,}"
        case _:
            return _read_first_paragraph(type(parameter)).split(": ")[0].rstrip(".")


def _read_references(kind: type) -> list[str]:
    """Returns the entries under ``References`` of the class, else of its module; each ends with a year."""
    for place in (kind, inspect.getmodule(kind)):
        text = place.__doc__ or ""
        section = re.search(r"^ *References\n *-+\n(.*)", text, re.S | re.M)
        if section:
            joined = " ".join(section[1].split())
            return [
                entry.strip().rstrip(".")
                for entry in re.findall(r".+?\b\d{4}(?: \([^)]*\))?\.?(?= |$)", joined)
            ]
    raise LookupError(f"{kind.__name__} names no source")


def floors() -> str:
    """Returns `docs/architecture.md` with the floors of the table `rooms.WINGS` in its block of text."""
    text = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(_FLOORS)
    _, _, after = rest.partition("```")
    return f"{before}{_FLOORS}{rooms.draw_floors()}```{after}"


PAGES: dict[str, Callable[[], str]] = {
    "docs/configuration.md": configuration,
    "docs/api.md": api.page,
    "docs/command-line.md": commands.page,
    "docs/detectors.md": render_catalogue,
    "docs/detector-reference.md": detectors,
    "docs/pictures/architecture.svg": picture.picture,
    "docs/pictures/streaming.svg": stream_picture.stream_picture,
    "docs/architecture.md": floors,
}


def main() -> int:
    """Write every page again, and the signs of the packages."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
        print(name)
    for path in signs.list_packages():
        text = signs.write_sign(path)
        if text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(signs.ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
