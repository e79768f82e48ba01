"""A promotion that waits for a person: answered once, refused when it is late, and always on record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from pynomaly.config import Pipeline
from pynomaly.errors import NothingPendingError
from pynomaly.judging.comparison.compare import Verdict, VerdictOutcome
from pynomaly.model.isolated_check import IsolatedCheck
from pynomaly.records.ledger import Decision, Ledger, RegistrationResult
from pynomaly.records.registry import Registry
from pynomaly.steps import gate as gating
from pynomaly.steps.champion import honour_alias
from pynomaly.steps.promotion.approve import approve_promotion, reject_promotion, review_pending_promotions
from pynomaly.steps.promotion.promote import promote, rollback
from tests.judging.comparison.test_promotion_rules import SUPERIOR
from tests.steps.conftest import MOMENT, plan, start_with_challenger, trained

pytestmark = pytest.mark.slow

Make = Callable[..., Pipeline]
LATER = MOMENT + timedelta(days=7)


def verdict(champion: str, outcome: VerdictOutcome = VerdictOutcome.SUPERIOR) -> Verdict:
    return replace(SUPERIOR, outcome=outcome, champion=champion, challenger="challenger")


@dataclass(frozen=True)
class Waiting:
    """v1 is champion, v2 waits."""

    settings: Pipeline
    registry: Registry
    registered: RegistrationResult
    pending: Decision

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def lines(self, *kinds: str) -> list[Decision]:
        with Ledger.open(self.settings.ledger_url) as ledger:
            return [item for item in ledger.list_decisions("machines") if item.kind in kinds]


def pass_at_once(*_: object) -> IsolatedCheck:
    """The gate's clean process, tested elsewhere, as one that is fast and small."""
    return IsolatedCheck(0.0, 1.0, 1.0, 300.0)


@pytest.fixture
def fast_gate(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clean process is tested elsewhere; here it measures what the list says its latency is."""
    latency = [1.0]
    monkeypatch.setattr(gating, "run_isolated_check", lambda *_: IsolatedCheck(0.0, latency[0], 1.0, 300.0))
    return latency


@pytest.fixture
def waiting(pipeline: Make, fast_gate: list[float]) -> Waiting:
    settings = pipeline(promotion={"mode": "approval", "diff_days": 3, "shadow": True})
    registered, _ = start_with_challenger(settings, LATER)
    pending = promote(settings, registered, verdict("machines v1"), LATER)
    return Waiting(settings, Registry.open(settings.tracking_uri, settings.home), registered, pending)


@pytest.mark.slow
def test_a_superior_verdict_waits_with_all_that_is_needed_to_answer(waiting: Waiting) -> None:
    pending = waiting.pending
    assert pending.kind == "pending"
    assert pending.evidence["gate"]["latency_ms"] == 1.0
    assert pending.evidence["verdict"]["outcome"] == "superior"
    assert pending.evidence["diff_error"] == ""
    shown = pending.evidence["diff"]
    assert shown["rows"] == 3 * 96
    assert (shown["champion"], shown["challenger"]) == ("v1", "v2")
    expires = datetime.fromisoformat(pending.evidence["expires"])
    assert timedelta(days=6) < expires - waiting.now <= timedelta(days=7)
    assert waiting.registry.list_aliases("machines") == {"champion": 1, "challenger": 2, "shadow": 2}
    again = promote(waiting.settings, waiting.registered, verdict("machines v1"), LATER)
    assert again.seq == pending.seq
    listed = review_pending_promotions(waiting.settings, waiting.now)
    assert [item["evidence"]["version"] for item in listed["pending"]] == [2]
    assert listed["ended"] == []


def test_approving_twice_is_one_line(waiting: Waiting) -> None:
    first = approve_promotion(waiting.settings, waiting.now, "looks right", "ada")
    second = approve_promotion(waiting.settings, waiting.now, "again", "bob", version=2)
    assert first.seq == second.seq
    assert (first.kind, first.outcome, first.actor) == ("promote", "approved", "ada")
    assert "looks right" in first.reasons[0]
    assert waiting.registry.list_aliases("machines") == {"champion": 2, "challenger": 2, "previous": 1}
    assert len(waiting.lines("promote")) == 2
    honour_alias(waiting.settings)
    assert len(waiting.lines("promote")) == 2
    with pytest.raises(NothingPendingError, match=r"approved at .* by ada"):
        reject_promotion(waiting.settings, waiting.now, "too late", "bob")


def test_a_no_stands(waiting: Waiting) -> None:
    first = reject_promotion(waiting.settings, waiting.now, "too many alerts", "ada")
    assert reject_promotion(waiting.settings, waiting.now, "again", "ada").seq == first.seq
    assert first.kind == "reject"
    assert waiting.registry.list_aliases("machines") == {"champion": 1, "challenger": 2}
    with pytest.raises(NothingPendingError, match="rejected"):
        approve_promotion(waiting.settings, waiting.now, "after all", "bob")


def test_silence_means_no(waiting: Waiting) -> None:
    late = waiting.now + timedelta(days=8)
    assert approve_promotion(waiting.settings, late, "yes", "ada").kind == "expired"
    listed = review_pending_promotions(waiting.settings, late)
    assert listed == {"pipeline": "machines", "pending": [], "ended": []}
    assert waiting.registry.resolve_alias("machines").version == 1
    assert len(waiting.lines("expired")) == 1


def test_a_look_writes_down_what_has_expired(waiting: Waiting) -> None:
    late = waiting.now + timedelta(days=8)
    assert [item["kind"] for item in review_pending_promotions(waiting.settings, late)["ended"]] == [
        "expired"
    ]
    assert review_pending_promotions(waiting.settings, late)["ended"] == []
    assert [item.actor for item in waiting.lines("expired")] == ["pynomaly"]


def test_the_gate_is_asked_again(waiting: Waiting, fast_gate: list[float]) -> None:
    fast_gate[0] = 1e6
    refused = approve_promotion(waiting.settings, waiting.now, "yes", "ada")
    assert (refused.kind, refused.outcome) == ("refuse", "gate")
    assert waiting.registry.resolve_alias("machines").version == 1


def test_another_champion_since_means_compare_again(waiting: Waiting) -> None:
    third = MOMENT + timedelta(days=10)
    trained(waiting.settings, plan(waiting.settings, third, "manual"), third)
    waiting.registry.set_alias("machines", "champion", 3)
    stale = approve_promotion(waiting.settings, waiting.now, "yes", "ada", version=2)
    assert (stale.kind, stale.outcome) == ("refuse", "stale")
    assert "compare again" in stale.reasons[0]
    assert waiting.registry.resolve_alias("machines").version == 3


def test_the_alias_set_by_hand_is_an_answer(waiting: Waiting) -> None:
    waiting.registry.set_alias("machines", "champion", 2)
    assert review_pending_promotions(waiting.settings, waiting.now)["pending"] == []
    made = waiting.lines("promote")[0]
    assert (made.outcome, made.actor) == ("approved by hand", "MLflow")
    assert made.evidence["pending"] == waiting.pending.key
    assert approve_promotion(waiting.settings, waiting.now, "yes", "ada").seq == made.seq
    assert rollback(waiting.settings, waiting.now, "no good").evidence["version"] == 1


def test_what_cannot_be_answered_says_what_can(waiting: Waiting) -> None:
    with pytest.raises(NothingPendingError, match=r"v7 never waited.*'2'"):
        approve_promotion(waiting.settings, waiting.now, "yes", "ada", version=7)


def test_nothing_waits(pipeline: Make) -> None:
    with pytest.raises(NothingPendingError, match="no promotion waits"):
        reject_promotion(pipeline(), datetime.now(UTC), "no", "ada")
