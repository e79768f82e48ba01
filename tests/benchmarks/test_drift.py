"""The drift benchmark measures what it says: same rows for the same day, and a verdict on them."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.drift import OurDrift
from benchmarks.streams import NUMBERS, RowStream, change_column, generate_batches


def test_a_day_is_a_pure_function_of_its_number() -> None:
    first, again = RowStream("seasonal", 3).day(9), RowStream("seasonal", 3).day(9)
    pd.testing.assert_frame_equal(first, again)
    assert not first[NUMBERS].equals(RowStream("seasonal", 3).day(10)[NUMBERS])


@pytest.mark.slow
def test_ours_names_the_column_that_was_changed() -> None:
    stream = RowStream("independent", 1)
    ours, day = OurDrift(stream.days(0, 14)), stream.day(15)
    assert ours.judge(day) == (False, False, set())
    for what in ("constant", "all missing"):
        assert ours.judge(change_column(day, what)) == (True, True, {"n10"})
    assert "n01" in ours.judge(change_column(day, "broken relation"))[2]


def test_batches_cover_the_rows_asked_for() -> None:
    assert [len(frame) for frame in generate_batches(140_000, 1, 0.0)] == [131_072, 8_928]
