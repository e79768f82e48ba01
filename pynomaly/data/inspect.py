"""Draft a pipeline YAML for a data file: ``pynomaly init`` writes it.

Reads the file once and explains each chosen value in a comment, so that the user can correct it. The draft is
valid: it loads, and its windows fit the time span of the data. Called by the command line.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pynomaly.config import Data, Limits
from pynomaly.config.data import SCORE_COLUMNS
from pynomaly.config.plain_yaml import quote_if_needed, quote_yaml
from pynomaly.config.units import spell_duration
from pynomaly.data.frame import FrameContract
from pynomaly.data.shape.moments import parse_iso_moments
from pynomaly.data.sources import SOURCES, bounded, infer_source_kind
from pynomaly.data.sources.csv import SEPARATORS, read_header, require_path
from pynomaly.errors import ColumnError, DataError, SourceError, WindowError, list_allowed

__all__ = ["CANDIDATES", "draft_pipeline", "make_slug"]

CANDIDATES = ("auto", "iforest", "gmm", "knn")
"""Detectors that a drafted pipeline trains; the first is the baseline."""

_LABEL_COLUMNS = ("anomaly", "is_anomaly", "label", "outlier", "is_outlier", "target", "class", "y")
_TRUTH_COLUMNS = ("changepoint", "change_point", "attack", "fault", "failure", "fraud", "is_fraud")
"""Other 0/1 columns that are known only after the event, so they must not be features."""

_NUMBER_WITH_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_STEPS = tuple(timedelta(seconds=s) for s in (60, 300, 600, 900, 1800, 3600, 3600 * 6, 86400, 7 * 86400))


@dataclass
class _FileSurvey:
    """Facts about the file, and for each setting the comment that explains it."""

    frame: pd.DataFrame
    data: Data
    notes: dict[str, str] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)
    times: pd.Series[Any] | None = None


def draft_pipeline(
    path: str | Path,
    name: str | None = None,
    time: str | None = None,
    label: str | None = None,
    id: str | None = None,
    folder: str | Path | None = None,
) -> str:
    """Return the commented YAML text of a pipeline for the file at `path`.

    Parameters
    ----------
    path : str or Path
        CSV file, Parquet file or folder of Parquet files.
    name : str, optional
        Name of the pipeline; by default made from the file name.
    time, label, id : str, optional
        Columns whose role is known; the other roles are guessed, and a comment explains the guess.
    folder : str or Path, optional
        Folder of the YAML file. The data path is relative to it if the data lie in the same project; else,
        or without a folder, it is absolute.

    Raises
    ------
    SourceError
        If the file is missing, unreadable or empty.
    ColumnError
        If the column of `time`, `label` or `id` does not exist, or a name is duplicated.
    """
    place = require_path(str(path), folder=True).resolve()
    survey = _survey_file(place, time, label, id)
    _find_time(survey, time)
    _find_label(survey, label)
    _find_id(survey, id)
    _find_ignored(survey)
    roles = {"time": survey.data.time, "label": survey.data.label, "id": survey.data.id}
    data = survey.data.model_copy(update={**roles, "ignore": tuple(survey.ignored)})
    contract = FrameContract.infer(survey.frame, data)
    data_path = _express_path(place, Path(folder).resolve()) if folder else str(place)
    return _render_yaml(name or make_slug(place.stem), data_path, survey, contract)


def _express_path(place: Path, folder: Path) -> str:
    """Return a relative path if the data lie in the YAML's project, so that the project can move."""
    inside = place.is_relative_to(folder.parent)
    return os.path.relpath(place, folder) if inside else str(place)


def _survey_file(place: Path, *role_columns: str | None) -> _FileSurvey:
    kind = "parquet" if place.is_dir() else infer_source_kind(place.name, "csv")
    data, notes = Data.model_validate({"source": kind, "path": str(place)}), dict[str, str]()
    if kind == "csv":
        separator = _detect_separator(place, data.limits)
        decimal = _detect_decimal(place, separator, data.limits)
        data = data.model_copy(update={"separator": separator, "decimal": decimal})
        notes["separator"] = f"{len(read_header(place, separator, data.limits))} columns in the header"
        notes["decimal"] = "how numbers of this file are written"
    frame = SOURCES[kind].read_rows(data, str(place), None, None)
    for column in role_columns:
        if column is not None and column not in frame.columns:
            raise ColumnError(f"{place}: no column {column!r}; {list_allowed(column, frame.columns)}")
    return _FileSurvey(frame, data, notes)


def _detect_separator(place: Path, limits: Limits) -> str:
    """Return the separator that splits the header into the most columns."""
    counts: dict[str, int] = {}
    for mark in SEPARATORS:
        try:
            counts[mark] = len(read_header(place, mark, limits))
        except ColumnError:
            raise
        except SourceError as error:
            if "header" not in str(error):  # another separator may work; an empty file stays an error
                raise
    return max(counts, key=lambda mark: counts[mark]) if counts else SEPARATORS[0]


def _detect_decimal(place: Path, separator: str, limits: Limits) -> str:
    if separator == ",":
        return "."
    with bounded.open_text(place, limits) as content:
        head = pd.read_csv(
            content, sep=separator, dtype=str, nrows=200, encoding="utf-8-sig", index_col=False
        )
    cells = [cell.strip() for cell in head.to_numpy().ravel() if isinstance(cell, str)]
    commas = sum(bool(_NUMBER_WITH_COMMA.fullmatch(cell)) for cell in cells)
    points = sum(bool(re.fullmatch(r"[+-]?\d+\.\d+", cell)) for cell in cells)
    return "," if commas > points else "."


def _find_time(survey: _FileSurvey, requested: str | None) -> None:
    """Choose the first column that reads as times and has two different ones; naive times get UTC."""
    for column in [requested] if requested else list(survey.frame.columns):
        for zone in (None, "UTC"):
            data = survey.data.model_copy(update={"time": column, "timezone": zone})
            try:
                times = parse_iso_moments(survey.frame[column], data.zone)
            except WindowError:
                continue
            if requested or (times.notna().mean() > 0.9 and times.min() < times.max()):
                survey.data, survey.times = data, times
                source = "as asked" if requested else "the first column that reads as moments"
                survey.notes["time"] = (
                    f"{source}: {times.min():%Y-%m-%d %H:%M:%S} to {times.max():%Y-%m-%d %H:%M:%S}"
                )
                if zone:
                    note = "times have no offset; UTC is assumed: correct it if they are local"
                    survey.notes["timezone"] = note
                return
    if requested:
        # Raises the error that says why the column cannot be read.
        parse_iso_moments(survey.frame[requested], survey.data.zone)


def _find_label(survey: _FileSurvey, requested: str | None) -> None:
    names = {str(name).lower(): str(name) for name in reversed(survey.frame.columns)}
    candidates = [requested] if requested else [names[name] for name in _LABEL_COLUMNS if name in names]
    for column in candidates:
        values = survey.frame[column].dropna()
        if requested or (_is_zero_one(values) and values.nunique() == 2):
            survey.data = survey.data.model_copy(update={"label": column})
            share = ""
            if len(values):
                share = f": {pd.to_numeric(values, errors='coerce').mean():.1%} of the known are 1"
            survey.notes["label"] = f"1 = anomaly, 0 = normal{share}"
            return


def _find_id(survey: _FileSurvey, requested: str | None) -> None:
    """Choose a text or whole-number column with few values that separates rows of the same time."""
    if requested:
        survey.data, survey.notes["id"] = survey.data.model_copy(update={"id": requested}), "as asked"
        return
    if survey.times is None or not survey.times.duplicated().any():
        return
    for column in survey.frame.columns:
        values = survey.frame[column]
        role_columns = (*SCORE_COLUMNS, survey.data.time, survey.data.label)
        if column in role_columns or values.isna().any() or _is_fraction(values):
            continue
        together = pd.DataFrame({"time": survey.times, "id": values.astype(str)})
        if 1 < values.nunique() <= len(values) / 2 and not together.duplicated().any():
            survey.data = survey.data.model_copy(update={"id": column})
            survey.notes["id"] = f"{values.nunique()} values, each at most once a moment"
            return


def _find_ignored(survey: _FileSurvey) -> None:
    """Choose columns that are not features: labels, row names, constants, further times."""
    rows = len(survey.frame)
    for column in survey.frame.columns:
        values = survey.frame[column]
        if column in (survey.data.time, survey.data.label, survey.data.id):
            continue
        lower, distinct = str(column).lower(), values.nunique()
        if (lower in _TRUTH_COLUMNS or lower in _LABEL_COLUMNS) and _is_zero_one(values.dropna()):
            survey.ignored[column] = "a 0/1 column that tells the truth afterwards, no feature"
        elif distinct == 0:
            survey.ignored[column] = "has no value"
        elif distinct == 1 and not values.isna().any():
            survey.ignored[column] = f"constant: {str(values.iloc[0])[:40]!r}"
        elif values.dtype.kind in "mM" or (_is_text(values) and _reads_as_time(values)):
            survey.ignored[column] = "a further time"
        elif distinct == rows > 20 and (_is_text(values) or _counts_up(values)):
            survey.ignored[column] = "another value in every row: a name, no feature"
        elif _is_text(values) and distinct > max(50, rows / 10):
            survey.ignored[column] = f"text with {distinct} values, too many for a category"


def _render_yaml(name: str, path: str, survey: _FileSurvey, contract: FrameContract) -> str:
    """Return the YAML text: one setting a line, each with its reason."""
    data, lines = survey.data, [f"# Pipeline drafted from {quote_yaml(Path(path).name)}: "]
    kinds = f"{len(contract.numeric)} numeric and {len(contract.categorical)} categorical features"
    lines[0] += f"{len(survey.frame)} rows, {kinds}."
    lines += [
        "# Correct what was guessed wrongly; every other setting has its default.",
        f"name: {quote_if_needed(name)}",
        "",
        "data:",
    ]
    lines += [
        _format_line("source", data.source, "kind of file"),
        _format_line("path", path, "file or folder; a relative path starts at this file's folder"),
    ]
    for key in ("separator", "decimal", "time", "timezone", "id", "label"):
        value = getattr(data, key)
        if key in survey.notes:
            lines.append(_format_line(key, value, survey.notes[key]))
        elif value is None and key in ("time", "label"):
            reason = {"time": "no column reads as moments: the table is one window", "label": "none found"}
            lines.append(f"  # {key}:  # {reason[key]}")
    if data.label and data.time:
        lines.append(_format_line("label_delay", "0s", "how long after its row a label becomes known"))
    if contract.categorical:
        lines.append("  categorical:  # text with few values")
        lines += _format_items(dict.fromkeys(contract.categorical, ""))
    if survey.ignored:
        lines += ["  ignore:", *_format_items(survey.ignored)]
    lines += [*_render_windows(survey), *_render_training(survey)]
    return "\n".join(lines) + "\n"


def _render_windows(survey: _FileSurvey) -> list[str]:
    """Choose window lengths for the time span: about 30 scoring windows, or one day if the span is long."""
    if survey.times is None:
        return []
    times = survey.times.dropna().sort_values()
    steps = times.drop_duplicates().diff().dropna()
    step = pd.Timedelta(steps.median()).to_pytimedelta() if len(steps) else timedelta(seconds=1)
    length = (times.iloc[-1] - times.iloc[0]).to_pytimedelta() + step
    floor = max(step * 10, min(length / 30, timedelta(days=1)))
    score = min((item for item in _STEPS if item >= floor), default=_STEPS[-1])
    score = next((item for item in reversed(_STEPS) if item <= score and item <= length), _STEPS[0])
    monitor = score * (7 if score >= timedelta(days=1) else 3)
    grain = 3600 if length > timedelta(days=1) else 60
    whole = timedelta(seconds=-(-length.total_seconds() // grain) * grain)
    reference = min(timedelta(days=56), whole)
    return [
        "",
        f"windows:  # one row every {_spell_length(step)}, {_spell_length(length)} in all",
        _format_line("score", spell_duration(score), "one partition of scores"),
        _format_line(
            "monitor",
            spell_duration(monitor),
            "what one verdict looks back on; a whole number of windows.score",
        ),
        _format_line("reference", spell_duration(reference), "what a model is trained on"),
    ]


def _render_training(survey: _FileSurvey) -> list[str]:
    rows = len(survey.frame)
    lines = [
        "",
        "training:",
        f"  candidates: [{', '.join(CANDIDATES)}]  # the first is the baseline; see `pynomaly detectors`",
    ]
    if survey.times is not None:
        lines.append(
            _format_line("start", survey.times.min().isoformat(), "first training starts here: the first row")
        )
    if rows < 1000:
        lines += [
            "",
            "retraining:",
            _format_line("min_rows", max(100, rows // 2), f"the file has {rows} rows, default is 1000"),
        ]
    return lines


def _format_line(key: str, value: object, comment: str) -> str:
    value_text = value if isinstance(value, int) else quote_yaml(str(value))
    return f"  {key}: {value_text}  # {comment}"


def _format_items(entries: dict[str, str]) -> list[str]:
    return [
        f"    - {quote_yaml(str(name))}{'  # ' + ' '.join(note.split()) if note else ''}"
        for name, note in entries.items()
    ]


def _spell_length(length: timedelta) -> str:
    units = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    unit, seconds = next((item for item in units if length.total_seconds() >= item[1]), units[-1])
    amount = f"{length.total_seconds() / seconds:.3g}"
    return f"{amount} {unit}" + ("" if amount == "1" else "s")


def make_slug(text: str) -> str:
    """Return a valid pipeline name made from any text."""
    words = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    return (words if words[:1].isalpha() else f"data-{words}")[:63].rstrip("-")


def _is_zero_one(values: pd.Series[Any]) -> bool:
    return set(values.astype(str).str.lower()) <= {"0", "1", "0.0", "1.0", "true", "false"}


def _is_text(values: pd.Series[Any]) -> bool:
    return not pd.api.types.is_numeric_dtype(values.dtype) and values.dtype.kind not in "mM"


def _is_fraction(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_float_dtype(values.dtype) and bool((values % 1 != 0).any())


def _counts_up(values: pd.Series[Any]) -> bool:
    return not _is_fraction(values) and bool((values.diff().dropna() == 1).all())


def _reads_as_time(values: pd.Series[Any]) -> bool:
    try:
        return bool(parse_iso_moments(values, ZoneInfo("UTC")).notna().mean() > 0.9)
    except DataError:
        return False
