"""A workbook is opened by the guarded reader alone, and every file of a folder counts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pynomaly.config import Limits
from pynomaly.data.intake import read_table
from pynomaly.data.intake.text.workbook import sample_workbook
from pynomaly.errors import SourceError


def write_day(folder: Path, day: str, sheet: str = "data") -> Path:
    times = pd.date_range(day, periods=24, freq="h")
    table = pd.DataFrame({"time": times, "heat": range(24), "noise": [place % 7 / 2 for place in range(24)]})
    path = folder / f"{day}.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"note": ["made by hand"]}).to_excel(book, sheet_name="about", index=False)
        table.to_excel(book, sheet_name=sheet, index=False)
    return path


def test_a_folder_of_workbooks_is_read_to_its_last_file(tmp_path: Path) -> None:
    for day in ("2026-01-05", "2026-01-06", "2026-01-07"):
        write_day(tmp_path, day)
    reading = read_table(tmp_path)
    assert (reading.kind, reading.rows, reading.data["sheet"]) == ("excel", 72, "data")
    assert reading.time is not None
    assert (reading.time.first[:13], reading.time.last[:13]) == ("2026-01-05T00", "2026-01-07T23")


def test_a_sheet_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write_day(tmp_path, "2026-01-05")
    with pytest.raises(SourceError, match=r"no sheet 'dta'.*did you mean 'data'"):
        read_table(path, {"sheet": "dta"})


def test_limits_hold_for_what_is_looked_at(tmp_path: Path) -> None:
    path = write_day(tmp_path, "2026-01-05")
    with pytest.raises(SourceError, match=r"data\.limits\.cells"):
        sample_workbook([path], Limits().model_copy(update={"cells": 50}), {"sheet": "data"})
