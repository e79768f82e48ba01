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


CHAMPION: dict[str, Any] = {"gate_passed": True, "champion": "machines v1"}


@pytest.mark.parametrize("mode", ["automatic", "approval", "never"])
def test_the_outcome_is_that_of_the_verdict_in_every_mode(mode: Any) -> None:
    assert rule_on_promotion(SUPERIOR, mode, **CHAMPION).outcome == "superior"
    assert rule_on_promotion(SUPERIOR, mode, **CHAMPION, taken_back=2).outcome == "superior"
    assert rule_on_promotion(TIE, mode, **CHAMPION).outcome == "non_inferior"
    assert rule_on_promotion(SUPERIOR, mode, gate_passed=False, champion="machines v1").outcome == "superior"
    policy = {"policy": "a -> b", "base": "machines v1"}
    assert rule_on_promotion(None, mode, **CHAMPION, **policy).outcome == "policy"
    assert rule_on_promotion(None, mode, gate_passed=True, champion=None).outcome == "first"
    caught = rule_on_promotion(SUPERIOR, mode, **CHAMPION, incidents=CAUGHT)
    assert (caught.outcome, caught.reasons[-1]) == ("superior", CAUGHT.reasons[-1])


def test_a_person_who_is_asked_gets_the_verdict_beside_the_incident() -> None:
    asked = rule_on_promotion(SUPERIOR, "approval", **CHAMPION, incidents=MISSED)
    assert (asked.kind, asked.outcome) == ("pending", "superior")
    assert asked.reasons == (
        *MISSED.reasons,
        "promotion.mode is approval: a person answers",
        *SUPERIOR.reasons,
    )
    alone = rule_on_promotion(SUPERIOR, "automatic", **CHAMPION, incidents=MISSED)
    assert alone.reasons == (*MISSED.reasons, "Only a person promotes it.", *SUPERIOR.reasons)


def test_what_was_taken_back_stays_back_though_it_catches_the_incidents() -> None:
    ruling = rule_on_promotion(SUPERIOR, "automatic", **CHAMPION, incidents=CAUGHT, taken_back=2)
    assert ruling.kind == "refuse"
    assert ruling.reasons[0].endswith("learned from its rows: only a person promotes it")


def test_a_comparison_with_another_champion_is_shown_with_its_figures() -> None:
    ruling = rule_on_promotion(SUPERIOR, "automatic", gate_passed=True, champion="machines v2")
    assert ruling.reasons[1:] == SUPERIOR.reasons


def test_a_recalibration_is_the_same_model_only_while_no_score_differs() -> None:
    moved = replace(TIE, difference=1e-9)
    worse = replace(TIE, outcome=VerdictOutcome.INFERIOR)
    assert rule_on_promotion(worse, "automatic", **CHAMPION, recalibrated=True).kind == "refuse"
    assert rule_on_promotion(moved, "automatic", **CHAMPION, recalibrated=True).kind == "refuse"
    same = rule_on_promotion(TIE, "automatic", **CHAMPION, recalibrated=True)
    assert (same.outcome, same.reasons) == (
        "recalibrated",
        ("scores are the champion's own; p-values come from newer rows",),
    )


@pytest.mark.parametrize(
    ("champion", "at", "sentence"),
    [
        (1, AT - timedelta(minutes=1), "v3 waits until 2026-03-02T00:00+00:00"),
        (1, AT, "nobody answered for v3 until 2026-03-02T00:00+00:00, which means no"),
        (2, AT - timedelta(minutes=1), "v3 was compared with v1, and v2 is champion now: compare again"),
        (
            None,
            AT - timedelta(minutes=1),
            "v3 was compared with v1, and nobody is champion now: compare again",
        ),
    ],
)
def test_a_promotion_that_waits_says_for_what(champion: int | None, at: datetime, sentence: str) -> None:
    assert check_pending(3, 1, champion, AT, at).reasons == (sentence,)
