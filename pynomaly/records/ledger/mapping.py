"""Convert a row of the database to the dataclass of its fact. Called only by ``ledger.py``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from pynomaly.records.ledger.rows import Decision, ObservationRecord, Partition, TrainingRecord

__all__ = ["as_decision", "as_observation", "as_partition", "as_training"]


def as_decision(row: Row[Any]) -> Decision:
    """Convert a row of the table ``decisions``."""
    content = dict(row._mapping)
    return Decision(**{**content, "reasons": tuple(content["reasons"])})


def as_partition(row: Row[Any]) -> Partition:
    """Convert a row of the table ``partitions``."""
    return Partition(**dict(row._mapping))


def as_observation(row: Row[Any]) -> ObservationRecord:
    """Convert a row of the table ``observations``."""
    content = dict(row._mapping)
    return ObservationRecord(
        **{name: value for name, value in content.items() if name not in ("start", "end")}
    )


def as_training(row: Row[Any]) -> TrainingRecord:
    """Convert a row of the table ``trainings``."""
    content = dict(row._mapping)
    content.pop("seq")
    return TrainingRecord(**content)
