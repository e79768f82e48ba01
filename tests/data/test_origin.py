"""Rows keep their place: the line of a file, the number in a table, and cells as they are written."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pynomaly.config import Data, Quality
from pynomaly.data.frame import FrameContract, hash_frame
from pynomaly.data.quality import CheckedRows, validate
from pynomaly.data.sources import WindowReader, read_source, trace_rows
from pynomaly.data.window import Window

CONTRACT = FrameContract(numeric=("x",), categorical=(), time="time")
LINES = [
    "time,x,note",
    "2026-01-05 10:20,3,",
    "2026-01-05 10:00,Bad Input,",
    "",
    '2026-01-05 10:10,2,"two\nlines"',
    "05.01.2026 10:30,1,",
    "Total,,",
]
BAD = {3: "column 'x' holds 'Bad Input' in line 3", 7: "'time' holds '05.01.2026 10:30' in line 7"}


def check(data: Data, **reads: Any) -> CheckedRows:
    rows = trace_rows(data, **reads)
    return validate(rows.frame, CONTRACT, Quality(min_score_rows=1), "score", rows.origin)


def make_csv(path: Path, **settings: Any) -> Data:
    return Data(source="csv", path=str(path), time="time", timezone="UTC", **settings)


@pytest.mark.parametrize(
    ("before", "settings"),
    [
        ([], {}),
        (["a report", ""], {"skip_rows": 2}),
        (["sep=,"], {}),
        (["# said"], {"comment": "#"}),
    ],
)
def test_rows_are_named_by_their_line_with_the_cell_as_it_is_written(tmp_path, before, settings):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress("\r\n".join([*before, *LINES]).encode()))
    data = make_csv(tmp_path / "t.csv.gz", **settings)
    rows, shift = trace_rows(data), len(before)
    assert rows.origin.numbers.tolist() == [3 + shift, 5 + shift, 2 + shift, 7 + shift, 8 + shift]
    bad = check(data).quarantine.set_index("row")
    assert list(bad.index) == [3 + shift, 7 + shift, 8 + shift]
    assert bad["time"].tolist()[1:] == ["05.01.2026 10:30", "Total"]
    for line, text in BAD.items():
        assert text.replace(f"line {line}", f"line {line + shift}") in bad["detail"][line + shift]
    pd.testing.assert_frame_equal(rows.frame, read_source(data))
    assert hash_frame(rows.frame) == hash_frame(rows.frame.set_axis(rows.origin.numbers))


def test_rows_of_a_window_keep_their_lines(tmp_path):
    (tmp_path / "t.csv").write_text("\n".join(LINES))
    reader = WindowReader(make_csv(tmp_path / "t.csv"))
    window = Window.parse("2026-01-05T10:05Z", "2026-01-05T10:15Z")
    for _ in range(2):
        rows = reader.trace(window)
        assert rows.origin.numbers.tolist() == [5, 7, 8]


def test_rows_of_several_files_have_file_and_line(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.csv").write_text("\n".join(LINES[:3] + LINES[5:6]))
    bad = check(make_csv(tmp_path)).quarantine
    assert bad["row"].tolist() == [3, 3, 4, 4]
    assert [Path(file).name for file in bad["file"]] == ["a.csv", "b.csv", "a.csv", "b.csv"]
    assert f"in line 4 of {tmp_path / 'b.csv'}" in bad["detail"].iloc[3]


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "excel"])
def test_rows_of_other_tables_have_their_number(tmp_path, kind):
    table = pd.DataFrame({"time": ["2026-01-05 10:20", "2026-01-05 10:00", "?", None], "x": [1.0, 2, 3, 4]})
    path = tmp_path / {"jsonl": "t.jsonl", "parquet": "t.parquet", "excel": "t.xlsx"}[kind]
    if kind == "jsonl":
        table.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        table.to_parquet(path)
    else:
        table.to_excel(path, index=False)
    data = Data(source=kind, path=str(path), time="time", timezone="UTC")
    assert trace_rows(data).origin.numbers.tolist() == [2, 1, 3, 4]
    bad = check(data).quarantine
    assert bad["detail"].tolist() == ["column 'time' holds '?' in row 3", "column 'time' is empty in row 4"]
    assert bad["time"].tolist() == ["?", None]


def test_a_time_of_two_columns_is_shown_with_both(tmp_path):
    (tmp_path / "t.csv").write_text("day,clock,x\n2026-01-05,10:00,1\n2026-01-05,noon,2\n")
    data = Data(source="csv", path=str(tmp_path / "t.csv"), time=["day", "clock"], timezone="UTC")
    rows = trace_rows(data)
    assert rows.origin.find_cell(1) == (True, "2026-01-05 noon")


def test_a_row_of_a_long_table_has_the_line_of_its_first(tmp_path):
    (tmp_path / "t.csv").write_text(
        "time,tag,value\n2026-01-05 10:10,a,1\n2026-01-05 10:00,a,2\n2026-01-05 10:10,b,3\n"
    )
    data = make_csv(tmp_path / "t.csv", long={"name": "tag", "value": "value"})
    assert trace_rows(data).origin.numbers.tolist() == [3, 2]


def test_a_file_that_changed_meanwhile_has_row_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("\n".join(LINES))
    rows = trace_rows(make_csv(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text("\n".join(LINES[:2]))
    assert rows.origin.describe_row(0) == "row 2"


def test_columns_of_the_source_may_be_named_like_those_of_quarantine(tmp_path):
    (tmp_path / "t.csv").write_text("time,x,row,file\n2026-01-05 10:00,?,8,9\n2026-01-05 10:10,1,8,9\n")
    bad = check(make_csv(tmp_path / "t.csv")).quarantine
    assert bad[["source_row", "source_file", "row"]].iloc[0].tolist() == ["8", "9", 2]
