"""Records people's answers to alerts: acknowledged, or resolved as a false alarm or as confirmed.

Called by the command line. Every answer is a separate event with author and time; the latest one is valid,
and none is changed. Resolving labels the alert's rows, so that the next training can learn from the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pynomaly.config import SEVERITIES, Pipeline
from pynomaly.errors import ConfigError, list_allowed
from pynomaly.judging.alerts.alert import ENDINGS, Alert, Ending
from pynomaly.records.ledger import AlertEvent, Label, Ledger
from pynomaly.steps.alerting.raise_alerts import read_alerts

__all__ = ["ALERT_STATES", "acknowledge_alert", "list_alerts", "match_alert_name", "resolve_alert"]

ALERT_STATES = ("open", "acknowledged", "resolved", "withdrawn", "all")


@dataclass(frozen=True)
class AlertAnswer:
    """An alert after an answer.

    Attributes
    ----------
    new : bool
        Whether the answer was new; repeating an answer records nothing.
    labelled : int
        Number of row labels that the answer added.
    """

    alert: Alert
    new: bool
    labelled: int

    def to_dict(self) -> dict[str, Any]:
        """Return values that JSON can hold."""
        return {"alert": self.alert.to_dict(), "new": self.new, "labelled": self.labelled}


def list_alerts(pipeline: Pipeline, state: str = "open", *, quiet: bool = False) -> tuple[Alert, ...]:
    """Return the alerts in `state`, the most severe first, then the newest.

    Parameters
    ----------
    state : str
        One of :data:`ALERT_STATES`; ``open`` includes acknowledged alerts, which nobody has resolved.
    quiet : bool
        Also return alerts for which no message was sent.

    Raises
    ------
    ConfigError
        If `state` is not one of them.
    """
    if state not in ALERT_STATES:
        raise ConfigError(f"no state {state!r}; {list_allowed(state, ALERT_STATES)}")
    wanted_states = {"open": ("open", "acknowledged"), "all": ALERT_STATES}.get(state, (state,))
    with Ledger.open(pipeline.ledger_url) as ledger:
        alerts = read_alerts(ledger.answers, pipeline.name).values()
    selected = [item for item in alerts if item.state in wanted_states and (quiet or not item.quiet)]
    selected.sort(
        key=lambda item: (SEVERITIES.index(item.severity), -(item.last.timestamp() if item.last else 0.0))
    )
    return tuple(selected)


def match_alert_name(alerts: Iterable[str], name: str) -> str:
    """Return the only alert name that begins with `name`.

    Raises
    ------
    ConfigError
        If no alert name or several begin with it.
    """
    names = sorted(alerts)
    matches = [item for item in names if name and item.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(
            f"{name!r} begins {len(matches)} alerts: {', '.join(matches[:5])}; write more of it"
        )
    raise ConfigError(f"no alert {name!r}; {list_allowed(name, names[-5:])}")


def acknowledge_alert(pipeline: Pipeline, name: str, author: str, note: str = "") -> AlertAnswer:
    """Record that somebody is looking at an alert.

    Raises
    ------
    ConfigError
        If there is no such alert, or it is resolved.
    """
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers = ledger.answers
        alerts = read_alerts(answers, pipeline.name)
        alert = alerts[match_alert_name(alerts, name)]
        if alert.state == "resolved":
            raise ConfigError(f"the alert {alert.alert} was resolved as {alert.ending} by {alert.by} already")
        event = AlertEvent(
            key=f"acknowledged:{pipeline.name}:{alert.alert}",
            pipeline=pipeline.name,
            alert=alert.alert,
            event="acknowledged",
            content={"note": note},
            actor=author,
        )
        new = answers.add_facts(event)
        return AlertAnswer(read_alerts(answers, pipeline.name)[alert.alert], bool(new), 0)


def resolve_alert(
    pipeline: Pipeline, name: str, ending: Ending, author: str, note: str = "", *, source: str = "resolve"
) -> AlertAnswer:
    """Resolve an alert and label its rows: anomalies if it is confirmed, normal if it is a false alarm.

    `source` says where the answer was given: ``resolve_alert``, or ``mlflow:`` and the key of an assessment.

    Raises
    ------
    ConfigError
        If there is no such alert, or `ending` is not one of :data:`~pynomaly.judging.alerts.alert.ENDINGS`.
    """
    if ending not in ENDINGS:
        raise ConfigError(f"--as {ending!r}; {list_allowed(ending, ENDINGS)}")
    with Ledger.open(pipeline.ledger_url) as ledger, ledger.hold_lease(f"alerts:{pipeline.name}"):
        answers = ledger.answers
        alerts = read_alerts(answers, pipeline.name)
        alert = alerts[match_alert_name(alerts, name)]
        # An answer that was changed and then given again counts as a new answer.
        earlier = sum(event.event == "resolved" for event in answers.list_events(pipeline.name, alert.alert))
        if (alert.state, alert.ending) == ("resolved", ending):
            return AlertAnswer(alert, False, 0)
        event = AlertEvent(
            key=f"resolved:{pipeline.name}:{alert.alert}:{earlier + 1}",
            pipeline=pipeline.name,
            alert=alert.alert,
            event="resolved",
            content={"as": ending, "note": note, "source": source},
            actor=author,
        )
        labels = [
            Label(
                key=f"resolve:{pipeline.name}:{alert.alert}:{earlier + 1}:{number}",
                pipeline=pipeline.name,
                entity=entity,
                row=row,
                truth=int(ending == "confirmed"),
                source=source.partition(":")[0],
                author=author,
                note=note,
            )
            for number, (entity, row) in enumerate(alert.row_keys)
        ]
        answers.add_facts(event, *labels)
        return AlertAnswer(read_alerts(answers, pipeline.name)[alert.alert], True, len(labels))
