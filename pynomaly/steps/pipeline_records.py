"""Everything that is on record of one pipeline, opened once: ledger, answers, messages, registry, store.

Called by the steps that need more than one of them. The relational ones share one open database; MLflow and
the store are opened when they are first asked for.
"""

from __future__ import annotations

from functools import cached_property
from types import TracebackType

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Answers, Ledger, Outbox
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store

__all__ = ["PipelineRecords"]


class PipelineRecords:
    """Open records of one pipeline; use it as a context manager, so that the database is closed.

    Attributes
    ----------
    pipeline : Pipeline
    ledger : Ledger
        Decisions, partitions, observations, trainings, leases.
    """

    def __init__(self, pipeline: Pipeline, ledger: Ledger) -> None:
        self.pipeline = pipeline
        self.ledger = ledger

    @classmethod
    def open(cls, pipeline: Pipeline) -> PipelineRecords:
        """Open the records that the settings of a pipeline name.

        Raises
        ------
        ConfigError
            If the ledger's URL is not that of a sqlite file or a PostgreSQL database.
        RecordError
            If the database cannot be opened, or was written by a newer Pynomaly.
        """
        return cls(pipeline, Ledger.open(pipeline.ledger_url))

    @property
    def answers(self) -> Answers:
        """Events of alerts, labels of rows, and audits."""
        return self.ledger.answers

    @property
    def outbox(self) -> Outbox:
        """Messages to people, heartbeats of work, and holders of leases."""
        return self.ledger.outbox

    @cached_property
    def registry(self) -> Registry:
        """Runs, model versions and aliases."""
        return Registry.open_for(self.pipeline)

    @cached_property
    def store(self) -> Store:
        """Files: scores, quarantined rows, reports."""
        return Store(self.pipeline.store_root)

    def close(self) -> None:
        """Close the connections to the database."""
        self.ledger.close()

    def __enter__(self) -> PipelineRecords:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
