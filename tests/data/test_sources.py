from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pynomaly.config import SOURCE_KINDS, Data, Limits
from pynomaly.data import fleet
from pynomaly.data.sources import SOURCES, SourceKind, bounded, read_source, read_span
from pynomaly.data.sources.sample import bound_row_count
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, DataError, SourceError, WindowError

DAY = Window(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))


def csv_data(tmp_path, text: str | bytes, **settings) -> Data:
    file = tmp_path / "rows.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Data(source="csv", path=str(file), **settings)


def test_registry_matches_the_settings():
    assert set(SOURCES) == set(SOURCE_KINDS)


def test_a_kind_of_source_is_one_reader_and_what_it_needs(monkeypatch, tmp_path):
    def read_lines(data: Data, path: str, columns: list[str] | None, window: Window | None) -> pd.DataFrame:
        moments, values = zip(*(line.split() for line in Path(path).read_text().splitlines()), strict=True)
        frame = pd.DataFrame({"t": moments, "v": [float(value) for value in values]})
        return frame[columns] if columns else frame

    (tmp_path / "rows.lines").write_text("2026-01-06T00:00:00Z 2\n2026-01-05T00:00:00Z 1\n")
    with pytest.raises(ValidationError, match=", ".join(map(repr, sorted(SOURCE_KINDS)))):
        Data(source="lines", path="x")
    monkeypatch.setitem(SOURCE_KINDS, "lines", ("path",))
    monkeypatch.setitem(SOURCES, "lines", SourceKind(read_lines, endings=(".lines",)))
    with pytest.raises(ValidationError, match=r"source 'lines' needs data\.path"):
        Data(source="lines")
    data = Data(source="lines", path=str(tmp_path / "rows.lines"), time="t")
    assert read_source(data)["v"].tolist() == [1.0, 2.0]
    span = read_span(data)
    assert (span.start, span.end.date()) == (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6).date())
    assert read_source(data, Window(span.start, datetime(2026, 1, 6, tzinfo=UTC)))["v"].tolist() == [1.0]
    assert bound_row_count(data, None) is None  # never sampled while it is read
    other = Data(source="csv", path="rows.csv", time="t")
    assert read_source(other, path=str(tmp_path / "rows.lines"))["v"].tolist() == [1.0, 2.0]
    assert "lines" in Data.model_json_schema()["properties"]["source"]["enum"]


def test_rows_come_by_time_then_entity_and_in_utc(tmp_path):
    text = "t,m,v\n2026-01-05T02:00:00+01:00,b,1\n2026-01-05T01:00:00Z,a,2\n2026-01-05T00:00:00Z,z,3\n"
    frame = read_source(csv_data(tmp_path, text, time="t", id="m"))
    assert frame["v"].tolist() == [3, 2, 1]
    assert str(frame["t"].dtype) == "datetime64[us, UTC]"
    assert list(frame.index) == [0, 1, 2]


def test_naive_times_need_a_zone(tmp_path):
    text = "t,v\n2026-01-05 12:00:00,1\n"
    with pytest.raises(WindowError, match=r"data\.timezone"):
        read_source(csv_data(tmp_path, text, time="t"))
    frame = read_source(csv_data(tmp_path, text, time="t", timezone="Europe/Berlin"))
    assert frame["t"][0] == pd.Timestamp("2026-01-05T11:00Z")


def test_an_hour_that_a_clock_change_skips_is_unreadable_and_one_that_it_repeats_is_not(tmp_path):
    text = "t,v\n2026-03-29 02:30:00,1\n2026-10-25 02:30:00,2\n2026-03-29 04:00:00,3\n"
    frame = read_source(csv_data(tmp_path, text, time="t", timezone="Europe/Berlin"))
    assert frame["v"].tolist() == [3, 2, 1]
    assert frame["t"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("cells", "message"), [("5\n6", "ISO 8601"), ("soon\nlater", "no cell of time column")]
)
def test_unreadable_time_columns_are_refused(tmp_path, cells, message):
    rows = "".join(f"{cell},1\n" for cell in cells.split("\n"))
    with pytest.raises(WindowError, match=message):
        read_source(csv_data(tmp_path, "t,v\n" + rows, time="t", timezone="UTC"))


def test_a_window_holds_its_start_and_not_its_end(tmp_path):
    text = "t,v\n2026-01-04T23:59:59Z,0\n2026-01-05T00:00:00Z,1\n2026-01-06T00:00:00Z,2\n"
    data = csv_data(tmp_path, text, time="t")
    assert read_source(data, DAY)["v"].tolist() == [1]
    assert read_span(data) == Window(
        datetime(2026, 1, 4, 23, 59, 59, tzinfo=UTC), datetime(2026, 1, 6, 0, 0, 0, 1, tzinfo=UTC)
    )
    with pytest.raises(WindowError, match=r"no row lies in the window .*2026-01-04T23:59:59"):
        read_source(data, Window(DAY.end + timedelta(days=1), DAY.end + timedelta(days=2)))


def test_a_row_without_a_time_comes_once_with_the_row_before_it(tmp_path):
    text = "t,v\n2026-01-05T00:00:00Z,1\n?,2\n2026-01-06T00:00:00Z,3\nsoon,4\n"
    data = csv_data(tmp_path, text, time="t")
    assert read_source(data, DAY)["v"].tolist() == [1, 2]
    assert read_source(data, Window(DAY.end, DAY.end + DAY.length))["v"].tolist() == [3, 4]
    assert read_source(data)["t"].isna().tolist() == [False, False, True, True]


def test_labels_are_known_only_after_their_delay(tmp_path):
    text = "t,label\n2026-01-05T00:00:00Z,1\n2026-01-05T12:00:00Z,0\n"
    data = csv_data(tmp_path, text, time="t", label="label", label_delay="6h")
    known = read_source(data, as_of=datetime(2026, 1, 5, 6, tzinfo=UTC))["label"]
    np.testing.assert_array_equal(known, [1.0, np.nan])
    assert read_source(data)["label"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("cells", ["true,False,", "1,0,", "1.0,0.0,nan"])
def test_labels_read_as_zero_one_or_unknown(tmp_path, cells):
    text = "v,label\n" + "".join(f"1,{cell}\n" for cell in cells.split(","))
    np.testing.assert_array_equal(
        read_source(csv_data(tmp_path, text, label="label"))["label"], [1, 0, np.nan]
    )


@pytest.mark.parametrize("cell", ["normal", "2", "-1", "0.5"])
def test_other_labels_are_refused(tmp_path, cell):
    with pytest.raises(DataError, match="allowed: 1"):
        read_source(csv_data(tmp_path, f"v,label\n1,0\n1,{cell}\n", label="label"))


def test_a_file_to_score_may_lack_labels_but_not_times(tmp_path):
    data = csv_data(tmp_path, "t,v,label\n2026-01-05T00:00:00Z,1,0\n", time="t", label="label")
    other = tmp_path / "new.csv"
    other.write_text("t,v\n2026-01-05T00:00:00Z,1\n")
    assert list(read_source(data, path=str(other)).columns) == ["t", "v"]
    other.write_text("v,label\n1,0\n")
    with pytest.raises(ColumnError, match="missing column 't'"):
        read_source(data, path=str(other))


@pytest.mark.parametrize(
    ("text", "settings", "error", "message"),
    [
        ("", {}, SourceError, "is empty"),
        ("a,b\n", {}, SourceError, "no rows"),
        ("a;b\n1;2\n", {}, SourceError, "set data.separator to ';'"),
        ("a,a\n1,2\n", {}, ColumnError, "'a' occurs more than once"),
        ("a,b\n1,2,3\n", {}, SourceError, "cannot be read"),
        (b"a,b\n\xff\xfe,2\n", {}, SourceError, "cannot be read"),
        ("time,b\n2026-01-05T00:00:00Z,2\n", {"time": "tyme"}, ColumnError, "did you mean 'time'"),
        ("a,b\n1,2\n", {"label": "c"}, ColumnError, "missing column 'c'"),
        ("a,b\n1,2\n", {"id": "c"}, ColumnError, "missing column 'c'"),
    ],
)
def test_unusable_files_are_refused(tmp_path, text, settings, error, message):
    with pytest.raises(error, match=message):
        read_source(csv_data(tmp_path, text, **settings))


def test_a_missing_file_names_what_is_near(tmp_path):
    data = csv_data(tmp_path, "a\n1\n")
    with pytest.raises(SourceError, match=r"did you mean 'rows\.csv'"):
        read_source(data, path=str(tmp_path / "row.csv"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no file under .*empty ends in \.csv"):
        read_source(data, path=str(tmp_path / "empty"))
    with pytest.raises(WindowError, match=r"no data\.time"):
        read_source(data, DAY)


def test_numbers_are_exact_and_bad_cells_stay_text(tmp_path):
    frame = read_source(
        csv_data(tmp_path, "\ufeffa,b,c\n0.1234567890123456789,inf,007\n2,-1,oops\n", categorical=("c",))
    )
    assert frame["a"][0] == 0.1234567890123456789
    assert frame["b"][0] == np.inf
    assert frame["c"].tolist() == ["007", "oops"]


def test_decimal_commas(tmp_path):
    frame = read_source(csv_data(tmp_path, "a;b\n1,5;1,5\n2;oops\n", separator=";", decimal=","))
    assert frame["a"].tolist() == [1.5, 2.0]
    assert frame["b"].tolist() == ["1.5", "oops"]


def test_parquet_file_folder_and_partitions(tmp_path):
    first = pd.DataFrame({"t": pd.to_datetime(["2026-01-05T00:00Z"]), "v": [1], "w": ["x"]})
    second = pd.DataFrame({"t": pd.to_datetime(["2026-01-06T00:00Z"]), "v": [0.5]})
    for day, part in (("05", first), ("06", second)):
        folder = tmp_path / "table" / f"day={day}"
        folder.mkdir(parents=True)
        part.to_parquet(folder / "part.parquet")
    (tmp_path / "table" / "_SUCCESS").touch()
    data = Data(source="parquet", path=str(tmp_path / "table"), time="t")
    frame = read_source(data)
    assert frame["v"].tolist() == [1.0, 0.5]
    assert frame["w"].isna().tolist() == [False, True]
    assert frame["day"].astype(str).str.zfill(2).tolist() == ["05", "06"]
    assert read_source(data, DAY)["v"].tolist() == [1.0]
    assert read_span(data).length == timedelta(days=1, microseconds=1)
    one = data.model_copy(update={"path": str(tmp_path / "table" / "day=05" / "part.parquet")})
    assert len(read_source(one)) == 1


def test_a_named_parquet_index_is_a_column(tmp_path):
    frame = pd.DataFrame({"v": [1, 2]}, index=pd.DatetimeIndex(["2026-01-05", "2026-01-06"], name="t"))
    frame.to_parquet(tmp_path / "f.parquet")
    data = Data(source="parquet", path=str(tmp_path / "f.parquet"), time="t", timezone="UTC")
    assert set(read_source(data).columns) == {"t", "v"}


def test_unusable_parquet_is_refused(tmp_path):
    (tmp_path / "bad.parquet").write_text("not parquet")
    data = Data(source="parquet", path=str(tmp_path / "bad.parquet"))
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        read_source(data)
    pd.DataFrame({"a": pd.Series([], dtype=float)}).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(SourceError, match="no rows"):
        read_source(data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no \*\.parquet"):
        read_source(data, path=str(tmp_path / "empty"))


def test_bundled_tables():
    data = Data(source="bundled", dataset="fleet", time="timestamp", id="machine", label="anomaly")
    frame = read_source(data, DAY, as_of=DAY.end)
    pd.testing.assert_frame_equal(frame, fleet.generate_fleet(DAY))
    assert len(read_source(data, as_of=DAY.end)) == len(frame)
    assert read_span(data).start == fleet.START
    with pytest.raises(WindowError, match="no end"):
        read_source(data)
    with pytest.raises(WindowError, match="the fleet starts"):
        read_source(data, Window(DAY.start - DAY.length, DAY.start))
    table = Data(source="bundled", dataset="breast_cancer", label="anomaly")
    assert read_source(table).shape == (397, 31)
    assert read_source(table)["anomaly"].sum() == 40
    assert read_span(table) is None
    with pytest.raises(SourceError, match="did you mean 'fleet'"):
        read_source(Data(source="bundled", dataset="fleets"))


def test_a_file_to_score_is_read_by_what_its_name_says(tmp_path):
    data = Data(source="bundled", dataset="fleet", time="timestamp", id="machine", label="anomaly")
    rows = fleet.generate_fleet(DAY)
    rows.to_csv(tmp_path / "new.csv", index=False)
    rows.to_parquet(tmp_path / "new.parquet")
    for name in ("new.csv", "new.parquet"):
        assert read_source(data, DAY, path=str(tmp_path / name))["speed"].equals(rows["speed"])


POISON = b'a,b,c\n\r,"\r","\r"\nx,"a\n",x\n"a,b","a\n","\r"\n"a,b",x,.\r \n.\r ,"",\r\n"a\n",.\r ,x\n7,x,\n'
"""pandas' parser asks for all memory there is at some carriage returns alone."""


def test_a_carriage_return_alone_ends_a_line(tmp_path):
    (tmp_path / "mac.csv").write_bytes(b"a,b\r1,2\r3,4\r")
    assert read_source(Data(source="csv", path=str(tmp_path / "mac.csv"))).to_numpy().tolist() == [
        [1, 2],
        [3, 4],
    ]
    (tmp_path / "dos.csv").write_bytes(b"a,b\r\n1,2\r\n3,4\r\n")
    assert read_source(Data(source="csv", path=str(tmp_path / "dos.csv"))).to_numpy().tolist() == [
        [1, 2],
        [3, 4],
    ]
    (tmp_path / "poison.csv").write_bytes(POISON)
    assert read_source(Data(source="csv", path=str(tmp_path / "poison.csv")))["c"].dropna().iloc[0] == "\n"


@given(
    st.integers(1018, 1024).flatmap(
        lambda n: st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x"]), max_size=12).map(
            lambda parts: b"x" * 500 + b"\n" + b"x" * (n - 501) + b"".join(parts)
        )
    )
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_line_breaks_are_told_across_the_pieces_a_text_is_read_in(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with bounded.open_text(tmp_path / "t.csv", Limits(line_kib=1)) as stream:  # so many KiB a piece
        assert stream.read() == re.sub(rb"\r(?!\n)", b"\n", content)
