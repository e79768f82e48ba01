"""Records people's answers to alerts: acknowledged, resolved as a false alarm or as confirmed, and remarks.

Called by the command line and the console. Every answer is a separate event with author and time; the latest
one is valid, and none is changed. Resolving labels the alert's rows, so that the next training can learn from
the answer. An answer waits for a while where alerts are grouped: new rows may be of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError, UnknownNameError, list_allowed
from pynomaly.judging.alerts.alert import ENDINGS, Alert, Ending
from pynomaly.records.ledger import ALERT_STATES, AlertEvent, AlertFilter, Label, Ledger
from pynomaly.steps.patient_lease import wait_for_lease

__all__ = ["acknowledge_alert", "assign_alert", "comment_alert", "find_alert", "list_alerts"]
__all__ += ["mute_alert", "resolve_alert"]

_LISTED_STATES = (*ALERT_STATES, "all")
_SHOWN_NAMES = 5
_MAX_NAME, _MAX_TEXT = 200, 4000
_PATIENCE_S = 20.0


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
        One of :data:`~pynomaly.records.ledger.ALERT_STATES`, or ``all``; ``open`` includes acknowledged
        alerts, which nobody has resolved.
    quiet : bool
        Also return alerts for which no message was sent.

    Raises
    ------
    ConfigError
        If `state` is not one of them.
    """
    if state not in _LISTED_STATES:
        raise ConfigError(f"no state {state!r}; {list_allowed(state, _LISTED_STATES)}")
    wanted_states = {"open": ("open", "acknowledged"), "all": ()}.get(state, (state,))
    chosen = AlertFilter(pipelines=(pipeline.name,), states=wanted_states, quiet=quiet)
    with Ledger.open(pipeline.ledger_url) as ledger:
        return tuple(alert for _, alert in ledger.alert_states.list_alerts(chosen))


def find_alert(ledger: Ledger, pipeline: str, name: str) -> Alert:
    """Return the only alert of a pipeline whose name begins with `name`.

    Raises
    ------
    UnknownNameError
        If no alert name or several begin with it.
    """
    states = ledger.alert_states
    alert = states.find_alert(pipeline, name)
    if alert is not None:
        return alert
    matches = states.list_names(pipeline, name, _SHOWN_NAMES + 1) if name else ()
    if len(matches) > 1:
        more = " and more" if len(matches) > _SHOWN_NAMES else ""
        raise UnknownNameError(
            f"{name!r} begins several alerts: {', '.join(matches[:_SHOWN_NAMES])}{more}; write more of it"
        )
    alert = states.find_alert(pipeline, matches[0]) if matches else None
    if alert is None:
        newest = states.list_alerts(AlertFilter(pipelines=(pipeline,)), "newest", _SHOWN_NAMES)
        raise UnknownNameError(f"no alert {name!r}; {list_allowed(name, [item.alert for _, item in newest])}")
    return alert


def acknowledge_alert(pipeline: Pipeline, name: str, author: str, note: str = "") -> AlertAnswer:
    """Record that somebody is looking at an alert.

    Raises
    ------
    ConfigError
        If there is no such alert, or it is resolved.
    """
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers, alert = ledger.answers, find_alert(ledger, pipeline.name, name)
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
        return AlertAnswer(find_alert(ledger, pipeline.name, alert.alert), bool(new), 0)


def assign_alert(pipeline: Pipeline, name: str, assignee: str, author: str) -> AlertAnswer:
    """Record who is to look at an alert; "" for nobody.

    Raises
    ------
    ConfigError
        If there is no such alert, or the name has more than 200 characters.
    """
    _check_length("assignee", assignee, _MAX_NAME)
    return _add_remark(
        pipeline, name, author, "assigned", {"to": assignee}, lambda alert: alert.assignee != assignee
    )


def mute_alert(pipeline: Pipeline, name: str, until: datetime, author: str, note: str = "") -> AlertAnswer:
    """Record that alerts like this one, of its entity and cause, send no notification before `until`.

    A moment that is over ends an earlier mute.

    Raises
    ------
    ConfigError
        If there is no such alert.
    """
    moment = until.astimezone(UTC)
    return _add_remark(
        pipeline,
        name,
        author,
        "muted",
        {"until": moment.isoformat(), "note": note},
        lambda alert: alert.muted_until != moment,
    )


def comment_alert(pipeline: Pipeline, name: str, text: str, author: str) -> AlertAnswer:
    """Record a remark about an alert; the same remark of the same person last of all is recorded once.

    Raises
    ------
    ConfigError
        If there is no such alert, or the text is empty or has more than 4,000 characters.
    """
    if not text.strip():
        raise ConfigError("the comment is empty; write what you know of the alert")
    _check_length("comment", text, _MAX_TEXT)
    return _add_remark(
        pipeline,
        name,
        author,
        "commented",
        {"text": text},
        lambda alert: (
            not alert.comments or (alert.comments[-1]["by"], alert.comments[-1]["text"]) != (author, text)
        ),
    )


def _check_length(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise ConfigError(f"the {what} has {len(text)} characters; {most} at most")


def _add_remark(
    pipeline: Pipeline,
    name: str,
    author: str,
    event: str,
    content: Mapping[str, Any],
    is_new: Callable[[Alert], bool],
) -> AlertAnswer:
    """Write one event of an alert unless its state says the same already."""
    with (
        Ledger.open(pipeline.ledger_url) as ledger,
        wait_for_lease(ledger, f"answers:{pipeline.name}", _PATIENCE_S, renew=False),
    ):
        answers, alert = ledger.answers, find_alert(ledger, pipeline.name, name)
        if not is_new(alert):
            return AlertAnswer(alert, False, 0)
        number = sum(item.event == event for item in answers.list_events(pipeline.name, alert.alert))
        key = f"{event}:{pipeline.name}:{alert.alert}:{number + 1}"
        answers.add_facts(AlertEvent(key, pipeline.name, alert.alert, event, content=content, actor=author))
        return AlertAnswer(find_alert(ledger, pipeline.name, alert.alert), True, 0)


def resolve_alert(
    pipeline: Pipeline, name: str, ending: Ending, author: str, note: str = "", *, source: str = "resolve"
) -> AlertAnswer:
    """Resolve an alert and label its rows: anomalies if it is confirmed, normal if it is a false alarm.

    `source` says where the answer was given: ``resolve_alert``, or ``mlflow:`` and the key of an assessment.

    Raises
    ------
    LeaseHeldError
        If the alerts are being grouped for longer than 20 s.
    ConfigError
        If there is no such alert, or `ending` is not one of :data:`~pynomaly.judging.alerts.alert.ENDINGS`.
    """
    if ending not in ENDINGS:
        raise ConfigError(f"--as {ending!r}; {list_allowed(ending, ENDINGS)}")
    with (
        Ledger.open(pipeline.ledger_url) as ledger,
        wait_for_lease(ledger, f"alerts:{pipeline.name}", _PATIENCE_S, renew=False),
    ):
        answers, alert = ledger.answers, find_alert(ledger, pipeline.name, name)
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
        return AlertAnswer(find_alert(ledger, pipeline.name, alert.alert), True, len(labels))
