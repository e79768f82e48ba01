"""The ledger itself: record a fact, find it again.

Called by :mod:`pynomaly.steps`. Each method is one short transaction, so a process may be killed between
any two; opening costs milliseconds, so a step opens it, writes and closes it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, Table, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from pynomaly.errors import RecordError
from pynomaly.records.ledger.chain import GENESIS, Verification, chained, verify
from pynomaly.records.ledger.leases import Lease
from pynomaly.records.ledger.outbox import Outbox
from pynomaly.records.ledger.reading import as_decision, as_observed, as_partition, as_training
from pynomaly.records.ledger.rows import Decision, Keyed, Observed, Partition, Training, bounds, key_of, plain
from pynomaly.records.ledger.shelf import Shelf
from pynomaly.records.ledger.tables import connect, decisions, leases, observations, partitions, trainings

__all__ = ["LEASE_TTL", "Ledger"]

LEASE_TTL = timedelta(minutes=5)
"""A holder that dies keeps others out no longer than this; a live one renews."""


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """Decisions, partitions, observations, trainings and leases of every pipeline of one home.

    Open it with :meth:`open`; use it as a context manager or :meth:`close` it.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import datetime, UTC
    >>> moment = datetime(2026, 1, 5, tzinfo=UTC)
    >>> with tempfile.TemporaryDirectory() as folder, Ledger.open(f"sqlite:///{folder}/ledger.db") as ledger:
    ...     why = ("Nothing has drifted.",)
    ...     said = Decision("k1", "quickstart", "retrain", "v3", "none", why, {}, moment)
    ...     first, second = ledger.record(said), ledger.record(said)
    ...     print(first.seq, second.seq, ledger.last("quickstart", "retrain").outcome)
    1 1 none
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = _now) -> None:
        self._engine = engine
        self._clock = clock

    @classmethod
    def open(cls, url: str, clock: Callable[[], datetime] = _now) -> Ledger:
        """Open the ledger at a SQLAlchemy URL, creating it if it is new; safe when processes race.

        Raises
        ------
        ConfigError
            If the URL is not one of sqlite (a file) or PostgreSQL.
        RecordError
            If the database cannot be opened, or belongs to a newer Pynomaly.
        """
        return cls(connect(url), clock)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def outbox(self) -> Outbox:
        """Messages to people, beats of work, and who holds leases."""
        return Outbox(self._engine, self._clock)

    @property
    def shelf(self) -> Shelf:
        """Rows that name files which may be removed."""
        return Shelf(self._engine)

    # Decisions

    def record(self, decision: Decision, lease: Lease | None = None) -> Decision:
        """Write `decision` down, unless its key is there already; returns the row that stands.

        With a `lease`, only while nobody else has taken it: checked within the same transaction.

        Raises
        ------
        RecordError
            If it has no key (running a step twice would record it twice), or the ledger cannot write.
        """
        if not decision.key:
            raise RecordError(f"the decision {decision.kind!r} about {decision.subject!r} has no key")
        with self._writing() as connection:
            if lease is not None:
                lease.fence(connection)
            if self._engine.dialect.name != "sqlite":  # there, the transaction is the only writer already
                connection.execute(text("LOCK TABLE decisions IN SHARE ROW EXCLUSIVE MODE"))
            same = select(decisions).where(decisions.c.key == decision.key)
            found = connection.execute(same).one_or_none()
            if found is None:
                newest = select(decisions.c.hash).order_by(decisions.c.seq.desc()).limit(1)
                head = connection.execute(newest).scalar() or GENESIS
                row = asdict(chained(replace(decision, at=decision.at or self._clock()), head))
                row.pop("seq")
                connection.execute(insert(decisions).values(row | {"reasons": list(decision.reasons)}))
                found = connection.execute(same).one()
        return as_decision(found)

    def verify(self) -> Verification:
        """Walk the chain of every decision, of all pipelines."""
        return verify(as_decision(row) for row in self._rows(select(decisions).order_by(decisions.c.seq)))

    def decision(self, key: str) -> Decision | None:
        """The decision with this key, if it was recorded."""
        return next(map(as_decision, self._rows(select(decisions).where(decisions.c.key == key))), None)

    def decisions(
        self,
        pipeline: str | None = None,
        kind: str | None = None,
        limit: int | None = None,
        outcome: str | None = None,
    ) -> tuple[Decision, ...]:
        """Decisions, newest first, of one pipeline, kind and outcome, or of all."""
        query = select(decisions).order_by(decisions.c.seq.desc())
        for column, value in (("pipeline", pipeline), ("kind", kind), ("outcome", outcome)):
            if value is not None:
                query = query.where(decisions.c[column] == value)
        return tuple(
            as_decision(row) for row in self._rows(query.limit(limit) if limit is not None else query)
        )

    def last(self, pipeline: str, kind: str, outcome: str | None = None) -> Decision | None:
        """The newest decision of one kind, or None."""
        return next(iter(self.decisions(pipeline, kind, limit=1, outcome=outcome)), None)

    def tally(self, pipeline: str) -> dict[tuple[str, str], int]:
        """How many decisions there are, by kind and outcome."""
        kinds = (decisions.c.kind, decisions.c.outcome)
        query = select(*kinds, func.count()).where(decisions.c.pipeline == pipeline).group_by(*kinds)
        return {(kind, outcome): int(count) for kind, outcome, count in self._rows(query)}

    # Partitions

    def put_partition(self, partition: Partition) -> Partition:
        """Write down a scored window; scoring the window again replaces the row, as it replaces the file."""
        self._put(partitions, asdict(partition), ("pipeline", "window"))
        return partition

    def partition(self, pipeline: str, window: Keyed | str) -> Partition | None:
        """The scored window, or None if it has not been scored."""
        same = (partitions.c.pipeline == pipeline) & (partitions.c.window == key_of(window))
        return next(map(as_partition, self._rows(select(partitions).where(same))), None)

    def partitions(
        self, pipeline: str, start: datetime | None = None, end: datetime | None = None
    ) -> tuple[Partition, ...]:
        """Scored windows that lie wholly inside ``[start, end)``, oldest first; without bounds, all."""
        query = select(partitions).where(partitions.c.pipeline == pipeline).order_by(partitions.c.start)
        if start is not None:
            query = query.where(partitions.c.start >= start)
        if end is not None:
            query = query.where(partitions.c.end <= end)
        return tuple(as_partition(row) for row in self._rows(query))

    # Observations

    def put_observation(
        self,
        pipeline: str,
        window: Keyed | str,
        observation: Mapping[str, Any],
        report: str = "",
        version: int = 0,
    ) -> Observed:
        """Write down what monitoring saw in a window; seen again (labels arrive late), the newer view stands.

        Parameters
        ----------
        pipeline, window : str
        observation : mapping
            ``Observation.to_dict()``.
        report : str
            Path or address of the page people read.
        version : int
            Model version that was watched; each version has observations of its own.
        """
        observed = Observed(pipeline, key_of(window), version, plain(observation), report, self._clock())
        start, end = bounds(observed.window) or (None, None)
        row = asdict(observed) | {"start": start, "end": end}
        self._put(observations, row, ("pipeline", "window", "version"))
        return observed

    def observation(self, pipeline: str, window: Keyed | str, version: int = 0) -> Observed | None:
        """What was seen in one window under one version, or None."""
        table = observations.c
        same = (table.pipeline == pipeline) & (table.window == key_of(window)) & (table.version == version)
        return next(map(as_observed, self._rows(select(observations).where(same))), None)

    def recent(
        self, pipeline: str, before: datetime, n: int, version: int | None = None
    ) -> tuple[dict[str, Any], ...]:
        """The `n` newest observations whose window ended at or before `before`, oldest of them first.

        Parameters
        ----------
        pipeline : str
        before : datetime
            Aware; a table without time counts as ended.
        n : int
        version : int, optional
            Only what was seen under this model version.

        Returns
        -------
        tuple of dict
            What was put in: ``Observation.to_dict()`` of each.
        """
        table = observations.c
        query = select(observations).where(
            table.pipeline == pipeline, (table.end <= before) | table.end.is_(None)
        )
        if version is not None:
            query = query.where(table.version == version)
        rows = self._rows(query.order_by(table.end.desc(), table.at.desc()).limit(n))
        return tuple(dict(as_observed(row).observation) for row in reversed(rows))

    def newest_partition(self, pipeline: str) -> Partition | None:
        """The scored window that ends last, or None before the first."""
        query = select(partitions).where(partitions.c.pipeline == pipeline)
        return next(map(as_partition, self._rows(query.order_by(partitions.c.end.desc()).limit(1))), None)

    # Trainings

    def put_training(
        self,
        key: str,
        pipeline: str,
        as_of: datetime,
        data_hash: str,
        version: int | None,
        outcome: str,
        detail: Mapping[str, Any] | None = None,
    ) -> Training:
        """Write down how a training ended; the same training run again replaces how it ended."""
        training = Training(
            key, pipeline, as_of, data_hash, version, outcome, plain(detail or {}), self._clock()
        )
        self._put(trainings, asdict(training), ("key",))
        return training

    def trainings(self, pipeline: str, limit: int | None = None) -> tuple[Training, ...]:
        """Trainings of a pipeline, newest first by the moment they were made for."""
        query = select(trainings).where(trainings.c.pipeline == pipeline)
        query = query.order_by(trainings.c.as_of.desc(), trainings.c.seq.desc())
        return tuple(
            as_training(row) for row in self._rows(query.limit(limit) if limit is not None else query)
        )

    def training(self, key: str) -> Training | None:
        """The training with this content key, or None."""
        return next(map(as_training, self._rows(select(trainings).where(trainings.c.key == key))), None)

    # Leases

    @contextmanager
    def lease(
        self, name: str, owner: str = "", ttl: timedelta = LEASE_TTL, *, renew: bool = True
    ) -> Iterator[Lease]:
        """Hold `name` for the body of the ``with``, so that nobody else does the same work.

        Parameters
        ----------
        name : str
            What must be single, e.g. ``"train:quickstart"``.
        owner : str
            Who takes it, shown to those who come too late; by default this machine and process.
        ttl : timedelta
            How long it is held unless renewed; a holder that dies frees it after this long.
        renew : bool
            Renew in the background while the body runs.

        Raises
        ------
        LeaseHeldError
            If somebody else holds it and it has not expired.
        """
        owner = owner or f"process {os.getpid()} on {socket.gethostname()}"
        lease = Lease(self._engine, self._clock, name, owner, ttl)
        with self._told(f"take the lease {name!r}"):
            lease.acquire(self._insert(leases).on_conflict_do_nothing(index_elements=["name"]))
        if renew:
            lease.keep_alive()
        try:
            yield lease
        finally:
            with self._told(f"release the lease {name!r}"):
                lease.release()

    # How rows are written and read

    def _insert(self, table: Table) -> Any:
        """``INSERT`` of the dialect, which knows ``ON CONFLICT``."""
        return (sqlite if self._engine.dialect.name == "sqlite" else postgresql).insert(table)

    def _put(self, table: Table, row: dict[str, Any], key: tuple[str, ...]) -> None:
        changed = {name: value for name, value in row.items() if name not in key}
        new = self._insert(table).values(row)
        with self._writing() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=list(key), set_=changed))

    def _rows(self, query: Select[Any]) -> list[Row[Any]]:
        with self._told("read"), self._engine.connect() as connection:
            return list(connection.execute(query))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            self._told("write"),
            self._engine.connect().execution_options(writing=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            place = self._engine.url.render_as_string(hide_password=True)
            raise RecordError(f"the ledger at {place} could not {what}: {error}") from error
