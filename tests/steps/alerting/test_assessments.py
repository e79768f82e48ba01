"""Alerts on MLflow's pages: shown once, answered by an assessment once, and a later answer stands."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from mlflow.entities import AssessmentSource, Expectation, Feedback
from mlflow.tracing.client import TracingClient

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.data.window import Window
from pynomaly.errors import RecordError
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry, Traces
from pynomaly.steps.alerting import assessments
from pynomaly.steps.alerting.assessments import read_assessments, show_alerts
from pynomaly.steps.alerting.raise_alerts import raise_alerts
from pynomaly.steps.alerting.resolve_alerts import list_alerts, resolve_alert
from pynomaly.steps.operations.prune import prune
from pynomaly.steps.operations.reconcile import reconcile
from pynomaly.steps.scoring.score_windows import score_window
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import MOMENT, start_with_champion

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pipeline that has open alerts; each test takes a copy."""
    folder = tmp_path_factory.mktemp("scored")
    make_machines(28).to_csv(folder / "machines.csv", index=False)
    file = folder / "machines.yaml"
    file.write_text(
        yaml.safe_dump(
            make_small_settings(
                feedback={"traces": 50}, alerts={"quantile": 0.05}, training={"candidates": ["gmm"]}
            )
        )
    )
    settings = load_pipeline(file)
    start_with_champion(settings)
    for day in range(3):
        score_window(settings, Window(MOMENT + day * DAY, MOMENT + (day + 1) * DAY))
    raise_alerts(settings)
    assert 3 < len(list_alerts(settings)) < 50
    return folder


@pytest.fixture
def alerted(scored: Path, tmp_path: Path) -> Pipeline:
    folder = shutil.copytree(scored, tmp_path / "copy")
    return load_pipeline(folder / "machines.yaml").model_copy(update={"home": folder / ".pynomaly"})


class Page:
    """What a person does on MLflow's pages."""

    def __init__(self, settings: Pipeline) -> None:
        registry = Registry.open_for(settings)
        self.client = TracingClient(registry.client.tracking_uri)
        self.ensure_experiment = registry.ensure_experiment(settings.name)

    def traces(self) -> dict[str, str]:
        traces = self.client.search_traces(locations=[self.ensure_experiment], include_spans=False)
        return {trace.info.tags["pynomaly.alert"]: trace.info.trace_id for trace in traces}

    def assess(
        self, alert: str, value: object, by: str = "ann", name: str = "anomaly", note: str = ""
    ) -> str:
        source = AssessmentSource("HUMAN", by)
        assessment = Feedback(name=name, value=value, source=source, rationale=note or None)
        return str(self.client.log_assessment(self.traces()[alert], assessment).assessment_id)


@pytest.mark.slow
def test_the_gravest_alerts_are_shown_once(alerted: Pipeline) -> None:
    some = alerted.model_copy(update={"feedback": alerted.feedback.model_copy(update={"traces": 2})})
    gravest = [alert.alert for alert in list_alerts(alerted)[:2]]
    assert show_alerts(some) == 2
    assert sorted(Page(alerted).traces()) == sorted(gravest)
    assert show_alerts(some) == 0
    assert show_alerts(alerted) == len(list_alerts(alerted)) - 2
    assert set(Page(alerted).traces()) == {alert.alert for alert in list_alerts(alerted)}


def test_a_trace_says_what_an_alert_says(alerted: Pipeline) -> None:
    show_alerts(alerted)
    alert, page = list_alerts(alerted)[0], Page(alerted)
    trace = page.client.get_trace(page.traces()[alert.alert])
    (span,) = trace.data.spans
    assert span.inputs["entity"] == alert.entity
    assert span.inputs["rows"] == alert.rows
    assert span.outputs["severity"] == alert.severity
    for sentence, item in zip(span.outputs["columns"], alert.carriers, strict=True):
        assert sentence.startswith(f"{item.feature} {item.actual:.4g} instead of ")
    assert span.outputs["columns"][0] in trace.info.response_preview
    assert alert.entity in trace.info.request_preview
    assert trace.info.request_time == int(alert.opened.timestamp() * 1000)


def test_without_the_setting_nothing_is_shown(alerted: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    off = alerted.model_copy(update={"feedback": alerted.feedback.model_copy(update={"traces": 0})})
    monkeypatch.setattr(assessments, "Traces", None)  # nor is MLflow asked
    assert show_alerts(off) == 0
    assert reconcile(off).answered == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "ending"),
    [
        (True, "confirmed"),
        ("confirmed", "confirmed"),
        (1, "confirmed"),
        (False, "false-alarm"),
        ("no", "false-alarm"),
    ],
)
def test_an_assessment_resolves_its_alert_and_labels_its_rows(
    alerted: Pipeline, value: object, ending: str
) -> None:
    show_alerts(alerted)
    alert = list_alerts(alerted)[0]
    Page(alerted).assess(alert.alert, value, note="bearing 3")
    first, again = read_assessments(alerted), read_assessments(alerted)
    assert (first.rows, first.new, first.unread) == (1, 1, ())
    assert again.new == 0
    resolved = next(item for item in list_alerts(alerted, "resolved") if item.alert == alert.alert)
    assert (resolved.ending, resolved.by, resolved.note) == (ending, "ann", "bearing 3")
    with Ledger.open(alerted.ledger_url) as ledger:
        labels = ledger.answers.list_labels(alerted.name)
    assert {(label.source, label.author, label.truth) for label in labels} == {
        ("mlflow", "ann", int(ending == "confirmed"))
    }
    assert sorted((label.entity, label.row) for label in labels) == sorted(alert.row_keys)


def test_of_several_answers_the_last_stands_and_an_earlier_one_does_not_come_back(alerted: Pipeline) -> None:
    show_alerts(alerted)
    alert, page = list_alerts(alerted)[0].alert, Page(alerted)
    page.assess(alert, False, "ann")
    page.assess(alert, True, "bo")
    assert read_assessments(alerted).new == 2
    assert ending(alerted, alert) == "confirmed"
    resolve_alert(alerted, alert, "false-alarm", "cy")
    assert read_assessments(alerted).new == 0
    assert ending(alerted, alert) == "false-alarm"
    page.assess(alert, True, "ann")
    assert read_assessments(alerted).new == 1
    assert ending(alerted, alert) == "confirmed"


def test_an_answer_given_elsewhere_before_it_was_read_stands(alerted: Pipeline) -> None:
    show_alerts(alerted)
    alert = list_alerts(alerted)[0].alert
    Page(alerted).assess(alert, True)
    resolve_alert(alerted, alert, "false-alarm", "cy")
    assert read_assessments(alerted).new == 0
    assert ending(alerted, alert) == "false-alarm"


def test_what_is_taken_back_or_no_answer_does_nothing(alerted: Pipeline) -> None:
    show_alerts(alerted)
    first, second, third, *_ = (alert.alert for alert in list_alerts(alerted))
    page = Page(alerted)
    page.client.delete_assessment(page.traces()[first], page.assess(first, True))
    page.assess(second, "perhaps")
    page.assess(third, True, name="helpful")
    expected = Expectation(name="anomaly", value=True, source=AssessmentSource("HUMAN", "bo"))
    page.client.log_assessment(page.traces()[third], expected)
    answers = read_assessments(alerted)
    assert (answers.rows, answers.new) == (2, 1)
    assert ending(alerted, third) == "confirmed"
    assert len(answers.unread) == 1
    assert "perhaps" in answers.unread[0]


def test_an_assessment_that_was_changed_is_read_as_it_is_now(alerted: Pipeline) -> None:
    show_alerts(alerted)
    alert, page = list_alerts(alerted)[0].alert, Page(alerted)
    key = page.assess(alert, True)
    page.client.update_assessment(page.traces()[alert], key, Feedback(name="anomaly", value=False))
    assert read_assessments(alerted).new == 1
    assert ending(alerted, alert) == "false-alarm"


def test_reconcile_shows_what_is_missing_and_reads_what_was_said(alerted: Pipeline) -> None:
    assert reconcile(alerted).answered == 0
    page, alert = Page(alerted), list_alerts(alerted)[0].alert
    assert alert in page.traces()
    page.assess(alert, True)
    assert reconcile(alerted).answered == 1
    assert reconcile(alerted).answered == 0


def test_mlflow_away_is_an_error_of_ours(alerted: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr(TracingClient, "search_traces", gone)
    with pytest.raises(RecordError, match="could not search its traces: connection refused"):
        show_alerts(alerted)
    assert any("assessments" in failure for failure in reconcile(alerted).failed)


def test_more_traces_than_a_page_holds_are_all_found(
    alerted: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pynomaly.records.registry.traces._PAGE_SIZE", 2)
    show_alerts(alerted)
    assert Traces(Registry.open_for(alerted), alerted.name).list_traced_alerts() == {
        item.alert for item in list_alerts(alerted)
    }


def test_traces_of_answered_alerts_go_when_they_are_old(alerted: Pipeline) -> None:
    show_alerts(alerted)
    answered, *waiting = (alert.alert for alert in list_alerts(alerted))
    resolve_alert(alerted, answered, "confirmed", "ann")
    page = Page(alerted)
    name, later = page.traces()[answered], datetime.now(UTC) + timedelta(days=91)
    assert "trace" not in prune(alerted, apply=False).counts
    planned = prune(alerted, apply=False, now=later)
    assert planned.counts["trace"] == {"count": 1, "bytes": 0}
    assert [item["name"] for item in planned.removals if item["kind"] == "trace"] == [name]
    kept = [item["reason"] for item in planned.kept if item["kind"] == "trace"]
    assert kept == ["its alert waits for an answer"] * len(waiting)
    assert answered in page.traces()
    assert prune(alerted, apply=True, now=later).skipped == ()
    assert set(page.traces()) == set(waiting)
    assert "trace" not in prune(alerted, apply=True, now=later).counts
    Traces(Registry.open_for(alerted), alerted.name).remove_trace(name)  # gone already


def ending(settings: Pipeline, alert: str) -> str:
    return next(item.ending for item in list_alerts(settings, "all") if item.alert == alert)
