"""Reads over every pipeline of a ledger at once, a few queries whatever their number.

Reached through :attr:`pynomaly.records.ledger.Ledger.across`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, tuple_

from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.rows import Decision, Partition, as_decision, as_partition
from pynomaly.records.ledger.tables import beats, decisions, partitions

__all__ = ["Across", "DecisionFilter"]

_CLOSING = ("promote", "reject", "expired", "refuse")
"""Kinds of decision that may answer a pending promotion."""


@dataclass(frozen=True)
class DecisionFilter:
    """Which decisions; a field that is empty or None selects all.

    Attributes
    ----------
    pipelines, kinds : collection of str
    actor : str
        Exactly so.
    """

    pipelines: Collection[str] = ()
    kinds: Collection[str] = ()
    actor: str = ""


class Across:
    """Reads of all pipelines of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_newest_partitions(self) -> dict[str, Partition]:
        """Return the newest scored window of each pipeline."""
        c = partitions.c
        newest = select(c.pipeline, func.max(c.window)).group_by(c.pipeline)
        query = select(partitions).where(tuple_(c.pipeline, c.window).in_(newest))
        return {row.pipeline: as_partition(row) for row in self._database.read_rows(query)}

    def list_last_decisions(self, kinds: Collection[str]) -> dict[tuple[str, str], Decision]:
        """Return the newest decision of each pipeline and kind."""
        c = decisions.c
        newest = select(func.max(c.seq)).where(c.kind.in_(sorted(kinds))).group_by(c.pipeline, c.kind)
        rows = self._database.read_rows(select(decisions).where(c.seq.in_(newest)))
        return {(row.pipeline, row.kind): as_decision(row) for row in rows}

    def list_pending(self) -> dict[str, tuple[Decision, ...]]:
        """Return the promotions without an answer of each pipeline, newest first."""
        c = decisions.c
        waiting: dict[str, list[Decision]] = {}
        for row in self._database.read_rows(
            select(decisions).where(c.kind == "pending").order_by(c.seq.desc())
        ):
            waiting.setdefault(row.pipeline, []).append(as_decision(row))
        if not waiting:
            return {}
        first = min(item.seq or 0 for items in waiting.values() for item in items)
        query = select(decisions).where(c.pipeline.in_(sorted(waiting)), c.kind.in_(_CLOSING), c.seq > first)
        answered = {as_decision(row).answered_key for row in self._database.read_rows(query)}
        open_promotions = {
            pipeline: tuple(item for item in items if item.key not in answered)
            for pipeline, items in waiting.items()
        }
        return {pipeline: items for pipeline, items in open_promotions.items() if items}

    def list_heartbeats(self) -> dict[tuple[str, str], datetime]:
        """Return when each work of each pipeline last ended well."""
        query = select(beats.c.pipeline, beats.c.work, beats.c.at)
        return {(row[0], row[1]): row[2] for row in self._database.read_rows(query)}

    def list_decisions(
        self, chosen: DecisionFilter, limit: int, before: int | None = None
    ) -> tuple[Decision, ...]:
        """Return decisions, newest first; with `before`, those recorded before the one of this number."""
        c = decisions.c
        query = select(decisions).order_by(c.seq.desc()).limit(limit)
        for column, values in ((c.pipeline, chosen.pipelines), (c.kind, chosen.kinds)):
            if values:
                query = query.where(column.in_(sorted(values)))
        if chosen.actor:
            query = query.where(c.actor == chosen.actor)
        if before is not None:
            query = query.where(c.seq < before)
        return tuple(map(as_decision, self._database.read_rows(query)))

    def find_decision(self, seq: int) -> Decision | None:
        """Return the decision of this number, or None."""
        query = select(decisions).where(decisions.c.seq == seq)
        return next(map(as_decision, self._database.read_rows(query)), None)

    def read_position(self) -> int:
        """Return the number of the newest decision; 0 where there is none."""
        return int(self._database.read_rows(select(func.max(decisions.c.seq)))[0][0] or 0)
