"""How known labels are read: words, numbers and booleans, and what is not among them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pynomaly.config import Data
from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.data.shape.labels import parse_labels
from pynomaly.errors import DataError


def read_labels(cells: list | pd.Series, label_values: dict | None = None, **options) -> list[float]:
    data = Data(source="csv", path="rows.csv", label="y", label_values=label_values or {}, **options)
    column = cells if isinstance(cells, pd.Series) else pd.Series(cells, dtype=object)
    return parse_labels(column.rename("y"), data).tolist()


def test_words_mean_what_is_declared():
    words = {"Normal": 0, "Attack": 1, "maintenance": None}
    read = read_labels(["Normal", " ATTACK ", "normal", "Maintenance", "", None], words)
    np.testing.assert_array_equal(read, [0, 1, 0, np.nan, np.nan, np.nan])


@pytest.mark.parametrize("cells", [["-1", "1"], ["-1.0", "1.0"], [-1, 1], pd.Series([-1.0, 1.0])])
def test_numbers_are_one_word_in_every_spelling(cells):
    assert read_labels(cells, {-1: 1, 1.0: 0}) == [1, 0]
    assert read_labels(cells, {"-1": 1, "1": 0}) == [1, 0]


@pytest.mark.parametrize(
    "cells", [["yes", "no"], ["Yes", "NO"], ["True", "False"], [True, False], ["on", "off"]]
)
def test_words_that_yaml_turns_into_booleans_are_words_again(cells):
    words = parse_plain_yaml("{yes: 1, no: 0}")
    assert words == {True: 1, False: 0}
    assert read_labels(cells, words) == [1, 0]


def test_a_word_that_is_not_declared_names_row_word_and_setting():
    with pytest.raises(
        DataError, match=r"'y' holds 'Broken' in row 1; allowed: 'ok', 'bad' \(data\.label_values"
    ):
        read_labels(["ok", "Broken"], {"ok": 0, "bad": 1})
    with pytest.raises(DataError, match=r"holds '0' in row 0; .*data\.label_values"):
        read_labels(["0"], {"-1": 1, "1": 0})


def test_a_declared_meaning_is_one_of_three():
    with pytest.raises(ValidationError, match="label_values"):
        read_labels(["2"], {"ok": 2})


def test_missing_values_are_unknown_unless_they_are_words():
    np.testing.assert_array_equal(read_labels(["?", "1"], missing_values=["?"]), [np.nan, 1])
    np.testing.assert_array_equal(read_labels(["-", "1"], missing_in={"y": ["-"]}), [np.nan, 1])
    assert read_labels(["-1", "1"], {"-1": 1, "1": 0}, missing_values=["-1"]) == [1, 0]
    np.testing.assert_array_equal(read_labels([True, False, None]), [1, 0, np.nan])
