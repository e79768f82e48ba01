"""Whose row it is: the column that tells rows of one moment apart, and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pynomaly.data.intake import read_table
from tests.data.intake.kinds import (
    ROWS,
    Kind,
    Kinds,
    check_kind,
    draw,
    flags,
    list_hours,
    pick,
    write_kind,
    write_rows,
)

kinds = Kinds()
QUARTER = [moment for moment in list_hours(ROWS // 4) for _ in range(4)]
FOURTH = ROWS // 4


@kinds("tennn")
def machines_by_number() -> str:
    return write_rows(
        "datetime,machineID,volt,rotate,pressure", QUARTER, [1, 2, 3, 4] * FOURTH, draw(1), draw(2), draw(3)
    )


@kinds("tnle")
def services_behind_each_other() -> str:
    times = [1476460800 + 60 * row for row in range(ROWS // 2)] * 2
    names = ["02e99bd4f6cfb33f"] * (ROWS // 2) + ["9bd90500bfd11edb"] * (ROWS // 2)
    return write_rows("timestamp,value,label,KPI ID", times, draw(1), flags(1), names)


@kinds("tekn")
def instances_of_a_job() -> str:
    stamps = [f"{1677628800 + row // 4 * 15}.123" for row in range(ROWS)]
    return write_rows(
        "timestamp,instance,job,value", stamps, ["a:9", "b:9", "c:9", "d:9"] * FOURTH, ["x"] * ROWS, draw(1)
    )


@kinds("tn")
def no_entity_where_no_time_repeats() -> str:
    return write_rows("time,a", list_hours(), draw(1))


@kinds("tcnc")
def events_of_a_moment_are_no_entities() -> str:
    return write_rows(
        "time,event,a,level", list_hours(), pick(1, ["start", "stop"]), draw(1), pick(2, ["low", "high"])
    )


@kinds("ten")
def a_long_table() -> str:
    return write_rows("time,sensor,value", QUARTER, ["temp", "press", "flow", "hum"] * FOURTH, draw(1))


@pytest.mark.parametrize("kind", kinds, ids=str)
def test_entities_are_told(kind: Kind, tmp_path: Path) -> None:
    check_kind(kind, tmp_path)


def test_a_long_table_is_offered_as_wide(tmp_path: Path) -> None:
    kind = next(kind for kind in kinds if kind.name == "a_long_table")
    notes = " ".join(read_table(write_kind(kind, tmp_path)).notes)
    assert "data.long: {name: sensor, value: value}" in notes
