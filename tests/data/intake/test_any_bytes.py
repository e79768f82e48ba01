"""Whatever a file holds: it is read, or refused with an error that says why."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pynomaly.data.intake import read_table
from pynomaly.errors import DataError
from tests.data.intake.kinds import draw, flags, list_hours, write_rows

PIECES = (
    *(
        b",",
        b";",
        b"\t",
        b'"',
        b"'",
        b"\n",
        b"\r\n",
        b"|",
        b" ",
        b"\xff",
        b"\x81",
        b"NaN",
        b"-",
        b"1e400",
        b"inf",
    ),
    *(b"#", b"sep=;", b"--", b"time", b"label", b"0-0", b"T0:00Z", b"25:61", b"99999999999999999999"),
    *(b"2023-01-01", b"0000-00-00", b"9999-12-31", b"0001-01-01"),
)
TABLE = write_rows("time,a,attack,RUL", list_hours(40), draw(1, 40), flags(2, 0.2, 40), range(40)).encode()


@st.composite
def damaged_tables(sample: st.DrawFn) -> bytes:
    content = bytearray(TABLE)
    for _ in range(sample(st.integers(1, 12))):
        place = sample(st.integers(0, len(content)))
        if sample(st.booleans()):
            content[place:place] = sample(st.sampled_from(PIECES))
        else:
            del content[place : place + sample(st.integers(1, 40))]
    return bytes(content)


RUBBISH = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=80).map(b"".join))


@settings(max_examples=60, deadline=None)
@given(st.one_of(RUBBISH, damaged_tables()))
@example(TABLE.replace(b"2023-03-01 00:00:00", b"2023-03-01 01:10:0-0"))
@example(TABLE.replace(b"2023-03-01 00:00:00", b"2023-03-01T0:00:00Z"))
@example(TABLE.replace(b"2023-03-01 00:00:00", b"0001-01-01"))
@example(TABLE.replace(b",1,", b",1,", 1).replace(b",0,", b",C498849448,", 1))
@example(TABLE.replace(b"time", b"row").replace(b"RUL", b"score"))
@example(TABLE + b"\x81\xff" * 200)
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "table.csv"
        place.write_bytes(content)
        with contextlib.suppress(DataError):
            assert read_table(place).columns


@pytest.mark.parametrize("content", [b"", b"\n\n\n", b"a,b\n", b"\x00\x01\x02" * 50])
def test_what_holds_no_table_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(DataError):
        read_table(tmp_path / "table.csv")
