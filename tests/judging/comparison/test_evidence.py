"""Evidence: what it refuses, how it divides rows, and that judging by it gives the figures it always gave."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly import config
from pynomaly.errors import DataError
from pynomaly.judging.comparison.choice import choose_candidate
from pynomaly.judging.comparison.compare import VerdictOutcome, compare_scores
from pynomaly.judging.comparison.evaluation import compute_metrics
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.injected.anomalies import InjectedAnomalies
from pynomaly.judging.comparison.injection import ANOMALY_KINDS
from pynomaly.judging.comparison.rank_tests import build_block_table
from pynomaly.judging.comparison.ranking_metrics import OperatingPoint

ROWS = 600


def evidence(rows: int = ROWS) -> Evidence:
    """Every tenth row an anomaly, in blocks of four rows, with kinds and sizes in turn."""
    truth = (np.arange(rows) % 10 == 0).astype(int)
    kinds, sizes = np.full(rows, "", dtype=object), np.full(rows, "", dtype=object)
    places = np.flatnonzero(truth)
    kinds[places] = [ANOMALY_KINDS[number % 4] for number in range(places.size)]
    sizes[places] = [("0.5", "1", "2")[number % 3] for number in range(places.size)]
    injected = InjectedAnomalies(kinds, sizes)
    return Evidence(truth, np.arange(rows) // 4, Rung.INJECTED, injected, OperatingPoint(0.05, 3.0))


def scores() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20)
    truth = evidence().truth
    gains = {"plain": 1.0, "good": 1.8, "fair": 1.2}
    return {name: rng.normal(size=ROWS) + gain * truth for name, gain in gains.items()}


SETTINGS = config.Comparison(resamples=300)


# Figures of the functions as they were before Evidence: a change of them changes verdicts on record.
def test_a_verdict_keeps_its_figures() -> None:
    models = scores()
    verdict = compare_scores(evidence(), models["plain"], models["good"], SETTINGS, seed=7, among=3)
    figures = (verdict.difference, verdict.low, verdict.high, verdict.p_value, verdict.effect_size)
    assert figures == pytest.approx(
        (0.34236921554465605, 0.15436424359474357, 0.5303741874945685, 0.00010188879593567296,
         0.5842077194561576), rel=1e-9,
    )  # fmt: skip
    assert verdict.outcome is VerdictOutcome.SUPERIOR
    assert [(part.name, part.difference, part.low) for part in (verdict.kinds[1], verdict.sizes[0])] == [
        ("dependency", pytest.approx(-0.047973155350483215), pytest.approx(-0.5967935684327438)),
        ("0.5", pytest.approx(0.42655610346199074), pytest.approx(0.005699668860560725)),
    ]
    assert [item.high for item in verdict.beside] == pytest.approx(
        [0.250250127611907, 0.49280297394987194, 0.5138400602362178]
    )


def test_a_choice_keeps_its_figures() -> None:
    choice = choose_candidate(evidence(), scores(), SETTINGS, baseline="plain", seed=7)
    assert choice.winner == "good"
    assert [item.p_value for item in choice.verdicts] == pytest.approx(
        [6.79258639571153e-05, 0.1010937311598724]
    )
    assert [row["low"] for row in choice.table] == pytest.approx(
        [0.18541661600636467, 0.4993907236549093, 0.26777021843146365]
    )
    assert choice.ranks is not None
    assert choice.ranks.mean_ranks == pytest.approx((2.3, 1.5, 2.2))
    measured = compute_metrics(evidence(), scores()["fair"], resamples=300, seed=7)
    assert measured == choice.measured["fair"]
    assert measured.saved_cost is not None
    assert (measured.saved_cost.value, measured.saved_cost.low) == pytest.approx(
        (0.2388888888888889, 0.1311745686890808)
    )


def test_parts_keep_their_rows() -> None:
    table = build_block_table(evidence(), scores(), "roc_auc", 7)
    assert table["good"] == pytest.approx(
        [0.9475308641975309, 0.9598765432098766, 0.8549382716049383, 0.9506172839506173, 0.9567901234567902,
         0.9845679012345679, 0.9197530864197531, 0.8364197530864198, 0.7870370370370371, 0.8024691358024691]
    )  # fmt: skip
    folds = evidence(60).assign_folds(3, np.random.default_rng(3))
    assert folds[::4].tolist() == [2, 2, 0, 0, 0, 0, 1, 1, 1, 0, 2, 1, 1, 2, 2]
    first = evidence(60).split_halves(5)
    assert np.flatnonzero(first)[::4].tolist() == [4, 8, 16, 20, 36, 44, 48, 52]


def test_folds_hold_whole_blocks_and_both_classes() -> None:
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(40), 5)
    truth = (np.isin(blocks, np.arange(9)) & (rng.random(200) < 0.7)).astype(int)
    folds = Evidence(truth, blocks).assign_folds(4, rng)
    assert set(folds) == {0, 1, 2, 3}
    assert all(len(set(folds[blocks == block])) == 1 for block in range(40))
    assert all(0 < truth[folds == fold].sum() < (folds == fold).sum() for fold in range(4))
    with pytest.raises(DataError, match=r"fold \d of 4: none of"):
        Evidence((blocks < 3).astype(int), blocks).assign_folds(4, rng)


def test_independent_anomalies_are_counted_by_block() -> None:
    judged = evidence()
    assert (judged.rows, judged.positives, judged.units) == (600, 60, 60)
    assert Evidence(judged.truth, np.arange(ROWS) // 20).units == 30
    assert Evidence(judged.truth).units == 60


def test_a_selection_keeps_what_belongs_to_its_rows() -> None:
    judged = evidence()
    anomalies = judged.select(judged.truth == 1)
    assert (anomalies.rows, anomalies.positives) == (60, 60)
    assert anomalies.injected is not None
    assert set(anomalies.injected.kinds) == set(ANOMALY_KINDS)
    assert (anomalies.rung, anomalies.operation) == (judged.rung, judged.operation)


@pytest.mark.parametrize(
    ("truth", "blocks", "reason"),
    [
        ([0, 2, 1], None, r"label 2 at row 1 is neither 0 nor 1"),
        ([0, np.nan], None, r"label nan at row 1"),
        ([[0, 1]], None, r"truth has shape \(1, 2\)"),
        ([0, 1], [0, 1, 2], r"2 labels and blocks of shape \(3,\)"),
    ],
)
def test_what_is_no_evidence_is_refused(truth: list[float], blocks: list[int] | None, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        Evidence(np.array(truth), None if blocks is None else np.array(blocks))


def test_scores_and_kinds_must_be_one_a_row() -> None:
    with pytest.raises(DataError, match=r"truth has shape \(600,\) and scores \(3,\)"):
        evidence().check_scores([1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="kinds of shape"):
        Evidence(np.array([0, 1]), injected=InjectedAnomalies(*[np.array(["global"], dtype=object)] * 2))
