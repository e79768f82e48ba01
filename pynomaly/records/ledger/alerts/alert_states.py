"""The current state of each alert, kept beside its events so that a list of alerts is one query.

The events are the record; a state is what :func:`~pynomaly.judging.alerts.alert.build_alert` makes of them
(:mod:`~pynomaly.records.ledger.alerts.projection`). Reached through
:attr:`pynomaly.records.ledger.Ledger.alert_states`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    union_all,
)

from pynomaly.config import SEVERITIES
from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.tables import alert_states

__all__ = ["ALERT_STATES", "AlertFilter", "AlertLane", "AlertOrder", "AlertPlace", "AlertStates"]

ALERT_STATES = ("open", "acknowledged", "resolved", "withdrawn")
_PART = 500  # alerts read at once: a statement of sqlite has a bounded number of values

AlertOrder = Literal["severity", "newest"]
"""The gravest first and the newest of those; or the newest first."""


@dataclass(frozen=True)
class AlertFilter:
    """Which alerts; a field that is empty or None selects all.

    Attributes
    ----------
    pipelines, states, severities : collection of str
    entity, cause, assignee : str
        Exactly so; the cause is the column with the largest contribution.
    words : str
        Part of the entity, the cause or the name, in upper or lower case.
    since, until : datetime or None
        Of the newest row, aware; from the first up to the second.
    quiet : bool
        Also those for which no notification was sent.
    """

    pipelines: Collection[str] = ()
    states: Collection[str] = ()
    severities: Collection[str] = ()
    entity: str = ""
    cause: str = ""
    assignee: str = ""
    words: str = ""
    since: datetime | None = None
    until: datetime | None = None
    quiet: bool = True


@dataclass(frozen=True)
class AlertPlace:
    """Where an alert stands in a list: the next page begins behind it."""

    severity: int
    newest: datetime
    pipeline: str
    alert: str


@dataclass(frozen=True)
class AlertLane:
    """The alerts of one entity, by time.

    Attributes
    ----------
    counts : mapping of str to mapping of str to int
        Number of alerts by the beginning of their newest time, as ISO 8601 to the day or hour, and severity.
    """

    pipeline: str
    entity: str
    total: int
    counts: Mapping[str, Mapping[str, int]]


class AlertStates:
    """Current states of the alerts of every pipeline of a ledger. Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_alert(self, pipeline: str, name: str) -> Alert | None:
        """Return an alert by its whole name, or None."""
        c = alert_states.c
        query = select(c.content).where(c.pipeline == pipeline, c.alert == name)
        return next((Alert.from_dict(row[0]) for row in self._database.read_rows(query)), None)

    def list_names(self, pipeline: str, start: str, limit: int) -> tuple[str, ...]:
        """Return up to `limit` names of alerts that begin with `start`."""
        c = alert_states.c
        query = select(c.alert).where(c.pipeline == pipeline, c.alert.startswith(start, autoescape=True))
        return tuple(row[0] for row in self._database.read_rows(query.order_by(c.alert).limit(limit)))

    def list_alerts(
        self,
        chosen: AlertFilter,
        order: AlertOrder = "severity",
        limit: int | None = None,
        after: AlertPlace | None = None,
    ) -> tuple[tuple[AlertPlace, Alert], ...]:
        """Return alerts with their places in the list; a page costs the same whatever their number.

        Parameters
        ----------
        limit : int, optional
            How many at most; None for all.
        after : AlertPlace, optional
            The last alert of the page before.
        """
        wanted = [SEVERITIES.index(item) for item in chosen.severities or SEVERITIES]
        groups = [[item] for item in sorted(wanted)] if order == "severity" else [sorted(wanted)]
        places: list[AlertPlace] = []
        for group in groups:
            left = None if limit is None else limit - len(places)
            if left == 0:
                break
            places += self._list_places(chosen, group, order, left, after)
        alerts = self._read_alerts(places)
        return tuple((place, alerts[place.pipeline, place.alert]) for place in places)

    def _list_places(
        self,
        chosen: AlertFilter,
        severities: Sequence[int],
        order: AlertOrder,
        limit: int | None,
        after: AlertPlace | None,
    ) -> list[AlertPlace]:
        """Return places by time; each state and severity is read from the index in its order, and merged."""
        c = alert_states.c
        where = _select_where(replace(chosen, states=(), severities=()))
        parts = []
        for state, severity in product(chosen.states or ALERT_STATES, severities):
            query = select(c.severity, c.newest, c.pipeline, c.alert)
            query = query.where(c.state == state, c.severity == severity, *where)
            if after is not None:
                query = query.where(_is_behind(after, order))
            query = query.order_by(c.newest.desc(), c.pipeline, c.alert).limit(limit)
            parts.append(select(query.subquery()))
        merged = union_all(*parts).subquery()
        m = merged.c
        query = select(m.severity, m.newest, m.pipeline, m.alert)
        query = query.order_by(m.newest.desc(), m.pipeline, m.alert).limit(limit)
        return [AlertPlace(*row) for row in self._database.read_rows(query)]

    def _read_alerts(self, places: Sequence[AlertPlace]) -> dict[tuple[str, str], Alert]:
        c, alerts = alert_states.c, {}
        for start in range(0, len(places), _PART):
            part = places[start : start + _PART]
            pipelines, names = {place.pipeline for place in part}, {place.alert for place in part}
            # Each by its column: sqlite looks no pair up in an index. What is read beyond them is not shown.
            query = select(c.pipeline, c.alert, c.content)
            query = query.where(c.pipeline.in_(sorted(pipelines)), c.alert.in_(sorted(names)))
            for row in self._database.read_rows(query):
                alerts[row.pipeline, row.alert] = Alert.from_dict(row.content)
        return alerts

    def count_alerts(self, chosen: AlertFilter) -> dict[tuple[str, str, str], int]:
        """Return the number of alerts by pipeline, state and severity."""
        c = alert_states.c
        columns = (c.pipeline, c.state, c.severity)
        query = select(*columns, func.count()).where(*_select_where(chosen)).group_by(*columns)
        return {
            (pipeline, state, SEVERITIES[severity]): int(count)
            for pipeline, state, severity, count in self._database.read_rows(query)
        }

    def count_by_severity(self, chosen: AlertFilter) -> dict[tuple[str, str], int]:
        """Return the number of alerts by state and severity, counted in the order of the index."""
        columns = (alert_states.c.state, alert_states.c.severity)
        query = select(*columns, func.count()).where(*_select_where(chosen)).group_by(*columns)
        return {
            (state, SEVERITIES[severity]): int(count)
            for state, severity, count in self._database.read_rows(query)
        }

    def list_lanes(self, chosen: AlertFilter, by: Literal["day", "hour"], most: int) -> tuple[AlertLane, ...]:
        """Return the entities with the most alerts, the most first, and how many alerts each has by time."""
        c = alert_states.c
        counts = select(c.pipeline, c.entity, func.count()).where(*_select_where(chosen))
        counts = counts.group_by(c.pipeline, c.entity).order_by(func.count().desc(), c.pipeline, c.entity)
        totals = {(row[0], row[1]): int(row[2]) for row in self._database.read_rows(counts.limit(most))}
        if not totals:
            return ()
        begin = func.substr(type_coerce(c.newest, String), 1, 10 if by == "day" else 13)
        groups = (c.pipeline, c.entity, begin, c.severity)
        query = select(*groups, func.count()).where(*_select_where(chosen))
        query = query.where(tuple_(c.pipeline, c.entity).in_(list(totals))).group_by(*groups)
        lanes: dict[tuple[str, str], dict[str, dict[str, int]]] = {key: {} for key in totals}
        for pipeline, entity, moment, severity, count in self._database.read_rows(query):
            cell = lanes[pipeline, entity].setdefault(moment, {})
            cell[SEVERITIES[severity]] = int(count)
        return tuple(AlertLane(*key, totals[key], counts) for key, counts in lanes.items())

    def list_pipelines(self) -> frozenset[str]:
        """Return the pipelines that have alerts."""
        query = select(alert_states.c.pipeline).distinct()
        return frozenset(row[0] for row in self._database.read_rows(query))

    def list_muted(self, pipeline: str, moment: datetime) -> tuple[Alert, ...]:
        """Return the alerts whose like are muted by hand at `moment` or later."""
        c = alert_states.c
        query = select(c.content).where(c.pipeline == pipeline, c.muted_until > moment)
        return tuple(Alert.from_dict(row[0]) for row in self._database.read_rows(query))

    def read_position(self) -> int:
        """Return the number of the newest event that changed an alert; 0 where there is none."""
        return int(self._database.read_rows(select(func.max(alert_states.c.changed)))[0][0] or 0)

    def list_changed(self, position: int, limit: int) -> tuple[tuple[int, Alert], ...]:
        """Return alerts with an event behind `position`, in the order of their last event."""
        c = alert_states.c
        query = select(c.changed, c.content).where(c.changed > position).order_by(c.changed).limit(limit)
        return tuple((row[0], Alert.from_dict(row[1])) for row in self._database.read_rows(query))


def _select_where(chosen: AlertFilter) -> list[ColumnElement[bool]]:
    c = alert_states.c
    where: list[ColumnElement[bool]] = []
    for column, values in ((c.pipeline, chosen.pipelines), (c.state, chosen.states)):
        if values:
            where.append(column.in_(sorted(values)))
    if chosen.severities:
        where.append(c.severity.in_([SEVERITIES.index(item) for item in chosen.severities]))
    for column, value in ((c.entity, chosen.entity), (c.cause, chosen.cause), (c.assignee, chosen.assignee)):
        if value:
            where.append(column == value)
    if chosen.words:
        parts = (column.icontains(chosen.words, autoescape=True) for column in (c.entity, c.cause, c.alert))
        where.append(or_(*parts))
    if chosen.since:
        where.append(c.newest >= chosen.since)
    if chosen.until:
        where.append(c.newest < chosen.until)
    if not chosen.quiet:
        where.append(c.quiet == 0)
    return where


def _is_behind(place: AlertPlace, order: AlertOrder) -> ColumnElement[bool]:
    c = alert_states.c
    names = tuple_(c.pipeline, c.alert) > tuple_(literal(place.pipeline), literal(place.alert))
    behind = or_(c.newest < place.newest, and_(c.newest == place.newest, names))
    if order == "newest":
        return behind
    return or_(c.severity > place.severity, and_(c.severity == place.severity, behind))
