"""Keeps the champion consistent: the ledger records why it changed, MLflow's alias says which version it is.

A decision is written before the aliases move, and the version is tagged after they have moved. So an
interrupted move can be told from an alias that a person changed in MLflow: the first is finished, the second
is recorded, meets the gate, and is accepted or set back as ``promotion.by_hand`` says. Called before anything
is scored, judged or trained.

Whoever changes the champion holds one lease. The decision is written only while the lease is held, in one
transaction. MLflow has no such transaction, so the lease is checked before the aliases move, and again after:
a holder that lost the lease in between sets the aliases back to what the ledger says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError, NoChampionError, RecordError
from pynomaly.records.ledger import Decision, Lease, Ledger
from pynomaly.records.ledger.decision_evidence import AliasEvidence, PendingAliasEvidence, PendingEvidence
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.gate import GateResult, check_gate
from pynomaly.steps.patient_lease import wait_for_lease

__all__ = [
    "LEASE_PATIENCE_S",
    "find_champion",
    "find_champion_at",
    "find_closing_decision",
    "find_last_change",
    "hold_champion_lease",
    "honour_alias",
    "list_pending_promotions",
    "move_aliases",
]

LEASE_PATIENCE_S = 120.0
"""Seconds that one change of the champion waits for another; a new process can take half a minute."""

_SETTLED_TAG = "pynomaly.settled"


def find_champion(pipeline: Pipeline, registry: Registry) -> ModelRef | None:
    """Return the current champion, or None before the first promotion."""
    try:
        return registry.resolve_alias(pipeline.name, "champion")
    except NoChampionError:
        return None


def find_champion_at(
    ledger: Ledger, pipeline: str, moment: datetime | None, *, below: int | None = None
) -> int | None:
    """Return the version that was champion at `moment` (None: now) by the ledger; None if there was none.

    With `below`, return the newest champion older than that version: the champion when it was trained.
    """
    changes = [*ledger.list_decisions(pipeline, "promote"), *ledger.list_decisions(pipeline, "rollback")]
    for item in sorted(changes, key=lambda item: item.seq or 0, reverse=True):
        version = item.version
        if version is None or (below is not None and version >= below):
            continue
        if moment is None or item.at is None or item.at <= moment:
            return version
    return None


def find_last_change(ledger: Ledger, pipeline: str) -> Decision | None:
    """Return the newest decision that changed the champion, or None."""
    changes = [ledger.find_last_decision(pipeline, kind) for kind in ("promote", "rollback")]
    return max((item for item in changes if item is not None), key=lambda item: item.seq or 0, default=None)


@contextmanager
def hold_champion_lease(pipeline: Pipeline, registry: Registry, ledger: Ledger) -> Iterator[Lease]:
    """Hold the champion's lease; an earlier change that was interrupted is finished first.

    Raises
    ------
    LeaseHeldError
        If another process holds it for longer than :data:`LEASE_PATIENCE_S`.
    """
    with wait_for_lease(ledger, f"champion:{pipeline.name}", LEASE_PATIENCE_S) as lease:
        if not _is_alias_settled(pipeline, registry, ledger):
            _settle_alias(pipeline, registry, ledger, lease)
        yield lease


def move_aliases(ledger: Ledger, registry: Registry, decision: Decision, lease: Lease) -> None:
    """Set the aliases as `decision` says, and then tag the version.

    Raises
    ------
    LeaseHeldError
        If another process has taken the lease: no alias moved, or the aliases were set back.
    """
    lease.renew()
    _set_aliases(registry, decision)
    try:
        lease.renew()
    except LeaseHeldError:
        newest = find_last_change(ledger, decision.pipeline)
        if newest is not None and newest.key != decision.key:
            _set_aliases(registry, newest)
        raise


def _set_aliases(registry: Registry, decision: Decision) -> None:
    version, replaces = _require_version(decision), decision.replaces
    if replaces is not None:
        registry.set_alias(decision.pipeline, "previous", replaces)
    registry.set_alias(decision.pipeline, "champion", version)
    registry.tag_version(decision.pipeline, version, _SETTLED_TAG, decision.key)


def _require_version(decision: Decision) -> int:
    if decision.version is None:
        raise RecordError(f"the decision {decision.kind!r} about {decision.subject!r} names no version")
    return decision.version


def find_closing_decision(ledger: Ledger, pending: Decision) -> Decision | None:
    """Return the decision that closed a pending promotion, or None while it is open."""
    return next(
        (
            item
            for kind in ("promote", "reject", "expired", "refuse")
            for item in ledger.list_decisions(pending.pipeline, kind)
            if item.answered_key == pending.key
        ),
        None,
    )


def list_pending_promotions(ledger: Ledger, pipeline: str) -> tuple[Decision, ...]:
    """Return promotions without an answer, newest first; also expired ones not yet recorded as such."""
    return tuple(
        item
        for item in ledger.list_decisions(pipeline, "pending")
        if find_closing_decision(ledger, item) is None
    )


def honour_alias(
    pipeline: Pipeline, registry: Registry | None = None, ledger: Ledger | None = None
) -> ModelRef | None:
    """Finish an interrupted move; record and accept an alias that was changed by hand.

    A registry or ledger that is not given is opened; a given one stays open.

    Returns
    -------
    ModelRef or None
        The champion if alias and ledger agreed; None otherwise: then ask the registry again.
    """
    registry = registry or Registry.open_for(pipeline)
    with Ledger.open(pipeline.ledger_url) if ledger is None else nullcontext(ledger) as ledger:
        champion = find_champion(pipeline, registry)
        if _read_decided_version(pipeline, ledger) == (champion.version if champion else None):
            return champion
        try:
            with ledger.hold_lease(f"champion:{pipeline.name}") as lease:
                if not _is_alias_settled(pipeline, registry, ledger):
                    _settle_alias(pipeline, registry, ledger, lease)
        except LeaseHeldError:
            pass  # the holder is changing the champion at this moment
    return None


def _read_decided_version(pipeline: Pipeline, ledger: Ledger) -> int | None:
    change = find_last_change(ledger, pipeline.name)
    return change.version if change else None


def _is_alias_settled(pipeline: Pipeline, registry: Registry, ledger: Ledger) -> bool:
    champion = find_champion(pipeline, registry)
    return (champion.version if champion else None) == _read_decided_version(pipeline, ledger)


def _settle_alias(pipeline: Pipeline, registry: Registry, ledger: Ledger, lease: Lease) -> None:
    champion, change = find_champion(pipeline, registry), find_last_change(ledger, pipeline.name)
    if change is not None:
        decided = registry.find_version(pipeline.name, _require_version(change))
        if champion is None or decided.tags.get(_SETTLED_TAG) != change.key:
            move_aliases(ledger, registry, change, lease)
            return
    if champion is None:
        return
    replaces = _require_version(change) if change else None
    version = champion.version
    gate = check_gate(pipeline, registry, champion)
    lease.renew()
    policy = pipeline.promotion.by_hand
    if policy == "refuse" or (policy == "check" and not gate.passed):
        _set_alias_back(pipeline, registry, ledger, champion, change, gate, lease)
        return
    warning = "" if gate.passed else "; the gate would refuse it, and promotion.by_hand is honour"
    pending_promotions = [
        item for item in list_pending_promotions(ledger, pipeline.name) if item.version == version
    ]
    evidence: AliasEvidence | PendingAliasEvidence = AliasEvidence(version, replaces, gate.evidence)
    if pending_promotions:
        answered_promotion = pending_promotions[0]
        verdict = PendingEvidence.of(answered_promotion).verdict
        evidence = PendingAliasEvidence(version, replaces, answered_promotion.key, verdict)
    reason_suffix = ", which answers the promotion that waited for it" if pending_promotions else ""
    decision = ledger.record_decision(
        Decision(
            key=f"by-hand:{pipeline.name}:v{version}:{change.seq if change else 0}",
            pipeline=pipeline.name,
            kind="promote",
            subject=f"{pipeline.name} v{version}",
            outcome="approved by hand" if pending_promotions else "by hand",
            reasons=(
                f"the alias champion was set to v{version} in MLflow, and is honoured{reason_suffix}"
                f"{warning}; nothing says that it is better than the champion before",
                *gate.reasons,
            ),
            evidence=evidence,
            as_of=datetime.now(UTC),
            actor="MLflow",
        ),
        lease,
    )
    move_aliases(ledger, registry, decision, lease)


def _set_alias_back(
    pipeline: Pipeline,
    registry: Registry,
    ledger: Ledger,
    champion: ModelRef,
    change: Decision | None,
    gate: GateResult,
    lease: Lease,
) -> None:
    """Refuse an alias that a person set, on record, and point it where the ledger says."""
    version, decided = champion.version, _require_version(change) if change else None
    why = (
        "promotion.by_hand is refuse"
        if pipeline.promotion.by_hand == "refuse"
        else "the gate refuses the version"
    )
    back = f"set back to v{decided}" if decided else "taken away, as there was no champion"
    reason = f"the alias champion was set to v{version} in MLflow, and is {back}: {why}"
    ledger.record_decision(
        Decision(
            key=f"by-hand-refused:{pipeline.name}:v{version}:{change.seq if change else 0}",
            pipeline=pipeline.name,
            kind="refuse",
            subject=f"{pipeline.name} v{version}",
            outcome="by hand",
            reasons=(reason, *gate.reasons),
            evidence=AliasEvidence(version, decided, gate.evidence),
            as_of=datetime.now(UTC),
            actor="MLflow",
        ),
        lease,
    )
    if change is not None:
        move_aliases(ledger, registry, change, lease)
    else:
        registry.drop_alias(pipeline.name, "champion")
