"""Texts as programs write them: encoding, separator, lines that are no rows, header, units, row names."""

from __future__ import annotations

import gzip
import io
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from tests.data.intake.kinds import ROWS, Kind, Kinds, check_kind, draw, list_hours, pick, write_rows

kinds = Kinds()
SPAN = {"first": "2023-03-01T00:00:00", "last": "2023-03-10T23:00:00"}


def comma(values: list[float]) -> list[str]:
    return [str(value).replace(".", ",") for value in values]


@kinds("tnn", **SPAN, encoding="cp1252", rows=ROWS + 1, quarantined=1,
       settings={"decimal": ",", "unit_rows": 1, "skip_rows": 3, "encoding": "cp1252"})  # fmt: skip
def logger_with_preamble_units_and_totals() -> str:
    head = "Messgerät: X;;\r\nStandort;München;\r\n\r\nZeit;Temp.;Druck\r\n;°C;bar\r\n"
    times = list_hours().strftime("%d.%m.%y %H:%M")
    return (
        head
        + write_rows(None, times, comma(draw(1)), comma(draw(2)), mark=";", end="\r\n")
        + "Mittelwert;50,1;9,0"
    )


@kinds("tnn", **SPAN, file="table.tsv", settings={"separator": "\t"})
def tabs_below_comments() -> str:
    return "# exported by X\n# y\n" + write_rows("time\ta\tb", list_hours(), draw(1), draw(2), mark="\t")


@kinds("itin", **SPAN, settings={"separator": "|"})
def line_breaks_inside_marks() -> str:
    notes = [f'"multi\nline {row}"' for row in range(ROWS)]
    return write_rows("id|time|note|v", range(ROWS), list_hours(), notes, draw(1), mark="|")


@kinds("tnnd", **SPAN)
def a_name_twice_in_the_header() -> str:
    return write_rows("time,a,a,b", list_hours(), draw(1), draw(2), draw(1))


@kinds("tn", **SPAN, file="table.csv.gz")
def gzip_of_a_text() -> bytes:
    return gzip.compress(write_rows("time,a", list_hours(), draw(1)).encode())


@kinds("tn", **SPAN, file="table.zip")
def zip_of_a_text() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inside.csv", write_rows("time,a", list_hours(), draw(1)))
    return buffer.getvalue()


@kinds("inn", settings={"separator": ","})
def header_one_cell_shorter_than_the_rows() -> str:
    return write_rows('"mpg","cyl"', [f'"Car {row}"' for row in range(ROWS)], draw(1), draw(2))


@kinds("itnn", **SPAN)
def numbered_rows_below_a_header_one_cell_shorter() -> str:
    return write_rows(
        '"time","a","b"', [f'"{row}"' for row in range(1, ROWS + 1)], list_hours(), draw(1), draw(2)
    )


@kinds("inn", settings={"separator": "blanks"})
def row_names_in_a_table_of_blanks() -> str:
    return write_rows("mpg cyl", [f"car{row}" for row in range(ROWS)], draw(1), draw(2), mark="  ")


@kinds("nnn", settings={"header": False})
def numbers_alone_without_a_header() -> str:
    return write_rows(None, draw(1), draw(2), draw(3))


@kinds("tnnn-", **SPAN, settings={"separator": ";"})
def a_separator_at_the_end_of_each_line() -> str:
    return write_rows(
        "time;a;b;c", list_hours(), draw(1), draw(2), [f"{v};" for v in draw(3)], mark=";"
    ).replace("time;a;b;c", "time;a;b;c;")


@kinds("tnnn", **SPAN, settings={"separator": ";"})
def a_separator_at_the_end_of_the_rows_alone() -> str:
    return write_rows("time;a;b;c", list_hours(), draw(1), draw(2), [f"{v};" for v in draw(3)], mark=";")


@kinds("tnn", **SPAN)
def everything_between_marks() -> str:
    quoted = [[f'"{cell}"' for cell in column] for column in (list_hours(), draw(1), draw(2))]
    return write_rows('"time","a","b"', *quoted)


@kinds("tnn", **SPAN, settings={"separator": ";", "quote": "'"})
def everything_between_apostrophes() -> str:
    quoted = [[f"'{cell}'" for cell in column] for column in (list_hours(), draw(1), draw(2))]
    return write_rows("'time';'a';'b'", *quoted, mark=";")


@kinds("tnn", **SPAN, encoding="cp1251")
def cyrillic_in_one_byte() -> str:
    return write_rows(
        "Дата и время;Температура;Давление", list_hours(), comma(draw(1)), comma(draw(2)), mark=";"
    )


@kinds("tnnc", **SPAN, encoding="cp1250")
def czech_in_one_byte() -> str:
    words = pick(3, ["běží", "stojí", "údržba"])
    return write_rows("Čas;Teplota;Tlak;Režim", list_hours(), comma(draw(1)), comma(draw(2)), words, mark=";")


@kinds("tnn", **SPAN, encoding="shift_jis")
def japanese_in_two_bytes() -> str:
    return write_rows("日時,温度,圧力", list_hours().strftime("%Y/%m/%d %H:%M"), draw(1), draw(2))


@kinds("tnn", **SPAN, encoding="utf-16")
def sixteen_bits() -> str:
    return write_rows("time\ttemp\thum", list_hours(), draw(1), draw(2), mark="\t")


@kinds("tnn", **SPAN, encoding="utf-8-sig", settings={"separator": ";"})
def sep_line_of_excel() -> str:
    return "sep=;\r\n" + write_rows(
        "time;a;b", list_hours(), comma(draw(1)), comma(draw(2)), mark=";", end="\r\n"
    )


@kinds("tnn", **SPAN, settings={"unit_rows": 2})
def two_lines_of_units_as_campbell_loggers() -> str:
    head = '"TOA5","Station","CR1000","1234"\n"TIMESTAMP","AirTC","RH"\n"TS","Deg C","%"\n"","Avg","Smp"\n'
    return head + write_rows(None, [f'"{moment}"' for moment in list_hours()], draw(1), draw(2))


@kinds("tnn", **SPAN)
def performance_monitor() -> str:
    head = '"(PDH-CSV 4.0) (W. Europe Standard Time)(-60)"'
    head += r',"\\HOST\Processor(_Total)\% Processor Time","\\HOST\Mem"' + "\n"
    times = list_hours().strftime('"%m/%d/%Y %H:%M:%S.000"')
    return head + write_rows(None, times, [f'"{v}"' for v in draw(1)], [f'"{v}"' for v in draw(2)])


@kinds("tnn", **SPAN, file="dump.txt", settings={"separator": "\t"})
def dump_with_backslash_n() -> str:
    values = [value if row % 30 else "\\N" for row, value in enumerate(draw(2))]
    return write_rows("created_at\ttemp\thum", list_hours(), draw(1), values, mark="\t")


@kinds("inn-", file="data.lvm", settings={"separator": "\t"})
def labview_measurement() -> str:
    head = "LabVIEW Measurement\t\nWriter_Version\t2\nSeparator\tTab\nDecimal_Separator\t.\n"
    head += "***End_of_Header***\t\n\t\nChannels\t2\t\t\nSamples\t240\t240\t\n"
    head += "Date\t2023/03/01\t2023/03/01\t\nX_Dimension\tTime\tTime\t\n"
    head += "Delta_X\t0.001000\t0.001000\t\n***End_of_Header***\t\t\t\n"
    steps = [f"{row * 0.001:.6f}" for row in range(ROWS)]
    return head + write_rows("X_Value\tUntitled\tUntitled 1\tComment", steps, draw(1), draw(2), mark="\t")


@kinds("tnn", **SPAN)
def blank_lines_between_rows() -> str:
    return write_rows("time,a,b", list_hours(), draw(1), draw(2), end="\n\n")


@kinds("tnnnn", **SPAN, settings={"names": ["time", "A Temp", "A Hum", "B Temp", "B Hum"]})
def titles_over_several_columns() -> str:
    head = ",A,,B,\n"
    return head + write_rows("time,Temp,Hum,Temp,Hum", list_hours(), *(draw(place) for place in range(4)))


@kinds("ttnn", **SPAN, settings={"names": ["date", "time", "wind speed", "air temp"]})
def names_of_several_words_between_blanks() -> str:
    times = list_hours()
    parts = [times.strftime("%Y-%m-%d"), times.strftime("%H:%M"), draw(1), draw(2)]
    return write_rows("date  time  wind speed  air temp", *parts, mark="   ")


@kinds("ktn", settings={"separator": ","})
def marks_of_other_separators_inside_cells() -> str:
    hours = list_hours(ROWS + 1)
    spans = [f'"{a:%d/%m/%Y %H:%M:%S} - {b:%d/%m/%Y %H:%M:%S}"' for a, b in pairwise(hours)]
    return write_rows('"Area","MTU (UTC)","Price (EUR/MWh)"', ["BZN|FR"] * ROWS, spans, draw(1))


@kinds("nncl", settings={"header": False, "names": ["temp", "hum", "wind", "class"]},
       meanings={"normal": 0, "anomaly": 1})  # fmt: skip
def names_in_attribute_lines() -> str:
    head = "@relation w\n\n@attribute temp numeric\n@attribute hum numeric\n"
    head += "@attribute wind {strong,weak}\n@attribute 'class' {normal,anomaly}\n\n@data\n"
    classes = pick(2, ["normal", "anomaly"], [0.9, 0.1])
    return head + write_rows(None, draw(1), draw(2), pick(1, ["strong", "weak"]), classes)


@kinds("tn", settings={"separator": "blanks", "header": False})
def blanks_inside_marks_where_blanks_separate() -> str:
    return write_rows(None, list_hours().strftime('"%d/%m/%Y %H:%M:%S"'), draw(1), mark=" ")


@kinds("tnnc", **SPAN, rows=ROWS + 1, quarantined=1)
def the_header_once_more_at_the_end() -> str:
    names = "time,a,b,mode"
    return write_rows(names, list_hours(), draw(1), draw(2), pick(1, ["on", "off"])) + names + "\n"


@pytest.mark.parametrize("kind", kinds, ids=str)
def test_texts_are_split(kind: Kind, tmp_path: Path) -> None:
    check_kind(kind, tmp_path)
