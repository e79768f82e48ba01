"""Features of a row that is an edge, from the past of its two ends: ``payee:fan_in_1d`` and the like.

Each is made from the edges before the row, of its source and of its target, none older than ``history``, and
from the row itself. So later rows, older rows and edges between others change no bit, and rows of a file, of
a stream and of a request get the same numbers from the same past.

A row whose source or target is missing, or whose time cannot be read, has no such features and is in nobody's
past. A row from an entity to itself is an edge that the entity both sends and gets. Called by ``sources``,
``streams`` and ``serving``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.config import Graph
from pynomaly.data.frame import read_categories, read_numbers, require_columns
from pynomaly.data.relations.edge_past import Direction, EdgePast, EndName
from pynomaly.data.relations.timelines import Edges, round_weights
from pynomaly.errors import ColumnError

__all__ = ["add_relations", "describe_edges", "read_ends", "read_weights"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_HOUR = 3_600_000_000
_ENDS: tuple[EndName, EndName] = ("source", "target")
_DIRECTIONS: tuple[Direction, Direction] = ("out", "in")


def add_relations(
    frame: pd.DataFrame, time: str, graph: Graph, asked: npt.NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """Return the rows with the features of their past as edges as further columns.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        In any order; the time column is aware, NaT where it cannot be read.
    time : str
    graph : Graph
        Which columns are the ends and the weight, and what is made of them.
    asked : bool array of shape (n,), optional
        The rows that get features; the others are looked back on alone. All if not given.

    Returns
    -------
    DataFrame of shape (n, d + k)
        Same rows and index; the columns `graph.names`.

    Raises
    ------
    ColumnError
        If a column does not exist, or the name of a new column exists already.

    Notes
    -----
    O(n log n) time. A weight counts to 2 ** -20, up to 2 ** 42, in flows; one that is no finite number counts
    as 0, and its row has no ``times_usual``.
    """
    require_columns(frame, [*graph.ends, *filter(None, (graph.weight,))])
    if clashes := [name for name in graph.names if name in frame.columns]:
        raise ColumnError(f"column {clashes[0]!r} is there already; data.graph adds one of that name")
    source, target = (read_ends(frame[name]) for name in graph.ends)
    moments = frame[time]
    at = moments.dt.as_unit("us").astype("int64").to_numpy()
    rows = np.flatnonzero(moments.notna().to_numpy() & pd.notna(source) & pd.notna(target))
    rows = rows[np.argsort(at[rows], kind="stable")]
    weights = read_weights(frame, graph)[rows]
    edges = _build_edges(source[rows], target[rows], at[rows], weights, graph)
    places = np.arange(len(rows)) if asked is None else np.flatnonzero(asked[rows])
    columns = {name: np.full(len(frame), np.nan) for name in graph.names}
    for name, values in describe_edges(edges, places, weights[places], graph).items():
        columns[name][rows[places]] = values
    return pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)


def describe_edges(edges: Edges, asked: Ints, weights: Floats, graph: Graph) -> dict[str, Floats]:
    """Return the features of some edges by the names of their columns, each of shape (m,).

    Parameters
    ----------
    edges : Edges
    asked : ndarray of shape (m,), int64
        Their places.
    weights : ndarray of shape (m,)
        Their weights as they are read, NaN where missing.
    graph : Graph
    """
    if not len(asked):
        return {}
    past = EdgePast(edges, asked, [_count_us(each) for each in graph.windows], _count_us(graph.history))
    return dict(zip(graph.names, _list_features(past, graph, weights), strict=True))


def read_ends(column: pd.Series[Any]) -> npt.NDArray[np.object_]:
    """Return the names of entities as text, None where missing: 7, 7.0 and "7" are one entity.

    Texts are compared as they are written: "07" is another entity than 7.
    """
    if isinstance(column.dtype, pd.StringDtype):
        codes, names = pd.factorize(column)
        spelled = read_categories(pd.Series(names, dtype=object)).to_numpy(dtype=object)
        return np.append(spelled, [None])[codes]  # a missing one has code -1
    return read_categories(column).to_numpy(dtype=object)


def read_weights(frame: pd.DataFrame, graph: Graph) -> Floats:
    """Return the weights of rows, NaN where missing or no number; 0 without a column of weights."""
    if graph.weight is None:
        return np.zeros(len(frame))
    return read_numbers(frame[graph.weight])[0].to_numpy(dtype=np.float64)


def _build_edges(
    source: npt.NDArray[np.object_],
    target: npt.NDArray[np.object_],
    at: Ints,
    weights: Floats,
    graph: Graph,
) -> Edges:
    if graph.bipartite:
        givers, first = pd.factorize(source)
        takers, second = pd.factorize(target)
        takers, nodes = takers + len(first), len(first) + len(second)
    else:
        both, names = pd.factorize(np.concatenate([source, target]))
        givers, takers, nodes = both[: len(source)], both[len(source) :], len(names)
    return Edges(givers.astype(np.int64), takers.astype(np.int64), at, round_weights(weights), max(1, nodes))


def _count_us(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _list_features(past: EdgePast, graph: Graph, weights: Floats) -> Iterator[Floats]:
    """Yield the features in the order of ``graph.names``."""
    lengths = [_count_us(each) for each in graph.windows]
    history = _count_us(graph.history)
    for kind in graph.kinds:
        if kind == "first":
            yield (past.count_pair(history) == 0).astype(np.float64)
        elif kind == "pair":
            yield from (past.count_pair(length).astype(np.float64) for length in lengths)
            if not graph.bipartite:
                yield from (past.count_returns(length).astype(np.float64) for length in lengths)
        elif kind == "since":
            yield past.measure_pair_age() / _HOUR
            yield from (past.measure_age(end) / _HOUR for end in _ENDS)
        elif kind == "cycle":
            yield from (past.count_cycles(length).astype(np.float64) for length in lengths)
        elif kind == "usual":
            yield _compare_usual(past, "out", "source", history, weights)
            yield _compare_usual(past, "in", "target", history, weights)
        else:
            for end in _ENDS:
                yield from _describe_end(past, graph, kind, end, weights)


def _describe_end(past: EdgePast, graph: Graph, kind: str, end: EndName, weights: Floats) -> Iterator[Floats]:
    lengths, history = [_count_us(each) for each in graph.windows], _count_us(graph.history)
    if kind in ("degree", "fan", "flow"):
        measure = {"degree": past.count, "fan": past.count_partners, "flow": past.add_flow}[kind]
        own: tuple[Direction, ...] = ("out",) if end == "source" else ("in",)
        for direction in own if graph.bipartite else _DIRECTIONS:
            for length in lengths:
                yield measure(direction, end, length).astype(np.float64)
        return
    for length in lengths:
        if kind == "passed":
            yield _share_passed(past, end, length, weights)
        elif kind == "new":
            yield _compare_new(past, end, length, history)
        else:
            yield _compare_rate(past, end, length, history)


def _share_passed(past: EdgePast, end: EndName, length: int, weights: Floats) -> Floats:
    """Return how much of what came in went out, or the other way round, this edge included; in [0, 1]."""
    own = round_weights(weights) / float(1 << 20)
    came, went = (past.add_flow(direction, end, length) for direction in ("in", "out"))
    came, went = (came, went + own) if end == "source" else (came + own, went)
    less, more = np.minimum(came, went), np.maximum(came, went)
    return np.where(less > 0, less / np.where(more > 0, more, 1.0), 0.0)


def _compare_usual(
    past: EdgePast, direction: Direction, end: EndName, history: int, weights: Floats
) -> Floats:
    """Return the weight over the mean weight of the end's edges of that direction; 1 without any."""
    total, count = past.add_flow(direction, end, history), past.count(direction, end, history)
    own = np.where(np.isfinite(weights), weights, np.nan)
    share = own * count / np.where(total > 0, total, 1.0)
    return np.where((total > 0) | np.isnan(own), share, 1.0)


def _compare_new(past: EdgePast, end: EndName, length: int, history: int) -> Floats:
    """Return how many partners of the end are new in the window, over those its earlier ones make expect."""
    new, all_ = (
        sum(count(direction, end, span) for direction in _DIRECTIONS)
        for count, span in ((past.count_new_partners, length), (past.count_partners, history))
    )
    return np.asarray((new + 1) / ((all_ - new) * (length / history) + 1), dtype=np.float64)


def _compare_rate(past: EdgePast, end: EndName, length: int, history: int) -> Floats:
    """Return how many edges the end has in the window, over those that its history makes expect."""
    here, all_ = (
        sum(past.count(direction, end, span) for direction in _DIRECTIONS) for span in (length, history)
    )
    return np.asarray((here + 1) / (all_ * (length / history) + 1), dtype=np.float64)
