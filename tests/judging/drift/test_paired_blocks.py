"""Versions are told apart by blocks: sums add up over windows, and a part of a block counts as a part."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from scipy.stats import ks_1samp, ttest_1samp, uniform

from pynomaly.judging.drift.paired_blocks import MAX_PIECES, PairedBlocks
from tests import naive


def draw(rows: int, seed: int = 0) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    new, old = rng.uniform(size=rows) ** 2, rng.uniform(size=rows)
    return (new < 0.05, new), (old < 0.05, old)


def test_sums_are_those_of_each_block() -> None:
    new, old = draw(240)
    blocks = np.arange(240) // 30
    sums = PairedBlocks.sum_window(new, old, blocks, 1.0)
    assert sums.to_dict() == pytest.approx(naive.sum_pairs(new, old, blocks))
    assert PairedBlocks.from_dict(sums.to_dict()) == sums
    assert (sums.pieces, sums.blocks) == (8, 8.0)


def test_windows_add_up_and_their_order_does_not_matter() -> None:
    new, old = draw(240)
    blocks = np.arange(240) // 30
    whole = PairedBlocks.sum_window(new, old, blocks, 1.0)
    parts = [
        PairedBlocks.sum_window(
            (new[0][rows], new[1][rows]), (old[0][rows], old[1][rows]), blocks[rows] - blocks[rows][0], 1.0
        )
        for rows in (np.arange(120), np.arange(120, 240))
    ]
    both = sum(parts, PairedBlocks())
    assert both.to_dict() == pytest.approx(whole.to_dict())
    assert both.to_dict() == pytest.approx((parts[1] + parts[0]).to_dict())


def test_distances_are_tested_as_by_a_t_test_over_blocks() -> None:
    new, old = draw(2000)
    blocks = np.arange(2000) // 100
    further = [
        ks_1samp(new[1][blocks == number], uniform.cdf).statistic
        - ks_1samp(old[1][blocks == number], uniform.cdf).statistic
        for number in range(20)
    ]
    sums = PairedBlocks.sum_window(new, old, blocks, 1.0)
    expected = ttest_1samp(further, 0.1, alternative="greater").pvalue
    assert sums.test_distances(0.1) == pytest.approx(expected, rel=1e-6)


def test_a_part_of_a_block_counts_as_a_part() -> None:
    new, old = draw(2000)
    whole, part = (PairedBlocks.sum_window(new, old, np.arange(2000) // 100, share) for share in (1.0, 0.25))
    assert (whole.blocks, part.blocks) == (20.0, 5.0)
    assert whole.test_distances(0.0) < part.test_distances(0.0) < 0.5
    none = PairedBlocks.sum_window(new, old, np.arange(2000) // 100, 0.0)
    assert isnan(none.test_distances(0.0))
    assert isnan(none.test_alerts(1.0, 0.0, 0.0))


def test_many_blocks_are_joined_with_their_neighbours() -> None:
    new, old = draw(1000)
    sums = PairedBlocks.sum_window(new, old, np.arange(1000), 1.0)
    assert sums.pieces == MAX_PIECES
    assert sums.new_alerts == new[0].sum()


def test_the_same_version_twice_never_differs() -> None:
    for seed in range(20):
        new, _ = draw(300, seed)
        sums = PairedBlocks.sum_window(new, new, np.arange(300) // 10, 1.0)
        assert sums.test_alerts(3.0, 0.0, 0.0) == 1.0
        assert sums.test_distances(0.1) == 1.0


def test_one_long_event_is_no_proof_and_the_same_in_every_block_is() -> None:
    blocks, quiet = np.arange(960) // 96, np.zeros(960, dtype=bool)
    p = np.full(960, 0.5)
    burst, spread = quiet.copy(), quiet.copy()
    burst[:90] = True
    spread[::10] = True
    tests = [
        PairedBlocks.sum_window((flags, p), (quiet, p), blocks, 1.0).test_alerts(3.0, 0.01, 0.02)
        for flags in (burst, spread)
    ]
    assert tests[0] > 0.1
    assert tests[1] < 1e-6
    assert PairedBlocks.sum_window((spread, p), (quiet, p), blocks, 1.0).test_alerts(3.0, 0.01, 0.11) == 1.0
