"""Times of rows for a model: aware times, rows a day, and hour and weekday as features.

All times are in UTC. Called by :mod:`pynomaly.model.bundle` and :mod:`pynomaly.model.features`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.frame import FrameContract, require_columns
from pynomaly.errors import ColumnError, DataError

__all__ = ["CALENDAR_NAMES", "RowKeys", "encode_calendar", "read_row_keys", "read_row_times", "rows_per_day"]

CALENDAR_NAMES = ("hour:sin", "hour:cos", "weekday:sin", "weekday:cos")


@dataclass(frozen=True, eq=False)
class RowKeys:
    """Entity and time of rows.

    Attributes
    ----------
    entities : ndarray of int64, shape (n,)
        Codes from 0; all 0 without an entity column.
    moments : ndarray of int64, shape (n,)
        Microseconds since 1970 in UTC; :attr:`UNKNOWN` where the time is missing.
    """

    UNKNOWN: ClassVar[int] = int(np.iinfo(np.int64).min)

    entities: NDArray[np.int64]
    moments: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.moments)

    def take(self, rows: NDArray[Any] | slice) -> RowKeys:
        """Return the keys that an index array, a mask or a slice selects."""
        return RowKeys(self.entities[rows], self.moments[rows])


def read_row_keys(frame: pd.DataFrame, contract: FrameContract) -> RowKeys | None:
    """Return entity and time of the rows of `frame`; None if it has no times.

    Raises
    ------
    DataError
        As :func:`read_row_times`.
    """
    if contract.time is None or contract.time not in frame:
        return None
    times = read_row_times(frame, contract)
    assert times is not None, "the contract names a time column"
    moments = np.asarray(times.astype("int64"), dtype=np.int64)  # a missing time is the smallest number
    entities = np.zeros(len(frame), dtype=np.int64)
    if contract.id is not None and contract.id in frame:
        entities = pd.factorize(frame[contract.id].astype(str))[0].astype(np.int64)
    return RowKeys(entities, moments)


def read_row_times(frame: pd.DataFrame, contract: FrameContract) -> pd.Series[Any] | None:
    """Return the aware UTC times of the rows of `frame`; None if the contract names no time column.

    Text is accepted too, because an HTTP request has no other type for times.

    Raises
    ------
    ColumnError
        If the time column is missing or duplicated.
    DataError
        If a time has no offset or is not ISO 8601.
    """
    if contract.time is None:
        return None
    require_columns(frame, [contract.time])
    times = frame[contract.time]
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        text = times.astype(str)
        has_offset = text.str.contains(r"\d(?:Z|[+-]\d\d:?\d\d)$", regex=True)
        if not has_offset.all():
            bad = text[~has_offset].iloc[0]
            raise DataError(
                f"time {bad!r} in column {contract.time!r} has no offset; write 2026-01-05T00:00:00+00:00"
            )
        try:
            times = pd.to_datetime(text, utc=True, format="ISO8601")
        except ValueError as error:
            raise DataError(f"column {contract.time!r} holds a time that is not ISO 8601: {error}") from error
    in_utc: pd.Series[Any] = times.dt.tz_convert("UTC").dt.as_unit("us")
    return in_utc


def rows_per_day(frame: pd.DataFrame, contract: FrameContract, weight: float = 1.0) -> float | None:
    """Return the rows a day between the first and last time, plus one median step; None without times.

    Each row of a sample counts as `weight` rows.
    """
    if contract.time is None or contract.time not in frame:
        return None
    times = frame[contract.time].dropna().drop_duplicates().sort_values()
    if len(times) < 2 or times.dtype.kind != "M":
        return None
    span = (times.iloc[-1] - times.iloc[0]) + times.diff().median()
    return float(weight * len(frame) / (span / pd.Timedelta(days=1)))


def encode_calendar(times: pd.Series[Any] | None) -> list[NDArray[np.float64]]:
    """Return sine and cosine of the time of day and of the day of week; four arrays of shape (n,).

    A table look-up gives the same bits for one row and for many; a vectorised sine does not promise that.

    Raises
    ------
    ColumnError
        If there are no times.
    DataError
        If a time has no offset or is missing.
    """
    if times is None:
        raise ColumnError("the time column is needed: this model was fitted with features.calendar: true")
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise DataError(f"times of dtype {times.dtype} have no offset; allowed: aware datetimes, in UTC")
    missing = times.isna().to_numpy()
    if missing.any():
        raise DataError(f"the time of row {int(np.flatnonzero(missing)[0])} is missing")
    clock = pd.DatetimeIndex(times).tz_convert("UTC")
    minute = np.asarray(clock.hour * 60 + clock.minute)
    weekday = np.asarray(clock.dayofweek)
    day, week = (2 * np.pi * np.arange(steps) / steps for steps in (1440, 7))
    return [np.sin(day)[minute], np.cos(day)[minute], np.sin(week)[weekday], np.cos(week)[weekday]]
