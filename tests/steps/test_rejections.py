"""What counts as a rejected challenger: each way to come to nothing, since the promotion that stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynomaly.records.ledger import Audit, Decision
from pynomaly.records.ledger.decision_evidence import (
    AnswerEvidence,
    ApprovalEvidence,
    PendingEvidence,
    PromotionEvidence,
    RollbackEvidence,
)
from pynomaly.steps.rejections import Rejections, count_attempts, count_rejections

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
FORGET = 90 * DAY


def decide(seq: int, kind: str, evidence: Any, outcome: str = "done", actor: str = "gate") -> Decision:
    """A decision on day `seq`."""
    return Decision(
        key=f"{kind}:{seq}",
        pipeline="machines",
        kind=kind,
        subject="machines",
        outcome=outcome,
        reasons=("why",),
        evidence=evidence,
        as_of=START + seq * DAY,
        actor=actor,
        seq=seq,
    )


def promote(seq: int, version: int, replaces: int | None, outcome: str = "superior") -> Decision:
    evidence = PromotionEvidence(gate={}, verdict=None, incidents=None, version=version, replaces=replaces)
    return decide(seq, "promote", evidence, outcome)


def refuse(seq: int, outcome: str = "inferior") -> Decision:
    evidence = PromotionEvidence(gate={}, verdict=None, incidents=None, version=90 + seq, replaces=1)
    return decide(seq, "refuse", evidence, outcome)


def roll_back(seq: int, back_to: int, bad: int, actor: str = "bake") -> Decision:
    return decide(seq, "rollback", RollbackEvidence(back_to, bad, {}), actor=actor)


def wait(seq: int, days: int = 7, outcome: str = "superior") -> Decision:
    expires = START + (seq + days) * DAY
    return decide(seq, "pending", PendingEvidence(version=50, expires=expires, replaces=1), outcome)


def answer(seq: int, kind: str, asked: int) -> Decision:
    outcome = {"reject": "rejected"}.get(kind, kind)
    return decide(seq, kind, AnswerEvidence(50, f"pending:{asked}"), outcome)


def approve(seq: int, asked: int) -> Decision:
    return decide(seq, "promote", ApprovalEvidence(50, 1, None, {}, f"pending:{asked}"), "approved")


FIRST = promote(1, 1, None, "first")


@pytest.mark.parametrize(
    ("decisions", "count"),
    [
        ([FIRST], 0),
        ([FIRST, refuse(2), refuse(3)], 2),
        ([FIRST, refuse(2), promote(3, 2, 1), refuse(4)], 1),
        ([FIRST, refuse(2, "policy")], 0),
        # A recalibration ranks as before: refused challengers still count, and a refused one is one of them.
        ([FIRST, refuse(2), promote(3, 2, 1, "recalibrated"), refuse(4)], 2),
        ([FIRST, refuse(2), wait(3, outcome="recalibrated"), approve(4, 3)], 1),
        ([FIRST, refuse(2), wait(3, outcome="policy"), approve(4, 3)], 1),
        ([FIRST, refuse(2), wait(3), approve(4, 3)], 0),
        # Taken back while it baked, by a person too: the promotion does not start the count again.
        ([FIRST, refuse(2), promote(3, 2, 1), roll_back(4, 1, 2)], 2),
        ([FIRST, promote(3, 2, 1), roll_back(4, 1, 2, "person")], 1),
        ([FIRST, promote(3, 2, 1), roll_back(4, 1, 2), promote(5, 3, 1), roll_back(6, 1, 3)], 2),
        # A second rollback brings it back, and then it stands.
        ([FIRST, refuse(2), promote(3, 2, 1), roll_back(4, 1, 2), roll_back(5, 2, 1, "person")], 0),
        # An alert policy is no challenger.
        ([FIRST, promote(3, 2, 1, "policy"), roll_back(4, 1, 2)], 0),
        ([FIRST, refuse(2), promote(3, 2, 1, "policy")], 1),
        # Nobody answered, on record or not yet.
        ([FIRST, wait(2), answer(3, "expired", 2)], 1),
        ([FIRST, wait(2), answer(3, "reject", 2)], 1),
        ([FIRST, wait(2)], 1),
        ([FIRST, wait(2, days=60)], 0),
        ([FIRST, wait(2, outcome="policy"), answer(3, "expired", 2), wait(4, outcome="policy")], 0),
    ],
)
def test_each_end_counts_once(decisions: list[Decision], count: int) -> None:
    rejections = count_rejections(decisions[::-1], START + 30 * DAY, FORGET)
    assert (rejections.count, rejections.forgotten) == (count, 0)


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ([], 0),
        ([("refuse", 4)], 0),
        ([("pending", 4)], 0),  # nobody answers
        ([("pending", 4), ("reject", 5)], 0),
        ([("pending", 4), ("expired", 20)], 0),
        ([("promote", 4), ("rollback", 5)], 1),  # a retraining waits longer after a bad champion
        ([("pending", 4), ("approve", 5), ("rollback", 6)], 1),
    ],
)
def test_what_comes_of_an_audit_is_one_attempt_with_it(outcomes: list[tuple[str, int]], count: int) -> None:
    of_audit = {"gate": {}, "verdict": None, "incidents": None, "version": 50, "replaces": 1}
    made = {
        "refuse": lambda seq: decide(
            seq, "refuse", PromotionEvidence(**of_audit, audit={"audit": "a"}), "inferior"
        ),
        "promote": lambda seq: decide(
            seq, "promote", PromotionEvidence(**of_audit, audit={"audit": "a"}), "superior"
        ),
        "pending": lambda seq: decide(
            seq,
            "pending",
            PendingEvidence(50, START + 11 * DAY, replaces=1, audit={"audit": "a"}),
            "superior",
        ),
        "reject": lambda seq: answer(seq, "reject", 4),
        "expired": lambda seq: answer(seq, "expired", 4),
        "approve": lambda seq: approve(seq, 4),
        "rollback": lambda seq: roll_back(seq, 1, 50),
    }
    decisions = [made[kind](seq) for kind, seq in outcomes[::-1]] + [refuse(2), FIRST]
    against = {"champion": 1, "challenger": 50}
    audit = Audit("audit:machines:a", "machines", {"against": against}, "ann", START + 3 * DAY)
    end = START + 30 * DAY
    assert count_rejections(decisions, end, FORGET).count == 1 + count
    assert count_attempts(decisions, [audit], end) == 3, "the refused training, the audit, and the next one"


@pytest.mark.parametrize(
    ("low", "value", "count"),
    [
        (None, 0.4, 0),  # too few anomalies: nothing was tested
        (-0.1, 0.4, 1),
        (None, None, 1),  # scores that cannot be used
    ],
)
def test_a_challenger_that_could_not_be_compared_yet_is_not_rejected(
    low: float | None, value: float | None, count: int
) -> None:
    verdict = {"low": low, "champion_value": 0.1, "challenger_value": value}
    evidence = PromotionEvidence(gate={}, verdict=verdict, incidents=None, version=2, replaces=1)
    decisions = [decide(2, "refuse", evidence, "inconclusive"), FIRST]
    at = START + 3 * DAY
    assert count_rejections(decisions, at, FORGET).count == count
    assert count_attempts(decisions, [], at) == 1 + count


def test_a_refused_recalibration_is_rejected_and_was_no_look_at_a_ranking() -> None:
    verdict = {"low": 0.0, "champion_value": 0.4, "challenger_value": 0.4, "challenger": "recalibrated"}
    evidence = PromotionEvidence(gate={}, verdict=verdict, incidents=None, version=2, replaces=1)
    decisions = [decide(2, "refuse", evidence, "inferior"), FIRST]
    at = START + 3 * DAY
    assert count_rejections(decisions, at, FORGET).count == 1
    assert count_attempts(decisions, [], at) == 1


def test_what_was_refused_before_columns_drifted_holds_nothing_back_and_stays_an_attempt() -> None:
    decisions, at = [refuse(5), refuse(3), refuse(2), FIRST], START + 9 * DAY
    counted = [count_rejections(decisions, at, FORGET, START + day * DAY).count for day in (1, 2, 3, 5)]
    assert counted == [3, 2, 1, 0]
    assert count_attempts(decisions, [], at) == 4


def test_old_rejections_are_forgotten_and_counted_apart() -> None:
    decisions = [refuse(60), refuse(3), refuse(2), FIRST]
    assert count_rejections(decisions, START + 61 * DAY, FORGET) == Rejections(3, START + 60 * DAY, 0)
    assert count_rejections(decisions, START + 100 * DAY, FORGET) == Rejections(1, START + 60 * DAY, 2)
    assert count_rejections(decisions, START + 365 * DAY, FORGET) == Rejections(0, None, 3)
