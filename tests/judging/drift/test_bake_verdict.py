"""A breach is what is bad under the new champion, not under the old one, and clearly worse."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from typing import Any

import pytest
from scipy.stats import binom

from pynomaly import config
from pynomaly.judging.drift.bake_verdict import BakeObservation, judge_bake, observe_bake
from pynomaly.judging.drift.window_drift import ColumnDrift, DriftReport
from tests.judging.drift.test_degradation import observe

OLD = BakeObservation(
    version=1, rows=1000, alerts=10, alert_status="ok", score_status="ok", score_effect=0.02, latency_ms=2.0
)
NEW = replace(OLD, version=2)


@pytest.mark.parametrize(
    ("new", "old", "outcome", "reason_part"),
    [
        ({}, {}, "ok", "keeps what it promised"),
        ({"rows": 99, "alert_status": "violated"}, {"rows": 99}, "insufficient_data", "99 rows"),
        ({"alerts": 60, "alert_status": "violated"}, {}, "breach", "60 alerts"),
        (
            {"alerts": 60, "alert_status": "violated"},
            {"alerts": 55, "alert_status": "violated"},
            "ok",
            "keeps what it promised, or breaks it no more",
        ),
        # Either side of the limit by chance: no breach.
        ({"alerts": 31, "alert_status": "violated"}, {"alerts": 29}, "ok", "keeps"),
        ({"alert_status": "not_computable"}, {}, "breach", "not computable under v2"),
        ({"alert_status": "not_computable"}, {"alert_status": "not_computable"}, "ok", "keeps"),
        ({"score_status": "drift", "score_effect": 0.5}, {}, "breach", "distance 0.500"),
        (
            {"score_status": "drift", "score_effect": 0.4},
            {"score_status": "drift", "score_effect": 0.8},
            "ok",
            "keeps",
        ),
        ({"score_status": "drift", "score_effect": 0.31}, {"score_effect": 0.29}, "ok", "keeps"),
        ({"score_status": "drift", "score_effect": nan}, {}, "breach", "not finite"),
        ({"score_status": "not_computable"}, {}, "breach", "not computable"),
        ({"latency_ms": 101.0}, {}, "breach", "101.0 ms"),
        ({"latency_ms": 101.0}, {"latency_ms": 150.0}, "ok", "keeps"),
        ({"latency_ms": nan}, {}, "breach", "nan ms"),
        # Each border, and that the old champion's own trouble is none of the new one.
        ({"rows": 100}, {"rows": 100}, "ok", "keeps"),
        ({"alerts": 60, "alert_status": "violated"}, {"alert_status": "violated"}, "ok", "keeps"),
        ({"alert_status": "violated"}, {"alert_status": "not_computable"}, "ok", "keeps"),
        ({"score_status": "drift", "score_effect": 0.12}, {"score_effect": nan}, "breach", "distance 0.120"),
        ({"score_status": "not_computable"}, {"score_status": "not_computable"}, "ok", "keeps"),
        ({"latency_ms": 100.0}, {}, "ok", "keeps"),
        ({"latency_ms": 101.0}, {"latency_ms": 100.0}, "breach", "100.0 ms under v1"),
        ({"latency_ms": 101.0}, {"latency_ms": nan}, "ok", "keeps"),
    ],
)
def test_every_breach(new: dict[str, Any], old: dict[str, Any], outcome: str, reason_part: str) -> None:
    bake = judge_bake(
        replace(NEW, **new), replace(OLD, **old), config.Drift(), config.Degradation(), max_latency_ms=100.0
    )
    assert bake.outcome == outcome
    assert reason_part in bake.reasons[0]


def test_what_both_suffer_is_named() -> None:
    bad = {"score_status": "drift", "score_effect": 0.5}
    bake = judge_bake(replace(NEW, **bad), replace(OLD, **bad), config.Drift(), config.Degradation(), 100.0)
    assert any("score drift: bad under v2, and under v1 too" in reason for reason in bake.reasons)


def test_what_only_one_suffers_is_not_shared() -> None:
    bad = {"alerts": 60, "alert_status": "violated"}
    both = judge_bake(replace(NEW, **bad), replace(OLD, **bad), config.Drift(), config.Degradation(), 100.0)
    assert both.reasons[1:] == ("alert rate: bad under v2, and under v1 too",)
    old = judge_bake(NEW, replace(OLD, **bad), config.Drift(), config.Degradation(), 100.0)
    assert old.reasons == ("v2 keeps what it promised, or breaks it no more than v1 would",)


def test_scores_must_be_further_away_by_the_whole_margin() -> None:
    drift, old = config.Drift(effect=0.125), replace(OLD, score_effect=0.125)
    for effect, outcome in ((0.25, "breach"), (0.2499, "ok")):
        new = replace(NEW, score_status="drift", score_effect=effect)
        assert judge_bake(new, old, drift, config.Degradation(), 100.0).outcome == outcome


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_alerts_are_more_than_the_old_rate_gives_by_chance(confidence: float) -> None:
    for alerts in range(10, 30):
        new = replace(NEW, alerts=alerts, alert_status="violated")
        bake = judge_bake(new, OLD, config.Drift(), config.Degradation(confidence=confidence), 100.0)
        assert (bake.outcome == "breach") == (binom.sf(alerts - 1, 1000, 0.01) < 1 - confidence)


def test_a_version_is_observed_by_its_report_and_its_window() -> None:
    window = observe(alerts=60)
    score = ColumnDrift("score", "score", "warning", 0.12, 0.0, 0.0, "score moved")
    with_score = observe_bake(7, DriftReport("ok", (), score, 0.0, ()), window, 60, 3.5)
    assert with_score == BakeObservation(7, window.rows, 60, "violated", window.score, 0.12, 3.5)
    without = observe_bake(7, DriftReport("ok", (), None, 0.0, ()), window, 60, 3.5)
    assert isnan(without.score_effect)
    assert without.to_dict() == with_score.to_dict() | {"score_effect": None}


def test_all_that_broke_is_said() -> None:
    worst = replace(
        NEW, alerts=60, alert_status="violated", score_status="drift", score_effect=0.9, latency_ms=500.0
    )
    bake = judge_bake(worst, OLD, config.Drift(), config.Degradation(), max_latency_ms=100.0)
    assert len(bake.reasons) == 3
