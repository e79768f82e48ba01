"""The sections of a ledger that have a class of their own, over one database."""

from __future__ import annotations

from pynomaly.records.ledger.access.tokens import Access
from pynomaly.records.ledger.accounts import Accounts
from pynomaly.records.ledger.alerts.alert_states import AlertStates
from pynomaly.records.ledger.alerts.answers import Answers
from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.outbox import Outbox
from pynomaly.records.ledger.reads.across import Across
from pynomaly.records.ledger.reads.retention import RetentionRows
from pynomaly.records.ledger.transit.change_listener import ChangeListener
from pynomaly.records.ledger.transit.deliveries import Deliveries
from pynomaly.records.ledger.transit.stream_log import StreamLog

__all__ = ["LedgerSections"]


class LedgerSections:
    """What lies in a ledger beside decisions, windows, observations, trainings and leases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def outbox(self) -> Outbox:
        """Messages to people, heartbeats of work, and holders of leases, in the same database."""
        return Outbox(self._database)

    @property
    def answers(self) -> Answers:
        """Events of alerts, labels of rows, and audits, in the same database."""
        return Answers(self._database)

    @property
    def alert_states(self) -> AlertStates:
        """Current states of alerts, in the same database."""
        return AlertStates(self._database)

    @property
    def across(self) -> Across:
        """Reads over all pipelines of this database."""
        return Across(self._database)

    @property
    def access(self) -> Access:
        """Tokens of the console's clients, in the same database."""
        return Access(self._database)

    @property
    def accounts(self) -> Accounts:
        """What bets against promises came to, in the same database."""
        return Accounts(self._database)

    @property
    def deliveries(self) -> Deliveries:
        """What each sink has received, in the same database."""
        return Deliveries(self._database)

    @property
    def change_listener(self) -> ChangeListener:
        """What this database says by itself of alerts and decisions that were written."""
        return ChangeListener(self._database)

    @property
    def stream(self) -> StreamLog:
        """What a stream brought and no file holds yet, in the same database."""
        return StreamLog(self._database)

    @property
    def retention(self) -> RetentionRows:
        """Rows that name files which may be removed, in the same database."""
        return RetentionRows(self._database)
