"""Counts the events of the reference: how many alerting rows of a fitted model belong together.

Held-out rows are drawn at random, so the rows between them are missing, and what lasts looks like many short
events. The rows that were fitted stand between them; their own scores are too low for p-values, but not for
ranks, so each takes the share of fitted rows that score as high. Called by
:mod:`pynomaly.model.fitting.fitting`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.frame import FrameContract
from pynomaly.model.calibration.events import EventRates, measure_event_rates
from pynomaly.model.row_times import read_row_keys

__all__ = ["MAX_COUNTED_ROWS", "count_reference_events", "take_newest"]

MAX_COUNTED_ROWS = 20_000
"""Newest rows of the reference on which events are counted; the fitted ones among them are scored again."""


def count_reference_events(
    score: Callable[[pd.DataFrame], NDArray[np.float64]],
    fitted: pd.DataFrame | None,
    held_out: pd.DataFrame,
    p_values: NDArray[np.float64],
    contract: FrameContract,
    gap: timedelta,
    *,
    by_entity: bool = False,
) -> EventRates | None:
    """Count the events of fitted and held-out rows together.

    Parameters
    ----------
    score : callable
        The fitted model: takes rows and returns their scores.
    fitted, held_out : DataFrame
        Rows of the reference; `fitted` is None where each of them is held out in turn.
    p_values : ndarray of shape (n,)
        Of the held-out rows.
    contract : FrameContract
    gap : timedelta
        Longest time between two rows of one event.
    by_entity : bool
        Whether p-values are counted by entity; then fitted rows are ranked within theirs.

    Returns
    -------
    EventRates or None
        None for a table without times. Cost: at most :data:`MAX_COUNTED_ROWS` rows are scored.
    """
    parts = [held_out] if fitted is None else [held_out, fitted]
    if contract.time is None or not all(contract.time in part for part in parts):
        return None
    names = [name for name in (contract.time, contract.id) if name]
    keys = read_row_keys(pd.concat([part[names] for part in parts], ignore_index=True), contract)
    assert keys is not None, "the time column is there"
    newest = np.zeros(len(keys), dtype=bool)
    newest[np.argsort(-keys.moments, kind="stable")[:MAX_COUNTED_ROWS]] = True
    values = np.asarray(p_values)[newest[: len(held_out)]]
    if fitted is not None and newest[len(held_out) :].any():
        chosen = np.flatnonzero(newest[len(held_out) :])
        scores = score(fitted.iloc[chosen])
        groups = keys.entities[len(held_out) + chosen] if by_entity else np.zeros(len(chosen), dtype=np.int64)
        values = np.concatenate([values, _rank_within(scores, groups)])
    return measure_event_rates(values, keys.take(newest), gap)


def _rank_within(scores: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of the rows of the same group that score as high or higher; array of shape (n,)."""
    table = pd.Series(scores).groupby(groups)
    return np.asarray(table.rank(method="max", ascending=False) / table.transform("size"), dtype=np.float64)


def take_newest(frame: pd.DataFrame, contract: FrameContract) -> pd.DataFrame:
    """Return the newest rows of `frame`, at most :data:`MAX_COUNTED_ROWS`; the first ones without times."""
    keys = read_row_keys(frame, contract)
    if keys is None:
        return frame.iloc[:MAX_COUNTED_ROWS]
    return frame.iloc[np.sort(np.argsort(-keys.moments, kind="stable")[:MAX_COUNTED_ROWS])]
