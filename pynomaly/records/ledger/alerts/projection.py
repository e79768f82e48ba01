"""Builds the current states of alerts from their events, in the transaction that adds one.

Called by ``database.py``, for a ledger of an earlier edition, and by ``answers.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select, text
from sqlalchemy.dialects import postgresql, sqlite

from pynomaly.config import SEVERITIES
from pynomaly.errors import RecordError
from pynomaly.judging.alerts.alert import build_alert
from pynomaly.records.ledger.rows import to_json
from pynomaly.records.ledger.tables import alert_events, alert_states

__all__ = ["STATES_SINCE", "fill_alert_states", "renew_alert_states"]

STATES_SINCE = "0011"
"""Revision of the tables from which states are kept."""

_PART = 500  # alerts renewed at once: a statement of sqlite has a bounded number of values
_log = logging.getLogger(__name__)


def renew_alert_states(connection: Connection, alerts: Collection[tuple[str, str]]) -> None:
    """Build the states of alerts, each a pipeline and a name, from their events; in the caller's transaction.

    On PostgreSQL the alerts of a pipeline wait for each other's transactions: two events of one alert that
    are written at the same time would each miss the other.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:
        lock = text("SELECT pg_advisory_xact_lock(hashtext('pynomaly.alerts'), hashtext(:name))")
        for pipeline in sorted({item[0] for item in alerts}):
            connection.execute(lock, {"name": pipeline})
    statement = (sqlite if is_sqlite else postgresql).insert(alert_states)
    columns = [column.name for column in alert_states.columns if not column.primary_key]
    updates = {name: statement.excluded[name] for name in columns}
    statement = statement.on_conflict_do_update(index_elements=["pipeline", "alert"], set_=updates)
    wanted = sorted(alerts)
    for start in range(0, len(wanted), _PART):
        c, part = alert_events.c, wanted[start : start + _PART]
        query = select(alert_events).where(c.alert.in_([name for _, name in part])).order_by(c.seq)
        events: dict[tuple[str, str], list[Row[Any]]] = {key: [] for key in part}
        for row in connection.execute(query):
            if (row.pipeline, row.alert) in events:
                events[row.pipeline, row.alert].append(row)
        rows = [built for (_, name), own in events.items() if (built := _build_row(name, own))]
        if rows:
            connection.execute(statement, rows)


def fill_alert_states(connection: Connection) -> None:
    """Build the states of all alerts of a ledger that an earlier edition wrote.

    An alert whose events cannot be read is left out with a warning: the others must not wait for it.
    """
    c = alert_events.c
    query = select(c.pipeline, c.alert).where(c.alert != "").distinct().order_by(c.pipeline, c.alert)
    for row in connection.execute(query).all():
        try:
            renew_alert_states(connection, [(row[0], row[1])])
        except (RecordError, LookupError, TypeError, ValueError) as error:
            _log.warning("the alert %s of %s is not listed: its events: %r", row[1], row[0], error)


def _build_row(name: str, events: Sequence[Row[Any]]) -> dict[str, Any] | None:
    """Return the row of an alert; None if no event has rows of it, as an answer alone would."""
    if all(event.event != "seen" for event in events):
        return None
    alert = build_alert(name, [dict(event._mapping) for event in events])
    newest = alert.last or alert.opened or events[0].at or datetime.min.replace(tzinfo=UTC)
    return {
        "pipeline": alert.pipeline,
        "alert": name,
        "state": alert.state,
        "severity": SEVERITIES.index(alert.severity),
        "newest": newest,
        "entity": alert.entity,
        "cause": alert.cause,
        "quiet": int(bool(alert.quiet)),
        "assignee": alert.assignee,
        "muted_until": alert.muted_until,
        "changed": max(event.seq for event in events),
        "content": to_json(alert.to_dict()),
    }
