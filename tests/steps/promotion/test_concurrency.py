"""Twenty at once: one champion, one line each, aliases that agree. And a lease that ends half way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError
from pynomaly.model.isolated_check import IsolatedCheck
from pynomaly.records.ledger import Decision, Ledger, RegistrationResult
from pynomaly.records.registry import Registry
from pynomaly.steps import gate as gating
from pynomaly.steps.champion import move_aliases
from pynomaly.steps.promotion import promote as promoting
from pynomaly.steps.promotion.promote import promote
from tests.judging.comparison.test_promotion_rules import SUPERIOR
from tests.steps.conftest import MOMENT

N = 20


def registered(version: int) -> RegistrationResult:
    return RegistrationResult(
        pipeline="machines",
        key=f"training {version}",
        version=version,
        run_id="",
        parent_run_id="",
        sha256="",
        detector="hbos",
        metric="average_precision",
        value=None,
        rung="labels",
        expected_alert_rate=0.01,
        recalibrated=False,
        notes=(),
        new=True,
    )


@pytest.fixture
def versions(pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pipeline:
    """v1 to v21 in a real registry, without files: what they score is not asked here."""
    settings = pipeline(days=1)
    registry = Registry.open(settings.tracking_uri, settings.home)
    monkeypatch.setattr(Registry, "fetch_bundle", lambda *_: tmp_path)
    monkeypatch.setattr(gating, "run_isolated_check", lambda *_: IsolatedCheck(0.0, 1.0, 1.0, 300.0))
    monkeypatch.setattr(promoting, "replay_incidents", lambda *_: None)
    registry._ensure_model("machines")
    for number in range(N + 1):
        registry._client.create_model_version("machines", source=str(tmp_path / str(number)))
    assert promote(settings, registered(1), None, MOMENT).kind == "promote"
    return settings


@pytest.mark.slow
def test_twenty_promotions_at_once_leave_one_champion(versions: Pipeline) -> None:
    start = threading.Barrier(N)

    def ask(version: int) -> Decision:
        start.wait()
        return promote(versions, registered(version), SUPERIOR, MOMENT)

    with ThreadPoolExecutor(N) as pool:
        decided = list(pool.map(ask, range(2, N + 2)))
    won = [item for item in decided if item.kind == "promote"]
    assert len(won) == 1
    with Ledger.open(versions.ledger_url) as ledger:
        lines = ledger.list_decisions("machines")
        assert ledger.verify_chain().intact
    assert sorted(item.subject for item in lines) == sorted(f"machines v{n}" for n in range(1, N + 2))
    assert all("compare again" in item.reasons[0] for item in decided if item.kind == "refuse")
    aliases = Registry.open(versions.tracking_uri, versions.home).list_aliases("machines")
    assert aliases["champion"] == won[0].evidence["version"]
    assert aliases["previous"] == 1


class Aliases:
    """A registry of aliases alone; `meanwhile` runs before the first one moves."""

    def __init__(self, meanwhile: Callable[[], Any] = lambda: None) -> None:
        self.now: dict[str, int] = {}
        self._meanwhile: Callable[[], Any] | None = meanwhile

    def set_alias(self, pipeline: str, alias: str, version: int) -> None:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        self.now[alias] = version

    def tag_version(self, *_: object) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


FIRST = Decision(
    key="first",
    pipeline="machines",
    kind="promote",
    subject="machines v2",
    outcome="superior",
    reasons=("better",),
    evidence={"version": 2, "replaces": 1},
    as_of=MOMENT,
)
SECOND = replace(FIRST, key="second", subject="machines v3", evidence={"version": 3, "replaces": 1})
MINUTE = timedelta(minutes=1)


def test_whoever_lost_the_lease_writes_nothing_and_moves_nothing(tmp_path: Path) -> None:
    clock, aliases = Clock(), Aliases()
    with (
        Ledger.open(f"sqlite:///{tmp_path}/ledger.db", clock) as ledger,
        ledger.hold_lease("champion:machines", "slow", MINUTE, renew=False) as slow,
    ):
        ledger.record_decision(FIRST, slow)
        clock.now += 2 * MINUTE
        with ledger.hold_lease("champion:machines", "quick", MINUTE, renew=False) as quick:
            with pytest.raises(LeaseHeldError, match="taken over"):
                ledger.record_decision(replace(FIRST, key="late"), slow)
            with pytest.raises(LeaseHeldError, match="taken over"):
                move_aliases(ledger, aliases, FIRST, slow)  # type: ignore[arg-type]
            assert aliases.now == {}
            ledger.record_decision(SECOND, quick)
            move_aliases(ledger, aliases, SECOND, quick)  # type: ignore[arg-type]
        assert [item.key for item in ledger.list_decisions("machines")] == ["second", "first"]
    assert aliases.now == {"previous": 1, "champion": 3}


def test_whoever_is_overtaken_while_moving_puts_back_what_was_decided(tmp_path: Path) -> None:
    clock = Clock()
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db", clock) as ledger:

        def overtaken() -> None:
            clock.now += 2 * MINUTE
            with ledger.hold_lease("champion:machines", "quick", MINUTE, renew=False) as quick:
                ledger.record_decision(SECOND, quick)
                aliases.now |= {"champion": 3, "previous": 1}

        aliases = Aliases(overtaken)
        with ledger.hold_lease("champion:machines", "slow", MINUTE, renew=False) as slow:
            ledger.record_decision(FIRST, slow)
            with pytest.raises(LeaseHeldError):
                move_aliases(ledger, aliases, FIRST, slow)  # type: ignore[arg-type]
    assert aliases.now == {"champion": 3, "previous": 1}
