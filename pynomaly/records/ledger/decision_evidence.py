"""Evidence of each kind of decision: one class for each shape that the ledger keeps.

A class is a mapping, so a decision takes it as its evidence (:mod:`~pynomaly.records.ledger.evidence_base`).
Made by :mod:`pynomaly.steps`; ``X.of(decision)`` reads the evidence back, also of decisions that an older
edition wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from pynomaly.records.ledger.evidence_base import DecisionEvidence, optional_field

__all__ = ["AbandonedTrainingEvidence", "AccountEvidence", "AliasEvidence", "AnswerEvidence"]
__all__ += ["ApprovalEvidence", "BakeEvidence", "CountedApprovalEvidence", "DegradationEvidence"]
__all__ += ["DrillEvidence", "LeaseEvidence", "PendingAliasEvidence", "PendingEvidence", "PolicyEvidence"]
__all__ += ["PromotionEvidence", "PruneEvidence", "QualityEvidence", "RegisterEvidence", "RescoreEvidence"]
__all__ += ["RetrainEvidence", "RollbackEvidence", "SearchEvidence", "SilenceEvidence", "StandingEvidence"]
__all__ += ["UnchangedPolicyEvidence", "UnusableEvidence"]


@dataclass(frozen=True)
class RetrainEvidence(DecisionEvidence):
    """Why a training was considered, and on which rows; `excluded` counts rows by cause.

    `rejected` counts the challengers rejected in a row, `forgotten` those too old to count.
    """

    kinds: ClassVar[tuple[str, ...]] = ("retrain",)
    trigger: str
    reason: str
    rows: int
    incident_rows: int
    excluded: Mapping[str, Any]
    data_hash: str
    key: str
    rejected: int | None = optional_field()
    forgotten: int | None = optional_field()


@dataclass(frozen=True)
class QualityEvidence(DecisionEvidence):
    """What validation counted: of a reference no `version`, of a window to score its `data_hash`."""

    kinds: ClassVar[tuple[str, ...]] = ("quality",)
    version: int | None = optional_field()
    rows: int | None = optional_field()
    quarantined: int | None = optional_field()
    data_hash: str | None = optional_field()


@dataclass(frozen=True)
class RescoreEvidence(DecisionEvidence):
    """Version that scored a window again, and the hash of its changed rows."""

    kinds: ClassVar[tuple[str, ...]] = ("score",)
    version: int
    data_hash: str


@dataclass(frozen=True)
class RegisterEvidence(DecisionEvidence):
    """Verdicts of candidate against candidate, and what they were fitted on; `sampled` says how, if so."""

    kinds: ClassVar[tuple[str, ...]] = ("register",)
    verdicts: list[dict[str, Any]]
    rung: str
    data_hash: str
    window: str
    run_id: str
    sampled: str | None = optional_field()


@dataclass(frozen=True)
class UnusableEvidence(DecisionEvidence):
    """Training of which no candidate could be compared."""

    kinds: ClassVar[tuple[str, ...]] = ("refuse",)
    key: str
    data_hash: str
    rung: str


@dataclass(frozen=True)
class PromotionEvidence(DecisionEvidence):
    """Version, the champion that it was compared with (None: none), and what gate and verdict measured.

    `audit` names the audit whose answers gave the verdict, with what it says of both models; None where rows
    of a training gave it.
    """

    kinds: ClassVar[tuple[str, ...]] = ("promote", "refuse")
    gate: Mapping[str, Any]
    verdict: Mapping[str, Any] | None
    incidents: Mapping[str, Any] | None
    version: int
    replaces: int | None
    audit: Mapping[str, Any] | None = optional_field()


@dataclass(frozen=True)
class PendingEvidence(DecisionEvidence):
    """As :class:`PromotionEvidence`, with what a person needs to answer, and until when."""

    kinds: ClassVar[tuple[str, ...]] = ("pending",)
    version: int
    expires: datetime | str
    replaces: int | None = None
    gate: Mapping[str, Any] = field(default_factory=dict)
    verdict: Mapping[str, Any] | None = None
    incidents: Mapping[str, Any] | None = None
    diff: Mapping[str, Any] | None = None
    diff_error: str = ""
    audit: Mapping[str, Any] | None = optional_field()

    @property
    def expires_at(self) -> datetime:
        """Aware moment from which on nobody can answer any more."""
        return self.expires if isinstance(self.expires, datetime) else datetime.fromisoformat(self.expires)


@dataclass(frozen=True)
class ApprovalEvidence(DecisionEvidence):
    """Approved version: verdict of its pending promotion, named by key, the gate's newer result.

    `approvals` are the numbers of the approvals before this one, where several people must approve.
    """

    kinds: ClassVar[tuple[str, ...]] = ("promote",)
    version: int
    replaces: int | None
    verdict: Mapping[str, Any] | None
    gate: Mapping[str, Any]
    pending: str
    approvals: Sequence[int] | None = optional_field()


@dataclass(frozen=True)
class CountedApprovalEvidence(DecisionEvidence):
    """One of several approvals that a promotion needs: the version, and the pending promotion by key."""

    kinds: ClassVar[tuple[str, ...]] = ("approval",)
    version: int
    request: str
    needed: int


@dataclass(frozen=True)
class AnswerEvidence(DecisionEvidence):
    """Version of a pending promotion that ended without a new champion, and the promotion's key."""

    kinds: ClassVar[tuple[str, ...]] = ("refuse", "reject", "expired")
    version: int
    pending: str


@dataclass(frozen=True)
class StandingEvidence(DecisionEvidence):
    """Version that is champion already."""

    kinds: ClassVar[tuple[str, ...]] = ("promote",)
    version: int


@dataclass(frozen=True)
class AliasEvidence(DecisionEvidence):
    """Version whose alias a person set in MLflow, the champion before it, and what the gate measured."""

    kinds: ClassVar[tuple[str, ...]] = ("promote", "refuse")
    version: int
    replaces: int | None
    gate: Mapping[str, Any] | None = optional_field()


@dataclass(frozen=True)
class PendingAliasEvidence(DecisionEvidence):
    """As :class:`AliasEvidence`; the alias answers a pending promotion, named by key, with its verdict."""

    kinds: ClassVar[tuple[str, ...]] = ("promote",)
    version: int
    replaces: int | None
    pending: str
    verdict: Mapping[str, Any] | None


@dataclass(frozen=True)
class RollbackEvidence(DecisionEvidence):
    """Version that is champion again, and the one that it takes the place of."""

    kinds: ClassVar[tuple[str, ...]] = ("rollback",)
    version: int
    replaces: int
    gate: Mapping[str, Any]


@dataclass(frozen=True)
class PolicyEvidence(DecisionEvidence):
    """Version with another alert policy: its base, both policies, and the expected alert rate."""

    kinds: ClassVar[tuple[str, ...]] = ("policy",)
    version: int
    from_version: int = field(metadata={"key": "from"})
    policy: Mapping[str, Any]
    before: Mapping[str, Any]
    expected: float


@dataclass(frozen=True)
class UnchangedPolicyEvidence(DecisionEvidence):
    """Version that has the asked-for policy already."""

    kinds: ClassVar[tuple[str, ...]] = ("policy",)
    version: int
    policy: Mapping[str, Any]


@dataclass(frozen=True)
class DegradationEvidence(DecisionEvidence):
    """What monitoring saw of a window under one version, and the action that follows.

    `judged_late`: the window was judged before, and again now that its labels are due.
    """

    kinds: ClassVar[tuple[str, ...]] = ("degradation",)
    version: int
    action: str
    drifted: list[str]
    observation: Mapping[str, Any]
    run_id: str = ""
    exchangeability: Mapping[str, Any] = field(default_factory=dict)
    basis: str = ""
    aspects: list[dict[str, Any]] = field(default_factory=list)
    judged_late: bool | None = optional_field()


@dataclass(frozen=True)
class BakeEvidence(DecisionEvidence):
    """What a new champion and its predecessor show in one window; `promotion` is a decision's ``seq``.

    `paired` holds the sums of this window alone (``PairedBlocks.to_dict()``).
    """

    kinds: ClassVar[tuple[str, ...]] = ("bake",)
    version: int
    promotion: int | None
    new: Mapping[str, Any]
    old: Mapping[str, Any]
    paired: Mapping[str, Any] | None = optional_field()


@dataclass(frozen=True)
class AccountEvidence(DecisionEvidence):
    """A champion's account: its name, the share of the budget of each guarantee, and the one withdrawn.

    `guarantee` is ``Guarantee.to_dict()``, `window` the key of the window that withdrew it.
    """

    kinds: ClassVar[tuple[str, ...]] = ("account",)
    version: int
    account: str
    shares: Mapping[str, float]
    guarantee: Mapping[str, Any] | None = optional_field()
    window: str | None = optional_field()


@dataclass(frozen=True)
class DrillEvidence(DecisionEvidence):
    """Result of a drill: ``DrillResult.to_dict()``."""

    kinds: ClassVar[tuple[str, ...]] = ("drill",)
    pipeline: str
    window: str
    version: int
    passed: bool
    injected: int
    recall: Mapping[str, float]
    false_alerts: float
    drift: str
    state: str
    delay_s: float
    channel: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SearchEvidence(DecisionEvidence):
    """Result of a search: ``TuningResult.to_dict()``, its run, and the detector that it started from."""

    kinds: ClassVar[tuple[str, ...]] = ("search",)
    winner: Mapping[str, Any]
    better: bool
    verdict: Mapping[str, Any] | None
    trials: list[dict[str, Any]]
    reasons: list[str]
    run_id: str
    default: Mapping[str, Any]


@dataclass(frozen=True)
class SilenceEvidence(DecisionEvidence):
    """Scheduled work that no longer runs, or runs again: ``SilenceVerdict.to_dict()``."""

    kinds: ClassVar[tuple[str, ...]] = ("silence",)
    work: str
    silent: bool
    missed: int
    since: str
    reasons: list[str]


@dataclass(frozen=True)
class PruneEvidence(DecisionEvidence):
    """What was removed: the file that lists it, relative to the store's root, its hash, and the totals."""

    kinds: ClassVar[tuple[str, ...]] = ("prune",)
    counts: Mapping[str, Any]
    bytes: int
    list_file: str = field(metadata={"key": "list"})
    sha256: str
    retention: Mapping[str, Any]


@dataclass(frozen=True)
class AbandonedTrainingEvidence(DecisionEvidence):
    """Version whose training ended before a verdict, and the key of that training."""

    kinds: ClassVar[tuple[str, ...]] = ("train",)
    version: int | None
    key: str


@dataclass(frozen=True)
class LeaseEvidence(DecisionEvidence):
    """Who held a lease and ended, its process as the ledger knew it, and who took the lease over."""

    kinds: ClassVar[tuple[str, ...]] = ("lease",)
    held_by: str
    process: str
    taken_by: str
