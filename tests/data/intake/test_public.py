"""Heads as well-known programs and archives write them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.data.intake.kinds import ROWS, Kind, Kinds, check_kind, draw, list_hours, pick, write_rows

kinds = Kinds()
T = list_hours()
SPAN = {"first": "2023-03-01T00:00:00", "last": "2023-03-10T23:00:00"}


def gap(values: list[float], mark: str, every: int = 40) -> list[object]:
    return [value if row % every else mark for row, value in enumerate(values)]


def german(values: list[float]) -> list[str]:
    return [f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in values]


@kinds("ttnn", **SPAN)
def household_meter() -> str:
    days, clocks = T.strftime("%-d/%-m/%Y"), T.strftime("%H:%M:%S")
    return write_rows("Date;Time;power;Voltage", days, clocks, gap(draw(1), "?"), gap(draw(2), ""), mark=";")


@kinds("ittttncn", **SPAN)
def air_of_a_city() -> str:
    parts = T.year, T.month, T.day, T.hour
    winds = pick(1, ["NW", "SE", "cv"])
    names, numbers = "No,year,month,day,hour,pm2.5,cbwd,Iws", range(1, ROWS + 1)
    return write_rows(names, numbers, *parts, gap(draw(1), "NA"), winds, draw(2))


@kinds("ittnk", **SPAN, settings={"skip_rows": 4})
def water_plant_with_a_preamble() -> str:
    head = "-\nreadings\n\n\n"
    days, clocks = T.strftime("%m/%d/%Y"), T.strftime("%I:%M:%S.000 %p")
    return head + write_rows("Row,Date,Time,AIT,LS", range(1, ROWS + 1), days, clocks, draw(1), [0] * ROWS)


@kinds("itknnk", **SPAN, settings={"separator": ";"})
def weather_service_with_end_of_record() -> str:
    temps = [f"{value:6.1f}" if row % 40 else "-999" for row, value in enumerate(draw(1))]
    stamps, ends = T.strftime("%Y%m%d%H"), ["eor"] * ROWS
    names = "STATIONS_ID;MESS_DATUM;QN_9;TT_TU;RF_TU;eor"
    station, quality = ["        433"] * ROWS, ["    3"] * ROWS
    return write_rows(names, station, stamps, quality, temps, draw(2), ends, mark=";")


@kinds("tinn", **SPAN, settings={"decimal": ",", "thousands": "."})
def energy_from_and_to() -> str:
    starts, ends = T.strftime("%d.%m.%Y %H:%M"), (T + T.freq).strftime("%d.%m.%Y %H:%M")
    values = [value if row % 9 else "-" for row, value in enumerate(german(draw(2, mean=9000, spread=2000)))]
    return write_rows("Datum von;Datum bis;Biomasse [MWh];Photovoltaik [MWh]", starts, ends,
                      german(draw(1, mean=4000, spread=900)), values, mark=";")  # fmt: skip


@kinds("tnn", **SPAN)
def load_of_a_span_of_time() -> str:
    spans = [f"{a:%d.%m.%Y %H:%M} - {b:%d.%m.%Y %H:%M}" for a, b in pairwise(list_hours(ROWS + 1))]
    return write_rows("MTU (CET/CEST),Forecast [MW],Actual [MW]", spans, draw(1), draw(2))


@kinds("--kiitnk", **SPAN, settings={"skip_rows": 3})
def annotations_of_a_time_series_database() -> str:
    head = "#group,false,false,true,true,false,false,true\n"
    head += "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string\n"
    head += "#default,_result,,,,,,\n"
    edges = [["2023-03-01T00:00:00Z"] * ROWS, ["2023-04-01T00:00:00Z"] * ROWS]
    head += ",result,table,_start,_stop,_time,_value,host\n"
    blank, stamps = [""] * ROWS, T.strftime("%Y-%m-%dT%H:%M:%SZ")
    return head + write_rows(None, blank, blank, [0] * ROWS, *edges, stamps, draw(1), ["h1"] * ROWS)


@kinds("itknn", **SPAN, settings={"skip_rows": 1})
def coins_with_epoch_and_date() -> str:
    head = "https://www.example.com\n"
    back = T[::-1]
    stamps = [int(moment.timestamp()) for moment in back]
    return head + write_rows(
        "unix,date,symbol,open,Volume USD", stamps, back, ["BTC/USD"] * ROWS, draw(1), draw(2)
    )


@kinds("ttnn-", **SPAN, encoding="latin-1", settings={"decimal": ",", "skip_rows": 3})
def weather_in_portuguese() -> str:
    head = "REGIAO:;CO\nESTACAO:;BRASÍLIA\nLATITUDE:;-15,78\n"
    rain, temps = ([str(value).replace(".", ",") for value in draw(place)] for place in (1, 2))
    return head + write_rows("Data;Hora UTC;PRECIPITAÇÃO TOTAL, HORÁRIO (mm);TEMPERATURA DO AR (°C);",
                             T.strftime("%Y/%m/%d"), T.strftime("%H00 UTC"), rain, [f"{t};" for t in temps],
                             mark=";")  # fmt: skip


@kinds("itnn", first="2023-03-01T00:00:00.123", last="2023-03-01T03:59:00.123")
def car_with_two_clocks() -> str:
    clocks = [f"{row // 60:02d}:{row % 60:02d}:00" for row in range(ROWS)]
    gps = [f"Wed Mar 01 {clock} GMT+00:00 2023" for clock in clocks]
    device = [f"01-Mar-2023 {clock}.123" for clock in clocks]
    return write_rows(
        "GPS Time, Device Time, Longitude,Speed (km/h)", gps, device, draw(1), gap(draw(2), "-", 10)
    )


@pytest.mark.parametrize("kind", kinds, ids=str)
def test_heads_are_read(kind: Kind, tmp_path: Path) -> None:
    check_kind(kind, tmp_path)
