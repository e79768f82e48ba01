"""Rows of the sample on their step, as detectors that look back get them, on one scale. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.config import Data
from pynomaly.config.spelling.units import spell_duration
from pynomaly.data.past import attach_past, get_past

__all__ = ["ScaledStretches", "lay_stretches"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FAR = "36500d"


@dataclass(frozen=True, eq=False)
class ScaledStretches:
    """Values of columns in stretches of an unbroken step.

    Attributes
    ----------
    values : ndarray of shape (m, k)
        Each column about its entity's median in units of its spread, through arsinh, so that few far values
        count little. Finite.
    stretch : ndarray of shape (m,)
        Number of the stretch; rises.
    position : ndarray of shape (m,)
        Place within the stretch, from 0.
    is_row : ndarray of shape (m,), bool
        Whether a row stands there; else a straight line between two does.
    moments : ndarray of shape (m,)
        Microseconds since 1970.
    """

    values: Floats
    stretch: Ints
    position: Ints
    is_row: npt.NDArray[np.bool_]
    moments: Ints

    def list_longest(self, column: int, most: int) -> list[Floats]:
        """Return the values of a column in the longest stretches, at most so many."""
        borders = np.flatnonzero(np.diff(self.stretch)) + 1
        parts = np.split(self.values[:, column], borders)
        return sorted(parts, key=len, reverse=True)[:most]


def lay_stretches(
    columns: Sequence[Floats], moments: Ints, codes: Ints, runs: Ints, step: timedelta | None
) -> ScaledStretches | None:
    """Return the columns on the step, as the readers lay them; None without rows.

    Parameters
    ----------
    columns : sequence of ndarray of shape (n,)
        Numbers; NaN where there is none.
    moments, codes, runs : ndarray of shape (n,)
        Time in microseconds, entity and run of each row. Rows of two runs are never neighbours.
    """
    keys = codes * (runs.max() + 1 if len(runs) else 1) + runs
    order = np.argsort(moments, kind="stable")
    scaled = {f"c{place}": _scale(column, codes)[order] for place, column in enumerate(columns)}
    when = pd.to_datetime(moments[order], unit="us", utc=True)
    frame = pd.DataFrame({"time": when, "key": keys[order].astype(str).astype(object), **scaled})
    series = {"past": 1, "step": spell_duration(step) if step else None, "history": _FAR}
    data = Data.model_validate(
        {"source": "csv", "path": "-", "time": "time", "id": "key", "timezone": "UTC", "series": series}
    )
    past = get_past(attach_past(frame, data, is_over=True))
    if past is None or not len(past.stretches.moments):
        return None
    stretch = past.stretches.stretch
    values = pd.DataFrame(past.stretches.cells).groupby(stretch).ffill().fillna(0.0).to_numpy()
    starts = np.flatnonzero(np.diff(stretch, prepend=-1))
    position = np.arange(len(stretch)) - np.repeat(starts, np.diff(np.append(starts, len(stretch))))
    is_row = np.zeros(len(stretch), dtype=bool)
    is_row[past.places[past.places >= 0]] = True
    return ScaledStretches(values, stretch, position, is_row, past.stretches.moments)


def _scale(column: Floats, codes: Ints) -> Floats:
    """Return a column about the median of its entity, in units of the pooled spread, through arsinh."""
    finite = np.where(np.isfinite(column), column, np.nan)
    rest = finite - pd.Series(finite).groupby(codes).transform("median").to_numpy()
    size = np.abs(rest[np.isfinite(rest)])
    spread = float(np.median(size)) if len(size) else 0.0
    if spread <= 0:
        spread = float(size.mean()) if len(size) else 0.0
    scaled: Floats = np.arcsinh(rest / spread) if spread > 0 else np.zeros_like(rest)
    return scaled
