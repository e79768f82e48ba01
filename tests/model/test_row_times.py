import numpy as np
import pandas as pd
import pytest

from pynomaly.data.frame import FrameContract
from pynomaly.errors import ColumnError, DataError
from pynomaly.model.row_times import read_row_times, rows_per_day

CONTRACT = FrameContract(numeric=("a",), categorical=(), time="t", id=None, label=None)
TIMELESS = FrameContract(numeric=("a",), categorical=(), time=None, id=None, label=None)


def test_text_with_offsets_reads_as_utc() -> None:
    frame = pd.DataFrame({"t": ["2026-01-05T02:00:00+02:00", "2026-01-05T00:00:00.5Z"], "a": [1, 2]})
    expected = pd.to_datetime(["2026-01-05T00:00:00Z", "2026-01-05T00:00:00.5Z"], format="ISO8601")
    times = read_row_times(frame, CONTRACT)
    assert times is not None
    assert (times == expected).all()


@pytest.mark.parametrize("bad", ["2026-01-05T02:00:00", "2026-01-05", "nonsense", ""])
def test_text_without_offset_is_refused(bad: str) -> None:
    with pytest.raises(DataError, match="no offset"):
        read_row_times(pd.DataFrame({"t": ["2026-01-05T00:00:00Z", bad]}), CONTRACT)


def test_naive_datetimes_and_nonsense_are_refused() -> None:
    naive = pd.DataFrame({"t": pd.date_range("2026-01-05", periods=2)})
    with pytest.raises(DataError, match="no offset"):
        read_row_times(naive, CONTRACT)
    with pytest.raises(DataError, match="not ISO 8601"):
        read_row_times(pd.DataFrame({"t": ["2026-13-05T00:00:00Z"]}), CONTRACT)
    with pytest.raises(ColumnError, match="'t'"):
        read_row_times(pd.DataFrame({"a": [1]}), CONTRACT)
    assert read_row_times(pd.DataFrame({"a": [1]}), TIMELESS) is None


def test_rows_per_day_counts_every_entity() -> None:
    hours = pd.date_range("2026-01-05", periods=48, freq="h", tz="UTC")
    frame = pd.DataFrame({"t": np.repeat(hours, 3)})
    assert rows_per_day(frame, CONTRACT) == pytest.approx(72.0)


def test_rows_per_day_needs_two_times() -> None:
    one = pd.DataFrame({"t": pd.date_range("2026-01-05", periods=1, tz="UTC")})
    assert rows_per_day(one, CONTRACT) is None
    assert rows_per_day(one, TIMELESS) is None
    assert rows_per_day(pd.DataFrame({"a": [1]}), CONTRACT) is None
