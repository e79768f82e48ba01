"""Friedman and Nemenyi: against SciPy, the naive twin and Demšar's own table and example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pynomaly.errors import DataError
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.judging.comparison.rank_tests import MAX_BLOCKS, MIN_BLOCKS, build_block_table, friedman_test
from tests import naive

tables = st.integers(3, 6).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 4), min_size=k, max_size=k), min_size=2, max_size=12)
)


@given(tables)
def test_statistic_and_ranks_agree_with_the_definition(rows: list[list[int]]) -> None:
    values = {f"c{at}": [float(row[at]) for row in rows] for at in range(len(rows[0]))}
    result = friedman_test(values)
    means, statistic = naive.friedman_statistic(rows)
    assert result.mean_ranks == pytest.approx(means)
    assert result.statistic == pytest.approx(statistic, abs=1e-9)
    assert 0 <= result.p_value <= 1


def test_friedman_is_scipys_and_iman_davenport_is_its_f() -> None:
    table = np.random.default_rng(0).normal(size=(9, 4)) + np.array([0, 0, 0.5, 1])
    result = friedman_test({f"c{at}": table[:, at].tolist() for at in range(4)})
    peer = stats.friedmanchisquare(*table.T)
    assert result.statistic == pytest.approx(peer.statistic)
    f = (9 - 1) * peer.statistic / (9 * 3 - peer.statistic)
    assert result.p_value == pytest.approx(stats.f.sf(f, 3, 24))


@pytest.mark.parametrize(("count", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)])
def test_critical_difference_has_demsars_quantiles(count: int, q: float) -> None:
    """Demšar (2006), table 5(a)."""
    values = {f"c{at}": list(np.random.default_rng(at).normal(size=14)) for at in range(count)}
    result = friedman_test(values)
    assert result.critical_difference == pytest.approx(q * np.sqrt(count * (count + 1) / (6 * 14)), rel=1e-3)


def test_equal_candidates_are_not_told_apart_and_different_ones_are() -> None:
    same = friedman_test({name: [0.5] * 6 for name in "abc"})
    assert (same.mean_ranks, same.statistic, same.p_value) == ((2, 2, 2), 0, 1)
    assert same.groups() == (("a", "b", "c"),)
    ordered = friedman_test({name: [float(at)] * 20 for at, name in enumerate("abcd")})
    assert ordered.mean_ranks == (4, 3, 2, 1)
    assert ordered.p_value == 0
    assert ordered.critical_difference == pytest.approx(1.049, abs=1e-3)
    assert ordered.groups() == (("d", "c"), ("c", "b"), ("b", "a"))


def test_the_level_is_kept() -> None:
    rng = np.random.default_rng(1)
    rejected = sum(
        friedman_test({name: list(rng.normal(size=10)) for name in "abcd"}).p_value < 0.05 for _ in range(300)
    )
    assert rejected <= 27  # 5 % expected; 9 % is more than three standard errors above


@pytest.mark.parametrize(
    "values",
    [
        {"a": [1.0, 2.0], "b": [1.0, 2.0]},
        {"a": [1.0], "b": [1.0], "c": [1.0]},
        {"a": [], "b": [], "c": []},
        {"a": [1.0, 2.0], "b": [1.0, 2.0], "c": [1.0]},
        {"a": [1.0, 2.0], "b": [1.0, np.nan], "c": [1.0, 3.0]},
    ],
)
def test_what_cannot_be_ranked_is_refused(values: dict[str, list[float]]) -> None:
    with pytest.raises(DataError, match=r"cannot be ranked|not finite"):
        friedman_test(values)


def test_parts_share_no_block_and_too_few_make_none() -> None:
    rng = np.random.default_rng(2)
    blocks = np.repeat(np.arange(60), 10)
    truth = np.isin(blocks, np.arange(12)).astype(int)
    scores = {name: truth + rng.normal(size=600) for name in "abc"}
    table = build_block_table(Evidence(truth, blocks), scores, "roc_auc", seed=0)
    assert {len(row) for row in table.values()} == {MAX_BLOCKS}
    assert np.isfinite(list(table.values())).all()
    few = np.isin(blocks, np.arange(MIN_BLOCKS - 1)).astype(int)
    assert build_block_table(Evidence(few, blocks), scores, "roc_auc", seed=0) == {}
    assert build_block_table(Evidence(truth, blocks), {"a": scores["a"]}, "roc_auc", seed=0) == {}


def test_groups_are_of_two_or_more_and_plain() -> None:
    apart = friedman_test({name: [float(at)] * 30 for at, name in enumerate("abc")})
    assert apart.groups() == ()
    content = apart.to_dict()
    assert (content["names"], content["mean_ranks"], content["blocks"]) == (
        ["a", "b", "c"],
        [3.0, 2.0, 1.0],
        30,
    )
