import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.judging.drift.exchangeability import (
    JUMP,
    compute_online_p_values,
    judge_exchangeability,
    simple_jumper,
)
from tests import naive

few = st.sampled_from([0.0, 1.0, 2.0, 2.5])


@settings(max_examples=60, deadline=None)
@given(
    held_out=st.lists(st.one_of(few, st.floats(-9, 9)), min_size=1, max_size=30),
    scores=st.lists(st.one_of(few, st.floats(-9, 9)), min_size=1, max_size=30),
)
def test_ranks_are_counted_one_by_one(held_out: list[float], scores: list[float]) -> None:
    uniforms = np.random.default_rng(0).random(len(scores))
    online = compute_online_p_values(np.array(held_out), np.array(scores), uniforms)
    np.testing.assert_allclose(online, naive.online_p_values(held_out, scores, uniforms.tolist()), rtol=1e-12)


def test_ranks_go_on_from_chunk_to_chunk() -> None:
    rng = np.random.default_rng(2)
    held_out, scores = rng.normal(size=50).round(1), rng.normal(size=2100).round(1)
    uniforms = rng.random(2100)
    online = compute_online_p_values(held_out, scores, uniforms)
    twin = naive.online_p_values(held_out.tolist(), scores.tolist(), uniforms.tolist())
    np.testing.assert_allclose(online, twin, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_the_jumper_is_the_printed_algorithm(p_values: list[float]) -> None:
    capital = np.exp(simple_jumper(np.array(p_values)))
    np.testing.assert_allclose(capital, naive.simple_jumper(p_values, JUMP), rtol=1e-9)


def test_the_stake_stays_on_average() -> None:
    rng = np.random.default_rng(0)
    stakes = [math.exp(simple_jumper(rng.random(20))[-1]) for _ in range(4000)]
    assert np.mean(stakes) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("rounded", [False, True])
def test_an_exchangeable_stream_is_rarely_withdrawn(rounded: bool) -> None:
    rng, times = np.random.default_rng(1), 200
    withdrawn = 0
    for seed in range(times):
        # Few held-out scores and a long stream: what a martingale on shared p-values would get wrong.
        rows = rng.normal(size=1100)
        rows = rows.round(1) if rounded else rows
        withdrawn += judge_exchangeability(rows[:100], rows[100:], alpha=0.05, seed=seed).state == "withdrawn"
    assert withdrawn <= times * 0.05 + 2 * math.sqrt(times * 0.05 * 0.95)


@pytest.mark.parametrize(("shift", "words"), [(0.7, "higher than they were"), (-0.7, "lower than they were")])
def test_a_shift_is_withdrawn_in_words(shift: float, words: str) -> None:
    rng = np.random.default_rng(0)
    verdict = judge_exchangeability(rng.normal(size=1000), rng.normal(shift, 1, size=500), alpha=0.01)
    assert verdict.state == "withdrawn"
    assert verdict.withdrawn_at is not None
    assert verdict.withdrawn_at < 500
    assert verdict.p_value is not None
    assert verdict.p_value <= 0.01
    assert any(words in reason for reason in verdict.reasons)
    assert any("without guarantee" in reason for reason in verdict.reasons)


def test_a_change_within_the_stream_is_seen_where_it_happens() -> None:
    rng = np.random.default_rng(0)
    stream = np.concatenate([rng.normal(size=400), rng.normal(1.5, 1, size=200)])
    verdict = judge_exchangeability(rng.normal(size=1000), stream, alpha=0.01)
    assert verdict.withdrawn_at is not None
    assert 400 < verdict.withdrawn_at < 500


@pytest.mark.parametrize(
    ("held_out", "scores", "words"),
    [
        ([], np.zeros(50), "0 held-out scores, at least 20"),
        (np.zeros(50), np.zeros(19), "19 rows, at least 20"),
        (np.zeros(50), np.full(30, np.nan), "not finite"),
        (np.full(50, np.inf), np.zeros(30), "not finite"),
    ],
)
def test_not_computable_says_why(held_out: object, scores: np.ndarray, words: str) -> None:
    verdict = judge_exchangeability(held_out, scores, alpha=0.01)  # type: ignore[arg-type]
    assert verdict.state == "not_computable"
    assert words in verdict.reasons[0]
    assert verdict.largest is None


def test_constant_scores_are_no_evidence() -> None:
    assert judge_exchangeability(np.ones(100), np.ones(500), alpha=0.01).state == "kept"


def test_a_verdict_is_plain_however_certain() -> None:
    rng = np.random.default_rng(0)
    verdict = judge_exchangeability(rng.normal(size=2000), rng.normal(9, 1, size=30_000), alpha=0.01)
    content = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert content["state"] == "withdrawn"
    assert content["reasons"] == list(verdict.reasons)
    assert (
        judge_exchangeability(rng.normal(size=50), rng.normal(size=50), alpha=0.01).to_dict()["withdrawn_at"]
        is None
    )


def test_the_stake_is_told_with_the_rows_it_took() -> None:
    rng = np.random.default_rng(0)
    held_out, stream = rng.normal(size=1000), rng.normal(1.0, 1, size=300)
    verdict = judge_exchangeability(held_out, stream, alpha=0.01)
    stakes = np.exp(
        simple_jumper(compute_online_p_values(held_out, stream, np.random.default_rng(0).random(300)))
    )
    row = int(np.flatnonzero(stakes >= 100)[0]) + 1
    assert (verdict.rows, verdict.withdrawn_at, verdict.alpha) == (300, row, 0.01)
    assert verdict.largest == pytest.approx(stakes.max())
    assert verdict.p_value == pytest.approx(1 / stakes.max())
    assert f"by 100 within {row} of 300 rows" in verdict.reasons[0]
    kept = judge_exchangeability(held_out, held_out[:300], alpha=0.01)
    assert kept.reasons == (
        f"no sign against exchangeability in 300 rows: the stake reached {kept.largest:.3g}",
    )
