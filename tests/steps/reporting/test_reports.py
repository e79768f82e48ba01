"""Pages from real records: the same when written again, with what was decided since; people are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, RecordError
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store
from pynomaly.steps.monitoring import window_facts
from pynomaly.steps.monitoring.monitor_window import MonitoredWindow, monitor_window
from pynomaly.steps.notices.deliver import deliver_messages
from pynomaly.steps.promotion.apply_policy import apply_policy
from pynomaly.steps.promotion.promote import rollback
from pynomaly.steps.reporting import reports
from pynomaly.steps.reporting.reports import (
    find_judged_window,
    write_newest_pages,
    write_training_page,
    write_window_page,
)
from pynomaly.steps.reporting.send_report import queue_report
from pynomaly.steps.scoring.score_windows import score_window
from tests.records.pages import read_page
from tests.steps.conftest import MOMENT, learn, plan, start_with_champion

Make = Callable[..., Pipeline]
DAY = timedelta(days=1)
OPS = {"targets": [{"name": "ops", "url_env": "OPS_URL"}]}


def judged(settings: Pipeline, start: datetime = MOMENT) -> MonitoredWindow:
    window = Window(start, start + DAY)
    return monitor_window(settings, window, window.end)


def words(page: reports.WrittenPage) -> str:
    return read_page(Path(page.path).read_text()).words.replace("\u00a0", " ")


def change(settings: Pipeline, **blocks: Any) -> Pipeline:
    content = yaml.safe_load(settings.origin.read_text())
    settings.origin.write_text(yaml.safe_dump(content | blocks))
    return load_pipeline(settings.origin)


@pytest.mark.slow
def test_a_life_in_pages(pipeline: Make, tmp_path: Path) -> None:
    incident = {"start": "2026-01-19T06:00:00Z", "end": "2026-01-19T09:00:00Z", "name": "pump <out>"}
    (tmp_path / "known.yaml").write_text(yaml.safe_dump([incident]))
    settings = pipeline(windows={"monitor": "1d"}, data={"incidents": "known.yaml"}, notify=OPS)
    registered, _ = start_with_champion(settings)
    for day in range(2):
        score_window(settings, Window(MOMENT + day * DAY, MOMENT + (day + 1) * DAY))
    verdict = judged(settings)
    assert verdict.report_error == ""

    # The same records give the same bytes; MLflow holds them too.
    card, window = write_newest_pages(settings)
    assert (card.kind, card.subject, window.subject) == ("training", "v1", verdict.window)
    client = MlflowClient(settings.tracking_uri)
    for page, run in ((card, registered.parent_run_id), (window, verdict.run_id)):
        first = Path(page.path).read_bytes()
        assert len(first) == page.size < 3_000_000
        assert Path(client.download_artifacts(run, "report.html", str(tmp_path))).read_bytes() == first
        assert page.run_id == run
    assert Path(write_training_page(settings, 1).path).read_bytes() == Path(card.path).read_bytes()
    assert Path(write_window_page(settings, *find_judged_window(settings, MOMENT)).path).read_bytes() == first

    text = words(card)
    assert f"{registered.value:.3g} (" in text
    assert registered.sha256 in text
    assert "champion since 2026-01-19 00:00 UTC" in text
    assert "there was no champion: the winner of the comparison is the first" in text
    text = words(window)
    rate = verdict.observation.alert_rate
    assert rate is not None
    assert f"96 rows, {round(96 * rate)} alerts ({100 * rate:.3g} %" in text
    assert "pump <out>" in text
    assert "2026-01-19 00:00 UTC: promote machines v1" in text
    assert all(reason in text for reason in verdict.degradation.reasons)

    # What is decided later is told when the page is written again.
    settings = change(settings, alerts={"policy": "quantile", "quantile": 0.05})
    applied = apply_policy(settings, MOMENT + 2 * DAY, "fewer misses")
    assert applied.decision is not None
    second = write_training_page(settings, 2)
    assert "The model of v1 with another alert policy" in words(second)
    assert "at p ≤ 0.05" in words(second)
    assert "champion from 2026-01-19 00:00 UTC to 2026-01-21 00:00 UTC" in words(
        write_training_page(settings, 1)
    )
    rollback(settings, MOMENT + 3 * DAY, "a test")
    assert write_training_page(settings, 1).summary.endswith("champion since 2026-01-22 00:00 UTC")
    assert write_training_page(settings, 2).summary.endswith(
        "champion from 2026-01-21 00:00 UTC to 2026-01-22 00:00 UTC"
    )
    rollback(settings, MOMENT + 3 * DAY, "taken back")
    spans = "champion from 2026-01-19 00:00 UTC to 2026-01-21 00:00 UTC"
    assert write_training_page(settings, 1).summary.endswith(spans)

    # One message a moment, with a line a page and where it is.
    pages, sent = write_newest_pages(settings), []
    links = {pages[0].path: "http://127.0.0.1:5000/#/runs/1"}
    assert queue_report(settings, pages, MOMENT, links) == 1
    assert queue_report(settings, pages, MOMENT, links) == 0
    deliver_messages(settings, lambda target, message: sent.append((target.name, message)))
    ((name, message),) = sent
    title, body = message.title, message.body
    assert message.files == tuple(page.path for page in pages)
    assert (name, title) == ("ops", "[pynomaly] machines: report as of 2026-01-19 00:00 UTC")
    assert all(part in body for page in pages for part in (page.summary, page.path))
    assert links[pages[0].path] in body


@pytest.mark.slow
def test_what_cannot_be_written_is_said(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = pipeline(windows={"monitor": "1d"})
    with pytest.raises(RecordError, match="no training is on record for v1; there is: none"):
        write_training_page(settings, 1)
    with pytest.raises(RecordError, match="the nearest start at: none"):
        find_judged_window(settings, MOMENT)
    learn(settings, plan(settings))

    # Facts that cannot be gathered, and MLflow that is not there, stop no verdict.
    def broken(*_: Any) -> None:
        raise ValueError("a hole in the table")

    with monkeypatch.context() as patched:
        patched.setattr(window_facts, "build_window_facts", broken)
        verdict = judged(settings)
    assert "the window's page: ValueError: a hole in the table" in verdict.report_error
    with pytest.raises(RecordError, match="nothing was kept to write the page of window"):
        write_window_page(settings, verdict.window, 1)
    with pytest.raises(RecordError, match="the nearest start at: 2026-01-19T00:00:00"):
        find_judged_window(settings, datetime(2026, 3, 1, tzinfo=UTC))

    class Down(Registry):
        def log_to_run(self, *_: Any, **__: Any) -> None:
            raise RecordError("nobody answers")

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "open_for", classmethod(lambda cls, _: Down(None, "", tmp_path)))
        page = write_training_page(settings, 1)
    assert (page.run_id, page.error) == ("", "nobody answers")
    assert Path(page.path).is_file()

    # A template of the user's is used; one that makes the page too large, and kept facts of another
    # format, are refused.
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "training.html.j2").write_text("<p>{{ facts.pipeline }}</p>")
    own = change(settings, reports={"templates": "own"})
    assert Path(write_training_page(own, 1).path).read_text() == "<p>machines</p>"
    (tmp_path / "own" / "training.html.j2").write_text("{{ 'x' * 3000001 }}")
    with pytest.raises(RecordError, match="3,000,001 bytes"):
        write_training_page(own, 1)
    (tmp_path / "own" / "training.html.j2").write_text("{{ gone }}")
    with pytest.raises(ConfigError, match="'gone' is undefined"):
        write_training_page(own, 1)
    store = Store(settings.store_root)
    store.write_facts("machines", "training-v1", {"format": 99})
    with pytest.raises(RecordError, match="has format 99"):
        write_training_page(settings, 1)
    Path(settings.store_root, "machines", "facts", "training-v1.json").write_text("[")
    with pytest.raises(RecordError, match="holds no facts"):
        write_training_page(settings, 1)


@pytest.mark.slow
def test_a_table_without_time_has_pages_too(pipeline: Make) -> None:
    settings = pipeline(data={"time": None, "id": None, "ignore": ["time", "machine"]})
    start_with_champion(settings)
    verdict = monitor_window(settings, None, MOMENT)
    assert verdict.report_error == ""
    card, window = write_newest_pages(settings)
    assert "the whole table" in words(card)
    text = words(window)
    assert "the whole table" in text
    assert "Alerts up to this window" not in text
    with Ledger.open(settings.ledger_url) as ledger:
        assert ledger.find_last_decision("machines", "degradation").outcome in text  # type: ignore[union-attr]
