"""The ledger: decisions with their reasons, scored windows, observations, trainings and leases.

The only package that uses SQLAlchemy. sqlite by default, PostgreSQL by URL. Decisions are append-only (the
database itself refuses to change them) and every write is idempotent by its key. Times are aware, in UTC.
"""

from pynomaly.records.ledger.answers import AlertEvent, Answers, Audit, Label
from pynomaly.records.ledger.book import Ledger
from pynomaly.records.ledger.chain import Verification
from pynomaly.records.ledger.leases import Lease
from pynomaly.records.ledger.outbox import Beat, Holder, Message, Outbox
from pynomaly.records.ledger.rows import KINDS, Decision, Observed, Partition, Training, bounds

__all__ = [
    "KINDS",
    "AlertEvent",
    "Answers",
    "Audit",
    "Beat",
    "Decision",
    "Holder",
    "Label",
    "Lease",
    "Ledger",
    "Message",
    "Observed",
    "Outbox",
    "Partition",
    "Training",
    "Verification",
    "bounds",
]
