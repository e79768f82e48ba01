"""The decision diff against counting by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pynomaly.errors import DataError
from pynomaly.judging.comparison.decision_diff import EXAMPLES, DecisionDiff, diff_decisions
from pynomaly.model.explanation.reasons import Reason


def scored(score: list[float], alerts: list[bool]) -> pd.DataFrame:
    ranks = pd.Series(score, dtype=float).rank(ascending=False)
    return pd.DataFrame({"score": score, "p_value": ranks / (len(score) + 1), "is_anomaly": alerts})


def compared(old: pd.DataFrame, new: pd.DataFrame, days: float | None = 2.0) -> DecisionDiff:
    where = pd.DataFrame({"machine": [f"m{i}" for i in range(len(old))]})
    return diff_decisions(
        old,
        new,
        names=("v1", "v2"),
        window="all",
        days=days,
        where=where,
        explain=lambda place, side: (Reason(side, side, float(place), 0.0, 1.0, 1.0, 1.0),),
    )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.booleans(), st.booleans()), min_size=1, max_size=60
    )
)
def test_counts_are_those_of_counting(rows: list[tuple[float, float, bool, bool]]) -> None:
    diff = compared(
        scored([a for a, _, _, _ in rows], [x for _, _, x, _ in rows]),
        scored([b for _, b, _, _ in rows], [y for _, _, _, y in rows]),
    )
    assert diff.gained == sum(y and not x for *_, x, y in rows)
    assert diff.lost == sum(x and not y for *_, x, y in rows)
    assert diff.same == sum(x and y for *_, x, y in rows)
    assert diff.champion_per_day == pytest.approx((diff.lost + diff.same) / 2)
    assert diff.challenger_per_day == pytest.approx((diff.gained + diff.same) / 2)
    assert len(diff.examples) == min(EXAMPLES, diff.gained + diff.lost)
    assert len({example.row for example in diff.examples}) == len(diff.examples)
    for example in diff.examples:
        *_, before, after = rows[example.row]
        assert (before, after) == ((False, True) if example.side == "gained" else (True, False))
        assert example.because[0].value == example.row
        assert example.where == {"machine": f"m{example.row}"}


def test_rank_agreement_is_spearmans() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=200).round(1)
    b = a + rng.normal(size=200).round(1)
    none = [False] * 200
    expected = spearmanr(a, b).statistic
    assert compared(scored(list(a), none), scored(list(b), none)).rank_agreement == pytest.approx(expected)
    assert compared(scored(list(a), none), scored([1.0] * 200, none)).rank_agreement is None


def test_both_sides_are_shown_and_the_most_telling_first() -> None:
    n = 40
    old = scored([float(i) for i in range(n)], [i % 2 == 0 for i in range(n)])
    new = scored([float(n - i) for i in range(n)], [i % 2 == 1 for i in range(n)])
    diff = compared(old, new, days=None)
    sides = [example.side for example in diff.examples]
    assert sides == ["gained"] * 5 + ["lost"] * 5
    apart = [abs(np.log(example.champion_p / example.challenger_p)) for example in diff.examples[:5]]
    assert apart == sorted(apart, reverse=True)
    assert diff.challenger_per_day == n / 2
    assert any("in all rows" in reason for reason in diff.reasons)


def test_rows_must_be_the_same() -> None:
    one, none = scored([1.0], [True]), scored([], [])
    with pytest.raises(DataError, match="1 rows of the champion, 0 of the challenger"):
        compared(one, none)
    with pytest.raises(DataError, match="0 rows"):
        compared(none, none)


def test_a_diff_says_of_whom_and_of_what_it_is() -> None:
    diff = compared(scored([1.0, 2.0], [True, False]), scored([1.0, 2.0], [False, True]))
    assert (diff.champion, diff.challenger, diff.window, diff.rows, diff.days) == ("v1", "v2", "all", 2, 2.0)
    assert diff.reasons == (
        "2 rows: 1 alerts gained, 1 lost, 0 the same",
        "alerting rows a day: 0.5 -> 0.5 (+0)",
        "the order of scores agrees to 1.000 (Spearman)",
    )
    content = json.loads(json.dumps(diff.to_dict()))
    assert [row["side"] for row in content["examples"]] == ["gained", "lost"]
    assert (content["examples"][1]["champion_p"], content["rank_agreement"]) == (2 / 3, 1.0)


def test_p_values_of_nothing_differ_as_much_as_small_ones_and_ties_keep_their_order() -> None:
    rows = 30
    old = scored([0.0] * rows, [False] * rows).assign(p_value=0.5)
    new = scored([0.0] * rows, [True] * rows).assign(p_value=1e-9)
    new.loc[20, "p_value"] = 0.0
    new.loc[10, "p_value"] = 1e-200
    diff = compared(old, new)
    assert [example.row for example in diff.examples] == [20, 10, 0, 1, 2, 3, 4, 5, 6, 7]
    back = compared(new, old)
    assert [(example.side, example.row) for example in back.examples[:3]] == [
        ("lost", 20),
        ("lost", 10),
        ("lost", 0),
    ]


def test_a_side_with_few_examples_leaves_its_places_to_the_other() -> None:
    alerts = [place < 3 for place in range(40)]
    old, new = scored([0.0] * 40, alerts), scored([0.0] * 40, [not flag for flag in alerts])
    sides = [example.side for example in compared(old, new).examples]
    assert (sides.count("gained"), sides.count("lost")) == (7, 3)
    sides = [example.side for example in compared(new, old).examples]
    assert (sides.count("gained"), sides.count("lost")) == (3, 7)


def test_times_and_notes_are_written_as_text() -> None:
    times = pd.DataFrame({"time": pd.to_datetime(["2026-01-19T12:00Z"])})
    diff = diff_decisions(
        scored([1.0], [True]),
        scored([1.0], [False]),
        names=("v1", "v2"),
        window="all",
        days=None,
        where=times,
        explain=lambda place, side: (),
        notes=("3 rows were left out",),
    )
    assert diff.examples[0].where == {"time": "2026-01-19T12:00:00+00:00"}
    assert diff.reasons[1:] == (
        "alerting rows in all rows: 1 -> 0 (-1)",
        "the order of scores cannot be compared: one model gives all rows the same",
        "3 rows were left out",
    )
