"""What a row is beside the rows before it: features of a time series, computed while rows are read.

Each numeric column gives three more: ``NAME:change`` since the row before, ``NAME:level`` above the mean of
the rows before, and ``NAME:spread``, the deviation of those rows. Any tabular detector reads them like
measured columns, so a score still belongs to its row: the row as it was read, its past included. "Before"
means the last `rows` rows of the same entity, none older than `history` and none at or after the row itself:
a later row changes nothing, nor does another entity, nor more of the past than `history`. Sums run in one
fixed order, so the bits are the same whichever window a row is read with, given `history` before it.

A row with fewer rows before it than half of `rows`, rounded up, has no features yet: its cells are missing,
and the model and its report treat them as any missing cell. Called by ``sources.read``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Series
from pynomaly.config.data import PAST
from pynomaly.data.frame import require_columns
from pynomaly.errors import ColumnError

__all__ = ["added"]

Floats = NDArray[np.float64]


def added(frame: pd.DataFrame, time: str, entity: str | None, settings: Series) -> pd.DataFrame:
    """Rows with the features of their past beside them.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        In order of time; the time column aware, NaT where it cannot be read. Such a row has no past and is
        nobody's past; nor is a cell that is no finite number.
    time : str
    entity : str or None
        Column of whom a row belongs to; None if all belong together.
    settings : Series
        Which columns, how many rows, how far back.

    Returns
    -------
    DataFrame of shape (n, d + 3 k)
        Same rows and index, k columns named in `settings`.

    Raises
    ------
    ColumnError
        A column is not there, or the name of an added one is taken.

    Notes
    -----
    O(n k rows) time, O(n) memory beyond the result.
    """
    require_columns(frame, list(settings.columns))
    if taken := [name for name in settings.names if name in frame.columns]:
        raise ColumnError(f"column {taken[0]!r} is there already; data.series adds one of that name")
    moments = frame[time]
    usable = moments.notna().to_numpy()
    whose = pd.factorize(frame[entity].astype(str))[0] if entity else np.zeros(len(frame), dtype=np.intp)
    order = np.flatnonzero(usable)
    order = order[np.argsort(whose[order], kind="stable")]  # one entity after the other, each in time
    at = moments.astype("int64").to_numpy()[order]
    history = int(settings.history.total_seconds() * 1e6)
    found: dict[str, Floats] = {}
    for column in settings.columns:
        cells = _cells(frame[column])[order]
        past = _past(cells, whose[order], at, history, settings.rows)
        for feature, values in zip(PAST, past, strict=True):
            placed = np.full(len(frame), np.nan)
            placed[order] = values
            found[f"{column}:{feature}"] = placed
    return pd.concat([frame, pd.DataFrame(found, index=frame.index)], axis=1)


def _cells(column: pd.Series[Any]) -> Floats:
    cells = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(cells), cells, np.nan)


def _past(
    cells: Floats, whose: NDArray[Any], at: NDArray[Any], history: int, rows: int
) -> tuple[Floats, Floats, Floats]:
    """Change, level and spread of each row; arrays of shape (n,)."""
    seen, total = np.zeros(len(cells)), np.zeros(len(cells))
    before = np.full(len(cells), np.nan)
    for lag in range(rows, 0, -1):  # the oldest first
        past = _lagged(cells, whose, at, history, lag)
        known = ~np.isnan(past)
        seen += known
        total += np.where(known, past, 0.0)
        before = past
    enough = seen >= (rows + 1) // 2
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.where(enough, total / seen, np.nan)
        squares = np.zeros(len(cells))
        for lag in range(rows, 0, -1):
            gap = _lagged(cells, whose, at, history, lag) - mean
            squares += np.where(np.isnan(gap), 0.0, gap * gap)
        spread = np.where(enough, np.sqrt(squares / seen), np.nan)
        change = np.where(enough, cells - before, np.nan)
        level = cells - mean
    return _finite(change), _finite(level), _finite(spread)


def _finite(values: Floats) -> Floats:
    """NaN where the arithmetic left the range of a float."""
    return np.where(np.isfinite(values), values, np.nan)


def _lagged(cells: Floats, whose: NDArray[Any], at: NDArray[Any], history: int, lag: int) -> Floats:
    """The cell that many rows before, NaN where that row is another entity's or too old."""
    past = np.full(len(cells), np.nan)
    if lag < len(cells):
        same = (whose[lag:] == whose[:-lag]) & (at[lag:] - at[:-lag] <= history)
        past[lag:][same] = cells[:-lag][same]
    return past
