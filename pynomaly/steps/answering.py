"""What people answer to alerts: acknowledged, or resolved as a false alarm or as confirmed.

Called by the command line. Every answer is an event of its own with author and time; a later one stands, and
none is changed. Resolving labels the alert's rows, so that the next training can learn from the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError, allowed
from pynomaly.judging.alert import ENDINGS, Alert, Ending
from pynomaly.records.ledger import AlertEvent, Answers, Label, Ledger
from pynomaly.steps.alerting import standing

__all__ = ["STATES", "acknowledge", "alerts_of", "chosen", "resolve"]

STATES = ("open", "acknowledged", "resolved", "withdrawn", "all")


@dataclass(frozen=True)
class Answered:
    """An alert after an answer.

    Attributes
    ----------
    new : bool
        Whether the answer was new; the same answer twice is one.
    labelled : int
        Labels of rows that came with it.
    """

    alert: Alert
    new: bool
    labelled: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"alert": self.alert.to_dict(), "new": self.new, "labelled": self.labelled}


def alerts_of(pipeline: Pipeline, state: str = "open", *, quiet: bool = False) -> tuple[Alert, ...]:
    """Alerts as they stand, the gravest first, then the newest.

    Parameters
    ----------
    state : str
        One of :data:`STATES`; ``open`` holds acknowledged ones, too: nobody has resolved them.
    quiet : bool
        Also those that nobody was told of.

    Raises
    ------
    ConfigError
        If `state` is no state.
    """
    if state not in STATES:
        raise ConfigError(f"no state {state!r}; {allowed(state, STATES)}")
    wanted = {"open": ("open", "acknowledged"), "all": STATES}.get(state, (state,))
    levels = ("critical", "high", "medium", "low")
    with Ledger.open(pipeline.ledger_url) as ledger:
        found = standing(Answers.beside(ledger), pipeline.name).values()
    shown = [item for item in found if item.state in wanted and (quiet or not item.quiet)]
    shown.sort(key=lambda item: (levels.index(item.severity), -(item.last.timestamp() if item.last else 0.0)))
    return tuple(shown)


def chosen(found: Iterable[str], name: str) -> str:
    """The alert whose name begins with `name`.

    Raises
    ------
    ConfigError
        If none or several do.
    """
    names = sorted(found)
    near = [item for item in names if name and item.startswith(name)]
    if len(near) == 1:
        return near[0]
    if near:
        raise ConfigError(f"{name!r} begins {len(near)} alerts: {', '.join(near[:5])}; write more of it")
    raise ConfigError(f"no alert {name!r}; {allowed(name, names[-5:])}")


def acknowledge(pipeline: Pipeline, name: str, author: str, note: str = "") -> Answered:
    """Say that somebody looks at an alert.

    Raises
    ------
    ConfigError
        If there is no such alert, or it is resolved.
    """
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers = Answers.beside(ledger)
        alerts = standing(answers, pipeline.name)
        alert = alerts[chosen(alerts, name)]
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
        new = answers.add(event)
        return Answered(standing(answers, pipeline.name)[alert.alert], bool(new), 0)


def resolve(
    pipeline: Pipeline, name: str, ending: Ending, author: str, note: str = "", *, source: str = "resolve"
) -> Answered:
    """End an alert, and label its rows: anomalies where it is confirmed, normal where it was false.

    `source` is where the answer was given: ``resolve``, or ``mlflow:`` and the name of an assessment.

    Raises
    ------
    ConfigError
        If there is no such alert, or `ending` is not one of :data:`~pynomaly.judging.alert.ENDINGS`.
    """
    if ending not in ENDINGS:
        raise ConfigError(f"--as {ending!r}; {allowed(ending, ENDINGS)}")
    with Ledger.open(pipeline.ledger_url) as ledger, ledger.lease(f"alerts:{pipeline.name}"):
        answers = Answers.beside(ledger)
        alerts = standing(answers, pipeline.name)
        alert = alerts[chosen(alerts, name)]
        # An answer taken back and given again is an answer of its own.
        earlier = sum(event.event == "resolved" for event in answers.events(pipeline.name, alert.alert))
        if (alert.state, alert.ending) == ("resolved", ending):
            return Answered(alert, False, 0)
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
        answers.add(event, *labels)
        return Answered(standing(answers, pipeline.name)[alert.alert], True, len(labels))
