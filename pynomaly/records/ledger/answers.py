"""Alerts and what people answered: events of alerts, labels of rows, and audits. Rows are only ever added.

Everything has a key that names it by content; writing a key twice keeps the first, so that a window grouped
again, a file read again or a command typed again leaves one record. Opened beside a ledger, in its database.
Called by :mod:`pynomaly.steps`; each method is one short transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, Select, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from pynomaly.errors import RecordError
from pynomaly.records.ledger.book import Ledger
from pynomaly.records.ledger.rows import plain
from pynomaly.records.ledger.tables import alert_events, audits, labels

__all__ = ["AlertEvent", "Answers", "Audit", "Label"]


@dataclass(frozen=True)
class AlertEvent:
    """One thing that happened to an alert.

    Attributes
    ----------
    key : str
        Names it by content.
    alert : str
        Name of the alert; "" for a window that was grouped.
    event : str
        ``opened``, ``seen`` (its part of a window), ``acknowledged``, ``resolved`` or ``grouped``.
    window : str
        Key of the window; "" for an answer.
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
    """What somebody said of a row.

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
    """A sample that was drawn to be labelled: its rows and their chances, under ``content``."""

    key: str
    pipeline: str
    content: Mapping[str, Any]
    actor: str
    at: datetime | None = None


class Answers:
    """Alerts, labels and audits of every pipeline of a ledger."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._clock = clock

    @classmethod
    def beside(cls, ledger: Ledger) -> Answers:
        """In the database of `ledger`, which stays open for it."""
        return cls(ledger._engine, ledger._clock)

    def add(self, *facts: AlertEvent | Label | Audit) -> int:
        """Write facts down, all or none; those whose key is there already are left as they are.

        Returns
        -------
        int
            How many were new.
        """
        tables = {AlertEvent: alert_events, Label: labels, Audit: audits}
        new, now = 0, self._clock()
        with (
            self._safely("write"),
            self._engine.connect().execution_options(writing=True) as connection,
            connection.begin(),
        ):
            for fact in facts:
                if not fact.key:
                    raise RecordError(f"a {type(fact).__name__} has no key: written twice it would be two")
                table = tables[type(fact)]
                row = asdict(replace(fact, at=fact.at or now))
                if "content" in row:
                    row["content"] = plain(row["content"])
                new += len(connection.execute(self._once(table, row)).all())
        return new

    def events(self, pipeline: str, alert: str = "") -> tuple[AlertEvent, ...]:
        """What happened to alerts, oldest first; of one alert, or of all. Without windows grouped."""
        query = select(alert_events).where(alert_events.c.pipeline == pipeline, alert_events.c.alert != "")
        if alert:
            query = query.where(alert_events.c.alert == alert)
        return tuple(AlertEvent(**_fact(row)) for row in self._rows(query.order_by(alert_events.c.seq)))

    def grouped(self, pipeline: str) -> frozenset[str]:
        """Keys of the windows that were grouped."""
        query = select(alert_events.c.key).where(
            alert_events.c.pipeline == pipeline, alert_events.c.event == "grouped"
        )
        return frozenset(row[0] for row in self._rows(query))

    def labels(self, pipeline: str) -> tuple[Label, ...]:
        """Every label of a pipeline's rows, oldest first."""
        query = select(labels).where(labels.c.pipeline == pipeline).order_by(labels.c.seq)
        return tuple(Label(**_fact(row)) for row in self._rows(query))

    def audits(self, pipeline: str) -> tuple[Audit, ...]:
        """Every audit of a pipeline, oldest first."""
        query = select(audits).where(audits.c.pipeline == pipeline).order_by(audits.c.seq)
        return tuple(Audit(**_fact(row)) for row in self._rows(query))

    def _once(self, table: Table, row: dict[str, Any]) -> Any:
        known = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        written = known.insert(table).values(row).on_conflict_do_nothing(index_elements=["key"])
        return written.returning(table.c.seq)

    def _rows(self, query: Select[Any]) -> list[Row[Any]]:
        with self._safely("read"), self._engine.connect() as connection:
            return list(connection.execute(query))

    @contextmanager
    def _safely(self, what: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            place = self._engine.url.render_as_string(hide_password=True)
            raise RecordError(f"the ledger at {place} could not {what} answers: {error}") from error


def _fact(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "seq"}
