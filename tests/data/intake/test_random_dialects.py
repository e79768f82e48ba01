"""Tables with known roles, written in any dialect, are read back: roles, and values as production reads."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.data.intake import read_table
from tests.data.intake.kinds import draw, flags, list_hours, pick, read_by_settings

ROWS = 120
TIMES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%Y%m%d%H%M%S",
         "%d-%b-%Y %H:%M", "%s")  # fmt: skip
TRUTHS = {
    ("label", "1", "0"): None, ("Normal/Attack", "Attack", "Normal"): 1, ("failure", "yes", "no"): 1,
    ("anomaly", "True", "False"): None, ("fault", "1.0", "0.0"): None,
}  # fmt: skip


@dataclass(frozen=True)
class Dialect:
    separator: str
    decimal: str
    thousands: str
    quotes_all: bool
    encoding: str
    end: str
    preamble: int
    units: bool
    missing: str
    time: str
    truth: tuple[str, str, str]
    digits: int
    mean: float

    def spell(self, value: float | None) -> str:
        if value is None:
            return self.missing
        text = f"{value:,.{self.digits}f}" if self.thousands else f"{value:.{self.digits}f}"
        return text.translate(str.maketrans({",": self.thousands, ".": self.decimal}))

    def join(self, cells: list[str]) -> str:
        marks = (self.separator, '"')
        return self.separator.join(
            f'"{cell}"' if self.quotes_all or any(mark in cell for mark in marks) else cell for cell in cells
        )


@st.composite
def dialects(sample: st.DrawFn) -> Dialect:
    separator = sample(st.sampled_from([",", ";", "\t", "|"]))
    decimal = sample(st.sampled_from([".", ","]))
    thousands = sample(st.sampled_from(["", "." if decimal == "," else ",", " "]))
    return Dialect(
        separator=separator,
        decimal=decimal,
        thousands=thousands,
        quotes_all=sample(st.booleans()),
        encoding=sample(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        end=sample(st.sampled_from(["\n", "\r\n"])),
        preamble=sample(st.integers(0, 3)),
        units=sample(st.booleans()),
        missing=sample(st.sampled_from(["", "NA", "-", "?", "n/a", "null"])),
        time=sample(st.sampled_from(TIMES)),
        truth=sample(st.sampled_from([truth for truth in TRUTHS if decimal == "." or "." not in truth[1]])),
        digits=sample(st.integers(1, 4)),
        mean=sample(st.sampled_from([0.0, 20.0, 1500.0, 2.5e6])),
    )


def build_columns(dialect: Dialect) -> dict[str, list[float | None]]:
    numbers: dict[str, list[float | None]] = {}
    for place, name in enumerate(("Temperatur", "Größe")):
        values = draw(place, ROWS, dialect.mean, 10 + dialect.mean / 10, dialect.digits)
        numbers[name] = [None if row % 29 == 7 + place else value for row, value in enumerate(values)]
    return numbers


def write_table(dialect: Dialect, numbers: dict[str, list[float | None]]) -> str:
    name, one, zero = dialect.truth
    times = list_hours(ROWS)
    spelled = (
        [str(int(moment.timestamp())) for moment in times]
        if dialect.time == "%s"
        else list(times.strftime(dialect.time))
    )
    truths = [one if flag else zero for flag in flags(3, 0.08, ROWS)]
    modes = pick(4, ["auto", "manual", "off"], rows=ROWS)
    lines = [f"Facts of the file {number}" for number in range(dialect.preamble)]
    lines.append(dialect.join(["Timestamp", *numbers, "Mode", name]))
    if dialect.units:
        lines.append(dialect.join(["", "°C", "mm", "", ""]))
    cells = zip(
        spelled, *([*map(dialect.spell, values)] for values in numbers.values()), modes, truths, strict=True
    )
    lines += [dialect.join(list(row)) for row in cells]
    return dialect.end.join(lines) + dialect.end


def check_dialect(dialect: Dialect) -> None:
    numbers = build_columns(dialect)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "table.csv"
        place.write_bytes(write_table(dialect, numbers).encode(dialect.encoding))
        reading = read_table(place)
        tried, frame, _ = read_by_settings(reading)
    roles = {column.name: column.role for column in reading.columns}
    right = {"Timestamp": "time", "Temperatur": "number", "Größe": "number", "Mode": "category"}
    assert roles == {**right, dialect.truth[0]: "label"}, dialect
    assert tried.problems == ()
    assert reading.time is not None
    assert reading.time.first.startswith("2023-03-01T00:00:00"), reading.time
    assert reading.time.last.startswith("2023-03-05T23:00:00"), reading.time
    assert len(frame) == ROWS
    assert frame["Timestamp"].notna().all()
    for name, values in numbers.items():
        read = [None if math.isnan(value) else float(value) for value in frame[name]]
        assert read == pytest.approx([None if value is None else value for value in values]), name
    meanings = reading.data.get("label_values")
    if TRUTHS[dialect.truth]:
        assert meanings == {dialect.truth[1]: 1, dialect.truth[2]: 0}
    else:
        assert not meanings


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(dialects())
def test_a_table_in_any_dialect_is_read_back(dialect: Dialect) -> None:
    check_dialect(dialect)
