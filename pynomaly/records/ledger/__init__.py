"""The ledger: decisions with their reasons, scored windows, observations, trainings and leases.

The only package that uses SQLAlchemy. sqlite by default, PostgreSQL by URL. Decisions are append-only (the
database itself refuses to change them) and every write is idempotent by its key. Times are aware, in UTC.

Called by `notices`, `store`, `flows`, `console`, `tasks` and `steps`. May import the modules of `records`
and the wings below `records`.
"""

from pynomaly.records.ledger.access.sign_ins import SignIn, SignIns
from pynomaly.records.ledger.access.signature import SIGNED, Identity, Way, read_identity, sign_lines
from pynomaly.records.ledger.access.tokens import Access, AccessToken, AnsweredRequest
from pynomaly.records.ledger.access.views import SavedView, SavedViews
from pynomaly.records.ledger.accounts import AccountEntry, Accounts
from pynomaly.records.ledger.alerts.alert_states import (
    ALERT_STATES,
    AlertFilter,
    AlertLane,
    AlertOrder,
    AlertPlace,
    AlertStates,
)
from pynomaly.records.ledger.alerts.answers import AlertEvent, Answers, Audit, Label
from pynomaly.records.ledger.chain import Verification
from pynomaly.records.ledger.leases import Lease, LeaseHolder
from pynomaly.records.ledger.ledger import Ledger
from pynomaly.records.ledger.outbox import Heartbeat, Outbox, QueuedNotice
from pynomaly.records.ledger.outcomes import DECISION_KINDS, DECISION_OUTCOMES
from pynomaly.records.ledger.reads.across import Across, DecisionFilter
from pynomaly.records.ledger.rows import (
    Decision,
    ObservationRecord,
    Partition,
    TrainingRecord,
    parse_window_key,
)
from pynomaly.records.ledger.training_detail import RegistrationResult, TrainedBaseline, TrainingFacts
from pynomaly.records.ledger.transit.change_listener import Announced, ChangeListener
from pynomaly.records.ledger.transit.deliveries import Channel, Deliveries, DeliveryState
from pynomaly.records.ledger.transit.followed import FollowedAlert
from pynomaly.records.ledger.transit.stream_log import (
    OpenWindow,
    StreamEntry,
    StreamLetter,
    StreamLog,
    StreamMovedError,
    StreamPosition,
)

__all__ = [
    "ALERT_STATES",
    "DECISION_KINDS",
    "DECISION_OUTCOMES",
    "SIGNED",
    "Access",
    "AccessToken",
    "AccountEntry",
    "Accounts",
    "Across",
    "AlertEvent",
    "AlertFilter",
    "AlertLane",
    "AlertOrder",
    "AlertPlace",
    "AlertStates",
    "Announced",
    "AnsweredRequest",
    "Answers",
    "Audit",
    "ChangeListener",
    "Channel",
    "Decision",
    "DecisionFilter",
    "Deliveries",
    "DeliveryState",
    "FollowedAlert",
    "Heartbeat",
    "Identity",
    "Label",
    "Lease",
    "LeaseHolder",
    "Ledger",
    "ObservationRecord",
    "OpenWindow",
    "Outbox",
    "Partition",
    "QueuedNotice",
    "RegistrationResult",
    "SavedView",
    "SavedViews",
    "SignIn",
    "SignIns",
    "StreamEntry",
    "StreamLetter",
    "StreamLog",
    "StreamMovedError",
    "StreamPosition",
    "TrainedBaseline",
    "TrainingFacts",
    "TrainingRecord",
    "Verification",
    "Way",
    "parse_window_key",
    "read_identity",
    "sign_lines",
]
