"""How times are read: ISO 8601 and what stands near it, formats, numbers, and clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_series_equal
from pydantic import ValidationError

from pynomaly.config import Data
from pynomaly.data.shape.epoch import spell_epoch
from pynomaly.data.shape.moments import parse_iso_moments, parse_moments, place_moments
from pynomaly.errors import ColumnError, WindowError

BERLIN = "Europe/Berlin"


def time_data(**options) -> Data:
    return Data(source="csv", path="rows.csv", **{"time": "t", "timezone": "UTC"} | options)


def parse_cells(cells: list, **options) -> list[str | None]:
    column = cells if isinstance(cells, pd.Series) else pd.Series(cells, dtype=object, name="t")
    moments = parse_moments(column, time_data(**options))
    assert str(moments.dtype) == "datetime64[us, UTC]"
    assert moments.name == "t"
    return [None if pd.isna(moment) else moment.tz_localize(None).isoformat(sep=" ") for moment in moments]


@pytest.mark.parametrize(
    ("cell", "right"),
    [
        ("2026-01-05T10:00:00+02:00", "2026-01-05 08:00:00"),
        ("2026-01-05 10:00:00,123", "2026-01-05 10:00:00.123000"),
        ("2026-01-05 10:00:00,123+01:00", "2026-01-05 09:00:00.123000"),
        ("2026-01-05 10:00:00.123456789", "2026-01-05 10:00:00.123456"),
        ("2026-01-05 10:00 Z", "2026-01-05 10:00:00"),
        ("2026-01-05 10:00:00 UTC", "2026-01-05 10:00:00"),
        ("2026-01-05 10:00:00UTC", "2026-01-05 10:00:00"),
        ("2026-01-05 10:00 GMT", "2026-01-05 10:00:00"),
        ("2026-01-05 10:00 GMT+08:00", "2026-01-05 02:00:00"),
        ("2026-01-05 10:00 UTC-3", "2026-01-05 13:00:00"),
        ("2026-07-05 10:00 Europe/Berlin", "2026-07-05 08:00:00"),
        ("2026-01-05T10:00:00+01:00[Europe/Berlin]", "2026-01-05 09:00:00"),
        ("2026-07-05 10:00 CEST", "2026-07-05 08:00:00"),
        ("2026-01-05 10:00 CET", "2026-01-05 09:00:00"),
        ("2026-01-05 10:00 EST", None),
        ("2026-01-05 10:00 Europe/Nowhere", None),
        ("05/01/2026 10:00", None),
        ("10:00", None),
        ("", None),
    ],
)
def test_iso_times_and_what_people_write_near_them(cell, right):
    assert parse_cells([cell, "2026-01-05T00:00:00Z"])[0] == right


def test_a_zone_behind_the_time_needs_no_declared_one():
    assert parse_cells(["2026-01-05 10:00 UTC"], timezone=None) == ["2026-01-05 10:00:00"]
    with pytest.raises(WindowError, match=r"without an offset .*data\.timezone"):
        parse_cells(["2026-01-05 10:00"], timezone=None)


def test_numbers_are_no_times_of_their_own():
    with pytest.raises(WindowError, match=r"data\.epoch or data\.time_format"):
        parse_iso_moments(pd.Series([1, 2], name="t"), ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("time_format", "cell", "right"),
    [
        ("%d.%m.%Y %H:%M", "05.01.2026 10:30", "2026-01-05 10:30:00"),
        ("%d.%m.%Y %H:%M", "  5.1.2026    9:05 ", "2026-01-05 09:05:00"),
        ("%d.%m.%Y %H:%M", "05.13.2026 10:30", None),
        ("%d.%m.%Y %H:%M", "31.02.2026 10:30", None),
        ("%d.%m.%Y %H:%M", "05.01.2026 10:30 extra", None),
        ("%d.%m.%Y %H:%M *", "05.01.2026 00:00 - 01:00", "2026-01-05 00:00:00"),
        ("%d.%m.%Y %H:%M*", "05.01.2026 23:00-24:00", "2026-01-05 23:00:00"),
        ("%d.%m.%Y %H:%M - %H:%M", "05.01.2026 02:00 - 03:00", "2026-01-05 02:00:00"),
        ("%d.%m.%Y %H:%M", "05.01.2026 24:00", "2026-01-06 00:00:00"),
        ("%d.%m.%Y %H:%M", "31.12.2026 24:00", "2027-01-01 00:00:00"),
        ("%d.%m.%Y %H:%M", "05.01.2026 24:01", None),
        ("%Y %m %d %H", "2026 1 5 24", "2026-01-06 00:00:00"),
        ("%Y-%m-%d %H%M", "2026-01-05 0", "2026-01-05 00:00:00"),
        ("%Y-%m-%d %H%M", "2026-01-05 30", "2026-01-05 00:30:00"),
        ("%Y-%m-%d %H%M", "2026-01-05 130", "2026-01-05 01:30:00"),
        ("%Y-%m-%d %H%M", "2026-01-05 930", "2026-01-05 09:30:00"),
        ("%Y-%m-%d %H%M", "2026-01-05 2400", "2026-01-06 00:00:00"),
        ("%Y-%m-%d %H%M", "2026-01-05 1260", None),
        ("%Y-%m-%d %H%M%S", "2026-01-05 930", "2026-01-05 00:09:30"),
        ("%Y%m%d%H%M%S", "20260105103000", "2026-01-05 10:30:00"),
        ("%Y%m%d%H%M", "202601051", None),
        ("%Y%m%d", "20260105", "2026-01-05 00:00:00"),
        ("%m/%d/%Y %I:%M:%S %p", "1/5/2026 1:02:03 pm", "2026-01-05 13:02:03"),
        ("%m/%d/%Y %I:%M %p", "01/05/2026 12:30 AM", "2026-01-05 00:30:00"),
        ("%m/%d/%Y %I:%M%p", "01/05/2026 12:30p.m.", "2026-01-05 12:30:00"),
        ("%m/%d/%Y %I:%M %p", "01/05/2026 13:30 PM", None),
        ("%d-%b-%Y", "5-JAN-2026", "2026-01-05 00:00:00"),
        ("%d-%b-%Y", "5-Sept-2026", "2026-09-05 00:00:00"),
        ("%B %d, %Y", "september 5, 2026", "2026-09-05 00:00:00"),
        ("%d-%b-%Y", "5-Foo-2026", None),
        ("%d/%m/%y", "05/01/26", "2026-01-05 00:00:00"),
        ("%d/%m/%y", "05/01/69", "1969-01-05 00:00:00"),
        ("%d/%m/%y", "05/01/51", "1951-01-05 00:00:00"),
        ("%d/%m/%y", "05/01/50", "2050-01-05 00:00:00"),
        ("%b-%y*", "Jan-60 (est.)", "1960-01-01 00:00:00"),
        ("%b-%y", "Jan-60", "1960-01-01 00:00:00"),
        ("%Y-%j", "2026-365", "2026-12-31 00:00:00"),
        ("%Y-%j", "2026-366", None),
        ("%Y-%j", "2024-366", "2024-12-31 00:00:00"),
        ("%Y", "2026", "2026-01-01 00:00:00"),
        ("%d/%m/%Y %H:%M:%S.%f", "05/01/2026 10:00:00.5", "2026-01-05 10:00:00.500000"),
        ("%d/%m/%Y %H:%M:%S.%f", "05/01/2026 10:00:00.123456789", "2026-01-05 10:00:00.123456"),
        ("%d/%m/%Y %H:%M:%S.%f", "05/01/2026 10:00:00", "2026-01-05 10:00:00"),
        ("%d/%m/%Y %H:%M:%S,%f", "05/01/2026 10:00:00,007", "2026-01-05 10:00:00.007000"),
        ("%d/%m/%Y %H:%M:%S", "05/01/2026 23:59:60", "2026-01-06 00:00:00"),
        ("%d/%m/%Y %H:%M:%S *", "05/01/2026 23:59:60", "2026-01-06 00:00:00"),
        ("%d/%m/%Y %H:%M:%S", "05/01/2026 23:59:62", None),
        ("%Y%m%d%H%M%S", "20261305103000", None),
        ("%Y%m%d%H%M%S", "20260105240000", "2026-01-06 00:00:00"),
        ("%d/%m/%Y %H:%M %z", "05/01/2026 10:00 +0200", "2026-01-05 08:00:00"),
        ("%d/%m/%Y %H:%M%z", "05/01/2026 10:00Z", "2026-01-05 10:00:00"),
        ("%d/%m/%Y %H:%M %Z", "05/07/2026 10:00 Europe/Berlin", "2026-07-05 08:00:00"),
        ("%d/%m/%Y %H:%M %Z", "05/07/2026 10:00 EST", None),
        ("%a %b %d %H:%M:%S %Z %Y", "Wed Feb 23 06:47:47 GMT+08:00 2022", "2022-02-22 22:47:47"),
        ("%a %b %d %H:%M:%S GMT%z %Y", "Wed Feb 23 06:47:47 GMT+08:00 2022", "2022-02-22 22:47:47"),
        ("%d.%m.%Y um %H Uhr", "05.01.2026 um 7 Uhr", "2026-01-05 07:00:00"),
        ("%d/%b/%Y:%T %z", "05/Jan/2026:10:00:00 -0700", "2026-01-05 17:00:00"),
        ("100%% %Y", "100% 2026", "2026-01-01 00:00:00"),
    ],
)
def test_times_by_a_format(time_format, cell, right):
    known = pd.Series([cell, datetime(2026, 1, 5, 12)], dtype=object, name="t")
    assert parse_cells(known, time_format=time_format) == [right, "2026-01-05 12:00:00"]


def test_a_format_reads_typed_numbers_and_says_what_it_cannot_read():
    assert (
        parse_cells(pd.Series([20260105, 20260106], name="t"), time_format="%Y%m%d")[1]
        == "2026-01-06 00:00:00"
    )
    assert parse_cells(pd.Series([20260105.0, np.nan], name="t"), time_format="%Y%m%d")[1] is None
    typed = pd.Series(pd.to_datetime(["2026-01-05 10:00"]), name="t")
    assert parse_cells(typed, time_format="%d/%m/%Y") == ["2026-01-05 10:00:00"]
    with pytest.raises(WindowError, match=r"no cell .*'%d/%m/%Y' \(first: 'soon'\)"):
        parse_cells(["soon"], time_format="%d/%m/%Y")


@pytest.mark.parametrize(
    ("time_format", "reason"),
    [("%d.%m.%Q %Y", "'%Q' in"), ("%H:%M", "no year"), ("%Y-%", "'%' in"), ("%s", "'%s' in")],
)
def test_an_unusable_format_is_refused_by_the_settings(time_format, reason):
    with pytest.raises(ValidationError, match=reason):
        time_data(time_format=time_format)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2050, 12, 31)), min_size=1, max_size=5),
    st.sampled_from(
        [
            "%d/%m/%Y %H:%M:%S.%f",
            "%Y%m%d%H%M%S%f",
            "%y-%j %H%M%S.%f",
            "%b %d %Y %I:%M:%S.%f %p",
            "%Y-%m-%dT%T,%f",
        ]
    ),
)
def test_what_strftime_writes_is_read_back(moments, time_format):
    cells = [moment.strftime(time_format.replace("%T", "%H:%M:%S")) for moment in moments]
    assert parse_cells(cells, time_format=time_format) == [
        pd.Timestamp(moment).isoformat(sep=" ") for moment in moments
    ]


@pytest.mark.parametrize(
    ("unit", "cell", "right"),
    [
        ("s", "1767607200", "2026-01-05 10:00:00"),
        ("s", " 1767607200.123456 ", "2026-01-05 10:00:00.123456"),
        ("s", "1767607200.1234567", "2026-01-05 10:00:00.123457"),
        ("s", 1767607200.123456, "2026-01-05 10:00:00.123456"),
        ("s", "1.7676072e9", "2026-01-05 10:00:00"),
        ("s", "-1.5", "1969-12-31 23:59:58.500000"),
        ("ms", 1767607200123, "2026-01-05 10:00:00.123000"),
        ("ms", "1767607200123.5", "2026-01-05 10:00:00.123500"),
        ("us", "1767607200123456", "2026-01-05 10:00:00.123456"),
        ("ns", "1767607200123456789", "2026-01-05 10:00:00.123456"),
        ("ns", "-1", "1969-12-31 23:59:59.999999"),
        ("excel", "46027.4375", "2026-01-05 10:30:00"),
        ("excel", 46027.430555555555, "2026-01-05 10:20:00"),
        ("excel", "46027", "2026-01-05 00:00:00"),
        ("s", "soon", None),
        ("s", "", None),
        ("s", "1e300", None),
        ("ms", "99999999999999999999", None),
        ("s", None, None),
    ],
)
def test_numbers_as_times(unit, cell, right):
    assert parse_cells([cell, "1"], epoch=unit)[0] == right


def test_typed_numbers_as_times():
    assert parse_cells(pd.Series([1767607200, 1], name="t"), epoch="s")[0] == "2026-01-05 10:00:00"
    assert parse_cells(pd.Series([1767607200.5, np.nan], name="t"), epoch="s") == [
        "2026-01-05 10:00:00.500000",
        None,
    ]
    assert parse_cells(pd.Series([1767607200123456789], name="t"), epoch="ns") == [
        "2026-01-05 10:00:00.123456"
    ]
    assert parse_cells(pd.Series([2**62, 0], name="t"), epoch="s") == [None, "1970-01-01 00:00:00"]
    assert parse_cells(["1767607200"], epoch="s", timezone=None) == ["2026-01-05 10:00:00"]
    assert parse_cells(["46027.5"], epoch="excel", timezone=BERLIN) == ["2026-01-05 11:00:00"]
    with pytest.raises(WindowError, match=r"data\.epoch 's' \(first: 'soon'\)"):
        parse_cells(["soon"], epoch="s")
    with pytest.raises(WindowError, match=r"data\.timezone"):
        parse_cells(["46027.5"], epoch="excel", timezone=None)


@settings(max_examples=60, deadline=None)
@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.sampled_from(["s", "ms", "us", "ns"]))
def test_epochs_read_back_exactly(moment, unit):
    micros = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    size = {"s": 1_000_000, "ms": 1_000, "us": 1}.get(unit)
    digits = {"s": 6, "ms": 3}.get(unit, 0)
    sign = "-" if micros < 0 else ""
    text = (
        str(micros * 1000)
        if size is None
        else f"{sign}{abs(micros) // size}.{abs(micros) % size:0{digits or 1}d}"
    )
    column = pd.Series([text], dtype=object, name="t")
    assert parse_moments(column, time_data(epoch=unit)).tolist() == [pd.Timestamp(moment, tz="UTC")]
    if moment > datetime(1970, 1, 1) and moment < datetime(2100, 1, 1):
        number = spell_epoch(pd.Timestamp(moment, tz="UTC"), unit)
        assert parse_moments(pd.Series([number], name="t"), time_data(epoch=unit))[0] == pd.Timestamp(
            moment, tz="UTC"
        )


def test_columns_are_joined_to_one_time_in_the_place_of_the_first():
    frame = pd.DataFrame(
        {"v": [1, 2, 3], "Date": ["05.01.2026", "06.01.2026", None], "w": 0, "Time": ["10:00", "", "1:00"]}
    )
    data = time_data(time=["Date", "Time"], time_format="%d.%m.%Y %H:%M")
    placed = place_moments(frame, data)
    assert list(placed) == ["v", "Date Time", "w"]
    assert placed["Date Time"][0] == pd.Timestamp("2026-01-05T10:00Z")
    assert placed["Date Time"].isna().tolist() == [False, True, True]
    assert place_moments(placed, data).equals(placed)
    assert list(frame) == ["v", "Date", "w", "Time"]
    with pytest.raises(ColumnError, match="missing column 'Time'"):
        place_moments(frame.drop(columns="Time"), data)


@pytest.mark.parametrize(
    "columns",
    [
        {"d": [datetime(2004, 3, 10)], "h": [time(18)]},
        {"d": [date(2004, 3, 10)], "h": [timedelta(hours=18)]},
        {"d": [pd.Timestamp("2004-03-10")], "h": [datetime(1899, 12, 30, 18)]},
        {"d": pd.to_datetime(["2004-03-10"]), "h": ["18:00:00"]},
        {"d": ["2004-03-10"], "h": pd.to_timedelta(["18:00:00"])},
    ],
)
@pytest.mark.parametrize("time_format", [None, "%d/%m/%Y %H:%M:%S"])
def test_typed_cells_are_joined_as_they_are_meant(columns, time_format):
    frame = pd.DataFrame({name: pd.Series(cells) for name, cells in columns.items()})
    typed = not isinstance(columns["d"][0], str)
    if time_format and not typed:
        frame["d"] = "10/03/2004"
    placed = place_moments(frame, time_data(time=["d", "h"], time_format=time_format))
    assert placed["d h"].tolist() == [pd.Timestamp("2004-03-10T18:00Z")]


def test_numbers_of_year_month_day_and_hour_are_joined():
    frame = pd.DataFrame({"y": [2026, 2026], "m": [1, 12], "d": [5.0, 31.0], "h": ["3.0", "24"], "v": 0})
    placed = place_moments(frame, time_data(time=["y", "m", "d", "h"], time_format="%Y %m %d %H"))
    assert placed.columns.tolist() == ["y m d h", "v"]
    assert placed["y m d h"].tolist() == [
        pd.Timestamp("2026-01-05T03:00Z"),
        pd.Timestamp("2027-01-01T00:00Z"),
    ]


def localize(cells: list[str], entity: list[str] | None = None) -> list[str]:
    who = None if entity is None else pd.Series(entity)
    moments = parse_moments(pd.Series(cells, dtype=object, name="t"), time_data(timezone=BERLIN), who)
    return ["-" if pd.isna(moment) else f"{moment:%H:%M}" for moment in moments]


def autumn(*clock: str) -> list[str]:
    return [f"2026-10-25 {cell}" for cell in clock]


def test_a_repeated_hour_is_told_by_the_order_of_its_rows():
    assert localize(autumn("01:00", "02:00", "02:00", "03:00")) == ["23:00", "00:00", "01:00", "02:00"]
    halves = autumn("01:30", "02:00", "02:30", "02:00", "02:30", "03:00")
    assert localize(halves) == ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"]
    assert localize(halves[::-1]) == ["02:00", "01:30", "01:00", "00:30", "00:00", "23:30"]


def test_each_entity_has_its_own_order():
    cells = autumn("02:00", "02:00", "02:30", "03:00", "02:00", "04:00", "02:30", "05:00")
    expected = ["00:00", "01:00", "00:30", "02:00", "01:00", "03:00", "01:30", "04:00"]
    assert localize(cells, list("abababab")) == expected


def test_a_single_pass_is_the_one_that_fits_the_rows_around_it():
    assert localize(autumn("02:00", "03:00", "04:00", "05:00"))[0] == "01:00"
    assert localize(["2026-10-24 23:00", "2026-10-25 00:00", *autumn("01:00", "02:00")])[-1] == "00:00"
    assert localize(autumn("02:30"))[0] == "00:30"  # nothing decides: the first pass
    assert localize(autumn("01:30", "02:30", "03:30"))[1] == "00:30"  # both fit alike


def test_rows_without_order_repeat_in_pairs():
    cells = autumn("04:00", "02:00", "01:00", "03:00", "02:00", "00:00", "05:00")
    assert localize(cells) == ["03:00", "00:00", "23:00", "02:00", "01:00", "22:00", "04:00"]


def test_times_that_repeat_anyway_do_not_end_the_first_pass():
    cells = [cell for cell in autumn("01:00", "01:30", "02:00", "02:30", "03:00") for _ in range(2)]
    assert localize(cells)[4:8] == ["00:00", "00:00", "00:30", "00:30"]


def test_a_skipped_hour_stays_unreadable():
    assert localize(["2026-03-29 01:59", "2026-03-29 02:30", "2026-03-29 03:00"]) == ["00:59", "-", "01:00"]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Europe/London"]),
    st.sampled_from([5, 10, 15, 30, 60]),
    st.booleans(),
    st.integers(1, 3),
)
def test_local_times_of_any_step_read_back_to_utc(zone, minutes, newest_first, entities):
    changes = {
        "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),
        "America/New_York": datetime(2026, 11, 1, 6, tzinfo=UTC),
    }
    change = changes.get(zone, datetime(2026, 10, 25, 1, tzinfo=UTC))
    moments = pd.date_range(
        change - timedelta(hours=6), change + timedelta(hours=6), freq=f"{minutes}min"
    ).repeat(entities)
    who = pd.Series(list(range(entities)) * (len(moments) // entities))
    cells = pd.Series(moments.tz_convert(zone).strftime("%Y-%m-%d %H:%M"), dtype=object, name="t")
    if newest_first:
        cells, who, moments = (
            cells[::-1].reset_index(drop=True),
            who[::-1].reset_index(drop=True),
            moments[::-1],
        )
    read = parse_moments(cells, time_data(timezone=zone), who)
    assert read.tolist() == list(moments)


@pytest.mark.parametrize(
    "cells",
    [
        ["2026-01-05T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-05T01:30:00.25+02:00"],
        [" 2026-01-05T00:00:00Z", "2026-01-05T00:00:00Z ", None],
        ["2026-01-05T00:00:00Z", "2026-01-05T00:00:00 Europe/Berlin", "2026-01-05T00:00:00Z"],
        ["2026-01-05T00:00:00,5Z", "2026-01-05T00:00:00Z", "2026-02-30T00:00:00Z"],
        ["2026-01-05 00:00:00", "2026-01-05T00:00:00Z", "2026-01-05 00:00:00"],
    ],
)
def test_text_that_repeats_is_read_as_cells_of_any_type_are(cells: list[str | None]) -> None:
    column = pd.Series(cells, dtype="str", name="t", index=[5, 3, 4])
    read = parse_moments(column, time_data())
    assert_series_equal(read, parse_moments(column.astype(object), time_data()))
    assert read.notna().sum() >= 2
