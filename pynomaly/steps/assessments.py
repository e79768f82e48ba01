"""Shows alerts in MLflow as traces, and reads the assessments that answer them.

A person opens the trace of an alert and sets the assessment ``anomaly``: true or ``confirmed``, false or
``false-alarm``. Reading it resolves the alert with the author's name, like :mod:`~pynomaly.steps.answering`
does. A later answer given elsewhere stays valid. Called after scoring, by ``reconcile`` and the command line;
each call does only what is missing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import SourceError
from pynomaly.judging.alert import Alert
from pynomaly.records.ledger import AlertEvent, Answers, Ledger
from pynomaly.records.registry import Assessed, Registry, Traces
from pynomaly.steps.alerting import standing
from pynomaly.steps.answering import alerts_of, resolve
from pynomaly.steps.labelling import truth_of

__all__ = ["ASSESSMENT", "Read", "read_assessments", "show_alerts"]

ASSESSMENT = "anomaly"
"""Name of the assessment that answers an alert."""

_ENDINGS: dict[int, Any] = {1: "confirmed", 0: "false-alarm"}


@dataclass(frozen=True)
class Read:
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
    open_alerts = alerts_of(pipeline)[:limit] if limit else ()
    if not open_alerts:
        return 0
    traces = Traces(Registry.of(pipeline), pipeline.name)
    shown_names = traces.shown()
    fresh = [alert for alert in open_alerts if alert.alert not in shown_names]
    for alert in fresh:
        inputs, outputs = _told(alert)
        traces.show(alert.alert, inputs, outputs, alert.opened or datetime.now(UTC))
    return len(fresh)


def read_assessments(pipeline: Pipeline) -> Read:
    """Resolve the alerts that have a new assessment; each assessment is used once.

    Raises
    ------
    RecordError
        If MLflow cannot be reached.
    """
    assessments = Traces(Registry.of(pipeline), pipeline.name).assessments(ASSESSMENT)
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers = Answers.beside(ledger)
        alerts = standing(answers, pipeline.name)
        assessed_alerts = {item.alert for item in assessments} & set(alerts)
        events = {alert: answers.events(pipeline.name, alert) for alert in assessed_alerts}
    new, unread = 0, []
    for item in assessments:
        if item.alert not in alerts:
            unread.append(f"{item.key}: no alert {item.alert!r}")
            continue
        try:
            truth = truth_of(item.value, f"assessment {item.key} of alert {item.alert}")
        except SourceError as error:
            unread.append(str(error))
            continue
        if truth is not None and _newest(item, events[item.alert]):
            name, note = item.author or "MLflow", item.note
            new += resolve(pipeline, item.alert, _ENDINGS[truth], name, note, source=f"mlflow:{item.key}").new
    return Read(len(assessments), new, tuple(unread))


def _newest(item: Assessed, events: tuple[AlertEvent, ...]) -> bool:
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


def _told(alert: Alert) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs (which rows) and the outputs (the verdict) of an alert's trace."""
    content = alert.to_dict()
    inputs = {name: content[name] for name in ("entity", "first", "last", "rows")}
    outputs = {name: content[name] for name in ("severity", "category")}
    outputs["columns"] = [str(item) for item in alert.carriers]
    return inputs, outputs | {"reasons": list(alert.reasons), "alert": alert.alert}
