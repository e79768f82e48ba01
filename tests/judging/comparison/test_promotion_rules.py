"""What follows from a verdict: every mode, every refusal; and when a promotion that waits may be answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynomaly.judging.comparison.compare import Rung, Verdict, VerdictOutcome
from pynomaly.judging.comparison.past_incidents import PastIncident, compare_on_incidents
from pynomaly.judging.comparison.promotion_rules import check_pending, rule_on_promotion

SUPERIOR = Verdict(
    outcome=VerdictOutcome.SUPERIOR,
    rung=Rung.LABELS,
    metric="average_precision",
    champion="machines v1",
    challenger="hbos",
    champion_value=0.5,
    challenger_value=0.7,
    difference=0.2,
    low=0.1,
    high=0.3,
    level=0.95,
    effect_size=1.0,
    p_value=0.01,
    rows=1000,
    positives=50,
    reasons=("the interval lies above 0",),
)
TIE = replace(SUPERIOR, outcome=VerdictOutcome.NON_INFERIOR, difference=0.0)
MISSED = compare_on_incidents([True], [False], [PastIncident("pump", (0,))])
CAUGHT = compare_on_incidents([True], [True], [PastIncident("pump", (0,))])
AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ({}, "promote", "interval lies above"),
        ({"mode": "approval"}, "pending", "a person answers"),
        ({"mode": "never"}, "refuse", "mode is never"),
        ({"gate_passed": False}, "refuse", "gate refuses"),
        ({"gate_passed": False, "champion": None, "verdict": None}, "refuse", "gate refuses"),
        ({"champion": None, "verdict": None, "mode": "approval"}, "promote", "no champion"),
        ({"verdict": None}, "refuse", "nothing says"),
        ({"champion": "machines v2"}, "refuse", "compare again"),
        ({"champion": "machines v2", "mode": "approval"}, "refuse", "compare again"),
        ({"verdict": TIE}, "refuse", "only superior"),
        ({"verdict": TIE, "mode": "approval"}, "refuse", "only superior"),
        ({"verdict": TIE, "recalibrated": True}, "promote", "champion's own"),
        ({"verdict": TIE, "recalibrated": True, "mode": "approval"}, "pending", "a person"),
        ({"verdict": None, "policy": "a -> b", "base": "machines v1"}, "promote", "alerts change: a -> b"),
        (
            {"verdict": None, "policy": "a -> b", "base": "machines v1", "mode": "approval"},
            "pending",
            "a person answers",
        ),
        ({"verdict": None, "policy": "a -> b", "base": "machines v1", "mode": "never"}, "refuse", "never"),
        ({"verdict": None, "policy": "a -> b", "base": "machines v3"}, "refuse", "v3, and v1 is champion"),
        ({"taken_back": 2}, "refuse", "v2 was rolled back while it baked"),
        ({"incidents": MISSED}, "refuse", "misses what the champion caught: pump"),
        ({"incidents": MISSED, "mode": "approval"}, "pending", "misses what the champion caught: pump"),
        ({"incidents": MISSED, "mode": "never"}, "refuse", "misses what the champion caught: pump"),
        ({"incidents": MISSED, "verdict": TIE}, "refuse", "only superior"),
        ({"incidents": MISSED, "verdict": TIE, "recalibrated": True}, "refuse", "caught: pump"),
        (
            {"incidents": MISSED, "verdict": None, "policy": "a -> b", "base": "machines v1"},
            "promote",
            "scores are the champion's own",
        ),
        ({"incidents": CAUGHT}, "promote", "the interval lies above 0"),
        ({"taken_back": 2, "mode": "approval"}, "pending", "a person answers"),
    ],
)
def test_every_rule(changes: dict[str, Any], kind: str, reason: str) -> None:
    facts: dict[str, Any] = {
        "verdict": SUPERIOR,
        "mode": "automatic",
        "gate_passed": True,
        "champion": "machines v1",
    }
    facts |= changes
    ruling = rule_on_promotion(facts.pop("verdict"), facts.pop("mode"), **facts)
    assert ruling.kind == kind
    assert reason in ruling.reasons[0]


def test_a_person_is_warned_of_a_version_that_was_taken_back() -> None:
    ruling = rule_on_promotion(SUPERIOR, "approval", gate_passed=True, champion="machines v1", taken_back=2)
    assert any("v2 was rolled back while it baked" in reason for reason in ruling.reasons)


@pytest.mark.parametrize(
    ("champion", "at", "state"),
    [
        (1, AT - timedelta(seconds=1), "open"),
        (1, AT, "expired"),
        (2, AT - timedelta(seconds=1), "stale"),
        (None, AT - timedelta(seconds=1), "stale"),
        (2, AT, "expired"),
    ],
)
def test_when_it_may_be_answered(champion: int | None, at: datetime, state: str) -> None:
    assert check_pending(3, 1, champion, AT, at).state == state


def test_a_missed_incident_names_the_refusal_and_comes_first_for_a_person() -> None:
    facts: dict[str, Any] = {"gate_passed": True, "champion": "machines v1", "incidents": MISSED}
    assert rule_on_promotion(SUPERIOR, "automatic", **facts).outcome == "misses pump"
    asked = rule_on_promotion(SUPERIOR, "approval", **facts)
    assert asked.kind == "pending"
    assert asked.reasons[0] == "It misses what the champion caught: pump."


def test_a_change_of_policy_says_what_it_misses_and_stays_a_persons_choice() -> None:
    facts: dict[str, Any] = {"policy": "a -> b", "base": "machines v1", "incidents": MISSED}
    ruling = rule_on_promotion(None, "automatic", gate_passed=True, champion="machines v1", **facts)
    assert ruling.kind == "promote"
    assert "It misses what the champion caught: pump." in ruling.reasons
