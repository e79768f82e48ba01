"""The drift benchmark measures what it says: same rows for the same day, and a verdict on them."""

from __future__ import annotations

import pandas as pd

from benchmarks.drift import Ours
from benchmarks.streams import NUMBERS, Stream, batches, changed


def test_a_day_is_a_pure_function_of_its_number() -> None:
    first, again = Stream("seasonal", 3).day(9), Stream("seasonal", 3).day(9)
    pd.testing.assert_frame_equal(first, again)
    assert not first[NUMBERS].equals(Stream("seasonal", 3).day(10)[NUMBERS])


def test_ours_names_the_column_that_was_changed() -> None:
    stream = Stream("independent", 1)
    ours, day = Ours(stream.days(0, 14)), stream.day(15)
    assert ours.judge(day) == (False, False, set())
    for what in ("constant", "all missing"):
        assert ours.judge(changed(day, what)) == (True, True, {"n10"})
    assert "n01" in ours.judge(changed(day, "broken relation"))[2]


def test_batches_cover_the_rows_asked_for() -> None:
    assert [len(frame) for frame in batches(140_000, 1, 0.0)] == [131_072, 8_928]
