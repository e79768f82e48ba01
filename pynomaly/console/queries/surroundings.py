"""What was going on around an alert: incidents, planned work, verdicts on its windows, its runbook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from pynomaly.config import Pipeline
from pynomaly.console.schemas import AlertSurroundings, Span, WindowVerdict
from pynomaly.data.incidents import read_incidents
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, SourceError
from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.ledger import Ledger
from pynomaly.steps.alerting.planned_times import list_planned_times

__all__ = ["describe_surroundings"]

_AROUND = timedelta(days=1)
_VERDICTS = 400
"""Newest verdicts among which those on the windows of the alert are looked for."""


def describe_surroundings(pipeline: Pipeline, ledger: Ledger, alert: Alert) -> AlertSurroundings:
    """Return what was declared and decided within a day of an alert; what cannot be read is a note.

    Raises
    ------
    RecordError
        If the ledger cannot be read.
    """
    notes: list[str] = []
    spans: dict[str, tuple[Span, ...]] = {"incidents": (), "planned": ()}
    if alert.first is not None and alert.last is not None:
        around = Window(alert.first - _AROUND, alert.last + _AROUND)

        def list_incidents() -> Iterable[tuple[datetime, datetime, str, str]]:
            for item in read_incidents(pipeline.data):
                yield item.window.start, item.window.end, item.entity, item.name

        kinds: dict[str, Callable[[], Iterable[tuple[datetime, datetime, str, str]]]] = {
            "incidents": list_incidents,
            "planned": lambda: list_planned_times(pipeline, [around]),
        }
        for kind, list_spans in kinds.items():
            try:
                spans[kind] = tuple(
                    Span(start=start, end=end, entity=entity, name=name)
                    for start, end, entity, name in list_spans()
                    if start < around.end and around.start < end and entity in ("", alert.entity)
                )
            except (SourceError, ConfigError) as error:
                notes.append(f"{'Declared incidents' if kind == 'incidents' else 'Planned work'}: {error}")
    return AlertSurroundings(
        **spans,
        windows=tuple(_list_verdicts(ledger, alert)),
        runbook=pipeline.console.link_runbook(pipeline.name, alert.entity, alert.cause),
        notes=tuple(notes),
    )


def _list_verdicts(ledger: Ledger, alert: Alert) -> Iterable[WindowVerdict]:
    """Return each window of the alert with the newest verdict on it."""
    newest = {
        item.subject: item
        for item in reversed(ledger.list_decisions(alert.pipeline, "degradation", limit=_VERDICTS))
    }
    for window in alert.windows:
        verdict = newest.get(window)
        yield WindowVerdict(
            window=window,
            state=verdict.outcome if verdict else "",
            version=verdict.version if verdict else None,
            seq=verdict.seq if verdict else None,
            reasons=verdict.reasons if verdict else (),
        )
