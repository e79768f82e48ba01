# ruff: noqa: E501
"""Workbooks, lines of JSON, Arrow files, folders and globs: each kind of file, and the frame that it is."""

from __future__ import annotations

import gzip
import json
import shutil
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, ipc

from pynomaly.config import Data, Limits
from pynomaly.data.sources import infer_source_kind, read_source, read_span
from pynomaly.errors import ColumnError, SourceError

NAN = float("nan")
RIGHT = pd.DataFrame(
    {
        "t": pd.to_datetime(["2026-01-05T00:00Z", "2026-01-06T01:30Z"]).as_unit("us"),
        "m": pd.Series(["7", "x8"], dtype="str"),
        "v": [1.5, 2.0],
        "n": [1, 2],
    }
)


def write_sheet(file: Path, *rows: list[Any], title: str = "rows", before: int = 0) -> str:
    book = openpyxl.Workbook()
    if before:
        book.active.title = "cover"
        sheet = book.create_sheet(title)
    else:
        sheet = book.active
        sheet.title = title
    for row in rows:
        sheet.append(row)
    book.save(file)
    return str(file)


def write_kind(folder: Path, kind: str) -> str:
    """Write the rows of `RIGHT` as people would."""
    if kind == "excel":
        return write_sheet(
            folder / "t.xlsx",
            ["t", "m", "v", "n"], [date(2026, 1, 5), 7, 1.5, 1], [datetime(2026, 1, 6, 1, 30), "x8", 2, 2],
        )  # fmt: skip
    if kind == "jsonl":
        (folder / "t.jsonl").write_text(
            '{"t": "2026-01-05T00:00", "m": 7, "v": 1.5, "n": 1}\n\n'
            '{"t": "2026-01-06 01:30:00", "m": "x8", "v": 2, "n": 2}\n'
        )
        return str(folder / "t.jsonl")
    if kind == "csv":
        (folder / "t.txt").write_text("t,m,v,n\n2026-01-05,7,1.5,1\n2026-01-06 01:30:00,x8,2,2\n")
        return str(folder / "t.txt")
    RIGHT.assign(t=RIGHT["t"].dt.tz_localize(None)).to_feather(folder / "t.feather")
    return str(folder / "t.feather")


def check(frame: pd.DataFrame, right: dict[str, Any]) -> None:
    pd.testing.assert_frame_equal(frame, pd.DataFrame(right))


@pytest.mark.parametrize("kind", ["csv", "excel", "jsonl", "feather"])
@pytest.mark.parametrize("own", ["csv", "excel", "jsonl", "feather", "sql"])
def test_the_same_rows_in_each_kind_of_file(tmp_path: Path, kind: str, own: str) -> None:
    path = write_kind(tmp_path, kind)
    roles = {"time": "t", "id": "m", "timezone": "UTC"}
    if own == kind:
        data = Data(source=kind, path=path, **roles)
        pd.testing.assert_frame_equal(read_source(data), RIGHT)
        span = read_span(data)
        assert span is not None
        assert span.start == datetime(2026, 1, 5, tzinfo=UTC)
        return
    place = {"connection": "PLANT_DB", "query": "select :start, :end"} if own == "sql" else {"path": "own"}
    file = {"skip_rows": 3, "unit_rows": 1, "comment": "2", "names": ("x",), "encoding": "utf-16"}
    other = Data(source=own, **place, **roles, **(file if own != "sql" else {}))
    pd.testing.assert_frame_equal(read_source(other, path=path), RIGHT)


def test_a_sheet_as_people_lay_it_out(tmp_path: Path) -> None:
    path = write_sheet(
        tmp_path / "t.xlsx",
        [], [None, "Report of Monday"], [],
        [None, "Time", " Load ", None, "Open", "Took", "Note", None],
        [None, "", "kW"],
        [None, time(8, 30), 1, None, True, timedelta(minutes=90), "a", " "],
        [],
        [None, time(9, 0), None, 5, False, timedelta(hours=1), 2.5],
        [None, None, 3.25, None, True, None, datetime(2026, 1, 5, 1)],
        before=1,
    )  # fmt: skip
    data = Data(source="excel", path=path, sheet="rows", skip_rows=2, unit_rows=1, strip_names=True)
    check(
        read_source(data),
        {
            "Time": pd.Series(["08:30:00", "09:00:00", None], dtype="str"),
            "Load": [1, NAN, 3.25],
            "Unnamed: 2": [NAN, 5, NAN],
            "Open": [True, False, True],
            "Took": [5400.0, 3600.0, NAN],
            "Note": pd.Series(["a", "2.5", "2026-01-05 01:00:00"], dtype="str"),
        },
    )


def test_text_in_a_sheet_that_is_numbers(tmp_path: Path) -> None:
    path = write_sheet(
        tmp_path / "t.xlsx", ["a", "b", "c"], ["1.234,5", "-", "007"], [2.5, 3, 8], ["7", "-999", 9]
    )
    data = Data(
        source="excel",
        path=path,
        decimal=",",
        thousands=".",
        missing_values=("-", "-999"),
        categorical=("c",),
    )
    check(
        read_source(data),
        {"a": [1234.5, 2.5, 7], "b": [NAN, 3, NAN], "c": pd.Series(["007", "8", "9"], dtype="str")},
    )


def test_date_and_time_of_a_sheet_in_two_columns(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "t.xlsx", ["Date", "Time", "v"], [date(2026, 1, 5), time(8, 30), 1])
    data = Data(source="excel", path=path, time=["Date", "Time"], timezone="UTC")
    assert read_source(data)["Date Time"].tolist() == [pd.Timestamp("2026-01-05T08:30Z")]


def test_a_sheet_without_a_header(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "t.xlsx", [1, "x"], [2, "y"])
    data = Data(source="excel", path=path, header=False)
    check(read_source(data), {"column_1": [1, 2], "column_2": pd.Series(["x", "y"], dtype="str")})
    with pytest.raises(SourceError, match=r"has 2 columns, and data\.names has 3"):
        read_source(data.model_copy(update={"names": ("a", "b", "c")}))


def test_workbooks_that_cannot_be_read(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "t.xlsx", ["a", "b"], [1, 2])
    data = Data(source="excel", path=path)
    with pytest.raises(SourceError, match=r"no sheet 'row'; data\.sheet names one; did you mean 'rows'"):
        read_source(data.model_copy(update={"sheet": "row"}))
    with pytest.raises(SourceError, match="2 rows of 2 columns"):
        read_source(data.model_copy(update={"limits": Limits(cells=1000).model_copy(update={"cells": 3})}))
    with pytest.raises(SourceError, match="no rows"):
        read_source(data, path=write_sheet(tmp_path / "empty.xlsx", ["a", "b"]))
    with pytest.raises(ColumnError, match="'a' occurs more than once"):
        read_source(data, path=write_sheet(tmp_path / "twice.xlsx", ["a", "a"], [1, 2]))
    (tmp_path / "no.xlsx").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="cannot be read as a workbook"):
        read_source(data, path=str(tmp_path / "no.xlsx"))


def test_two_cells_far_apart_take_no_memory(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = 1, 2
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(SourceError, match=r"2 cells that span 1,048,576 rows of 16,384 columns"):
        read_source(Data(source="excel", path=str(tmp_path / "t.xlsx")))


@pytest.mark.slow
def test_a_workbook_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "t.xlsx", ["a"], *([1] for _ in range(60_000)))
    data = Data(source="excel", path=path)
    assert len(read_source(data)) == 60_000
    with pytest.raises(SourceError, match=r"data\.limits\.ratio"):
        read_source(data.model_copy(update={"limits": Limits(ratio=2)}))
    with pytest.raises(SourceError, match=r"data\.limits\.text_mib"):
        read_source(data.model_copy(update={"limits": Limits(text_mib=1)}))


JSON_RIGHT = {
    "a": [1.0, NAN, 2.5],
    "b.c": [1, 2, 3],
    "b.d.e": pd.Series(["x", None, '[1, "ü"]'], dtype="str"),
}
JSON_RECORDS = [
    {"a": 1, "b": {"c": 1, "d": {"e": "x"}}}, {"b": {"c": 2}}, {"a": 2.5, "b": {"c": 3, "d": {"e": [1, "ü"]}}},
]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", ["lines", "array", "indented"])
def test_objects_of_json(tmp_path: Path, form: str, encoding: str) -> None:
    lines = "\n\n".join(json.dumps(record) for record in JSON_RECORDS) + "\n"
    text = {
        "lines": lines,
        "array": json.dumps(JSON_RECORDS),
        "indented": "\n " + json.dumps(JSON_RECORDS, indent=2),
    }[form]
    for name, pack in (("t.json", bytes), ("t.ndjson.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(text.encode(encoding)))
        check(read_source(Data(source="jsonl", path=str(tmp_path / name), encoding=encoding)), JSON_RIGHT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n\n{"a": \n', "line 3 is no JSON"),
        ('{"a": 1}\n[1]\n', r"line 2 is '\[1\]', which is no object"),
        ("[{}, 5]", "object 2 is '5'"),
        ("", "is empty"),
        ('{"a":' * 20 + "1" + "}" * 20, "more than 16 deep"),
        ("[" * 100_000, "is no JSON"),
        (json.dumps({f"c{number}": 1 for number in range(2001)}), r"2,001 columns"),
        ('{"a": "' + "x" * 2_000_000 + '"}', "line of more than"),
    ],
)  # fmt: skip
def test_json_that_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(SourceError, match=message):
        read_source(Data(source="jsonl", path=str(tmp_path / "t.jsonl")))


def test_numbers_of_json(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(
        '{"a": NaN, "b": "1.5", "c": true, "t": 1767571200123}\n{"a": 2, "b": "2", "c": null, "t": 1767571201000}\n'
    )
    data = Data(source="jsonl", path=str(tmp_path / "t.jsonl"), time="t", epoch="ms")
    frame = read_source(data)
    assert frame["t"][0] == pd.Timestamp("2026-01-05T00:00:00.123Z")
    assert frame["b"].tolist() == [1.5, 2.0]
    assert frame["a"].isna().tolist() == [True, False]
    assert frame["c"].tolist() == [True, None]


def test_half_a_character_in_json(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": "\\ud83d x", "b": ["\\ud83d"]}\n')
    frame = read_source(Data(source="jsonl", path=str(tmp_path / "t.jsonl")))
    assert frame.iloc[0].tolist() == ["? x", '["?"]']


def test_arrow_files_and_streams(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2], "b": [0.5, None]})
    feather.write_feather(table, tmp_path / "t.feather", compression="zstd")
    with ipc.new_stream(str(tmp_path / "t.arrow"), table.schema) as stream:
        stream.write_table(table)
    for name in ("t.feather", "t.arrow"):
        data = Data(source="feather", path=str(tmp_path / name))
        check(read_source(data), {"a": [1, 2], "b": [0.5, NAN]})
    (tmp_path / "t.arrow").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="cannot be read as Arrow"):
        read_source(data)
    feather.write_feather(pa.table({"a": [0.0] * 3000}), tmp_path / "t.feather")
    with pytest.raises(SourceError, match="3,000 rows of 1 columns"):
        read_source(Data(source="feather", path=str(tmp_path / "t.feather"), limits=Limits(cells=2999)))


@pytest.mark.parametrize("kind", ["csv", "excel", "jsonl", "feather"])
def test_a_folder_and_a_glob(tmp_path: Path, kind: str) -> None:
    file = Path(write_kind(tmp_path, kind))
    folder = tmp_path / "all"
    (folder / "2026").mkdir(parents=True)
    (folder / ".cache").mkdir()
    for name in (f"b{file.suffix}", f"2026/a{file.suffix}", f".cache/c{file.suffix}"):
        shutil.copy(file, folder / name)
    (folder / "readme.txt").write_text("What these files are.")
    (folder / ".DS_Store").write_bytes(b"\0")
    roles = {"time": "t", "timezone": "UTC", "id": "m"}
    right = pd.concat([RIGHT, RIGHT]).sort_values("t", ignore_index=True, kind="stable")
    for path in (folder, folder / "**" / f"*{file.suffix}"):
        pd.testing.assert_frame_equal(read_source(Data(source=kind, path=str(path), **roles)), right)
        assert infer_source_kind(str(path), "sql") == kind
    one = Data(source=kind, path=str(folder / f"?{file.suffix}"), **roles)
    pd.testing.assert_frame_equal(read_source(one), RIGHT)
    with pytest.raises(SourceError, match="no file matches"):
        read_source(one.model_copy(update={"path": str(folder / "x*")}))


def test_files_of_one_folder_have_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n")
    (tmp_path / "2.csv").write_text("b,a\ny,2\n")
    (tmp_path / "3.csv").write_text("b,a\n")
    data = Data(source="csv", path=str(tmp_path))
    check(read_source(data), {"a": [1, 2], "b": pd.Series(["x", "y"], dtype="str")})
    (tmp_path / "4.csv").write_text("a,b\n7,3\n1.5,4\n")
    check(
        read_source(data),
        {"a": [1, 2, 7, 1.5], "b": pd.Series(["x", "y", "3", "4"], dtype="str")},
    )
    (tmp_path / "5.csv").write_text("a,c\n7,3\n")
    with pytest.raises(ColumnError, match=r"5\.csv has other columns than .*1\.csv: 'b' is in"):
        read_source(data)
    (tmp_path / "5.csv").write_text("a,b,c\n7,3,4\n")
    with pytest.raises(ColumnError, match=r"'c' is in .*5\.csv"):
        read_source(data)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("t.CSV", "csv"), ("t.csv.gz", "csv"), ("t.log", "csv"), ("t.jsonl.zst", "jsonl"), ("t.json", "jsonl"),
        ("t.xlsx", "excel"), ("t.ods", "excel"), ("t.arrow", "feather"), ("t.pq", "parquet"), ("t.bin", "sql"),
        ("s3://bucket/t.feather", "feather"), ("s3://bucket/folder", "sql"),
    ],
)  # fmt: skip
def test_the_kind_of_a_file_by_its_name(path: str, kind: str) -> None:
    assert infer_source_kind(path, "sql") == kind
