"""Measure how rows depend on each other, from their scores, times, entities and labels. Pure.

Called by :mod:`pynomaly.model.bundle` with the scores of held-out rows, and by the steps that split rows.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pynomaly.data.frame import FrameContract
from pynomaly.model.dependence.autocorrelation import (
    CHANCE,
    MIN_SERIES_ROWS,
    measure_persistence,
    normal_scores,
)
from pynomaly.model.dependence.dependence import DAY, INDEPENDENT, Dependence, to_seconds
from pynomaly.model.row_times import read_row_times

__all__ = ["measure_dependence", "measure_reference", "measure_rows"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TIMES_BOUND = 2.0
"""Block over the upper bound of the autocorrelation time. The variance of a mean over blocks of AR(1) rows is
then too small by a quarter at most, and the bound is above the time itself."""
_SHORTEST_SHARE = 1 / 30  # a block of dependent rows is a day, or this share of a shorter history
_FEWEST_TIMES = 10.0  # autocorrelation times that a history must hold
_INCIDENT_QUANTILE = 0.9
_MOST_ROWS, _MOST_COLUMNS = 2**17, 20  # of a reference that are measured before the fit
_GAP_SHARE = 0.05  # of the history that a gap takes at most
_GAP_STEPS = 20
_PIECE_ROWS = 64
_FEWEST_BINS = 24  # parts of a history by which entities are seen to move together


def measure_dependence(
    scores: ArrayLike,
    times: pd.Series[Any] | None,
    entities: ArrayLike | None = None,
    labels: ArrayLike | None = None,
) -> Dependence:
    """Measure how rows depend on each other.

    Parameters
    ----------
    scores : array-like of shape (n,) or (n, k)
        One or more scores of the rows that the model was not fitted on; the most persistent one counts.
    times : Series of shape (n,) or None
        Aware times, in any order; without them rows count as independent.
    entities : array-like of shape (n,), optional
    labels : array-like of shape (n,), optional
        1 for an anomaly; such rows tell how long incidents last, and are left out of the scores.

    Returns
    -------
    Dependence
        Independent unless chance is refuted (at a thousandth). A history that holds fewer than ten
        autocorrelation times is too short: its block is infinite.

    Notes
    -----
    O(n k log n).
    """
    if times is None or len(times) < MIN_SERIES_ROWS:
        return INDEPENDENT
    columns = np.asarray(scores, dtype=np.float64).reshape(len(times), -1)
    seconds = to_seconds(times)
    order = np.argsort(seconds, kind="stable")
    columns, seconds = columns[order], seconds[order] - seconds.min()
    codes = _number_series(entities, order)
    anomalous = np.zeros(len(order), dtype=bool)
    if labels is not None:
        anomalous = np.asarray(labels, dtype=np.float64)[order] == 1
    pieces, spacing = _find_pieces(seconds, codes)
    incident = _measure_incidents(seconds, codes, anomalous, spacing)
    normal = ~anomalous
    measured = Dependence(
        incident=incident, rows=len(order), entities=int(codes.max()) + 1, span=float(seconds[-1])
    )
    lasting = []
    for values in columns[normal].T:
        chance = CHANCE / columns.shape[1]
        persistence = measure_persistence(values, codes[normal], pieces[normal], chance)
        lasting.append(persistence.rows * spacing if persistence.is_dependent else 0.0)
        if persistence.is_dependent:
            measured = replace(
                measured,
                correlation=max(measured.correlation, float(persistence.rows * spacing)),
                upper=max(measured.upper, float(persistence.upper * spacing)),
                season=max(measured.season, float(persistence.period * spacing)),
            )
    measured = replace(measured, gap=min(float(np.mean(lasting)), _GAP_SHARE * measured.span))
    if not measured.upper and not measured.incident:
        return measured
    measured = replace(measured, block=_choose_block(measured))
    if measured.entities == 1:
        return measured
    shared = any(
        _move_together(values, seconds[normal], codes[normal], measured.block) for values in columns[normal].T
    )
    shared = shared or (incident > 0 and _move_together(anomalous * 1.0, seconds, codes, measured.block))
    return replace(measured, is_shared=shared)


def measure_reference(frame: pd.DataFrame, contract: FrameContract) -> Dependence:
    """Measure the dependence of rows before any model is fitted; `gap` is set by their columns.

    Stands in for the scores: how far a row lies from the middle, the sum over its columns of the squared
    normal score of the rank (rare categories lie far). The gap is as long as columns last, on average: a
    row is no near twin of a learned one unless all of its columns are.

    Parameters
    ----------
    frame : DataFrame of shape (n, >= d)
        Validated rows. Of more than 131,072 whole entities are taken, of one entity its newest rows, and at
        most 20 columns.
    contract : FrameContract
    """
    if contract.time is None or len(frame) < MIN_SERIES_ROWS:
        return INDEPENDENT
    rows = _take_entities(frame, contract)
    conformed = contract.conform(rows)
    chosen = np.unique(np.linspace(0, len(contract.features) - 1, _MOST_COLUMNS).round().astype(int))
    names = [contract.features[place] for place in chosen]
    columns = np.column_stack([_rank_column(conformed[name], name in contract.numeric) for name in names])
    measured = measure_rows(rows, (columns**2).sum(axis=1), contract)
    by_column = measure_rows(rows, columns, contract)
    return replace(measured, gap=max(measured.gap, by_column.gap))


def measure_rows(frame: pd.DataFrame, scores: ArrayLike, contract: FrameContract) -> Dependence:
    """Measure the dependence of `scores` of the rows of `frame`; reads their times, entities and labels.

    Rows that come without their times tell nothing of it.
    """
    if contract.time is not None and contract.time not in frame:
        return INDEPENDENT
    entities, labels = (frame.get(name) for name in (contract.id, contract.label))
    return measure_dependence(scores, read_row_times(frame, contract), entities, labels)


def _take_entities(frame: pd.DataFrame, contract: FrameContract) -> pd.DataFrame:
    """Return at most `_MOST_ROWS` rows: whole entities, evenly drawn, or the newest rows of one."""
    if len(frame) <= _MOST_ROWS:
        return frame
    rows = frame
    if contract.id is not None:
        codes, names = pd.factorize(frame[contract.id], use_na_sentinel=False)
        count = max(1, len(names) * _MOST_ROWS // len(frame))
        kept = np.linspace(0, len(names) - 1, count).round().astype(int)
        rows = frame[np.isin(codes, kept)]
    newest = np.argsort(to_seconds(rows[contract.time]), kind="stable")[-_MOST_ROWS:]
    return rows.iloc[np.sort(newest)]


def _rank_column(values: pd.Series[Any], is_number: bool) -> Floats:
    """Return the normal scores of a column, shape (n,); of a category how rare it is, 0 where missing."""
    missing = values.isna().to_numpy()
    if is_number:
        numbers = values.to_numpy(dtype=np.float64)
    else:
        numbers = -values.map(values.value_counts()).to_numpy(dtype=np.float64)
    ranks = np.zeros(len(numbers))
    ranks[~missing] = normal_scores(numbers[~missing])
    return ranks


def _number_series(entities: ArrayLike | None, order: Ints) -> Ints:
    """Return the entity of each row; one for all where entities have too few rows to show an order."""
    codes = np.zeros(len(order), dtype=np.int64)
    if entities is None:
        return codes
    codes = pd.factorize(np.asarray(entities, dtype=object), use_na_sentinel=False)[0][order]
    if np.median(np.bincount(codes)[codes]) < MIN_SERIES_ROWS:
        return np.zeros(len(order), dtype=np.int64)
    return codes.astype(np.int64)


def _find_pieces(seconds: Floats, codes: Ints) -> tuple[Ints, float]:
    """Return the unbroken piece of each row, and the mean time from a row to the next of its piece.

    A piece ends before a gap of more than twenty usual steps, if pieces are long enough to show an order; in
    bursts of few rows they are not, and gaps count as steps, which is the safe side.
    """
    order = np.argsort(codes, kind="stable")
    steps, same = np.diff(seconds[order]), codes[order][1:] == codes[order][:-1]
    if not same.any() or not (steps[same] > 0).any():
        return codes, 1e-6
    is_gap = same & (steps > _GAP_STEPS * np.median(steps[same & (steps > 0)]))
    if len(codes) < _PIECE_ROWS * (int(is_gap.sum()) + int(codes.max()) + 1):
        is_gap[:] = False
    pieces = np.empty(len(codes), dtype=np.int64)
    pieces[order] = np.append(0, np.cumsum(is_gap | ~same))
    return pieces, max(float(steps[same & ~is_gap].mean()), 1e-6)


def _measure_incidents(seconds: Floats, codes: Ints, anomalous: NDArray[np.bool_], spacing: float) -> float:
    """Return how long nine tenths of the incidents last; 0 where anomalies follow each other by chance."""
    from scipy.stats import binomtest

    if not anomalous.any() or anomalous.all():
        return 0.0
    order = np.argsort(codes, kind="stable")
    odd, own, at = anomalous[order], codes[order], seconds[order]
    follows = odd[1:] & (own[1:] == own[:-1])
    begins = np.flatnonzero(odd & ~np.append(False, follows & odd[:-1]))
    tries = odd[:-1] & (own[1:] == own[:-1])
    hits = int((tries & odd[1:]).sum())
    share = float(odd.mean())
    if not tries.any() or binomtest(hits, int(tries.sum()), share, alternative="greater").pvalue > CHANCE:
        return 0.0
    run = np.cumsum(np.isin(np.arange(len(odd)), begins))[odd] - 1
    times = at[odd]
    first, last = (np.flatnonzero(np.diff(run, **side)) for side in ({"prepend": -1}, {"append": -1}))
    return float(np.quantile(times[last] - times[first], _INCIDENT_QUANTILE)) + spacing


def _choose_block(measured: Dependence) -> float:
    """Return the length of a block; infinite where the history is too short."""
    shortest = min(DAY, measured.span * _SHORTEST_SHARE)
    season = (
        measured.season if measured.season <= 1.5 * DAY else 0.0
    )  # longer ones repeat too rarely to be cut by
    if measured.span < _FEWEST_TIMES * measured.upper:
        return math.inf
    return max(shortest, _TIMES_BOUND * measured.upper, season, measured.incident)


def _move_together(values: Floats, seconds: Floats, codes: Ints, block: float) -> bool:
    """Return whether means of entities over a block vary together.

    Under independence the mean over E entities has 1 / E of their variance; the ratio is chi-squared. Where
    the history holds too few blocks its parts are shorter: they depend on each other, so that entities on
    their own are more often said to move together, which is the safe side.
    """
    from scipy.special import chdtri

    count = 0 if math.isinf(block) else int(seconds.max() // block)
    if count < MIN_SERIES_ROWS:
        count = _FEWEST_BINS
    bins = np.minimum((seconds / seconds.max() * count).astype(np.int64), count - 1)
    entities = int(codes.max()) + 1
    scores = normal_scores(values)
    rows_of = np.maximum(1, np.bincount(codes, minlength=entities))
    level = np.bincount(codes, scores, minlength=entities) / rows_of
    cell, rows = np.unique(bins * entities + codes, return_counts=True)
    sums = np.bincount(np.searchsorted(cell, bins * entities + codes), scores - level[codes])
    means, at = sums / rows, cell // entities
    per_bin = np.bincount(at, minlength=count)
    together = np.bincount(at, means, minlength=count) / np.sqrt(np.maximum(1, per_bin))
    within = float((means**2).mean())
    if within == 0:
        return False
    ratio = float((together[per_bin > 0] ** 2).mean()) / within
    degrees = int((per_bin > 0).sum()) - 1
    return bool(ratio > chdtri(degrees, 0.01) / degrees)
