"""The ledger: write facts to the database and read them back.

Called by :mod:`pynomaly.steps`. Each method is one short transaction, so a process may be killed between
any two of them. Opening takes milliseconds, so a step opens the ledger, writes, and closes it.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from sqlalchemy import func, insert, select, text

from pynomaly.errors import RecordError
from pynomaly.records.ledger.access.signature import sign_content
from pynomaly.records.ledger.chain import GENESIS, Verification, link_decision, verify_chain
from pynomaly.records.ledger.database import Database, read_utc_now
from pynomaly.records.ledger.decision_evidence import LeaseEvidence
from pynomaly.records.ledger.leases import Lease, LeaseHolder
from pynomaly.records.ledger.rows import (
    Decision,
    HasKey,
    ObservationRecord,
    Partition,
    TrainingRecord,
    as_decision,
    as_observation,
    as_partition,
    as_training,
    parse_window_key,
    to_json,
    window_key,
)
from pynomaly.records.ledger.sections import LedgerSections
from pynomaly.records.ledger.tables import decisions, leases, observations, partitions, trainings
from pynomaly.records.ledger.training_detail import TrainingFacts

__all__ = ["LEASE_TTL", "Ledger"]

LEASE_TTL = timedelta(minutes=5)
"""How long a lease lasts unless its holder renews it; a dead holder blocks others no longer than this."""

_log = logging.getLogger(__name__)


class Ledger(LedgerSections):
    """Decisions, partitions, observations, trainings and leases of all pipelines in one database.

    Open it with :meth:`open`; use it as a context manager or :meth:`close` it.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import datetime, UTC
    >>> moment = datetime(2026, 1, 5, tzinfo=UTC)
    >>> with tempfile.TemporaryDirectory() as folder, Ledger.open(f"sqlite:///{folder}/ledger.db") as ledger:
    ...     why = ("Nothing has drifted.",)
    ...     decision = Decision("k1", "quickstart", "retrain", "v3", "none", why, {}, moment)
    ...     first, second = ledger.record_decision(decision), ledger.record_decision(decision)
    ...     print(first.seq, second.seq, ledger.find_last_decision("quickstart", "retrain").outcome)
    1 1 none
    """

    @classmethod
    def open(cls, url: str, clock: Callable[[], datetime] = read_utc_now) -> Ledger:
        """Open the ledger at a SQLAlchemy URL, creating it if it is new; safe when processes race.

        Raises
        ------
        ConfigError
            If the URL is not that of a sqlite file or a PostgreSQL database.
        RecordError
            If the database cannot be opened, or was written by a newer Pynomaly.
        """
        return cls(Database.open(url, clock))

    def close(self) -> None:
        """Close the connections to the database."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: object, error: object, trace: TracebackType | None) -> None:
        self.close()

    # Decisions

    def record_decision(self, decision: Decision, lease: Lease | None = None) -> Decision:
        """Write `decision` unless its key exists already; returns the row that the ledger holds.

        A `lease` is checked in the same transaction: nothing is written if somebody else has taken it.

        Raises
        ------
        RecordError
            If the decision has no key (a step that runs twice would record it twice), or the write fails.
        """
        if not decision.key:
            raise RecordError(f"the decision {decision.kind!r} about {decision.subject!r} has no key")
        decision = replace(decision, evidence=sign_content(decision.evidence, decision.actor))
        with self._database.begin_write() as connection:
            if lease is not None:
                lease.fence(connection)
            if not self._database.is_sqlite:  # sqlite lets only one transaction write
                connection.execute(text("LOCK TABLE decisions IN SHARE ROW EXCLUSIVE MODE"))
            same_key = select(decisions).where(decisions.c.key == decision.key)
            stored_row = connection.execute(same_key).one_or_none()
            if stored_row is None:
                newest = select(decisions.c.hash).order_by(decisions.c.seq.desc()).limit(1)
                head = connection.execute(newest).scalar() or GENESIS
                row = asdict(link_decision(replace(decision, at=decision.at or self._database.clock()), head))
                row.pop("seq")
                connection.execute(insert(decisions).values(row | {"reasons": list(decision.reasons)}))
                stored_row = connection.execute(same_key).one()
                self._database.announce(connection, "decisions", stored_row.seq)
        return as_decision(stored_row)

    def verify_chain(self) -> Verification:
        """Check the hash chain of the decisions of all pipelines."""
        return verify_chain(
            as_decision(row) for row in self._database.read_rows(select(decisions).order_by(decisions.c.seq))
        )

    def find_decision(self, key: str) -> Decision | None:
        """Return the decision with this key, or None."""
        query = select(decisions).where(decisions.c.key == key)
        return next(map(as_decision, self._database.read_rows(query)), None)

    def list_decisions(
        self,
        pipeline: str | None = None,
        kind: str | None = None,
        limit: int | None = None,
        outcome: str | None = None,
    ) -> tuple[Decision, ...]:
        """Return decisions, newest first, of one pipeline, kind and outcome; None selects all."""
        query = select(decisions).order_by(decisions.c.seq.desc())
        for column, value in (("pipeline", pipeline), ("kind", kind), ("outcome", outcome)):
            if value is not None:
                query = query.where(decisions.c[column] == value)
        rows = self._database.read_rows(query.limit(limit) if limit is not None else query)
        return tuple(map(as_decision, rows))

    def find_last_decision(self, pipeline: str, kind: str, outcome: str | None = None) -> Decision | None:
        """Return the newest decision of one kind, or None."""
        return next(iter(self.list_decisions(pipeline, kind, limit=1, outcome=outcome)), None)

    def count_decisions(self, pipeline: str) -> dict[tuple[str, str], int]:
        """Return the number of decisions by kind and outcome."""
        kinds = (decisions.c.kind, decisions.c.outcome)
        query = select(*kinds, func.count()).where(decisions.c.pipeline == pipeline).group_by(*kinds)
        return {(kind, outcome): int(count) for kind, outcome, count in self._database.read_rows(query)}

    # Partitions

    def put_partition(self, partition: Partition) -> Partition:
        """Write a scored window; scoring the window again replaces the row, as it replaces the file."""
        self._database.upsert_row(partitions, asdict(partition), ("pipeline", "window"))
        return partition

    def find_partition(self, pipeline: str, window: HasKey | str) -> Partition | None:
        """Return the scored window, or None if it has not been scored."""
        same_window = (partitions.c.pipeline == pipeline) & (partitions.c.window == window_key(window))
        return next(map(as_partition, self._database.read_rows(select(partitions).where(same_window))), None)

    def list_partitions(
        self, pipeline: str, start: datetime | None = None, end: datetime | None = None, last: int = 0
    ) -> tuple[Partition, ...]:
        """Return the scored windows wholly inside ``[start, end)``, oldest first; only the `last` ones."""
        query = select(partitions).where(partitions.c.pipeline == pipeline)
        query = query if start is None else query.where(partitions.c.start >= start)
        query = query if end is None else query.where(partitions.c.end <= end)
        rows = self._database.read_rows(query.order_by(partitions.c.start.desc()).limit(last or None))
        return tuple(map(as_partition, reversed(rows)))

    # Observations

    def put_observation(
        self,
        pipeline: str,
        window: HasKey | str,
        observation: Mapping[str, Any],
        report: str = "",
        version: int = 0,
    ) -> ObservationRecord:
        """Write the observation of a window; a later one (late labels) replaces it; decisions keep both.

        Parameters
        ----------
        pipeline, window : str
        observation : mapping
            ``Observation.to_dict()``.
        report : str
            Report page, relative to the store's root.
        version : int
            Model version that was monitored; each version has its own observations.
        """
        record = ObservationRecord(
            pipeline, window_key(window), version, to_json(observation), report, self._database.clock()
        )
        start, end = parse_window_key(record.window) or (None, None)
        row = asdict(record) | {"start": start, "end": end}
        self._database.upsert_row(observations, row, ("pipeline", "window", "version"))
        return record

    def find_observation(
        self, pipeline: str, window: HasKey | str, version: int = 0
    ) -> ObservationRecord | None:
        """Return the observation of one window under one version, or None."""
        table = observations.c
        same = (
            (table.pipeline == pipeline) & (table.window == window_key(window)) & (table.version == version)
        )
        return next(map(as_observation, self._database.read_rows(select(observations).where(same))), None)

    def list_recent_observations(
        self, pipeline: str, before: datetime, n: int, version: int | None = None
    ) -> tuple[dict[str, Any], ...]:
        """Return the `n` newest observations whose window ended at or before `before`, oldest first.

        The window of a table without time counts as ended. `version`: only observations under this version.
        """
        table = observations.c
        has_ended = (table.end <= before) | table.end.is_(None)
        query = select(observations).where(table.pipeline == pipeline, has_ended)
        query = query if version is None else query.where(table.version == version)
        rows = self._database.read_rows(query.order_by(table.end.desc(), table.at.desc()).limit(n))
        return tuple(dict(as_observation(row).observation) for row in reversed(rows))

    def find_newest_partition(self, pipeline: str) -> Partition | None:
        """Return the scored window that ends last, or None if no window has been scored."""
        query = select(partitions).where(partitions.c.pipeline == pipeline).order_by(partitions.c.end.desc())
        return next(map(as_partition, self._database.read_rows(query.limit(1))), None)

    # Trainings

    def put_training(
        self,
        key: str,
        pipeline: str,
        as_of: datetime,
        data_hash: str,
        version: int | None,
        outcome: str,
        detail: TrainingFacts | Mapping[str, Any] | None = None,
    ) -> TrainingRecord:
        """Write how a training ended; if the training runs again, the new outcome replaces the old one."""
        content = to_json(detail.to_dict() if isinstance(detail, TrainingFacts) else detail or {})
        training = TrainingRecord(
            key, pipeline, as_of, data_hash, version, outcome, content, self._database.clock()
        )
        self._database.upsert_row(trainings, asdict(training), ("key",))
        return training

    def end_training(self, training: TrainingRecord, outcome: str) -> TrainingRecord:
        """Write that a training ended in `outcome`; everything else about it stays."""
        ended_training = replace(training, outcome=outcome, at=self._database.clock())
        self._database.upsert_row(trainings, asdict(ended_training), ("key",))
        return ended_training

    def list_trainings(self, pipeline: str, limit: int | None = None) -> tuple[TrainingRecord, ...]:
        """Return the trainings of a pipeline, newest first by ``as_of``."""
        query = select(trainings).where(trainings.c.pipeline == pipeline)
        query = query.order_by(trainings.c.as_of.desc(), trainings.c.seq.desc())
        rows = self._database.read_rows(query.limit(limit) if limit is not None else query)
        return tuple(map(as_training, rows))

    def find_version_training(self, pipeline: str, version: int) -> TrainingRecord | None:
        """Return the newest training that registered this version, or None."""
        return next((item for item in self.list_trainings(pipeline) if item.version == version), None)

    def find_training(self, key: str) -> TrainingRecord | None:
        """Return the training with this content key, or None."""
        query = select(trainings).where(trainings.c.key == key)
        return next(map(as_training, self._database.read_rows(query)), None)

    # Leases

    @contextmanager
    def hold_lease(
        self, name: str, owner: str = "", ttl: timedelta = LEASE_TTL, *, renew: bool = True
    ) -> Iterator[Lease]:
        """Hold the lease `name` during the ``with`` body, so that nobody else does the same work.

        Parameters
        ----------
        name : str
            Work that only one process may do at a time, e.g. ``"train:quickstart"``: what, and of whom.
        owner : str
            Who takes it, shown to others that try; by default this machine and process.
        ttl : timedelta
            How long it lasts unless renewed. If the holder dies, it becomes free after this time, and at
            once for processes that can know of the death; the ledger then records who took it over.
        renew : bool
            Renew in the background while the body runs.

        Raises
        ------
        LeaseHeldError
            If somebody else holds it, it has not expired and its process may be alive.
        """
        owner = owner or f"process {os.getpid()} on {socket.gethostname()}"
        lease = Lease(self._database, name, owner, ttl)
        with self._database.translate_errors(f"take the lease {name!r}"):
            lease.acquire(self._database.build_insert(leases).on_conflict_do_nothing(index_elements=["name"]))
        if renew:
            lease.keep_alive()
        try:
            if lease.taken_from is not None:
                self._record_takeover(lease, lease.taken_from)
            yield lease
        finally:
            with self._database.translate_errors(f"release the lease {name!r}"):
                lease.release()

    def _record_takeover(self, lease: Lease, dead: LeaseHolder) -> None:
        """Record that the holder of a lease ended without releasing it, and who does its work now."""
        until = dead.expires.isoformat(timespec="seconds")
        reason = (
            f"{dead.owner} held {lease.name!r} until {until} and ended without releasing it; "
            f"{lease.owner} has taken it over"
        )
        _log.warning("%s", reason)
        pipeline = lease.name.partition(":")[2].partition(":")[0]
        if not pipeline:
            return
        self.record_decision(
            Decision(
                key=f"lease:{uuid.uuid4().hex}",
                pipeline=pipeline,
                kind="lease",
                subject=lease.name,
                outcome="taken over",
                reasons=(reason,),
                evidence=LeaseEvidence(dead.owner, dead.process, lease.owner),
                as_of=self._database.clock(),
            )
        )
