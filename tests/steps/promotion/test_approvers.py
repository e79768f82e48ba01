"""Several people approve a promotion: whose approval counts, and that each counts once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from flows.display.promotion import show_pending_promotions
from pynomaly.config import load_pipeline
from pynomaly.errors import ApprovalError, ConfigError
from pynomaly.records.ledger import SIGNED, Decision, Identity, Ledger, sign_lines
from pynomaly.records.registry import Registry
from pynomaly.steps import gate as gating
from pynomaly.steps.promotion.approve import approve_promotion, reject_promotion, review_pending_promotions
from pynomaly.steps.promotion.approvers import find_obstacle
from pynomaly.steps.promotion.promote import promote
from tests.machines import make_small_settings
from tests.steps.conftest import start_with_challenger
from tests.steps.promotion.test_approve import LATER, Make, Waiting, pass_at_once, verdict

ISSUER = "https://id.plant.example"
ANN = Identity("ann", "session", ISSUER, "u-ann")
BEN = Identity("ben", "session", ISSUER, "u-ben")
NAMESAKE = Identity("ann", "session", ISSUER, "u-ann-2")
ELSEWHERE = Identity("ann", "session", "https://other.example", "u-ann")
TOKEN = Identity("zoe", "token", token="0123")
TWO = {"mode": "approval", "approvals": 2, "by_hand": "refuse", "diff_days": 3}


def line(kind: str, actor: str, identity: Identity | None = None, **evidence: Any) -> Decision:
    signed = {SIGNED: identity.to_dict()} if identity else {}
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    return Decision(kind, "pumps", kind, "pumps v2", "", (), {**evidence, **signed}, moment, actor=actor)


@pytest.mark.parametrize(
    ("needed", "asker", "given", "name", "identity", "part"),
    [
        (1, None, (), "whoever", None, ""),
        (2, None, (), "ann", ANN, ""),
        (2, None, (ANN,), "ben", BEN, ""),
        (2, None, (ANN,), "ann", NAMESAKE, ""),
        (2, None, (), "whoever", None, "nobody vouches for who 'whoever' is"),
        (2, None, (), "zoe", TOKEN, "on a token does not count"),
        (2, ANN, (), "ann", ANN, "ann asked for pumps v2; 2 other people approve it"),
        (
            2,
            ANN,
            (),
            "renamed",
            Identity("renamed", "session", ISSUER, "u-ann"),
            "renamed asked for pumps v2",
        ),
        (2, ANN, (), "ann", NAMESAKE, "ann asked for"),  # of one name: the line that asked may be unsigned
        (2, None, (ANN,), "ann", ANN, "ann has approved pumps v2 already, and counts once: 1 of 2 people"),
        (3, None, (BEN, ANN), "ann", ANN, "2 of 3 people"),
        (2, None, (ELSEWHERE,), "ann", ANN, ""),
    ],
)
def test_whose_approval_counts(
    needed: int,
    asker: Identity | None,
    given: tuple[Identity, ...],
    name: str,
    identity: Identity | None,
    part: str,
) -> None:
    pending = line("pending", asker.name if asker else "gate", asker)
    approvals = [line("approval", person.name, person) for person in given]
    obstacle = find_obstacle(needed, pending, approvals, name, identity)
    assert (part in obstacle) if part else obstacle == ""


@pytest.mark.parametrize("change", [{"mode": "automatic"}, {"by_hand": "check"}, {"by_hand": "honour"}])
def test_settings_leave_no_way_around(tmp_path: Any, change: dict[str, str]) -> None:
    file = tmp_path / "machines.yaml"
    (tmp_path / "machines.csv").touch()
    file.write_text(yaml.safe_dump(make_small_settings(promotion=TWO | change)))
    with pytest.raises(ConfigError, match="set mode: approval and by_hand: refuse"):
        load_pipeline(file)


@pytest.fixture
def waiting(pipeline: Make, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    monkeypatch.setattr(gating, "run_isolated_check", pass_at_once)
    settings = pipeline(promotion=TWO)
    registered, _ = start_with_challenger(settings, LATER)
    pending = promote(settings, registered, verdict("machines v1"), LATER)
    return Waiting(settings, Registry.open(settings.tracking_uri, settings.home), registered, pending)


def approve_as(waiting: Waiting, identity: Identity, reason: str = "looks right") -> Decision:
    with sign_lines(identity):
        return approve_promotion(waiting.settings, waiting.now, reason, identity.name)


@pytest.mark.slow
def test_two_people_approve_and_each_is_a_line(waiting: Waiting) -> None:
    with pytest.raises(ApprovalError, match="nobody vouches for who 'ann' is"):
        approve_promotion(waiting.settings, waiting.now, "yes", "ann")
    first = approve_as(waiting, ANN)
    assert (first.kind, first.outcome, first.actor) == ("approval", "counted", "ann")
    assert "1 of 2 people: it waits for another approver" in first.reasons[1]
    assert waiting.registry.resolve_alias("machines").version == 1
    with pytest.raises(ApprovalError, match="ann has approved machines v2 already"):
        approve_as(waiting, ANN, "again")
    assert len(waiting.lines("approval")) == 1
    second = approve_as(waiting, BEN, "the diff is small")
    assert (second.kind, second.outcome, second.actor) == ("promote", "approved", "ben")
    assert second.reasons[:2] == ("ben approved: the diff is small", "ann approved: looks right")
    assert second.evidence["approvals"] == [first.seq]
    signed = [item.evidence[SIGNED]["subject"] for item in waiting.lines("approval", "promote")[:2]]
    assert sorted(signed) == ["u-ann", "u-ben"]
    assert waiting.registry.resolve_alias("machines").version == 2
    with Ledger.open(waiting.settings.ledger_url) as ledger:
        assert ledger.verify_chain().intact


@pytest.mark.slow
def test_one_no_is_enough_and_what_waits_says_how_many(
    waiting: Waiting, capsys: pytest.CaptureFixture[str]
) -> None:
    approve_as(waiting, ANN)
    show_pending_promotions(review_pending_promotions(waiting.settings, waiting.now))
    shown = capsys.readouterr().out
    assert "1 of 2 people have approved it" in shown
    assert "ann approved: looks right" in shown
    assert reject_promotion(waiting.settings, waiting.now, "no", "whoever").kind == "reject"
    assert waiting.registry.resolve_alias("machines").version == 1


@pytest.mark.slow
def test_an_approval_of_another_provider_is_not_added(waiting: Waiting) -> None:
    approve_as(waiting, ELSEWHERE)
    assert approve_as(waiting, ANN).kind == "approval"
    assert approve_as(waiting, BEN).kind == "promote"


@pytest.mark.slow
def test_approvals_end_with_the_promotion_that_they_are_for(waiting: Waiting) -> None:
    approve_as(waiting, ANN)
    with sign_lines(BEN):
        late = approve_promotion(waiting.settings, waiting.now + timedelta(days=8), "yes", "ben")
    assert late.kind == "expired"
    assert waiting.registry.resolve_alias("machines").version == 1
