"""What every `to_dict` writes: plain values that JSON can hold, and None for a number that is none."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Any

import numpy as np
import pytest

from pynomaly.judging.jsonable import to_jsonable


class Word(StrEnum):
    GOOD = "good"


class Number(Enum):
    NOT_KNOWN = math.nan
    TWO = 2


@dataclass(frozen=True)
class Part:
    value: float
    word: Word = Word.GOOD


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (3, 3),
        ("text", "text"),
        (1.5, 1.5),
        (math.nan, None),
        (-math.inf, None),
        (np.float64(2.5), 2.5),
        (np.int64(4), 4),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan], [np.inf, 2.0]]), [[1.0, None], [None, 2.0]]),
        (Word.GOOD, "good"),
        (Number.TWO, 2),
        (Number.NOT_KNOWN, None),
        (datetime(2026, 1, 19, 12, tzinfo=UTC), "2026-01-19T12:00:00+00:00"),
        (Part(math.inf), {"value": None, "word": "good"}),
        ((Part(1.0), [np.nan, ("a",)]), [{"value": 1.0, "word": "good"}, [None, ["a"]]]),
        ({1: Part(2.0), Word.GOOD: {"deep": np.array([1, 2])}}, {
            "1": {"value": 2.0, "word": "good"}, "good": {"deep": [1, 2]},
        }),
    ],
)  # fmt: skip
def test_values_are_plain(value: Any, plain: Any) -> None:
    written = to_jsonable(value)
    assert written == plain
    assert type(written) is type(plain)
    assert json.loads(json.dumps(written, allow_nan=False)) == plain


def test_a_class_is_no_result() -> None:
    assert to_jsonable(Part) is Part
