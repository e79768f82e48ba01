"""Shows alerts in MLflow as traces, and reads the assessments that answer them.

A person opens the trace of an alert and sets the assessment ``anomaly``: true or ``confirmed``, false or
``false-alarm``. Reading it resolves the alert with the author's name, like
:mod:`~pynomaly.steps.alerting.resolve_alerts` does. A later answer given elsewhere stays valid. Called after
scoring, by ``reconcile`` and the command line; each call does only what is missing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import SourceError
from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.ledger import AlertEvent, Ledger
from pynomaly.records.registry import AlertAssessment, Registry, Traces
from pynomaly.steps.alerting.labels import parse_truth
from pynomaly.steps.alerting.resolve_alerts import list_alerts, resolve_alert

__all__ = ["ASSESSMENT_NAME", "AssessmentResult", "read_assessments", "show_alerts"]

ASSESSMENT_NAME = "anomaly"
"""Name of the assessment that answers an alert."""

_ENDINGS: dict[int, Any] = {1: "confirmed", 0: "false-alarm"}


@dataclass(frozen=True)
class AssessmentResult:
    """Result of reading assessments.

    Attributes
    ----------
    rows, new : int
        Number of assessments found, and number of alerts that this call resolved.
    unread : tuple of str
        Assessments that are not a valid answer, each with the reason.
    """

    rows: int
    new: int
    unread: tuple[str, ...]
    source: str = "mlflow"
    empty: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def show_alerts(pipeline: Pipeline) -> int:
    """Write a trace for each of the ``feedback.traces`` most severe open alerts that has none yet.

    Returns
    -------
    int
        Number of alerts that this call showed.

    Raises
    ------
    RecordError
        If MLflow cannot be reached.
    """
    limit = pipeline.feedback.traces
    open_alerts = list_alerts(pipeline)[:limit] if limit else ()
    if not open_alerts:
        return 0
    traces = Traces(Registry.open_for(pipeline), pipeline.name)
    shown_names = traces.list_traced_alerts()
    fresh = [alert for alert in open_alerts if alert.alert not in shown_names]
    for alert in fresh:
        inputs, outputs = _describe_trace(alert)
        traces.log_alert(alert.alert, inputs, outputs, alert.opened or datetime.now(UTC))
    return len(fresh)


def read_assessments(pipeline: Pipeline) -> AssessmentResult:
    """Resolve the alerts that have a new assessment; each assessment is used once.

    Raises
    ------
    RecordError
        If MLflow cannot be reached.
    """
    assessments = Traces(Registry.open_for(pipeline), pipeline.name).list_assessments(ASSESSMENT_NAME)
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers = ledger.answers
        names = {item.alert for item in assessments}
        assessed_alerts = {name for name in names if ledger.alert_states.find_alert(pipeline.name, name)}
        events = {alert: answers.list_events(pipeline.name, alert) for alert in assessed_alerts}
    new, unread = 0, []
    for item in assessments:
        if item.alert not in assessed_alerts:
            unread.append(f"{item.key}: no alert {item.alert!r}")
            continue
        try:
            truth = parse_truth(item.value, f"assessment {item.key} of alert {item.alert}")
        except SourceError as error:
            unread.append(str(error))
            continue
        if truth is not None and _is_new_answer(item, events[item.alert]):
            name, note = item.author or "MLflow", item.note
            new += resolve_alert(
                pipeline, item.alert, _ENDINGS[truth], name, note, source=f"mlflow:{item.key}"
            ).new
    return AssessmentResult(len(assessments), new, tuple(unread))


def _is_new_answer(item: AlertAssessment, events: tuple[AlertEvent, ...]) -> bool:
    """Return whether this assessment was not used yet and no later answer was given elsewhere."""
    for event in events:
        if event.event != "resolved":
            continue
        source = str(event.content.get("source", "resolve"))
        if source == f"mlflow:{item.key}":
            return False
        if not source.startswith("mlflow:") and event.at is not None and event.at > item.at:
            return False
    return True


def _describe_trace(alert: Alert) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs (which rows) and the outputs (the verdict) of an alert's trace."""
    content = alert.to_dict()
    inputs = {name: content[name] for name in ("entity", "first", "last", "rows")}
    outputs = {name: content[name] for name in ("severity", "category")}
    outputs["columns"] = [str(item) for item in alert.carriers]
    return inputs, outputs | {"reasons": list(alert.reasons), "alert": alert.alert}
