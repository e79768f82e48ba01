"""Cells to values: marks of numbers, units, missing marks, and codes far from all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.intake.kinds import ROWS, Kind, Kinds, check_kind, draw, list_hours, pick, write_rows

kinds = Kinds()
T = list_hours()
LARGE = draw(2, mean=37000, spread=2000)


@kinds("tnnn", settings={"numbers": ["load", "price"], "magnitudes": ["vol"]})
def percent_currency_and_magnitudes() -> str:
    loads, prices = [f"{value:.1f}%" for value in draw(1)], [f'"${value:,.2f}"' for value in LARGE]
    volumes = [f"{value:.2f}{'K' if row % 3 else 'M'}" for row, value in enumerate(draw(3))]
    return write_rows("time,load,price,vol", T, loads, prices, volumes)


@kinds("tnn", settings={"decimal": ",", "thousands": " "}, values={"Puissance": [round(LARGE[0])]})
def french_numbers() -> str:
    powers = [f"{round(value):,}".replace(",", " ") for value in LARGE]
    prices = [f"{value:.2f}".replace(".", ",") for value in draw(1)]
    return write_rows("Horodatage;Puissance;Prix", T.strftime("%d/%m/%Y %H:%M"), powers, prices, mark=";")


@kinds("tnn", settings={"decimal": ",", "thousands": "."}, values={"a": LARGE[:3]})
def german_numbers() -> str:
    spelled = [
        [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in column] for column in (LARGE, draw(1))
    ]
    return write_rows("time;a;b", T, *spelled, mark=";")


@kinds("tnn", settings={"thousands": "'"}, values={"a": LARGE[:3]})
def swiss_numbers() -> str:
    return write_rows(
        "time;a;b", T, [f"{value:,.2f}".replace(",", "'") for value in LARGE], draw(1), mark=";"
    )


@kinds("tnn", settings={"missing_in": {"temp": ["-9999"], "pres": ["9999.9"]}})
def codes_for_missing() -> str:
    temps = [-9999 if row % 37 == 0 else value for row, value in enumerate(draw(1))]
    pressures = [9999.9 if row % 50 == 0 else value for row, value in enumerate(draw(2, mean=1000))]
    return write_rows("time,temp,pres", T, temps, pressures)


@pytest.mark.parametrize("mark", ["-", "?", "NA", "#DIV/0!", "Bad Input", "\\N", "--", "n.a.", "null"])
def test_marks_of_missing_values_leave_numbers(mark: str, tmp_path: Path) -> None:
    values = [mark if row % 20 == 3 else value for row, value in enumerate(draw(1))]
    table = write_rows("time,a", T, values)
    check_kind(Kind("mark", lambda: table, "tn", values={"a": draw(1)[:3]}), tmp_path)


@kinds("tcn")
def words_with_digits_are_names() -> str:
    return write_rows("time,band,a", T, pick(1, ["5G", "4G", "3G"]), draw(1))


@kinds("tn", rows=ROWS)
def negative_numbers_in_brackets() -> str:
    spelled = [f"({abs(value):.2f})" if value < 50 else f"{value:.2f}" for value in draw(1)]
    return write_rows("time,a", T, spelled)


@pytest.mark.parametrize("kind", kinds, ids=str)
def test_cells_are_read(kind: Kind, tmp_path: Path) -> None:
    check_kind(kind, tmp_path)
