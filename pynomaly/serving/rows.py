"""Turns a request into a frame, and scores into a response; every error names the row and the field.

Called by ``web``. A request is one JSON object: ``rows``, each an object of the model's columns, and
``history`` for models that read a row's past. The response has one object a row, in the order of the request.
One row that cannot be scored rejects the whole request; the error says which row and which field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pandas as pd

from pynomaly.config import Data, Graph
from pynomaly.data.past import attach_past, get_past
from pynomaly.data.relations import add_relations
from pynomaly.data.series import add_past_features
from pynomaly.data.shape.cells import blank_marks, list_marks
from pynomaly.data.shape.counters import difference_counters
from pynomaly.data.sources.normalize import sort_rows
from pynomaly.errors import RequestError, list_allowed
from pynomaly.model.bundle import Bundle
from pynomaly.model.explanation.explain import explain_alerts
from pynomaly.serving.times import read_cells, read_request_times, shorten_value

__all__ = [
    "MAX_EXPLAINED_ALERTS",
    "MAX_REASONS",
    "RowSchema",
    "ScoreRequest",
    "build_frame",
    "collect_reasons",
    "format_rows",
    "parse_request",
]

MAX_EXPLAINED_ALERTS = 100
"""Most alerts of one request that get reasons."""

MAX_REASONS = 20
"""Most features that are named for one alert."""

_NUMBER_TYPES = frozenset({int, float, type(None)})
_TEXT_TYPES = frozenset({str, bool, int, float, type(None)})


@dataclass(frozen=True)
class RowSchema:
    """Columns of a row of a request.

    Attributes
    ----------
    numeric, categorical : tuple of str
        Columns of the table; series features are computed from them here.
    time, entity : str or None
        Further columns that are needed; None if the model does not need them.
    time_columns : tuple of str
        Fields of a request that hold the time, joined if they are several.
    past : bool
        Whether the model reads the rows before a row.
    series : bool
        Whether it reads time-series features of them.
    looks_back : int
        How many rows before a row its detector may read.
    delay : bool
        Whether a score waits for rows after the row.
    counters : tuple of str
        Columns that are read as their increase since the row before.
    gaps : bool
        Whether a number may be missing (null).
    graph : Graph or None
        What makes a row an edge, if the model reads the past of edges.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    time: str | None
    entity: str | None
    past: bool
    gaps: bool
    series: bool = False
    counters: tuple[str, ...] = ()
    time_columns: tuple[str, ...] = ()
    looks_back: int = 0
    delay: bool = False
    graph: Graph | None = None

    @classmethod
    def of(cls, bundle: Bundle, data: Data) -> RowSchema:
        """Return the columns that `bundle` reads from a table described by `data`."""
        past_features = [name for name in data.series.names if name in bundle.contract.numeric]
        graph = data.graph if data.graph and set(data.graph.names) & set(bundle.contract.numeric) else None
        plain = tuple(name for name in bundle.contract.numeric if name not in data.past_names)
        read = list(data.series.columns if past_features else ())
        read += [graph.weight] if graph is not None and graph.weight is not None else []
        numeric = plain + tuple(name for name in dict.fromkeys(read) if name not in plain)
        counters = tuple(name for name in data.counters if name in numeric)
        looks_back = data.series.past if bundle.detector.looks_back else 0
        past = bool(past_features or counters or looks_back or graph)
        time = bundle.contract.time if past or bundle.features.calendar else None
        joined = data.time_columns if time == data.time else ()
        return cls(
            numeric,
            bundle.contract.categorical,
            time,
            data.id if past or bundle.needs_entities else None,
            past,
            bundle.features.missing != "reject",
            series=bool(past_features),
            counters=counters,
            time_columns=() if time is None else joined or (time,),
            looks_back=looks_back,
            delay=bool(looks_back and data.series.delay),
            graph=graph,
        )


@dataclass(frozen=True)
class ScoreRequest:
    """A valid request: `rows` to score, older rows as `history`, later ones, how many `reasons` to name."""

    rows: list[dict[str, Any]]
    history: list[dict[str, Any]]
    reasons: int = 0
    later: list[dict[str, Any]] = field(default_factory=list)


def parse_request(body: bytes, most: int) -> ScoreRequest:
    """Parse the body of a request.

    Raises
    ------
    RequestError
        If it is no JSON object, has unknown keys, or `rows` is not a list of 1 to `most` objects.
    """
    content = _parse_json(body)
    keys = ("rows", "history", "later", "reasons")
    for key in content:
        if key not in keys:
            raise RequestError(f"unknown key; {list_allowed(key, keys)}", (key,))
    if "rows" not in content:
        raise RequestError("it is missing: a list of objects, one a row", ("rows",))
    rows = _check_objects(content["rows"], "rows", most)
    if not rows:
        raise RequestError("it is empty: at least one row is needed", ("rows",))
    history = _check_objects(content.get("history", []), "history", most)
    later = _check_objects(content.get("later", []), "later", most)
    reasons = content.get("reasons", 0)
    if type(reasons) is not int or not 0 <= reasons <= MAX_REASONS:
        needed = f"a whole number from 0 to {MAX_REASONS} is needed"
        raise RequestError(f"it is {shorten_value(reasons)}; {needed}", ("reasons",))
    return ScoreRequest(rows, history, reasons, later)


def _parse_json(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}", status=400) from None
    if not isinstance(content, dict):
        raise RequestError(f"the body is {shorten_value(content)}; an object with rows is needed")
    return content


def _check_objects(value: Any, name: str, most: int) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise RequestError(f"it is {shorten_value(value)}; a list of objects is needed", (name,))
    if len(value) > most:
        message = f"{len(value)} rows in one request; at most {most} are allowed (serving.max_rows)"
        raise RequestError(message, (name,))
    for place, row in enumerate(value):
        if not isinstance(row, dict):
            raise RequestError(f"it is {shorten_value(row)}; an object is needed", (name, place))
    return value


def build_frame(request: ScoreRequest, shape: RowSchema, data: Data) -> pd.DataFrame:
    """Return the rows of a request as a frame for the model, in the order of the request.

    Raises
    ------
    RequestError
        If a column is missing, a cell has the wrong type, or a time has no offset; it names row and field.
    """
    parts = {
        "history": request.history if shape.past else [],
        "rows": request.rows,
        "later": request.later if shape.delay else [],
    }
    tables = [_build_table(rows, shape, data, part) for part, rows in parts.items() if rows or part == "rows"]
    frame = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    if shape.time is not None:
        entity = frame[shape.entity] if shape.entity is not None else None
        frame[shape.time] = read_request_times(parts, shape.time, shape.time_columns, entity, data)
    if not shape.past:
        return frame
    assert shape.time is not None, "a model that reads the past has times"
    place = "pynomaly.place"
    frame[place] = np.arange(len(frame))
    frame = difference_counters(sort_rows(frame, shape.time, shape.entity), data, shape.counters)
    if shape.series:
        frame = add_past_features(frame, shape.time, shape.entity, data.series)
    if shape.graph is not None:
        frame = add_relations(frame, shape.time, shape.graph)
    if shape.looks_back:
        frame = attach_past(frame.drop(columns=place), data).assign(**{place: frame[place]})
    first = len(parts["history"])
    ordered = frame.sort_values(place, kind="stable").iloc[first : first + len(request.rows)]
    _refuse_waiting_rows(ordered, shape.time, data)
    return ordered.drop(columns=place).reset_index(drop=True)


def _refuse_waiting_rows(rows: pd.DataFrame, time: str, data: Data) -> None:
    """Raise RequestError for a row whose later rows are not in the request."""
    past = get_past(rows)
    if past is None or not (past.after < 0).any():
        return
    row = int(np.flatnonzero(past.after < 0)[0])
    until = rows[time].iloc[row] + data.series.delay
    message = (
        f"its score waits until {until.isoformat()} for later rows (data.series.delay); send it again with "
        "the rows after it as `later`, one of them of that time or newer"
    )
    raise RequestError(message, ("rows", row))


def _build_table(rows: Sequence[dict[str, Any]], shape: RowSchema, data: Data, part: str) -> pd.DataFrame:
    """Return the rows of one part of a request, without their times."""
    columns: dict[str, Any] = {}
    for name in shape.numeric:
        cells = _blank_cells(read_cells(rows, name, part), name, data)
        columns[name] = _check_numbers(cells, name, shape.gaps or part != "rows", part)
    for name in shape.categorical:
        cells = _blank_cells(read_cells(rows, name, part), name, data)
        if not set(map(type, cells)) <= _TEXT_TYPES:
            row = next(place for place, cell in enumerate(cells) if type(cell) not in _TEXT_TYPES)
            raise RequestError(f"it is {shorten_value(cells[row])}; text is needed", (part, row, name))
        columns[name] = pd.Series(cells, dtype=object)
    if shape.entity is not None and shape.entity not in columns:
        columns[shape.entity] = pd.Series(read_cells(rows, shape.entity, part), dtype=object)
    for name in shape.graph.ends if shape.graph else ():
        columns[name] = _read_end(rows, name, part)
    frame = pd.DataFrame(columns)
    if part == "rows" and (empty := frame[[*shape.numeric, *shape.categorical]].isna().all(axis=1)).any():
        raise RequestError("every column of it is missing", (part, int(np.flatnonzero(empty)[0])))
    return frame


def _read_end(rows: Sequence[dict[str, Any]], name: str, part: str) -> pd.Series[Any]:
    """Return an end of the edges as it is, or missing; anything but text and numbers is refused."""
    cells = read_cells(rows, name, part)
    if not set(map(type, cells)) <= _TEXT_TYPES:
        row = next(place for place, cell in enumerate(cells) if type(cell) not in _TEXT_TYPES)
        raise RequestError(
            f"it is {shorten_value(cells[row])}; text or a number is needed", (part, row, name)
        )
    return pd.Series(cells, dtype=object)


def _blank_cells(cells: list[Any], name: str, data: Data) -> list[Any]:
    """Return cells with None for those that the settings call missing."""
    marks = list_marks(data, name)
    if not marks or not set(map(type, cells)) <= _TEXT_TYPES:
        return cells
    is_present = blank_marks(pd.Series(cells, dtype=object), marks, data).notna()
    return [cell if present else None for cell, present in zip(cells, is_present, strict=True)]


def _check_numbers(cells: list[Any], name: str, gaps: bool, part: str) -> np.ndarray:
    if not set(map(type, cells)) <= _NUMBER_TYPES:
        row = next(place for place, cell in enumerate(cells) if type(cell) not in _NUMBER_TYPES)
        raise RequestError(f"it is {shorten_value(cells[row])}; a number is needed", (part, row, name))
    values = np.array(cells, dtype=np.float64)
    if np.isfinite(values).all():
        return values
    for place in np.flatnonzero(~np.isfinite(values)):
        if cells[place] is not None and not math.isfinite(cells[place]):
            raise RequestError("it is not finite; a finite number is needed", (part, int(place), name))
        if not gaps:
            raise RequestError("it is null; this model takes no missing numbers", (part, int(place), name))
    return values


def format_rows(
    scored: pd.DataFrame, reasons: Mapping[int, list[dict[str, Any]]] | None = None
) -> list[dict[str, Any]]:
    """Return one dict a row with the columns of :meth:`Bundle.score`, and `reasons` by row position."""
    columns = {str(name): scored[name].tolist() for name in scored}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    for place, row_reasons in (reasons or {}).items():
        rows[place]["reasons"] = row_reasons
    return rows


def collect_reasons(
    bundle: Bundle, frame: pd.DataFrame, scored: pd.DataFrame, most: int
) -> dict[int, list[dict[str, Any]]]:
    """Return the reasons of alerts by row position: at most `most` columns each, the heaviest first.

    Only rows that alert get reasons, and only the :data:`MAX_EXPLAINED_ALERTS` highest scores among them.
    """
    explanations, _ = explain_alerts(bundle, frame, scored, most, MAX_EXPLAINED_ALERTS)
    return {
        place: [reason.to_dict() for reason in explanation.reasons]
        for place, explanation in explanations.items()
    }
