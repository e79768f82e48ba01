"""What a model rests on, and which drift matters to it, against sums by hand."""

from __future__ import annotations

import math

import pytest

from pynomaly.judging.drift.drift_importance import ColumnWeight, average_contributions, weight_columns
from pynomaly.judging.drift.drift_report import ColumnDrift
from pynomaly.model.explanation.reasons import Explanation, Reason


def explanation(*shares: tuple[str, float]) -> Explanation:
    reasons = tuple(Reason(name, name, 1.0, 0.0, share, share, share) for name, share in shares)
    return Explanation("terms", 1.0, 0.0, {"a": 0.0, "b": 0.0, "c": 0.0}, reasons, additive=True)


def drift(name: str, effect: float, status: str = "ok", kind: str = "numeric") -> ColumnDrift:
    return ColumnDrift(name, kind, status, effect, 0.5, 0.5, "")  # type: ignore[arg-type]


def test_shares_are_means_over_the_rows_that_name_a_column() -> None:
    rows = [explanation(("a", 1.0)), explanation(("a", 0.5), ("b", 0.5)), explanation()]
    assert average_contributions(rows) == {"a": 0.75, "b": 0.25, "c": 0.0}
    assert sum(average_contributions(rows).values()) == 1.0
    assert average_contributions([explanation()]) == {}


def test_drift_weighs_what_the_ranking_rests_on_it() -> None:
    tests = [
        drift("a", 0.1),
        drift("b", 0.4, "warning"),
        drift("b", 0.2, kind="missing"),
        drift("c", 0.9, "drift"),
        drift("score", 0.9, "drift", "score"),
        drift("a", math.nan, "insufficient_data"),
    ]
    weights = {one.column: one for one in weight_columns(("a", "b", "c"), {"a": 0.6, "b": 0.3}, {}, tests)}
    assert list(weights) == ["b", "a", "c"]  # 0.12, 0.06, and a column that nothing rests on
    assert weights["b"].weight == pytest.approx(2 / 3)
    assert weights["c"].weight == 0.0
    assert (weights["a"].drifted, weights["b"].drifted, weights["c"].drifted) == (False, True, True)
    assert weights["b"].effect == 0.4
    assert weights["a"].carries is None


def test_without_drift_or_importance_nothing_is_made_up() -> None:
    weights = weight_columns(("a", "b"), {}, {"b": 0.7, "a": 0.2, "time": 0.1})
    assert [one.column for one in weights] == ["b", "a", "time"]
    assert {one.ranking for one in weights} == {None}
    assert {one.weight for one in weight_columns(("a",), {}, {}, [drift("a", 0.3)])} == {None}
    assert {one.weight for one in weight_columns(("a",), {"a": 1.0}, {}, [drift("a", 0.0)])} == {None}


def test_what_was_not_measured_is_nothing_and_what_was_constant_is_zero() -> None:
    both = weight_columns(("a", "b"), {"a": 0.4}, {"a": 0.1}, [drift("a", 0.3), drift("b", 0.2)])
    assert [one.to_dict() for one in both] == [
        {"column": "a", "ranking": 0.4, "carries": 0.1, "effect": 0.3, "drifted": False, "weight": 1.0},
        {"column": "b", "ranking": 0.0, "carries": 0.0, "effect": 0.2, "drifted": False, "weight": 0.0},
    ]
    (bare,) = weight_columns(("a",), {}, {})
    assert bare == ColumnWeight("a", None, None, None, False, None)


def test_ties_of_weight_go_by_contribution_and_then_by_importance() -> None:
    importance = {"a": 0.1, "b": 0.2, "c": 0.5}
    assert [one.column for one in weight_columns(("a", "b", "c"), importance, {})] == ["c", "b", "a"]
    assert [one.column for one in weight_columns(("a", "b"), importance, {"a": 0.9})] == ["a", "b"]
    unknown = [one.column for one in weight_columns(("a", "b"), {"b": 0.5}, {"a": 0.0, "b": 0.0})]
    assert unknown == ["b", "a"]


def test_a_test_of_another_column_or_without_an_effect_does_not_count() -> None:
    tests = [drift("other", 0.9, "drift"), drift("a", math.nan, "insufficient_data")]
    assert {one.effect for one in weight_columns(("a",), {"a": 1.0}, {}, tests)} == {None}
