"""A breach is what is bad under the new champion, not under the old one, and clearly worse."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from pynomaly import config
from pynomaly.judging.drift.bake_verdict import BakeObservation, judge_bake

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


def test_all_that_broke_is_said() -> None:
    worst = replace(
        NEW, alerts=60, alert_status="violated", score_status="drift", score_effect=0.9, latency_ms=500.0
    )
    bake = judge_bake(worst, OLD, config.Drift(), config.Degradation(), max_latency_ms=100.0)
    assert len(bake.reasons) == 3
