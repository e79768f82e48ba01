"""Times as people write them: the column, its format, and the first and last moment."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.data.intake.kinds import ROWS, Kind, Kinds, check_kind, draw, list_hours, pick, write_rows

kinds = Kinds()
SPAN = {"first": "2023-03-01T00:00:00", "last": "2023-03-10T23:00:00"}
HALVES = {"first": "2023-01-05T00:00:00", "last": "2023-01-09T23:30:00"}
DAYS = pd.date_range("2022-01-01", periods=10, freq="D")


def spell(style: str, header: str = "when,a", mark: str = ",") -> str:
    return write_rows(header, list_hours().strftime(style), draw(1), mark=mark)


def seconds() -> list[int]:
    return [int(moment.timestamp()) for moment in list_hours()]


@kinds("tn", **SPAN, settings={"time_format": "%m/%d/%Y %I:%M:%S %p", "timezone": "UTC"})
def half_days_with_month_first() -> str:
    return spell("%m/%d/%Y %I:%M:%S %p")


@kinds("tn", **SPAN, settings={"time_format": "%d/%b/%Y:%H:%M:%S %z"})
def web_server_log() -> str:
    return spell("%d/%b/%Y:%H:%M:%S +0000")


@kinds("tn", first="2023-02-28T23:00:00", last="2023-03-10T22:00:00", settings={"time_format": None})
def iso_with_offset() -> str:
    return write_rows("time,a", [m.isoformat() for m in list_hours().tz_localize("Europe/Berlin")], draw(1))


@kinds("tn", **SPAN, settings={"time_format": "%Y%m%d%H%M%S"})
def fourteen_digits() -> str:
    return spell("%Y%m%d%H%M%S", "ts,a")


@kinds("ttn", **SPAN)
def eight_digits_and_hours_as_numbers() -> str:
    times = list_hours()
    return write_rows("DATE,TIME,a", times.strftime("%Y%m%d"), times.strftime("%H%M").astype(int), draw(1))


@kinds("ttnn", **SPAN, file="table.txt", settings={"separator": "blanks"})
def columns_of_blanks_with_date_and_time() -> str:
    rows = zip(list_hours(), draw(1), draw(2), strict=True)
    return "date       time     temp  hum\n" + "".join(
        f"{t:%Y-%m-%d} {t:%H:%M:%S}   {a:7.2f} {b:8.1f}\n" for t, a, b in rows
    )


@kinds("tn", **SPAN, settings={"epoch": "excel"})
def days_of_a_spreadsheet() -> str:
    return write_rows("Date,a", [f"{44986 + row / 24:.8f}" for row in range(ROWS)], draw(1))


@kinds(
    "tn", first="2023-01-05T00:00:00", last="2023-01-09T23:30:00", settings={"time_format": "%d/%m/%Y %H:%M"}
)
def day_first_told_by_the_order() -> str:
    return write_rows(
        "when,a", list_hours(start="2023-01-05", step="30min").strftime("%d/%m/%Y %H:%M"), draw(1)
    )


@kinds(
    "tn", first="2023-01-05T00:00:00", last="2023-01-09T23:30:00", settings={"time_format": "%m/%d/%Y %H:%M"}
)
def month_first_told_by_the_order() -> str:
    return write_rows(
        "when,a", list_hours(start="2023-01-05", step="30min").strftime("%m/%d/%Y %H:%M"), draw(1)
    )


@kinds("tn", **SPAN, settings={"epoch": "s"})
def epoch_with_a_fraction_under_any_name() -> str:
    return write_rows("x0,a", [f"{moment}.000" for moment in seconds()], draw(1))


@kinds("tn", **SPAN, settings={"epoch": "ms"})
def epoch_in_milliseconds() -> str:
    return write_rows("time,a", [moment * 1000 for moment in seconds()], draw(1))


@kinds("tn", **SPAN, settings={"epoch": "us"})
def epoch_in_microseconds() -> str:
    return write_rows("time,a", [moment * 10**6 for moment in seconds()], draw(1))


@kinds("tn", **SPAN, settings={"epoch": "ns"})
def epoch_in_nanoseconds() -> str:
    return write_rows("time,a", [moment * 10**9 for moment in seconds()], draw(1))


@kinds("tn", first="1960-01-01", last="1972-06-01", rows=150)
def month_and_two_digits_of_the_year() -> str:
    return write_rows("Month,Sales", list_hours(150, "1960-01-01", "MS").strftime("%b-%y"), draw(1))


@kinds("ttn", first="2022-01-01T01:00:00", last="2022-01-11T00:00:00")
def hours_from_1_to_24() -> str:
    rows = [(day.strftime("%d-%m-%Y"), hour) for day in DAYS for hour in range(1, 25)]
    return write_rows("Date,Hour,Load", *zip(*rows, strict=True), draw(1))


@kinds("tttn", first="2021-01-01T00:00:00", last="2021-01-10T23:00:00")
def year_day_of_year_and_hour() -> str:
    rows = [(2021, day, hour) for day in range(1, 11) for hour in range(24)]
    return write_rows("YEAR,DOY,HR,T2M", *zip(*rows, strict=True), draw(1))


@kinds("ttttnn", **SPAN, settings={"skip_rows": 5, "missing_in": {"RH2M": ["-999"]}})
def parts_of_a_date_below_a_preamble() -> str:
    times = list_hours()
    humid = [value if row % 40 else -999 for row, value in enumerate(draw(2))]
    head = (
        "-BEGIN HEADER-\nNASA/POWER x\nDates: 01/01/2021\nThe value for missing data is -999 \n-END HEADER-\n"
    )
    return head + write_rows(
        "YEAR,MO,DY,HR,T2M,RH2M", times.year, times.month, times.day, times.hour, draw(1), humid
    )


@kinds("tn", **SPAN)
def zone_as_a_word() -> str:
    return spell("%Y-%m-%d %H:%M:%S UTC")


@kinds("tn", first="2023-03-01T00:00:00.123", last="2023-03-10T23:00:00.123", settings={"separator": ";"})
def milliseconds_after_a_comma() -> str:
    return spell("%Y-%m-%d %H:%M:%S,123", "time;a", ";")


@kinds("tn", **SPAN)
def weekday_and_zone_as_in_mail() -> str:
    return write_rows("Date,a", list_hours().strftime('"%a, %d %b %Y %H:%M:%S GMT"'), draw(1))


@kinds("ttn", first="2022-01-01T00:15:00", last="2022-01-03T12:00:00", settings={"decimal": ","})
def quarters_of_an_hour_up_to_24() -> str:
    quarters = [(day, quarter) for day in DAYS for quarter in range(1, 97)][:ROWS]
    days = [f"{day:%d.%m.%Y}" for day, _ in quarters]
    clocks = [f"{quarter // 4:02d}:{quarter % 4 * 15:02d}" for _, quarter in quarters]
    return write_rows("Datum;Uhrzeit;kW", days, clocks, [str(v).replace(".", ",") for v in draw(1)], mark=";")


@kinds("tnn", **SPAN)
def an_index_without_a_name() -> str:
    return write_rows(",a,b", list_hours(), draw(1), draw(2))


@kinds("nn")
def seconds_since_the_start_are_no_time() -> str:
    return write_rows("V,I", draw(1), draw(2))


@kinds("tnn", **SPAN, file="table.json")
def objects_in_an_array_of_json() -> str:
    rows = zip(list_hours(), draw(1), draw(2), strict=True)
    return json.dumps([{"ts": str(t), "v": {"a": a, "b": b}} for t, a, b in rows])


@kinds("tn", **SPAN)
def rows_in_any_order() -> str:
    rows = list(zip(list_hours(), draw(1), strict=True))
    return write_rows("time,a", *zip(*(rows[1::2] + rows[::2]), strict=True))


@kinds("tn", first="1780-01-01", last="2019-01-01", settings={"time_format": "%Y"})
def a_row_for_each_year() -> str:
    return write_rows("Year,Sunspots", range(1780, 1780 + ROWS), draw(1))


@kinds("etn", first="2000-01-01", last="2059-01-01")
def years_of_countries() -> str:
    return write_rows(
        "country,year,gdp", [f"C{row // 60}" for row in range(ROWS)], [*range(2000, 2060)] * 4, draw(1)
    )


@kinds("nin")
def years_of_things_are_no_time() -> str:
    return write_rows("price,year,miles", draw(1), pick(2, range(1998, 2021)), draw(3))


@kinds("ttin", **SPAN)
def two_dates_with_two_times_of_day() -> str:
    times, local = list_hours(), list_hours(start="2023-03-01T06:00")
    names = "Date Local,Time Local,Time GMT,Sample"
    return write_rows(
        names, times.strftime("%Y-%m-%d"), times.strftime("%H:%M"), local.strftime("%H:%M"), draw(1)
    )


@pytest.mark.parametrize("kind", kinds, ids=str)
def test_times_are_read(kind: Kind, tmp_path: Path) -> None:
    check_kind(kind, tmp_path)
