"""A reading as a pipeline's YAML: one setting a line, each with its reason as a comment.

Called by ``flows`` for ``pynomaly init`` and ``convert``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pynomaly.config.spelling.plain_yaml import quote_if_needed, quote_yaml
from pynomaly.data.intake.findings import Reading

__all__ = ["CANDIDATES", "list_settings", "make_slug", "render_draft"]

CANDIDATES = ("auto", "iforest", "gmm", "knn")
"""Detectors that a drafted pipeline trains; the first is the baseline."""

_BASELINE = (list(CANDIDATES), "the first is the baseline; see `pynomaly detectors`")

_FIRST = (
    "sheet", "encoding", "separator", "quote", "decimal", "thousands", "skip_rows", "comment",
    "header", "names", "strip_names", "unit_rows", "missing_values", "missing_in", "numbers",
    "magnitudes", "time", "time_format", "epoch", "timezone", "id", "label", "label_values",
    "label_delay", "counters", "long", "graph", "series", "columns", "categorical", "ignore",
)  # fmt: skip
"""Order of the keys under ``data``."""


_LISTS = {
    "names": "names of the columns in order",
    "numbers": "numbers with a unit, a currency or a percent sign",
    "magnitudes": "numbers that end in K, M, B or T",
    "counters": "only rise: read as their increase since the row before",
    "columns": "as asked",
    "categorical": "features with few different values",
    "ignore": "left out, with the reason",
}
"""Keys that hold a list of columns, one a line, with their comment."""


def render_draft(reading: Reading, name: str | None = None, folder: str | Path | None = None) -> str:
    """Return the commented YAML text of a pipeline for the table that was read.

    Parameters
    ----------
    reading : Reading
    name : str, optional
        Name of the pipeline; by default made from the file name.
    folder : str or Path, optional
        Folder of the YAML file. The data path is relative to it if the data lie in the same project; else,
        or without a folder, it is absolute.
    """
    features = [column for column in reading.columns if column.is_feature]
    categorical = set(reading.data.get("categorical", ()))
    counted = f"{len(features) - len(categorical)} numeric and {len(categorical)} categorical features"
    about = "" if reading.sampled >= reading.rows else "about "
    place = Path(reading.file)
    lines = [
        f"# Pipeline drafted from {quote_yaml(place.name)}: {about}{reading.rows} rows, {counted}.",
        "# Correct what was guessed wrongly; every other setting has its default.",
        *(f"# Note: {line}" for note in reading.notes for line in [" ".join(note.split())]),
        f"name: {quote_if_needed(name or make_slug(_stem(place)))}",
        "",
        "data:",
        _format_line("source", reading.kind, "kind of file"),
        _format_line(
            "path",
            _express_path(reading.file, folder),
            "file, folder or pattern; a relative path starts at this file's folder",
        ),
    ]
    lines += _render_data(reading)
    for block in ("windows", "quality", "features"):
        if block in reading.blocks:
            comment = f"  # {_describe_step(reading)}" if block == "windows" else ""
            lines += [
                "",
                f"{block}:{comment}",
                *(_format_line(key, *item) for key, item in reading.blocks[block].items()),
            ]
    training = {"candidates": _BASELINE, **reading.blocks.get("training", {})}
    names, why = training.pop("candidates")
    lines += ["", "training:", f"  candidates: [{', '.join(map(_spell_candidate, names))}]  # {why}"]
    lines += [_format_line(key, *item) for key, item in training.items()]
    if "retraining" in reading.blocks:
        lines += [
            "",
            "retraining:",
            *(_format_line(key, *item) for key, item in reading.blocks["retraining"].items()),
        ]
    return "\n".join(lines) + "\n"


def _spell_candidate(candidate: str | Mapping[str, Any]) -> str:
    if isinstance(candidate, str):
        return candidate
    items = (f"{name}: {_spell_candidate(item)}" for name, item in candidate.items())
    return f"{{{', '.join(items)}}}"


def list_settings(reading: Reading) -> dict[str, Any]:
    """Return the settings that the reading decided: block, key and value."""
    blocks = {
        block: {key: value for key, (value, _) in keys.items()} for block, keys in reading.blocks.items()
    }
    blocks["training"] = {"candidates": list(CANDIDATES), **blocks.get("training", {})}
    return {"data": {"source": reading.kind, "path": reading.file, **reading.data}, **blocks}


def _stem(place: Path) -> str:
    name = place.name
    if any(mark in name for mark in "*?["):
        name = place.parent.name or "table"
    for _ in range(2):  # readings.csv.gz
        name = Path(name).stem
    return name


def _express_path(path: str, folder: str | Path | None) -> str:
    """Return a relative path if the data lie in the YAML's project, so that the project can move."""
    place = Path(os.path.abspath(Path(path).expanduser()))
    if folder is None:
        return str(place)
    base = Path(folder).resolve()
    resolved = place if any(mark in str(place) for mark in "*?[") else place.resolve()
    return os.path.relpath(resolved, base) if resolved.is_relative_to(base.parent) else str(resolved)


def _describe_step(reading: Reading) -> str:
    time = reading.time
    return f"rows from {time.first[:19]} to {time.last[:19]}" if time else ""


def _render_data(reading: Reading) -> list[str]:
    """Return the lines of the keys under ``data``, each with its reason."""
    reasons = _collect_reasons(reading)
    roles = {column.name: column for column in reading.columns}
    lines: list[str] = []
    for key in _FIRST:
        if key not in reading.data:
            if key == "time" and reading.time is None:
                lines.append("  # time:  # no column reads as times: the table is one window")
            if key == "series" and reading.time is not None:
                lines.append(
                    f"  # series:  # no detector looks back: {' '.join(reading.context.why.split())}"
                )
            if key == "label" and reading.label is None:
                lines.append("  # label:  # no column is known to tell the truth; --label names one")
            continue
        value = reading.data[key]
        if key in _LISTS and not value:
            lines.append(_format_line(key, [], "as asked"))
        elif key in _LISTS:
            lines.append(f"  {key}:  # {_LISTS.get(key, 'as asked')}")
            for name in value:
                note = roles[name].why if key in ("ignore", "categorical") and name in roles else ""
                lines.append(_format_item(name, note))
        elif key == "series" and reading.context.settings:
            lines.append(f"  series:  # {' '.join(reading.context.why.split())}")
            lines += [
                f"  {_format_line(name, item, reading.context.reasons[name])}" for name, item in value.items()
            ]
        elif isinstance(value, Mapping):
            lines.append(f"  {key}:  # {reasons.get(key, 'as asked')}")
            lines += [f"    {quote_yaml(str(name))}: {_spell(item)}" for name, item in value.items()]
        else:
            lines.append(_format_line(key, value, reasons.get(key, "as asked")))
        if key == "label" and reading.time is not None:
            lines.append(_format_line("label_delay", "0s", "how long after its row a label becomes known"))
    return lines


def _collect_reasons(reading: Reading) -> dict[str, str]:
    """Return the comment of each key under ``data``."""
    reasons: dict[str, str] = {}
    for choice in reading.choices:
        doubt = "" if choice.sure == "sure" else f" ({choice.sure})"
        text = f"{choice.why}{doubt}"
        if choice.setting in ("missing_values", "missing_in"):
            text = f"{choice.value!r}: {choice.why}"
            text = f"{reasons[choice.setting]}; {text}" if choice.setting in reasons else text
        reasons[choice.setting] = text
    roles = {column.name: column for column in reading.columns}
    if reading.time is not None:
        column = roles[reading.time.columns[0]]
        doubt = "" if column.sure == "sure" else f" ({column.sure})"
        reasons["time"] = f"{column.why}{doubt}: {reading.time.first[:19]} to {reading.time.last[:19]}"
        reasons["time_format"] = "how its times are written; `*` is any rest"
        reasons["epoch"] = "unit of its numbers since 1970; excel: days of a spreadsheet"
        given = reading.time.zone != "UTC"
        reasons["timezone"] = "times have no offset; " + (
            "as asked" if given else "UTC is assumed: correct it if they are local"
        )
    if reading.id is not None:
        reasons["id"] = f"{roles[reading.id].why}; names whose row it is"
    if "graph" in reading.data:
        reasons["graph"] = next(
            (column.why for column in reading.columns if column.role == "end"), "as asked"
        )
    if reading.label is not None:
        reasons["label"] = roles[reading.label].why
        reasons["label_values"] = "what its words mean: 1 anomaly, 0 normal, null not known"
    return reasons


def _format_line(key: str, value: object, comment: str) -> str:
    return f"  {key}: {_spell(value)}  # {' '.join(comment.split())}"


def _format_item(name: object, note: str) -> str:
    return f"    - {quote_yaml(str(name))}{'  # ' + ' '.join(note.split()) if note else ''}"


def _spell(value: object) -> str:
    """Spell a plain value as YAML on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quote_yaml(str(key))}: {_spell(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_spell(item) for item in value) + "]"
    return quote_yaml(str(value))


def make_slug(text: str) -> str:
    """Return a valid pipeline name made from any text."""
    words = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    return (words if words[:1].isalpha() else f"data-{words}")[:63].rstrip("-")
