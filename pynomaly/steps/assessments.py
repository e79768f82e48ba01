"""Alerts on MLflow's pages: shown there as traces, answered there by an assessment.

Somebody opens the trace of an alert and assesses ``anomaly``: true or ``confirmed``, false or
``false-alarm``. Reading that resolves the alert with the author's name, like :mod:`~pynomaly.steps.answering`
does. An answer given elsewhere later stands. Called after scoring, by ``reconcile`` and the command line;
each call does what is missing.
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
    """What reading assessments came to.

    Attributes
    ----------
    rows, new : int
        Assessments there are, and alerts that one of them answered just now.
    unread : tuple of str
        Those that are no answer, each with the reason.
    """

    rows: int
    new: int
    unread: tuple[str, ...]
    source: str = "mlflow"
    empty: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def show_alerts(pipeline: Pipeline) -> int:
    """Show the gravest open alerts that are not shown yet, ``feedback.traces`` at most at once.

    Returns
    -------
    int
        How many were shown just now.

    Raises
    ------
    RecordError
        If MLflow is away.
    """
    most = pipeline.feedback.traces
    waiting = alerts_of(pipeline)[:most] if most else ()
    if not waiting:
        return 0
    traces = Traces(Registry.of(pipeline), pipeline.name)
    shown = traces.shown()
    fresh = [alert for alert in waiting if alert.alert not in shown]
    for alert in fresh:
        asked, said = _told(alert)
        traces.show(alert.alert, asked, said, alert.opened or datetime.now(UTC))
    return len(fresh)


def read_assessments(pipeline: Pipeline) -> Read:
    """Resolve the alerts that somebody assessed since; each assessment answers once.

    Raises
    ------
    RecordError
        If MLflow is away.
    """
    given = Traces(Registry.of(pipeline), pipeline.name).assessments(ASSESSMENT)
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers = Answers.beside(ledger)
        known = standing(answers, pipeline.name)
        assessed = {item.alert for item in given} & set(known)
        events = {alert: answers.events(pipeline.name, alert) for alert in assessed}
    new, unread = 0, []
    for item in given:
        if item.alert not in known:
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
    return Read(len(given), new, tuple(unread))


def _newest(item: Assessed, events: tuple[AlertEvent, ...]) -> bool:
    """Whether nothing was answered from this assessment, nor elsewhere after it."""
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
    """What an alert is about, and what is said of it."""
    content = alert.to_dict()
    asked = {name: content[name] for name in ("entity", "first", "last", "rows")}
    said = {name: content[name] for name in ("severity", "category")}
    said["columns"] = [str(item) for item in alert.carriers]
    return asked, said | {"reasons": list(alert.reasons), "alert": alert.alert}
