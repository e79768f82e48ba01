# ruff: noqa: E501  (a row a text)
"""Delimited text as people have it: each kind of text, and the frame that it is."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pynomaly.config import Data, Limits
from pynomaly.data.sources import csv, read_source
from pynomaly.data.sources.sample import bound_row_count
from pynomaly.errors import ColumnError, SourceError

AB = {"a": [1, 3], "b": [2.5, 4.0]}
NAN = float("nan")


def read_text(tmp_path: Path, text: str | bytes, **settings: Any) -> pd.DataFrame:
    """Read a text whole and in parts of one and two rows, which must agree."""
    file = tmp_path / "t.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    data = Data(source="csv", path=str(file), **settings)
    frame = csv.read_rows(data, str(file), None)
    for size in (1, 2):
        parts = list(csv.read_chunks(data, str(file), size))
        assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
        assert pd.concat(parts).map(str).to_numpy().tolist() == frame.map(str).to_numpy().tolist() or any(
            not part.dtypes.equals(frame.dtypes) for part in parts
        )
    count = bound_row_count(data, None)
    assert count is not None
    assert count >= len(frame)
    return frame


def check(frame: pd.DataFrame, right: dict[str, list[Any]]) -> None:
    wanted = pd.DataFrame(right)
    pd.testing.assert_frame_equal(frame, wanted)


TEXTS: list[tuple[str, dict[str, Any], str]] = [
    ("sep=;\na;b\n1;2.5\n3;4\n", {"separator": ";"}, "line for Excel"),
    ("\ufeffsep=,\r\na,b\r\n1,2.5\r\n3,4\r\n", {}, "line for Excel behind a mark"),
    ("sep=;\nmade on Monday\na;b\n1;2.5\n3;4\n", {"separator": ";", "skip_rows": 1}, "not counted"),
    ("Device: 7\n\n'open, \"quote\na,b\n1,2.5\n3,4\n", {"skip_rows": 3}, "preamble"),
    ("Device\n\n\na,b\n\n1,2.5\n3,4\n", {"skip_rows": 1}, "blank lines before the header"),
    ("a,b\nV,degC\n1,2.5\n3,4\n", {"unit_rows": 1}, "units"),
    ("a,b\nV,degC\n\n(x),(y)\n1,2.5\n3,4\n", {"unit_rows": 2}, "two rows of units"),
    ("# by hand\na,b\n1,2.5\n# pause, long, very\n3,4\n#end", {"comment": "#"}, "comments"),
    ("\ufeff// x\na,b\n1,2.5\n// y\n3,4\n", {"comment": "//"}, "comments of two characters"),
    ("1,2.5\n3,4\n", {"header": False, "names": ("a", "b")}, "no header"),
    ("x,x\n1,2.5\n3,4\n", {"names": ("a", "b")}, "other names"),
    ("1,2.5,\n3,4,\n", {"header": False, "names": ("a", "b")}, "no header, trailing separators"),
    (" a ,b \n 1 , 2.5\n3, 4 \n", {"strip_names": True}, "blanks around all"),
    ("  a   b\n 1\t2.5  \n3 \t 4\n", {"separator": "blanks"}, "runs of blanks"),
    ("# x\n a b\n 1 2.5\n  # y\n 3 4\n", {"separator": "blanks", "comment": "#"}, "blanks, comments"),
    (
        "u\n 1 2.5\n 3 4\n",
        {"separator": "blanks", "skip_rows": 1, "header": False, "names": ("a", "b")},
        "all",
    ),
    ("a;b\n1;2,5\n3;4\n", {"separator": ";", "decimal": ","}, "decimal comma"),
    ("'a','b'\n1,'2.5'\n3,4\n", {"quote": "'"}, "other quotation marks"),
    ("a,b\n1,2.5,\n3,4,\n", {}, "a trailing separator in each row"),
    ("a,b\n1,2.5\n3,4,\n", {}, "a trailing separator in one row"),
    ("a,b\n1,2.5,,\n3,4, ,,,\n", {}, "several trailing separators"),
    ("a\tb\n1\t2.5\t\n3\t4\t\t\n", {"separator": "\t"}, "trailing tabs"),
    ("a,b\n1,2.5\n\0\0\0\n3,4\n\0\0\0\0", {}, "lines of NUL bytes"),
    ("a,b\n1,2.5\n\0\0\0\x003,4\n", {}, "NUL bytes before a line"),
]


@pytest.mark.parametrize(("text", "settings", "_what"), TEXTS, ids=[what for *_, what in TEXTS])
def test_a_text_is_the_table_that_is_in_it(
    tmp_path: Path, text: str, settings: dict[str, Any], _what: str
) -> None:
    check(read_text(tmp_path, text, **settings), AB)


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "mac-roman", "utf-8"]
)
def test_a_text_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    text = "Größe,°C\n" + "ä,20.5\n" * 70_000
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    frame = read_source(Data(source="csv", path=str(tmp_path / "t.csv"), encoding=encoding))
    assert list(frame.columns) == ["Größe", "°C"]
    assert set(frame["Größe"]) == {"ä"}
    assert (len(frame), frame["°C"].sum()) == (70_000, 70_000 * 20.5)


def test_a_mark_before_little_endian_text_is_no_letter(tmp_path: Path) -> None:
    text = b"\xff\xfe" + "a,b\n1,2.5\n3,4\n".encode("utf-16-le")
    check(read_text(tmp_path, text, encoding="utf-16-le"), AB)


def test_half_a_character_at_the_end_of_a_cut_file(tmp_path: Path) -> None:
    check(read_text(tmp_path, "a,b\n1,2.5\n3,4\n".encode("utf-16")[:-1], encoding="utf-16"), AB)


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lambda text: pa.compress(text, "zstd", asbytes=True)]
)
def test_packed_text(tmp_path: Path, pack: Any) -> None:
    ending = {gzip.compress: ".gz", bz2.compress: ".bz2"}.get(pack, ".zst")
    file = tmp_path / f"t.csv{ending}"
    file.write_bytes(pack("a,b\n1,2.5\n3,4\n".encode("utf-16")))
    data = Data(source="csv", path=str(file), encoding="utf-16")
    check(read_source(data), AB)


def test_zstandard_that_unpacks_to_too_much(tmp_path: Path) -> None:
    file = tmp_path / "t.csv.zst"
    file.write_bytes(pa.compress(b"a\n" + b"1\n" * 2_000_000, "zstd", asbytes=True))
    with pytest.raises(SourceError, match=r"200 times its size; data\.limits\.ratio"):
        read_source(Data(source="csv", path=str(file)))
    file.write_bytes(b"no such thing")
    with pytest.raises(SourceError, match="cannot be"):
        read_source(Data(source="csv", path=str(file)))


def test_columns_without_a_header_are_numbered(tmp_path: Path) -> None:
    check(read_text(tmp_path, "1,x\n3,y\n", header=False), {"column_1": [1, 3], "column_2": ["x", "y"]})


def test_thousands(tmp_path: Path) -> None:
    text = 'a,b,c\n"1,234",5,"0,5"\n"12,345,678.5",6,"1,234"\n'
    right = {"a": [1234.0, 12345678.5], "b": [5, 6], "c": ["0,5", "1234"]}
    check(read_text(tmp_path, text, thousands=","), right)
    text = "a;b\n1.234,5;1 234\n0,25;7\n"
    check(
        read_text(tmp_path, text, separator=";", decimal=",", thousands="."),
        {"a": [1234.5, 0.25], "b": ["1 234", "7"]},
    )
    check(
        read_text(tmp_path, "a\n1\u202f234\n-7 000\n", thousands=" "),
        {"a": [1234, -7000]},
    )


def test_thousands_of_switzerland_and_india(tmp_path: Path) -> None:
    check(read_text(tmp_path, "a\n1'234.5\n-12\u2019345\n", thousands="'"), {"a": [1234.5, -12345.0]})
    check(read_text(tmp_path, 'a\n"12,34,567"\n"1,000"\n', thousands=","), {"a": [1234567, 1000]})


def test_a_point_is_no_decimal_mark_where_the_comma_is(tmp_path: Path) -> None:
    frame = read_text(tmp_path, "a;b\n1.5;1\n2;2\n", separator=";", decimal=",", thousands=".")
    assert frame["a"].tolist() == ["1.5", "2"]


def test_missing_values(tmp_path: Path) -> None:
    text = "t,a,b,c\n-,-,-999,x\nu,2,-999.0,-\nv,3.5,7,-999\n"
    frame = read_text(tmp_path, text, missing_values=("-", "-999"), id="t", missing_in={"c": ("x",)})
    check(frame, {"t": ["-", "u", "v"], "a": [NAN, 2, 3.5], "b": [NAN, NAN, 7], "c": ["x", "-", "-999"]})


def test_columns_that_a_later_step_reads_stay_as_written(tmp_path: Path) -> None:
    frame = read_text(
        tmp_path,
        "d,h,n,m,l,v\n20260105,07,1.50,2.0K,01,1\n20260105,08,2.50,3.0K,00,2\n",
        time=["d", "h"], numbers=("n",), magnitudes=("m",), label="l", label_values={"01": 1, "00": 0},
    )  # fmt: skip
    assert frame.iloc[0].tolist() == ["20260105", "07", "1.50", "2.0K", "01", 1]


def test_blanks_around_cells(tmp_path: Path) -> None:
    text = "a, b ,c\n 1 , x ,  \n2,y , 3\n"
    check(read_text(tmp_path, text, strip_names=True), {"a": [1, 2], "b": ["x", "y"], "c": [NAN, 3.0]})
    check(read_text(tmp_path, text), {"a": [1, 2], " b ": [" x ", "y "], "c": ["  ", " 3"]})


@pytest.mark.parametrize(
    ("text", "settings", "error", "message"),
    [
        ("a,b\n1,2\n", {"names": ("x",)}, SourceError, r"has 2 columns, and data\.names has 1"),
        ("1,2\n", {"names": ("x", "y", "z"), "header": False}, SourceError, r"has 2 columns.*has 3"),
        ("\n\na,b\n1,2\n\n3,4\n5,6,7\n", {}, SourceError, r"line 7 has more cells \(3\) than the header \(2\)"),
        ("x\n# y\na,b\nu,v\n# z\n1,2,,\n3,4,5\n", {"skip_rows": 1, "comment": "#", "unit_rows": 1}, SourceError, "line 7"),
        ('a,b\n"1\n1",2\n3,4,5\n', {}, SourceError, "line 4 has"),
        ("a b\n1 2\n1 2 3\n", {"separator": "blanks"}, SourceError, "line 3"),
        ("x\n", {"skip_rows": 5}, SourceError, "is empty"),
        ("\n\ufeff\n", {"separator": ";"}, SourceError, "is empty"),
        ("a,b\nu,v\n", {"unit_rows": 1}, SourceError, "no rows"),
        ("a,b\n1,2\n3\0\x009,4\n", {}, SourceError, "holds a NUL byte in line 3: the file is damaged there"),
        ("a,b\n1,2\n".encode("utf-16"), {}, SourceError, "set data.encoding to 'utf-16'"),
        (b"a,b\n1,\xb0\n", {}, SourceError, "0xb0.*set data.encoding, for example to 'cp1252'"),
        (b"a,b\n1,\xb0\n", {"encoding": "ascii"}, SourceError, "cannot be read as ascii"),
        (b"a\x00\n\x001\x00\n\x00\x00\xdc\n\x00", {"encoding": "utf-16-le"}, SourceError, "as utf-16-le, after line 1"),
        ("a,b\n 1,2\n", {"names": ("x", "x")}, ColumnError, "'x' occurs more than once"),
        ("a , a\n1,2\n", {"strip_names": True}, ColumnError, "'a' occurs more than once"),
    ],
)  # fmt: skip
def test_texts_that_do_not_fit_their_settings(
    tmp_path: Path, text: str | bytes, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_text(tmp_path, text, **settings)
    data = Data(source="csv", path=str(tmp_path / "t.csv"), **settings)
    if "no rows" not in message:
        with pytest.raises(error, match=message):
            list(csv.read_chunks(data, str(data.path), 1))


def test_a_run_of_nul_bytes_of_any_length(tmp_path: Path) -> None:
    text = b"a,b\n1,2.5\n" + b"\0" * 3_000_000 + b"3,4\n" + b"\0" * 2_000_000
    check(read_text(tmp_path, text), AB)
    with pytest.raises(SourceError, match=r"data\.limits\.text_mib"):
        read_text(tmp_path, text, limits=Limits(text_mib=4))
    check(read_text(tmp_path, b"a,b\n1," + b"\0" * 600_000 + b"\n3,4\n"), {"a": [1, 3], "b": [NAN, 4.0]})


def test_trailing_separators_behind_the_first_parts(tmp_path: Path) -> None:
    frame = read_text(tmp_path, "a,b\n" + "1,2\n" * 7 + "3,4,,,\n" + "5,6\n" * 3)
    assert frame.to_numpy().tolist() == [[1, 2]] * 7 + [[3, 4]] + [[5, 6]] * 3


def test_a_limit_holds_for_text_in_another_encoding(tmp_path: Path) -> None:
    text = ("a,b\n" + "x" * 3000 + ",1\n").encode("utf-16")
    with pytest.raises(SourceError, match=r"line of more than 2 KiB"):
        read_text(tmp_path, text, encoding="utf-16", limits=Limits(line_kib=2))


def test_numbers_are_exact_with_every_setting(tmp_path: Path) -> None:
    text = "a\n0.1234567890123456789\n-\n"
    frame = read_text(tmp_path, text, missing_values=("-",), thousands=",", strip_names=True)
    assert frame["a"][0] == 0.1234567890123456789
    assert np.isnan(frame["a"][1])
