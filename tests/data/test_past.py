"""The past of rows: what a row may read depends on the row, and survives what is done to a frame."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.config import Data, Quality
from pynomaly.data.frame import FrameContract, hash_frame
from pynomaly.data.past import PAST, attach_past, drop_past, get_past, refresh_past
from pynomaly.data.past_array import PastArray
from pynomaly.data.quality import WAITS, validate
from pynomaly.data.row_files import load_rows, save_rows
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from tests import naive

MINUTE = pd.Timedelta(minutes=1)


def describe_data(**series: Any) -> Data:
    return Data.model_validate(
        {
            "source": "csv",
            "path": "rows.csv",
            "time": "time",
            "id": "machine",
            "series": {"past": 4, "step": "1m", "gap": 2, **series},
        }
    )


def make_rows(minutes: list[tuple[str, float]]) -> pd.DataFrame:
    """Rows of machines at minutes after midnight, sorted by time, with a counted cell."""
    start = pd.Timestamp("2026-01-05T00:00:00Z")
    frame = pd.DataFrame(
        {
            "time": [start + minute * MINUTE for _, minute in minutes],
            "machine": [machine for machine, _ in minutes],
            "x": np.arange(len(minutes), dtype=float),
        }
    )
    return frame.sort_values("time", kind="stable").reset_index(drop=True)


def list_pasts(frame: pd.DataFrame) -> list[tuple[list[float], list[float]]]:
    """What each row may read of column x, before and after it."""
    past = get_past(frame)
    assert past is not None
    cells = past.stretches.cells[:, past.stretches.columns.index("x")]
    rows = zip(past.places, past.before, past.after, strict=True)
    return [
        (cells[place - before : place].tolist(), cells[place + 1 : place + 1 + max(0, after)].tolist())
        for place, before, after in rows
    ]


row_lists = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 30)), min_size=1, max_size=25)


@given(row_lists, st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_a_row_reads_what_the_definition_says(minutes: list[tuple[str, int]], delay: int) -> None:
    frame = make_rows([(machine, float(minute)) for machine, minute in minutes])
    data = describe_data(delay=f"{delay}m")
    rows = attach_past(frame, data, is_over=True)
    plain_rows = [
        (machine, time.timestamp(), x)
        for machine, time, x in zip(frame["machine"], frame["time"], frame["x"], strict=True)
    ]
    expected = naive.list_pasts(plain_rows, past=4, step=60.0, gap=2, delay=60.0 * delay)
    for (before, after), (naive_before, naive_after) in zip(list_pasts(rows), expected, strict=True):
        assert before == pytest.approx(naive_before)
        assert after == pytest.approx(naive_after)


@given(row_lists, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_selecting_shuffling_and_joining_rows_keeps_their_past(
    minutes: list[tuple[str, int]], seed: int
) -> None:
    frame = make_rows([(machine, float(minute)) for machine, minute in minutes])
    rows = attach_past(frame, describe_data(), is_over=True)
    pasts = list_pasts(rows)
    order = np.random.default_rng(seed).permutation(len(rows))
    assert list_pasts(rows.iloc[order]) == [pasts[place] for place in order]
    half = order[: len(order) // 2 + 1]
    other = attach_past(frame.assign(x=frame["x"] + 100), describe_data(), is_over=True)
    joined = pd.concat([rows.iloc[half], other], ignore_index=True)
    assert list_pasts(joined) == [pasts[place] for place in half] + list_pasts(other)
    past = get_past(rows.iloc[half])
    assert past is not None
    compact = past.compact()
    assert len(compact.stretches.moments) <= len(past.stretches.moments)
    assert list_pasts(rows.iloc[half].assign(**{PAST: compact})) == [pasts[place] for place in half]


def test_rows_and_their_past_survive_a_folder(tmp_path: Path) -> None:
    rows = attach_past(make_rows([("a", float(at)) for at in range(9)]), describe_data(delay="2m"))
    save_rows(rows.iloc[[2, 7, 5]], tmp_path, "fit")
    again = load_rows(tmp_path, "fit")
    assert list_pasts(again) == list_pasts(rows.iloc[[2, 7, 5]])
    pd.testing.assert_frame_equal(drop_past(again), drop_past(rows.iloc[[2, 7, 5]]).reset_index(drop=True))
    save_rows(drop_past(rows), tmp_path, "plain")
    assert get_past(load_rows(tmp_path, "plain")) is None


def test_a_window_reads_the_same_past_as_the_whole_table(tmp_path: Path) -> None:
    minutes = [("a", float(at)) for at in range(40)] + [("b", at + 0.25) for at in range(0, 40, 2)]
    frame = make_rows([(machine, at) for machine, at in minutes if not 12 <= at < 15])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    data = describe_data(delay="3m").model_copy(update={"path": str(tmp_path / "rows.csv")})
    whole = read_source(data)
    pasts = list_pasts(whole)
    start = pd.Timestamp("2026-01-05T00:00:00Z")
    for first, end in ((0, 7), (7, 20), (13, 18), (20, 33)):
        window = Window((start + first * MINUTE).to_pydatetime(), (start + end * MINUTE).to_pydatetime())
        part = read_source(data, window)
        inside = np.flatnonzero((whole["time"] >= window.start) & (whole["time"] < window.end))
        assert list_pasts(part) == [pasts[place] for place in inside]


def test_a_file_looks_back_on_the_pipelines_own_rows(tmp_path: Path) -> None:
    frame = make_rows([("a", float(at)) for at in range(12)])
    frame.iloc[:8].to_csv(tmp_path / "rows.csv", index=False)
    frame.iloc[8:].to_csv(tmp_path / "later.csv", index=False)
    data = describe_data().model_copy(update={"path": str(tmp_path / "rows.csv")})
    later = read_source(data, path=str(tmp_path / "later.csv"))
    assert len(later) == 4
    assert list_pasts(later)[0] == ([4.0, 5.0, 6.0, 7.0], [])


def test_the_newest_rows_wait_for_later_ones_and_are_not_bad() -> None:
    data = describe_data(delay="2m")
    rows = attach_past(make_rows([("a", float(at)) for at in range(20)]), data)
    contract = FrameContract.infer(rows, data)
    assert contract.features == ("x",)
    quality = Quality.model_validate({"max_quarantine": 0.0, "min_score_rows": 1})
    checked = validate(rows, contract, quality, "score")
    assert checked.report.outcome != "block"
    assert checked.quarantine["rule"].tolist() == [WAITS, WAITS]
    assert PAST not in checked.quarantine
    assert len(checked.clean) == 18


def test_a_changed_cell_shows_in_the_past_of_later_rows() -> None:
    rows = attach_past(make_rows([("a", float(at)) for at in range(8)]), describe_data())
    changed = refresh_past(rows.assign(x=rows["x"].where(rows.index != 4, 99.0)))
    assert list_pasts(changed)[6][0] == [2.0, 3.0, 99.0, 5.0]
    assert list_pasts(rows)[6][0] == [2.0, 3.0, 4.0, 5.0]
    plain = drop_past(rows)
    assert refresh_past(plain) is plain


def test_the_hash_of_rows_includes_what_they_look_back_on() -> None:
    frame = make_rows([("a", float(at)) for at in range(20)])
    rows = attach_past(frame, describe_data())
    other = attach_past(frame.assign(x=frame["x"].where(frame.index != 2, 50.0)), describe_data())
    assert hash_frame(rows.iloc[5:]) != hash_frame(other.iloc[5:])
    assert hash_frame(rows.iloc[15:]) == hash_frame(other.iloc[15:])


def test_a_row_without_a_time_has_no_past() -> None:
    frame = make_rows([("a", float(at)) for at in range(5)])
    frame.loc[3, "time"] = pd.NaT
    rows = attach_past(frame, describe_data())
    past = get_past(rows)
    assert past is not None
    assert past.isna().tolist() == [False, False, False, True, False]
    assert list_pasts(rows)[4][0] == [0.0, 1.0, 2.0, 3.0]  # the third minute is filled by a line


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.series\.past"):
        describe_data(past=0, delay="5m")
    with pytest.raises(ValueError, match="longer than nothing"):
        describe_data(step="0s")
    with pytest.raises(ValueError, match=r"needs data\.time"):
        Data.model_validate({"source": "csv", "path": "a.csv", "series": {"past": 5}})
    assert describe_data().lookback == timedelta(minutes=4 + 5, seconds=30)


def test_plain_values_do_not_make_a_past() -> None:
    with pytest.raises(TypeError, match="attach_past"):
        PastArray._from_sequence([1, 2])
