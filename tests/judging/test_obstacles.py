"""What cannot work is said in one sentence that ends with the setting to change."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pynomaly.judging.obstacles import (
    describe_absent_features,
    describe_alert_flood,
    find_model_obstacles,
    find_row_obstacles,
    find_suspects,
    select_obstacles,
)
from pynomaly.model.sketch.sketch import Sketch

ROWS = 200
RNG = np.random.default_rng(0)


def make_rows(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"heat": RNG.normal(50, 5, ROWS), "power": RNG.normal(size=ROWS), **columns})


REFERENCE = Sketch.of(make_rows())
NO_ALERTS = np.zeros(ROWS, dtype=bool)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"heat": 1.0, "power": 2.0}, "none of 2 features varies"),
        ({"heat": 1.0, "kind": np.tile(["a", "b"], ROWS // 2)}, "only the category 'kind' varies"),
        ({"kind": ["a"] * ROWS}, "none of 1 features varies"),
    ],
)
def test_a_model_that_cannot_tell_rows_apart(columns: dict[str, object], sentence: str) -> None:
    (obstacle,) = find_model_obstacles(Sketch.of(pd.DataFrame(columns, index=range(ROWS))))
    assert sentence in obstacle
    assert "set data.columns" in obstacle
    assert select_obstacles(["a note", obstacle]) == (obstacle,)


@pytest.mark.parametrize(
    "columns", [{}, {"kind": np.tile(["a", "b"], ROWS // 2)}, {"heat": 1.0}], ids=["numbers", "mixed", "one"]
)
def test_a_model_of_varying_features_works(columns: dict[str, object]) -> None:
    assert find_model_obstacles(Sketch.of(make_rows(**columns))) == ()


@pytest.mark.parametrize(
    ("rows", "alerts", "sentence"),
    [
        (100, 100, "every row alerts (100 of 100)"),
        (100, 50, "50% of the rows alert (50 of 100)"),
        (100, 49, ""),
        (19, 19, ""),
    ],
)
def test_windows_in_which_most_rows_alert(rows: int, alerts: int, sentence: str) -> None:
    message = describe_alert_flood(rows, alerts)
    assert message.startswith(sentence)
    assert bool(message) == bool(sentence)
    assert not message or "set windows.reference" in message


def test_rows_like_the_reference_are_fine() -> None:
    assert find_row_obstacles(REFERENCE, make_rows(), NO_ALERTS) == ()


def test_a_counter_that_left_its_range_is_named() -> None:
    (obstacle,) = find_row_obstacles(REFERENCE, make_rows(heat=np.arange(ROWS) + 1000.0), NO_ALERTS)
    assert obstacle.startswith("rows lie outside the range of the reference ('heat': 100%")
    assert "set data.counters" in obstacle


@pytest.mark.parametrize("code", [-9999.0, -999.0, 2147483647.0])
def test_codes_for_missing_are_proposed(code: float) -> None:
    rows = make_rows()
    rows.loc[:6, "heat"] = code
    (obstacle,) = find_row_obstacles(REFERENCE, rows, NO_ALERTS)
    assert obstacle.startswith(f"7 cells of 'heat' are {code:.0f},")
    assert f'set data.missing_values: ["{code:.0f}"]' in obstacle


@pytest.mark.parametrize("value", [-1234.5, 71.0])
def test_other_far_values_are_no_codes(value: float) -> None:
    rows = make_rows()
    rows.loc[:6, "heat"] = value
    assert find_row_obstacles(REFERENCE, rows, NO_ALERTS) == ()


TRUTH = (np.arange(ROWS) % 8 == 0).astype(float)


@pytest.mark.parametrize(
    "column",
    [
        TRUTH,  # the label again
        np.where(TRUTH == 1, "broken", "fine"),
        np.where(TRUTH == 1, 3.0, np.nan),  # a code of the failure, given only where there is one
        TRUTH * 50 + RNG.normal(size=ROWS),
        -TRUTH * 50 + RNG.normal(size=ROWS),
    ],
    ids=["copy", "text", "present", "higher", "lower"],
)
def test_a_feature_that_tells_the_labels_is_a_suspect(column: np.ndarray) -> None:
    (suspect,) = find_suspects(make_rows(alarm=column), TRUTH)
    assert suspect.startswith("suspect: 'alarm' alone separates the labels")
    assert "set data.ignore" in suspect


def test_features_that_only_foretell_are_no_suspects() -> None:
    half = np.where(np.arange(ROWS) % 16 == 0, 1.0, 0.0)  # half of the anomalies
    assert find_suspects(make_rows(alarm=half), TRUTH) == ()
    assert find_suspects(make_rows(alarm=TRUTH), np.where(np.arange(ROWS) < 40, TRUTH, np.nan)) == ()


def test_of_alerts_only_columns_of_few_values_are_suspects() -> None:
    rows = make_rows(number=TRUTH * 50 + RNG.normal(size=ROWS), state=TRUTH)
    (suspect,) = find_suspects(rows, TRUTH, "alerts")
    assert suspect.startswith("suspect: 'state' alone separates the alerts")


def test_a_feature_that_new_rows_lack_is_suspect() -> None:
    message = describe_absent_features(["outcome"], "later.csv")
    assert message.startswith("later.csv: missing column 'outcome'")
    assert "data.ignore" in message
