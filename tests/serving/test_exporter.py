"""The pipelines' own numbers, as Prometheus reads them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError
from pynomaly.judging.drift.degradation import STATES
from pynomaly.records.ledger import Decision, Ledger, QueuedNotice, StreamPosition
from pynomaly.serving import exporter
from pynomaly.serving.exporter import METRIC_PREFIX, MetricCatalogue, PipelineCollector, serve_metrics
from pynomaly.steps.alerting.raise_alerts import raise_alerts
from pynomaly.steps.operations.pipeline_metrics import GAUGES, measure_pipeline
from pynomaly.steps.scoring.due_windows import find_due_windows
from pynomaly.steps.scoring.score_windows import score_window
from tests.steps.conftest import MOMENT, pipeline, start_with_champion

__all__ = ["pipeline"]

Make = Callable[..., Pipeline]
DAY = timedelta(days=1)
NUMBERS = MetricCatalogue(GAUGES, measure_pipeline)


def exposition(pipelines: list[Pipeline]) -> str:
    return exporter.format_metrics(pipelines, NUMBERS)


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (item.name.removeprefix(METRIC_PREFIX), tuple(sorted(item.labels.items()))): item.value
        for family in text_string_to_metric_families(text)
        for item in family.samples
    }


def of(samples: dict[Any, float], name: str, **labels: str) -> float | None:
    return samples.get((name, tuple(sorted({"pipeline": "machines", **labels}.items()))))


def test_what_waits_in_a_stream_is_known_while_a_worker_asks(pipeline: Make) -> None:
    streamed, now = pipeline(), datetime.now(UTC)
    with Ledger.open(streamed.ledger_url) as ledger:
        ledger.stream.record_batch("machines", [], [], [StreamPosition("t/0", 5, now)], {"t/0": None})
        ledger.stream.note_lag("machines", {"t/0": 12})
    assert of(read(exposition([streamed])), "stream_lag_messages", part="t/0") == 12.0
    later = measure_pipeline(streamed, now + timedelta(minutes=6))
    assert "stream_lag_messages" not in {item.name for item in later}


def test_a_pipeline_before_its_first_training_has_nothing_but_zeros(pipeline: Make) -> None:
    samples = read(exposition([pipeline()]))
    assert of(samples, "up") == 1.0
    assert of(samples, "champion_version") == 0.0
    assert of(samples, "open_alerts", severity="critical") == 0.0
    assert of(samples, "last_window_rows") is None
    assert of(samples, "silent", work="score") is None  # nothing to score with


@pytest.mark.slow
def test_what_is_on_record_is_what_is_told(pipeline: Make) -> None:
    settings = pipeline()
    _, decision = start_with_champion(settings)
    for window in find_due_windows(settings, MOMENT + 2 * DAY).windows:
        scored = score_window(settings, window)
    raised = raise_alerts(settings)
    now = datetime.now(UTC)
    with Ledger.open(settings.ledger_url) as ledger:
        ledger.outbox.record_heartbeat("machines", "score")
        ledger.record_decision(
            Decision("d1", "machines", "degradation", "w", "warning", ("why",), {}, MOMENT)
        )
        waits = {"version": 2, "expires": (now + DAY).isoformat()}
        ledger.record_decision(
            Decision("p1", "machines", "pending", "machines v2", "waits", ("why",), waits, MOMENT)
        )
        ledger.outbox.add_messages(QueuedNotice("m1", "people", "machines", "verdict", "title", "body", now))
        with ledger.hold_lease("score:machines:w"), ledger.hold_lease("score:others:w"):
            samples = read(exposition([settings]))
    assert decision.at is not None
    assert of(samples, "champion_version") == 1.0
    assert of(samples, "champion_since_timestamp_seconds") == pytest.approx(decision.at.timestamp())
    assert of(samples, "last_window_end_timestamp_seconds") == (MOMENT + 2 * DAY).timestamp()
    assert of(samples, "last_window_rows") == scored.rows
    assert of(samples, "last_window_alerts") == scored.alerts
    assert of(samples, "last_window_quarantined") == scored.quarantined
    assert abs((of(samples, "last_success_timestamp_seconds", work="score") or 0) - now.timestamp()) < 600
    assert of(samples, "silent", work="score") == 0.0
    assert {state: of(samples, "state", state=state) for state in STATES} == {
        state: float(state == "warning") for state in STATES
    }
    waiting = sum(value for (name, _), value in samples.items() if name == "open_alerts")
    assert waiting == sum(item.opened - item.withdrawn for item in raised)
    assert of(samples, "pending_promotions") == 1.0
    assert of(samples, "pending_expires_timestamp_seconds") == pytest.approx((now + DAY).timestamp())
    assert of(samples, "messages_waiting") == 1.0
    assert of(samples, "leases", kind="score", held="1") == 1.0
    assert of(samples, "decisions_total", kind="promote", outcome=decision.outcome) == 1.0


@pytest.mark.slow
def test_missed_runs_are_silence(pipeline: Make) -> None:
    settings = pipeline(schedule={"score": "0 * * * *"})
    start_with_champion(settings)
    with Ledger.open(settings.ledger_url) as ledger:
        ledger.outbox.record_heartbeat("machines", "score")
    silent = {
        item.labels: item.value
        for item in measure_pipeline(settings, datetime.now(UTC))
        if item.name == "silent"
    }
    assert silent[("score",)] == 0.0
    later = datetime.now(UTC) + 30 * DAY
    silent = {item.labels: item.value for item in measure_pipeline(settings, later) if item.name == "silent"}
    assert silent[("score",)] == 1.0


def test_every_number_has_a_name_by_the_conventions_and_says_what_it_is(pipeline: Make) -> None:
    for family in text_string_to_metric_families(exposition([pipeline()])):
        assert family.documentation
        assert family.type == ("counter" if family.name.endswith("decisions") else "gauge")
    assert all(meaning and name == name.lower() for name, (_, meaning) in GAUGES.items())


def test_one_broken_ledger_hides_no_other_pipeline(pipeline: Make, tmp_path: Path) -> None:
    whole = pipeline()
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    broken = pipeline(records={"ledger": f"sqlite:///{tmp_path}/broken.db"})
    broken = broken.model_copy(update={"name": "broken"})
    samples = read(exposition([broken, whole]))
    assert samples[("up", (("pipeline", "broken"),))] == 0.0
    assert of(samples, "up") == 1.0
    assert of(samples, "champion_version") == 0.0


def test_numbers_are_kept_for_a_while_and_then_read_again(pipeline: Make) -> None:
    settings, now = pipeline(), [0.0]
    collector = PipelineCollector([settings], NUMBERS, kept_s=10.0, clock=lambda: now[0])

    def messages() -> float:
        [value] = [
            sample.value
            for family in collector.collect()
            for sample in family.samples
            if sample.name == f"{METRIC_PREFIX}messages_waiting"
        ]
        return value

    assert messages() == 0.0
    with Ledger.open(settings.ledger_url) as ledger:
        ledger.outbox.add_messages(
            QueuedNotice("m", "people", "machines", "verdict", "t", "b", datetime.now(UTC))
        )
    now[0] = 9.9
    assert messages() == 0.0
    now[0] = 10.0
    assert messages() == 1.0


def test_a_port_that_is_taken_is_one_message(pipeline: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="choose another"):
            serve_metrics([pipeline()], NUMBERS, "127.0.0.1", taken.getsockname()[1])


@pytest.mark.slow
def test_the_command_answers_until_it_is_asked_to_end(pipeline: Make, tmp_path: Path) -> None:
    settings = pipeline()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "metrics", str(settings.origin), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = line.split(" on ")[1].split(";")[0]
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert of(read(answer.read().decode()), "up") == 1.0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stderr.close() if process.stderr else None
