import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly import config
from pynomaly.errors import ColumnError, ConfigError, DataError
from pynomaly.model.features import FeatureEncoder


def frame(**columns: list[Any]) -> pd.DataFrame:
    """Columns of numbers become float64, columns of text object: what a contract conforms to."""
    numbers = {k for k, v in columns.items() if not any(isinstance(cell, str) for cell in v)}
    return pd.DataFrame(
        {k: pd.Series(v, dtype="float64" if k in numbers else object) for k, v in columns.items()}
    )


def fit(rows: pd.DataFrame, times: Any = None, **choices: Any) -> FeatureEncoder:
    return FeatureEncoder.fit(rows, times, config.Features(**choices))


def column(features: FeatureEncoder, rows: pd.DataFrame, name: str) -> np.ndarray:
    return features.transform(rows)[:, features.names.index(name)]


MIXED = frame(a=[1.0, 2.0, None, 4.0, 50.0], kind=["x", "x", "y", None, "x"])


def test_robust_scale_is_a_standard_deviation_of_normal_data() -> None:
    values = np.random.default_rng(0).normal(7.0, 3.0, 50_000)
    scaled = fit(frame(a=list(values))).transform(frame(a=[7.0, 10.0]))
    np.testing.assert_allclose(scaled.ravel(), [0.0, 1.0], atol=0.03)


def test_standard_scale_is_mean_and_deviation() -> None:
    rows = frame(a=[1.0, 2.0, 3.0, 6.0])
    scaled = fit(rows, scaling="standard").transform(rows).ravel()
    np.testing.assert_allclose(scaled, (rows["a"] - 3.0) / rows["a"].std(ddof=0))


def test_no_scaling_leaves_numbers_alone() -> None:
    rows = frame(a=[1.0, 1e18, -3.0])
    np.testing.assert_array_equal(fit(rows, scaling="none").transform(rows).ravel(), rows["a"])


def test_missing_number_is_the_median() -> None:
    features = fit(MIXED)
    assert "a:missing" not in features.names
    assert features.count_unusual_cells(MIXED) == {"a": 1}
    assert column(features, MIXED, "a")[2] == column(features, frame(a=[3.0], kind=["x"]), "a")[0]


def test_missing_number_has_an_indicator_if_asked() -> None:
    features = fit(MIXED, missing="indicate")
    np.testing.assert_array_equal(column(features, MIXED, "a:missing"), [0, 0, 1, 0, 0])
    assert "a:missing" not in fit(MIXED.iloc[:2], missing="indicate").names


def test_number_missing_only_later_is_filled_and_counted() -> None:
    features = fit(frame(a=[1.0, 2.0, 3.0], b=[1.0, 2.0, 3.0]))
    later = frame(a=[None, None, 1.0], b=[1.0, 1.0, 1.0])
    assert features.names == ("a", "b")
    assert features.count_unusual_cells(later) == {"a": 2}
    np.testing.assert_array_equal(features.transform(later)[:2, 0], [0.0, 0.0])


def test_reject_names_column_and_row() -> None:
    with pytest.raises(DataError, match=r"'a' has 1 missing cells, the first at row 2"):
        fit(MIXED, missing="reject")
    features = fit(MIXED.iloc[:2], missing="reject")
    with pytest.raises(DataError, match="'kind' has 1 missing"):
        features.transform(MIXED.iloc[[0, 3]])


def test_column_without_any_value_is_refused() -> None:
    with pytest.raises(DataError, match="'a' has no value"):
        fit(frame(a=[None, None]))


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity_names_column_and_row(bad: float) -> None:
    features = fit(frame(a=[1.0, 2.0]))
    with pytest.raises(DataError, match=r"'a' holds -?inf at row 1"):
        features.transform(frame(a=[1.0, bad]))
    with pytest.raises(DataError, match=r"'a' holds"):
        fit(frame(a=[1.0, bad]))


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        fit(MIXED.iloc[:0])


@pytest.mark.parametrize("scaling", ["robust", "standard"])
@pytest.mark.parametrize("value", [0.0, 0.1, -5e300, 1e-300])
def test_constant_column_keeps_its_unit(scaling: str, value: float) -> None:
    rows = frame(a=[value] * 7)
    features = fit(rows, scaling=scaling)
    assert features.columns[0].scale == 1.0  # type: ignore[union-attr]
    np.testing.assert_allclose(features.transform(rows), 0.0, atol=1e-9)


def test_mostly_constant_column_falls_back_on_the_deviation() -> None:
    rows = frame(a=[0.0] * 90 + [1.0] * 10)
    assert fit(rows).columns[0].scale == pytest.approx(0.3)  # type: ignore[union-attr]


def test_enormous_values_stay_finite() -> None:
    rows = frame(a=[1e308, -1e308, 5.0], b=[1.0, 1.0 + 1e-12, 2.0])
    for scaling in ("robust", "standard"):
        features = fit(rows, scaling=scaling)
        assert np.isfinite(features.transform(frame(a=[1e308, -1e308], b=[1e308, -1e308]))).all()


def test_common_categories_have_indicators_and_rare_ones_look_like_the_commonest() -> None:
    features = fit(frame(kind=["x"] * 60 + ["y"] * 39 + ["z"]), rare=0.05)
    assert features.names == ("kind=y", "kind:unseen")
    np.testing.assert_array_equal(features.transform(frame(kind=["x", "y", "z"])), [[0, 0], [1, 0], [0, 0]])


def test_rare_categories_that_are_common_together_share_an_indicator() -> None:
    rows = frame(kind=["x"] * 80 + [f"rare {i}" for i in range(20)])
    features = fit(rows, rare=0.05)
    assert features.names == ("kind:rare", "kind:unseen")
    assert features.transform(rows).sum(axis=0).tolist() == [20, 0]


def test_unseen_category_is_far_from_all_and_counted() -> None:
    features = fit(frame(kind=["x"] * 70 + ["y"] * 29 + ["z"]))
    rows = frame(kind=["x", "new", "z"])
    np.testing.assert_array_equal(column(features, rows, "kind:unseen"), [0, 10, 0])
    assert features.count_unusual_cells(rows) == {"kind": 1}


def test_max_categories_limits_the_indicators() -> None:
    rows = frame(kind=[letter for count, letter in enumerate("abcdef", 10) for _ in range(count)])
    assert fit(rows, max_categories=3).names == ("kind=e", "kind=d", "kind:rare", "kind:unseen")


def test_column_of_unique_names_says_nothing() -> None:
    rows = frame(kind=[f"row {i}" for i in range(200)])
    assert not fit(rows).transform(rows).any()


@pytest.mark.parametrize(
    "counts", [(5, 3), (5, 5), (4, 3, 2), (4, 4, 4), (50, 40, 30, 1), (7,), (60, 60, 1, 1)]
)
def test_columns_of_a_category_are_linearly_independent(counts: tuple[int, ...]) -> None:
    cells = [f"c{i}" for i, count in enumerate(counts) for _ in range(count)]
    numbers = fit(frame(kind=cells), rare=0.02).transform(frame(kind=cells))
    varying = numbers[:, numbers.std(axis=0) > 0]
    centred = varying - varying.mean(axis=0)
    assert np.linalg.matrix_rank(centred) == varying.shape[1]


def test_missing_category_is_a_category_if_seen_and_unseen_if_not() -> None:
    encoder, unseen = fit(MIXED), fit(MIXED[["kind"]].iloc[:3])
    assert encoder.count_unusual_cells(frame(a=[1.0], kind=["x"]).assign(kind=[None])) == {}
    assert unseen.count_unusual_cells(pd.DataFrame({"kind": pd.Series([None], dtype=object)})) == {"kind": 1}


TIMES = pd.Series(
    pd.to_datetime(["2026-01-05T06:00Z", "2026-01-05T18:00Z", "2026-01-11T00:00Z"], format="ISO8601")
)


def test_calendar_is_hour_and_weekday_in_utc() -> None:
    rows = frame(a=[1.0, 2.0, 3.0])
    features = fit(rows, TIMES, calendar=True)
    numbers = features.transform(rows, TIMES.dt.tz_convert("Asia/Tokyo"))
    assert features.names[1:] == ("hour:sin", "hour:cos", "weekday:sin", "weekday:cos")
    np.testing.assert_allclose(numbers[:, 1], [1, -1, 0], atol=1e-12)
    np.testing.assert_allclose(numbers[:, 4], np.cos(2 * np.pi * np.array([0, 0, 6]) / 7), atol=1e-12)


def test_calendar_needs_aware_times() -> None:
    rows = frame(a=[1.0, 2.0, 3.0])
    with pytest.raises(ConfigError, match=r"needs a time column"):
        fit(rows, None, calendar=True)
    features = fit(rows, TIMES, calendar=True)
    with pytest.raises(ColumnError, match="time column is needed"):
        features.transform(rows)
    with pytest.raises(DataError, match="no offset"):
        features.transform(rows, TIMES.dt.tz_localize(None))
    with pytest.raises(DataError, match="time of row 1 is missing"):
        features.transform(rows, TIMES.where(TIMES.index != 1))


def test_reading_back_is_exact() -> None:
    features = fit(MIXED.assign(b=[0.1, 1 / 3, 2e-17, 5.0, np.pi]), TIMES, calendar=True)
    assert FeatureEncoder.from_dict(json.loads(json.dumps(features.to_dict(), allow_nan=False))) == features


def test_input_is_not_changed() -> None:
    before = MIXED.copy(deep=True)
    fit(MIXED).transform(MIXED)
    pd.testing.assert_frame_equal(MIXED, before)


cells = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
words = st.one_of(st.none(), st.sampled_from(["x", "y", "z"]))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, words), min_size=2, max_size=30),
    scaling=st.sampled_from(["robust", "standard", "none"]),
    seed=st.integers(0, 99),
)
def test_features_are_finite_and_belong_to_their_row(
    rows: list[tuple[float | None, str | None]], scaling: str, seed: int
) -> None:
    table = pd.DataFrame(
        {
            "a": pd.Series([0.5, *(a for a, _ in rows)], dtype="float64"),
            "kind": pd.Series(["x", *(k for _, k in rows)], dtype=object),
        }
    )
    features = fit(table, scaling=scaling, missing="indicate")
    whole = features.transform(table)
    order = np.random.default_rng(seed).permutation(len(table))
    assert np.isfinite(whole).all()
    assert whole.shape == (len(table), len(features.names))
    np.testing.assert_array_equal(features.transform(table.iloc[order]), whole[order])
    alone = [features.transform(table.iloc[[i]])[0] for i in range(len(table))]
    np.testing.assert_array_equal(np.array(alone), whole)
