"""What is left of the columns: features, counters, constants, names of rows and things, free text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.data.intake.kinds import ROWS, Kind, Kinds, check_kind, draw, flags, list_hours, pick, write_rows

kinds = Kinds()
T = list_hours()
RISING = [round(float(value), 3) for value in np.cumsum(np.random.default_rng(3).random(ROWS) + 0.1)]


@kinds("trn", settings={"counters": ["total"]})
def a_meter_that_only_rises() -> str:
    return write_rows("time,total,a", T, RISING, draw(1))


@kinds("trn", settings={"counters": ["total"]})
def a_meter_with_a_reset() -> str:
    return write_rows("time,total,a", T, [*RISING[:120], *RISING[:120]], draw(1))


@kinds("tknc")
def constants_stay() -> str:
    return write_rows("time,error_flag,a,mode", T, [0] * ROWS, draw(1), pick(1, ["on", "off"]))


@kinds("tnd")
def a_copy_is_named() -> str:
    return write_rows("time,a,b", T, draw(1), draw(1))


@kinds("iitnn")
def row_numbers_written_twice() -> str:
    return write_rows(",Unnamed: 0,time,a,b", range(ROWS), range(ROWS), T, draw(1), draw(2))


@kinds("tn-n")
def an_empty_column() -> str:
    return write_rows("time,a,b,c", T, draw(1), [""] * ROWS, draw(2))


@kinds("tfn")
def free_text_is_left_out() -> str:
    words = pick(1, range(60))
    return write_rows("time,note,a", T, [f"operator wrote remark {word}" for word in words], draw(1))


@kinds("tccn")
def codes_are_names() -> str:
    return write_rows("time,error_code,zip,temp", T, pick(1, [0, 7, 9]), pick(2, [10115, 20095]), draw(1))


@kinds("icninilx")
def payments() -> str:
    origins = [f"C{number}" for number in pick(5, range(10**8, 10**9), None)]
    names = "step,type,amount,nameOrig,oldbalanceOrg,nameDest,isFraud,isFlaggedFraud"
    targets = [f"M{number}" for number in pick(6, range(10**8, 10**9), None)]
    steps = sorted(pick(7, range(1, 40)))
    kinds_of = pick(1, ["PAYMENT", "TRANSFER"])
    return write_rows(names, steps, kinds_of, draw(1), origins, draw(2), targets, flags(1), [0] * ROWS)


@pytest.mark.parametrize("kind", kinds, ids=str)
def test_roles_are_told(kind: Kind, tmp_path: Path) -> None:
    check_kind(kind, tmp_path)
