"""The benchmark of relations: its payments are what they say, and its quick form ranks rings far better."""

from __future__ import annotations

import pytest

from benchmarks.relations import compare
from pynomaly.data.payments import LEVELS, SCHEMES, generate_payments
from tests.naive import average_precision


def test_payments_are_drawn_by_seed_and_hold_every_scheme() -> None:
    frame = generate_payments(60, 200, seed=3, schemes=4)
    assert frame.equals(generate_payments(60, 200, seed=3, schemes=4))
    assert not frame.equals(generate_payments(60, 200, seed=4, schemes=4))
    assert frame["time"].is_monotonic_increasing
    assert frame["time"].is_unique
    assert (frame["payer"] != frame["payee"]).all()
    assert (frame["amount"] > 0).all()
    assert set(frame["scheme"]) == {"", *SCHEMES}
    assert ((frame["scheme"] != "") == (frame["fraud"] == 1)).all()
    early = frame["time"] < frame["time"].min().normalize() + (frame["time"].max() - frame["time"].min()) / 4
    assert not frame.loc[early, "fraud"].any()


def test_a_ring_comes_back_to_its_first_account() -> None:
    ring = generate_payments(60, 200, schemes=1, kinds=("ring",)).query("scheme == 'ring'")
    assert ring["payer"].iloc[0] == ring["payee"].iloc[-1]
    assert ring["payer"].iloc[1:].tolist() == ring["payee"].iloc[:-1].tolist()
    assert ring["amount"].is_monotonic_decreasing


def test_harder_schemes_are_smaller() -> None:
    rows = [generate_payments(60, 200, level=level)["fraud"].sum() for level in LEVELS]
    assert rows == sorted(rows, reverse=True)
    with pytest.raises(ValueError, match="allowed: \\['easy'"):
        generate_payments(level="absurd")
    with pytest.raises(ValueError, match="at least 20 accounts"):
        generate_payments(accounts=5)


@pytest.mark.slow
def test_the_past_of_two_accounts_ranks_rings_and_mules_at_least_twice_as_well() -> None:
    results = compare(100, "medium", ["iforest"], 100, 400)
    best = results.groupby(["scheme", "features"])["ap"].max()
    for scheme in ("ring", "mule"):
        assert best[scheme, "relations"] >= 2 * best[scheme, "row"]
        assert best[scheme, "relations"] >= 0.1


def test_average_precision_is_its_definition() -> None:
    import numpy as np

    from benchmarks.relations import measure_precision

    rng = np.random.default_rng(0)
    truth, scores = rng.random(50) < 0.2, rng.integers(0, 9, 50).astype(float)
    expected = average_precision(truth.astype(int).tolist(), scores.tolist())
    assert measure_precision(truth, scores) == pytest.approx(expected)
