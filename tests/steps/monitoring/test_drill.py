"""A drill goes the whole way on a copy: the alert arrives, and production does not change by a byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import NoChampionError, RecordError
from pynomaly.records.ledger import Ledger
from pynomaly.steps.monitoring.drill import drill
from pynomaly.steps.scoring.score_windows import score_window
from tests.machines import make_resting_machines
from tests.steps.conftest import learn, plan, start_with_champion

AT = datetime(2026, 2, 2, tzinfo=UTC)
WEEK = Window(AT - timedelta(days=7), AT)
TARGET = {"name": "ops", "url_env": "OPS_URL"}


@pytest.mark.slow
def test_a_drill_arrives_and_leaves_production_alone(pipeline) -> None:
    owner = pipeline(notify={"targets": [TARGET]}, alerts={"quantile": 0.05})
    start_with_champion(owner)
    score_window(owner, Window(AT - timedelta(days=1), AT))
    files = {path: path.read_bytes() for path in (owner.home / "store").rglob("*") if path.is_file()}
    with Ledger.open(owner.ledger_url) as ledger:
        before = (ledger.list_partitions(owner.name), ledger.list_recent_observations(owner.name, AT, 99))
    messages: list[tuple[str, str]] = []

    result = drill(owner, WEEK, AT, lambda target, message: messages.append((message.title, message.body)))

    assert result.passed, result.reasons
    assert result.channel == ("ops",)
    assert result.delay_s > 0
    assert set(result.recall) == {"all", "global", "local", "dependency", "cluster"}
    assert result.recall["all"] > result.false_alerts
    assert (result.drift, result.state) in {("drift", "degraded"), ("drift", "critical")}
    assert len(messages) == 1
    assert "DRILL" in messages[0][0]
    assert "nothing needs to be done" in messages[0][1]
    with Ledger.open(owner.ledger_url) as ledger:
        after = (ledger.list_partitions(owner.name), ledger.list_recent_observations(owner.name, AT, 99))
        assert after == before
        recorded = ledger.find_last_decision(owner.name, "drill")
    assert recorded.outcome == "passed"
    assert recorded.evidence["recall"]["all"] == result.recall["all"]
    assert files == {path: path.read_bytes() for path in (owner.home / "store").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_drill_in_quiet_hours_wakes_nobody_and_says_when_its_message_arrives(pipeline) -> None:
    now = datetime.now(UTC)
    hours = f"{now - timedelta(hours=2):%H}:00-{now + timedelta(hours=2):%H}:00"
    owner = pipeline(notify={"targets": [{**TARGET, "quiet": {"hours": hours}}]}, alerts={"quantile": 0.05})
    start_with_champion(owner)
    messages: list[str] = []
    result = drill(owner, WEEK, AT, lambda target, message: messages.append(message.event))
    assert result.passed, result.reasons
    assert result.channel == ()
    assert "drill" not in messages
    assert "quiet hours hold the message to ops until" in " ".join(result.reasons)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("blocks", "why"),
    [
        ({"drill": {"min_recall": 1.0}}, "of the injected anomalies alerted"),
        ({"drill": {"shift": 0.001}}, "in every number was judged"),
        ({"notify": {"targets": [TARGET], "attempts": 1}}, "the message did not reach ops: the hook is down"),
    ],
)
def test_a_drill_that_finds_a_fault_fails_and_says_why(pipeline, blocks: dict[str, Any], why: str) -> None:
    owner = pipeline(**blocks)
    start_with_champion(owner)

    def down(*arguments: object) -> None:
        raise RecordError("the hook is down")

    result = drill(owner, WEEK, AT, down)
    assert not result.passed
    assert why in " ".join(result.reasons)
    with Ledger.open(owner.ledger_url) as ledger:
        assert ledger.find_last_decision(owner.name, "drill").outcome == "failed"


def test_a_drill_needs_a_champion(pipeline) -> None:
    with pytest.raises(NoChampionError):
        drill(pipeline(days=1), WEEK, AT)


@pytest.mark.slow
def test_a_drill_knows_the_season_of_its_window(pipeline) -> None:
    # A Sunday is unlike most of the week, so a shift of nothing once passed for a drift that was noticed.
    owner = pipeline(
        table=make_resting_machines(42),
        windows={"reference": "28d"},
        drift={"min_rows": 50},
        drill={"shift": 1e-6, "min_recall": 0.01},
    )
    at = datetime(2026, 2, 9, tzinfo=UTC)
    learn(owner, plan(owner, at), at)
    sunday = Window(at - timedelta(days=1), at)
    result = drill(owner, sunday, at)
    assert (result.passed, result.drift) == (False, "ok"), result.reasons
    assert drill(with_shift(owner, 6.0), sunday, at).drift == "drift"


def with_shift(owner: Pipeline, shift: float) -> Pipeline:
    return owner.model_copy(update={"drill": owner.drill.model_copy(update={"shift": shift})})
