"""Bets on units of rows: every second block, once for each row, in windows of any length."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.judging.account.block_bets import UnitBets
from pynomaly.judging.account.guarantees import Guarantee, judge_alert_rate, judge_bake_bets
from pynomaly.judging.account.stake import Stake
from pynomaly.model.dependence.dependence import INDEPENDENT, Dependence

HOUR, DAY = 3600.0, 86_400.0
DAILY = Dependence(upper=6 * HOUR, block=DAY, rows=1000, entities=1, span=60 * DAY)


def count(flags: np.ndarray, dependence: Dependence, cuts: list[int], **changes: float) -> UnitBets:
    bets, edges = UnitBets(), [0, *sorted(min(cut, len(flags)) for cut in cuts), len(flags)]
    times = np.arange(len(flags)) * HOUR
    settings = {"rate": 0.05, "most": 3.0} | changes
    for start, end in pairwise(edges):
        bets = bets.bet_on_rate(times[start:end], flags[start:end], dependence, **settings)
    return bets


@given(st.lists(st.integers(0, 500), max_size=6), st.sampled_from([INDEPENDENT, DAILY]), st.integers(0, 99))
def test_windows_of_any_length_give_the_same_bets(cuts: list[int], dependence: Dependence, seed: int) -> None:
    flags = np.random.default_rng(seed).random(500) < 0.1
    assert count(flags, dependence, cuts) == count(flags, dependence, [])


def test_rows_are_counted_once() -> None:
    flags, times = np.ones(100, dtype=bool), np.arange(100) * HOUR
    bets = UnitBets().bet_on_rate(times, flags, INDEPENDENT, 0.05, 3.0)
    assert bets.stake.bets == 5
    assert bets.bet_on_rate(times, flags, INDEPENDENT, 0.05, 3.0) == bets
    assert bets.bet_on_rate(times[50:] + 50 * HOUR, flags[50:], INDEPENDENT, 0.05, 3.0).stake.bets == 7


def test_every_second_block_is_left_out_and_a_long_incident_is_one_bet() -> None:
    flags = np.zeros(20 * 24, dtype=bool)
    flags[24:48] = True  # the second day, an odd block
    assert count(flags, DAILY, []).stake == count(np.zeros(20 * 24, dtype=bool), DAILY, []).stake
    flags[48:72] = True
    once = count(flags, DAILY, [])
    assert once.stake.bets == 10
    assert once.stake == Stake().bet([0.0, 3.0, *[0.0] * 8])


def test_a_unit_holds_an_event_on_average() -> None:
    flags = np.zeros(4000, dtype=bool)
    assert count(flags, INDEPENDENT, []).stake.bets == 200
    assert count(flags, INDEPENDENT, [], rows_per_event=4.0).stake.bets == 50
    assert count(flags, DAILY, [], rate=0.01).stake.bets == 4000 // 24 // 2 // 5


def test_nothing_is_bet_where_the_history_is_too_short() -> None:
    short = Dependence(upper=np.inf, block=np.inf, rows=100, entities=1, span=DAY)
    assert count(np.ones(100, dtype=bool), short, []) == UnitBets()


def test_state_reads_back() -> None:
    bets = count(np.random.default_rng(1).random(300) < 0.1, DAILY, [])
    assert UnitBets.from_dict(bets.to_dict()) == bets
    assert UnitBets.from_dict({}) == UnitBets()


@pytest.mark.parametrize(("ratio", "state"), [(1.0, "holds"), (3.0, "withdrawn")])
def test_verdict(ratio: float, state: str) -> None:
    guarantee = judge_alert_rate(Stake().bet([ratio] * 30), 0.004, 0.0123)
    assert guarantee.state == state
    assert guarantee.reasons[0].startswith("at most 1.23% of normal rows alert")
    assert Guarantee.from_dict(guarantee.to_dict()) == guarantee


def test_a_bake_that_could_not_tell_is_not_said_to_hold() -> None:
    assert judge_bake_bets(Stake(), 0.01, ()).state == "holds"
    short = judge_bake_bets(Stake(), 0.01, (), "the windows are worth 0.4 independent blocks")
    assert (short.state, short.reasons) == (
        "not_computable",
        ("the windows are worth 0.4 independent blocks",),
    )
    assert judge_bake_bets(Stake(), 0.01, ("slow",), "too short").state == "withdrawn"


def pair(new: np.ndarray, old: np.ndarray, cut: int = 0) -> UnitBets:
    bets, times = UnitBets(), np.arange(len(new)) * HOUR
    for part in (slice(0, cut), slice(cut, len(new))):
        bets = bets.bet_on_pairs(times[part], (new[part], old[part]), INDEPENDENT, (0.05, 0.04), 3.0)
    return bets


def test_pairs_count_units_in_which_one_version_alerts_clearly_more() -> None:
    quiet = np.zeros(400, dtype=bool)
    flood = np.arange(400) % 4 == 0  # five of the twenty rows of a unit, where one is promised
    assert pair(quiet, quiet).stake.bets == 0
    assert pair(flood, flood).stake.bets == 0
    assert pair(flood, quiet).stake == Stake().bet([2.0] * 20)
    assert pair(quiet, flood).stake == Stake().bet([0.0] * 20)
    assert pair(np.arange(400) % 10 == 0, quiet).stake.bets == 0, (
        "twice as many as promised is not clearly more"
    )


@given(st.integers(0, 400), st.integers(0, 99))
def test_pairs_are_the_same_in_any_windows(cut: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    new, old = rng.random((2, 400)) < 0.15
    assert pair(new, old, cut) == pair(new, old)
