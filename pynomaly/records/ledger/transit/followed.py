"""Alerts that people were told of, and what of them is still to be told: answers, ends, further receivers.

Reached through :attr:`pynomaly.records.ledger.outbox.Outbox.followed`. A row counts its changes: two
processes that see the same answer write one change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.tables import alert_events, followed_alerts, messages

__all__ = ["FollowedAlert", "FollowedAlerts", "write_change"]


@dataclass(frozen=True)
class FollowedAlert:
    """What receivers know of an alert.

    Attributes
    ----------
    severity : str
        The gravest that was told.
    state : str
        ``open``, ``acknowledged``, ``resolved``, ``withdrawn`` or ``expired`` (no news for too long).
    begun : datetime or None
        When it was to be told first, from which the steps of an escalation count; None if nobody was told.
    touched : datetime
        When there was news of it last.
    events : int
        Number of its events that were looked at.
    step : int
        Number of steps of the escalation that were taken.
    changes : int
        Number of changes of this row.
    """

    pipeline: str
    alert: str
    severity: str
    state: str
    begun: datetime | None
    touched: datetime
    events: int = 0
    step: int = 0
    changes: int = 0


class FollowedAlerts:
    """The alerts that people of any pipeline of a ledger were told of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_states(self, pipeline: str, states: Collection[str]) -> tuple[FollowedAlert, ...]:
        """Return the alerts in one of the states, the oldest first."""
        query = select(followed_alerts).where(
            followed_alerts.c.pipeline == pipeline, followed_alerts.c.state.in_(sorted(states))
        )
        rows = self._database.read_rows(query.order_by(followed_alerts.c.begun, followed_alerts.c.alert))
        return tuple(FollowedAlert(**row._mapping) for row in rows)

    def find_waiting_states(self, pipeline: str) -> dict[str, str]:
        """Return by name the states of the alerts that a message still waits about."""
        waiting = select(messages.c.alert).where(
            messages.c.pipeline == pipeline, messages.c.delivered.is_(None), messages.c.ended == ""
        )
        query = select(followed_alerts.c.alert, followed_alerts.c.state).where(
            followed_alerts.c.pipeline == pipeline, followed_alerts.c.alert.in_(waiting)
        )
        return {row[0]: row[1] for row in self._database.read_rows(query)}

    def list_changed(self, pipeline: str) -> tuple[tuple[FollowedAlert, int], ...]:
        """Return the alerts with events that were not looked at, each with the number of its events.

        Resolved ones are left out: an answer that is changed later is no news for receivers.
        """
        same = (alert_events.c.pipeline == followed_alerts.c.pipeline) & (
            alert_events.c.alert == followed_alerts.c.alert
        )
        count = func.count(alert_events.c.seq)
        query = (
            select(followed_alerts, count)
            .join(alert_events, same)
            .where(followed_alerts.c.pipeline == pipeline, followed_alerts.c.state != "resolved")
            .group_by(*followed_alerts.c)
            .having(count > followed_alerts.c.events)
            .order_by(followed_alerts.c.begun, followed_alerts.c.alert)
        )
        return tuple((FollowedAlert(*row[:-1]), row[-1]) for row in self._database.read_rows(query))


def write_change(connection: Connection, before: FollowedAlert, after: FollowedAlert) -> bool:
    """Replace `before` by `after`, unless the row has changed since; return whether it did."""
    same = (followed_alerts.c.pipeline == before.pipeline) & (followed_alerts.c.alert == before.alert)
    statement = (
        update(followed_alerts)
        .where(same & (followed_alerts.c.changes == before.changes))
        .values(asdict(after) | {"changes": before.changes + 1})
    )
    return connection.execute(statement).rowcount == 1
