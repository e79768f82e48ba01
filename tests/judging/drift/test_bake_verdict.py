"""A breach is clearly worse than the old champion, by blocks of rows, and than what was promised."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pynomaly.config import parse_pipeline
from pynomaly.judging.drift.bake_verdict import BakeObservation, judge_bake, observe_bake
from pynomaly.judging.drift.drift_report import ColumnDrift, DriftReport
from pynomaly.judging.drift.paired_blocks import PairedBlocks
from tests.judging.drift.test_degradation import observe
from tests.machines import make_small_settings

OLD = BakeObservation(
    version=1,
    rows=1000,
    alerts=10,
    alert_status="ok",
    score_status="ok",
    score_effect=0.02,
    latency_ms=2.0,
    expected_rate=0.01,
    highest_rate=0.02,
)
NEW = replace(OLD, version=2)
SETTINGS = parse_pipeline(make_small_settings(), origin=Path("machines.yaml"))
DRIFTS = {"score_status": "drift", "score_effect": 0.5}
BLOCKS = 20


def pair(new: int = 10, old: int = 10, *, moved: float = 1.0, share: float = 1.0) -> PairedBlocks:
    """A thousand rows in twenty blocks; p-values of the new version are raised to the power `moved`."""
    rng = np.random.default_rng(0)
    p = rng.uniform(size=1000)
    flags = [np.isin(np.arange(1000), np.linspace(0, 999, count).astype(int)) for count in (new, old)]
    return PairedBlocks.sum_window(
        (flags[0], p**moved), (flags[1], p), np.arange(1000) * BLOCKS // 1000, share
    )


@pytest.mark.parametrize(
    ("new", "old", "paired", "outcome", "reason_part"),
    [
        ({}, {}, pair(), "ok", "keeps what it promised"),
        ({"rows": 99}, {"rows": 99}, pair(200), "insufficient_data", "99 rows"),
        ({"rows": 100}, {"rows": 100}, pair(), "ok", "keeps"),
        ({}, {}, pair(200), "breach", "200 alerts in 1000 rows, 10 under v1, in 20 blocks"),
        ({}, {}, pair(200, 180), "ok", "keeps"),
        ({}, {}, pair(31), "ok", "keeps"),  # more than three times as many, within chance
        ({}, {}, pair(200, share=0.1), "insufficient_data", "worth 2 independent blocks, and 3 are needed"),
        ({}, {}, pair(200, share=0.0), "ok", "how long rows depend"),
        ({"highest_rate": 0.3}, {}, pair(200), "ok", "keeps"),  # what it promised is that uncertain
        ({"alert_status": "not_computable"}, {}, pair(), "breach", "not computable under v2"),
        ({"alert_status": "not_computable"}, {"alert_status": "not_computable"}, pair(), "ok", "keeps"),
        (DRIFTS, {}, pair(moved=9.0), "breach", "distance 0.500"),
        (DRIFTS, DRIFTS, pair(moved=9.0), "breach", "distance 0.500"),
        (DRIFTS, {}, pair(), "ok", "keeps"),
        ({}, {}, pair(moved=9.0), "ok", "keeps"),  # no drift from its own reference
        ({"score_status": "drift", "score_effect": nan}, {}, pair(), "breach", "not finite"),
        ({"score_status": "insufficient_data", "score_effect": nan}, {}, pair(), "ok", "keeps"),
        (
            {"score_status": "insufficient_data", "score_effect": nan},
            {},
            pair(moved=9.0),
            "breach",
            "farther",
        ),
        ({"scores_vary": False}, {}, pair(), "breach", "v2 says the same of all 1000 rows"),
        ({"scores_vary": False}, {"scores_vary": False}, pair(), "ok", "keeps"),
        ({"score_status": "not_computable"}, {}, pair(), "breach", "not computable"),
        ({"score_status": "not_computable"}, {"score_status": "not_computable"}, pair(), "ok", "keeps"),
        ({"latency_ms": 130.0}, {}, pair(), "breach", "130.0 ms"),
        ({"latency_ms": 130.0}, {"latency_ms": 150.0}, pair(), "ok", "keeps"),
        ({"latency_ms": nan}, {}, pair(), "breach", "nan ms"),
        ({"latency_ms": 100.0}, {}, pair(), "ok", "keeps"),
        ({"latency_ms": 101.0}, {"latency_ms": 99.0}, pair(), "ok", "keeps"),  # one model, measured twice
        ({"latency_ms": 121.0}, {"latency_ms": 100.0}, pair(), "breach", "100.0 ms under v1"),
        ({"latency_ms": 130.0}, {"latency_ms": nan}, pair(), "ok", "keeps"),
    ],
)
def test_every_breach(
    new: dict[str, Any], old: dict[str, Any], paired: PairedBlocks, outcome: str, reason_part: str
) -> None:
    bake = judge_bake(replace(NEW, **new), replace(OLD, **old), paired, SETTINGS, 0.01, 1.0)
    assert bake.outcome == outcome
    assert reason_part in bake.reasons[0]


def test_what_both_suffer_is_named_and_what_one_suffers_is_not() -> None:
    bad = {**DRIFTS, "alert_status": "violated"}
    both = judge_bake(replace(NEW, **bad), replace(OLD, **bad), pair(), SETTINGS, 0.01, 1.0)
    assert both.reasons[1:] == (
        "alert rate: bad under v2, and under v1 too",
        "score drift: bad under v2, and under v1 too",
    )
    old = judge_bake(NEW, replace(OLD, **bad), pair(), SETTINGS, 0.01, 1.0)
    assert old.reasons == ("v2 keeps what it promised, or breaks it no more than v1 would",)


def test_a_version_is_observed_by_its_report_and_its_window() -> None:
    window = observe(alerts=60)
    score = ColumnDrift("score", "score", "warning", 0.12, 0.0, 0.0, "score moved")
    with_score = observe_bake(7, DriftReport("ok", (), score, 0.0, ()), window, 60, 3.5)
    expected = window.expected_rate
    assert with_score == BakeObservation(7, window.rows, 60, "violated", window.score, 0.12, 3.5, expected)
    without = observe_bake(7, DriftReport("ok", (), None, 0.0, ()), window, 60, 3.5)
    assert isnan(without.score_effect)
    assert without.to_dict() == with_score.to_dict() | {"score_effect": None}


def test_all_that_broke_is_said() -> None:
    bake = judge_bake(
        replace(NEW, **DRIFTS, latency_ms=500.0), OLD, pair(200, moved=9.0), SETTINGS, 0.01, 1.0
    )
    assert len(bake.reasons) == 3


@pytest.mark.parametrize(("stake", "outcome"), [(299.0, "ok"), (300.0, "breach")])
def test_bets_take_back_at_a_third_of_the_chance(stake: float, outcome: str) -> None:
    bake = judge_bake(NEW, OLD, pair(), SETTINGS, 0.01, stake)
    assert bake.outcome == outcome
    assert ("alerts clearly more" in bake.reasons[0]) == (outcome == "breach")
