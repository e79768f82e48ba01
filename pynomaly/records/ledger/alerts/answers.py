"""Events of alerts, labels of rows, and audits. Rows are only added, never changed.

Each row has a key that identifies it by its content; if a key is written twice, the first row stays. So a
window grouped again, a file read again or a command typed again leaves one record. In the ledger's database,
reached through :attr:`pynomaly.records.ledger.Ledger.answers`; each method is one short transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Table, select

from pynomaly.errors import RecordError
from pynomaly.records.ledger.access.signature import sign_content
from pynomaly.records.ledger.alerts.projection import renew_alert_states
from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.rows import to_json
from pynomaly.records.ledger.tables import alert_events, audits, labels

__all__ = ["AlertEvent", "Answers", "Audit", "Label"]


@dataclass(frozen=True)
class AlertEvent:
    """One event of an alert.

    Attributes
    ----------
    key : str
        Identifies the event by its content.
    alert : str
        Name of the alert; "" if the event is that a window was grouped.
    event : str
        ``opened``, ``seen`` (its part of a window), ``acknowledged``, ``resolved``, ``assigned``, ``muted``,
        ``commented`` or ``grouped``.
    window : str
        Key of the window; "" if the event is an answer of a person.
    """

    key: str
    pipeline: str
    alert: str
    event: str
    window: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    actor: str = "pynomaly"
    at: datetime | None = None


@dataclass(frozen=True)
class Label:
    """A label that somebody gave to a row.

    Attributes
    ----------
    entity, row : str
        The entity and the row's time as ISO 8601 in UTC (``row:N``, by position, where there is no time).
    truth : int
        1 anomaly, 0 normal.
    source : str
        ``resolve``, ``audit``, ``csv``, ``sql`` or ``mlflow``.
    """

    key: str
    pipeline: str
    entity: str
    row: str
    truth: int
    source: str
    author: str
    note: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Audit:
    """A sample drawn for labelling: ``content`` holds its rows and their probabilities of being drawn."""

    key: str
    pipeline: str
    content: Mapping[str, Any]
    actor: str
    at: datetime | None = None


_TABLES: Mapping[type, Table] = {AlertEvent: alert_events, Label: labels, Audit: audits}


class Answers:
    """Events of alerts, labels and audits of every pipeline of a ledger; each renews its alert's state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_facts(self, *facts: AlertEvent | Label | Audit) -> int:
        """Write facts, all or none; a fact whose key exists already is not changed.

        Returns
        -------
        int
            Number of new rows.
        """
        new, now = 0, self._database.clock()
        rows: dict[Table, list[dict[str, Any]]] = {}
        for fact in facts:
            if not fact.key:
                raise RecordError(f"a {type(fact).__name__} has no key: written twice it would be two")
            row = {**vars(fact), "at": fact.at or now}
            if "content" in row:
                row["content"] = to_json(sign_content(row["content"], row["actor"]))
            rows.setdefault(_TABLES[type(fact)], []).append(row)
        with self._database.begin_write() as connection:
            added: dict[str, int] = {}
            for table, table_rows in rows.items():
                statement = self._database.build_insert(table).on_conflict_do_nothing(index_elements=["key"])
                written = connection.execute(statement.returning(table.c.key, table.c.seq), table_rows)
                numbers = {row[0]: int(row[1]) for row in written}
                new += len(numbers)
                added |= numbers if table is alert_events else {}
            changed = {
                (fact.pipeline, fact.alert)
                for fact in facts
                if isinstance(fact, AlertEvent) and fact.alert and fact.key in added
            }
            renew_alert_states(connection, changed)
            if changed:
                self._database.announce(connection, "alerts", min(added.values()))
        return new

    def list_events(
        self,
        pipeline: str,
        alert: str = "",
        window: str = "",
        within: tuple[datetime, datetime] | None = None,
    ) -> tuple[AlertEvent, ...]:
        """Return events of one alert, or of all, oldest first; ``grouped`` events of windows are left out.

        Parameters
        ----------
        pipeline, alert : str
        window : str
            Key of a window; only the events that it brought.
        within : tuple of two datetimes, optional
            Aware, in whole seconds; only the alerts with rows in a window that starts from the first up to
            the second, each with all of its events, answers too.
        """
        query = select(alert_events).where(alert_events.c.pipeline == pipeline, alert_events.c.alert != "")
        if alert:
            query = query.where(alert_events.c.alert == alert)
        if window:
            query = query.where(alert_events.c.window == window)
        if within:
            first, end = (f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}" for moment in within)
            seen = select(alert_events.c.alert).where(
                alert_events.c.pipeline == pipeline,
                alert_events.c.window >= first,
                alert_events.c.window < end,
            )
            query = query.where(alert_events.c.alert.in_(seen))
        return tuple(
            AlertEvent(**_row_content(row))
            for row in self._database.read_rows(query.order_by(alert_events.c.seq))
        )

    def list_grouped_windows(self, pipeline: str, since: datetime | None = None) -> frozenset[str]:
        """Return the event keys of the windows that were grouped; of those that start from `since` on."""
        query = select(alert_events.c.key).where(
            alert_events.c.pipeline == pipeline, alert_events.c.event == "grouped"
        )
        if since:
            query = query.where(alert_events.c.window >= f"{since.astimezone(UTC):%Y%m%dT%H%M%S}")
        return frozenset(row[0] for row in self._database.read_rows(query))

    def list_labels(self, pipeline: str) -> tuple[Label, ...]:
        """Return every label of a pipeline's rows, oldest first."""
        query = select(labels).where(labels.c.pipeline == pipeline).order_by(labels.c.seq)
        return tuple(Label(**_row_content(row)) for row in self._database.read_rows(query))

    def list_audits(self, pipeline: str) -> tuple[Audit, ...]:
        """Return every audit of a pipeline, oldest first."""
        query = select(audits).where(audits.c.pipeline == pipeline).order_by(audits.c.seq)
        return tuple(Audit(**_row_content(row)) for row in self._database.read_rows(query))


def _row_content(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "seq"}
