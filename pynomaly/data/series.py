"""Time-series features: compares each row with the rows before it, while rows are read.

Each numeric column gets three features: ``NAME:change``, the difference to the row before; ``NAME:level``,
the difference to the mean of the rows before; and ``NAME:spread``, the standard deviation of those rows. A
tabular detector uses them like measured columns, so each score still belongs to one row. "Before" means the
last `rows` rows of the same entity, none older than `history` and none at or after the row itself. Later
rows, other entities and rows older than `history` change nothing. Sums run in one fixed order, so a row gets
the same bits in every window that includes `history` before it.

A row with fewer rows before it than half of `rows`, rounded up, has no features: its cells are missing, and
the model and its report treat them like any missing cell. Called by ``sources.read``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Series
from pynomaly.config.series import PAST_FEATURES
from pynomaly.data.frame import require_columns
from pynomaly.errors import ColumnError

__all__ = ["add_past_features"]

Floats = NDArray[np.float64]


def add_past_features(frame: pd.DataFrame, time: str, entity: str | None, settings: Series) -> pd.DataFrame:
    """Return the rows with the features of their past as further columns.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Sorted by time; the time column is aware, NaT where it cannot be read. A row with NaT gets no
        features and counts in no other row's past. A cell that is not a finite number does not count either.
    time : str
    entity : str or None
        Column that names the entity of a row; None if all rows are one series.
    settings : Series
        Which columns, how many rows, how far back.

    Returns
    -------
    DataFrame of shape (n, d + 3 k)
        Same rows and index; `settings` names the k columns.

    Raises
    ------
    ColumnError
        If a column does not exist, or the name of a new column exists already.

    Notes
    -----
    O(n k rows) time, O(n) memory beyond the result.
    """
    require_columns(frame, list(settings.columns))
    if clashes := [name for name in settings.names if name in frame.columns]:
        raise ColumnError(f"column {clashes[0]!r} is there already; data.series adds one of that name")
    moments = frame[time]
    usable = moments.notna().to_numpy()
    entity_codes = (
        pd.factorize(frame[entity].astype(str))[0] if entity else np.zeros(len(frame), dtype=np.intp)
    )
    order = np.flatnonzero(usable)
    order = order[
        np.argsort(entity_codes[order], kind="stable")
    ]  # one entity after the other, each sorted by time
    at = moments.astype("int64").to_numpy()[order]
    history = int(settings.history.total_seconds() * 1e6)
    feature_columns: dict[str, Floats] = {}
    for column in settings.columns:
        cells = _read_cells(frame[column])[order]
        features = _compute_past(cells, entity_codes[order], at, history, settings.rows)
        for feature, values in zip(PAST_FEATURES, features, strict=True):
            in_row_order = np.full(len(frame), np.nan)
            in_row_order[order] = values
            feature_columns[f"{column}:{feature}"] = in_row_order
    return pd.concat([frame, pd.DataFrame(feature_columns, index=frame.index)], axis=1)


def _read_cells(column: pd.Series[Any]) -> Floats:
    cells = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(cells), cells, np.nan)


def _compute_past(
    cells: Floats, entity_codes: NDArray[Any], at: NDArray[Any], history: int, rows: int
) -> tuple[Floats, Floats, Floats]:
    """Return change, level and spread of each row: three arrays of shape (n,)."""
    counts, sums = np.zeros(len(cells)), np.zeros(len(cells))
    before = np.full(len(cells), np.nan)
    for lag in range(rows, 0, -1):  # the oldest first
        lagged_cells = _shift_cells(cells, entity_codes, at, history, lag)
        present = ~np.isnan(lagged_cells)
        counts += present
        sums += np.where(present, lagged_cells, 0.0)
        before = lagged_cells
    enough = counts >= (rows + 1) // 2
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.where(enough, sums / counts, np.nan)
        squares = np.zeros(len(cells))
        for lag in range(rows, 0, -1):
            gap = _shift_cells(cells, entity_codes, at, history, lag) - mean
            squares += np.where(np.isnan(gap), 0.0, gap * gap)
        spread = np.where(enough, np.sqrt(squares / counts), np.nan)
        change = np.where(enough, cells - before, np.nan)
        level = cells - mean
    return _blank_infinite(change), _blank_infinite(level), _blank_infinite(spread)


def _blank_infinite(values: Floats) -> Floats:
    """Return `values` with NaN in place of infinite values, which come from float overflow."""
    return np.where(np.isfinite(values), values, np.nan)


def _shift_cells(
    cells: Floats, entity_codes: NDArray[Any], at: NDArray[Any], history: int, lag: int
) -> Floats:
    """Return for each row the cell `lag` rows before; NaN if that row is of another entity or too old."""
    past = np.full(len(cells), np.nan)
    if lag < len(cells):
        same = (entity_codes[lag:] == entity_codes[:-lag]) & (at[lag:] - at[:-lag] <= history)
        past[lag:][same] = cells[:-lag][same]
    return past
