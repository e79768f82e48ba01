"""Promote a version to champion, refuse it, or roll back the last change; each result is recorded.

The ledger line is written before the aliases move, and a second run of the same promotion ends in the
same state. The gate cannot be switched off and fails closed: a version that cannot be checked is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import DataError, DetectorError, ModelError, NoChampionError, RecordError
from pynomaly.judging.comparison.compare import Verdict
from pynomaly.judging.comparison.past_incidents import IncidentRegression, report_not_computable
from pynomaly.judging.comparison.promotion_rules import PromotionRuling, rule_on_promotion
from pynomaly.records.ledger import Decision, Lease, Ledger, RegistrationResult, TrainingRecord
from pynomaly.records.ledger.decision_evidence import (
    PendingEvidence,
    PromotionEvidence,
    RollbackEvidence,
    StandingEvidence,
)
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.champion import find_champion, find_last_change, hold_champion_lease, move_aliases
from pynomaly.steps.gate import GateResult, check_gate
from pynomaly.steps.pipeline_records import PipelineRecords
from pynomaly.steps.promotion.decision_diff import ShownDiff, compute_diff
from pynomaly.steps.promotion.past_incidents import replay_incidents

__all__ = ["find_rolled_back", "promote", "rollback"]


def promote(
    pipeline: Pipeline,
    registered: RegistrationResult,
    verdict: Verdict | None,
    as_of: datetime,
    actor: str = "gate",
    audit: Mapping[str, Any] | None = None,
) -> Decision:
    """Make the version champion if the gate passes and verdict and policy allow it; record either way.

    Slow work (the clean process, the comparison shown to people) runs before the lease is taken; under the
    lease, the champion is read again and the ruling repeated.

    Parameters
    ----------
    verdict : Verdict or None
        Challenger against champion; None only while there is no champion.
    audit : mapping, optional
        What stands in the evidence of the audit that gave the verdict; its ``audit`` is its name.

    Returns
    -------
    Decision
        Of kind ``promote``, ``pending`` (``promotion.mode: approval``: a person answers) or ``refuse``.
    """
    with PipelineRecords.open(pipeline) as records:
        ledger, registry = records.ledger, records.registry
        ref = registry.find_version(pipeline.name, registered.version)
        before = find_champion(pipeline, registry)
        if before is not None and before.version == ref.version:
            return _close_training(
                ledger, registered.key, _read_standing_decision(ledger, pipeline, ref, as_of, actor)
            )
        gate = check_gate(pipeline, registry, ref)
        incidents = (
            _check_incidents(pipeline, registry, before, ref, as_of) if before and gate.passed else None
        )
        first_ruling = _rule_on_version(records, registered, before, verdict, gate, incidents)
        comparison = (
            compute_diff(pipeline, registry, before, ref, as_of)
            if first_ruling.kind == "pending"
            else ShownDiff(None, "the champion changed while the version was checked")
        )
        with hold_champion_lease(pipeline, registry, ledger) as lease:
            champion = find_champion(pipeline, registry)
            if champion is not None and champion.version == ref.version:
                decision = _read_standing_decision(ledger, pipeline, ref, as_of, actor)
            else:
                ruling = _rule_on_version(records, registered, champion, verdict, gate, incidents)
                evidence = PromotionEvidence(
                    gate=gate.evidence,
                    verdict=verdict.to_dict() if verdict else None,
                    incidents=incidents.to_dict() if incidents else None,
                    version=ref.version,
                    replaces=champion.version if champion else None,
                    audit=audit,
                )
                decision = ledger.record_decision(
                    _build_ruling(records, ruling, gate, evidence, comparison, as_of, actor), lease
                )
                _point_aliases(records, decision, lease)
            return _close_training(ledger, registered.key, decision)


def _check_incidents(
    pipeline: Pipeline, registry: Registry, champion: ModelRef, challenger: ModelRef, as_of: datetime
) -> IncidentRegression | None:
    """Returns the result on past incidents; incidents that cannot be scored count against the challenger."""
    try:
        return replay_incidents(pipeline, registry, champion, challenger, as_of)
    except (DataError, DetectorError, ModelError) as error:  # RecordError is raised: the run is tried again
        return report_not_computable(str(error))


def _build_ruling(
    records: PipelineRecords,
    ruling: PromotionRuling,
    gate: GateResult,
    evidence: PromotionEvidence,
    comparison: ShownDiff,
    as_of: datetime,
    actor: str,
) -> Decision:
    """Return the decision for a ruling; the same ruling about the same change has the same key."""
    pipeline = records.pipeline
    change = f"v{evidence.version}:after:{evidence.replaces or 0}"
    basis = f":audit:{evidence.audit['audit']}" if evidence.audit else ""
    expires = datetime.now(UTC) + pipeline.promotion.expires
    return Decision(
        key=f"{ruling.kind}:{pipeline.name}:{change}:{_read_last_change_seq(records.ledger, pipeline.name)}"
        + basis,
        pipeline=pipeline.name,
        kind=ruling.kind,
        subject=f"{pipeline.name} v{evidence.version}",
        outcome=ruling.outcome,
        reasons=(*ruling.reasons, *gate.reasons),
        evidence=PendingEvidence(
            **evidence, expires=expires, diff=comparison.diff, diff_error=comparison.problem
        )
        if ruling.kind == "pending"
        else evidence,
        as_of=as_of,
        actor=actor,
    )


def _point_aliases(records: PipelineRecords, decision: Decision, lease: Lease) -> None:
    pipeline, registry = records.pipeline, records.registry
    if decision.kind == "promote":
        move_aliases(records.ledger, registry, decision, lease)
        return
    version = PromotionEvidence.of(decision).version
    lease.renew()
    registry.set_alias(pipeline.name, "challenger", version)
    if decision.kind == "pending" and pipeline.promotion.shadow:
        registry.set_alias(pipeline.name, "shadow", version)


def _close_training(ledger: Ledger, key: str, decision: Decision) -> Decision:
    """Record that the training ended in this decision, so that the same request is not repeated."""
    training = ledger.find_training(key)
    if training is not None:
        ledger.end_training(training, decision.kind)
    return decision


def _rule_on_version(
    records: PipelineRecords,
    registered: RegistrationResult,
    champion: ModelRef | None,
    verdict: Verdict | None,
    gate: GateResult,
    past: IncidentRegression | None,
) -> PromotionRuling:
    """Returns what evidence and policy allow; gathers the facts here, the rule itself is pure."""
    pipeline = records.pipeline
    return rule_on_promotion(
        verdict,
        pipeline.promotion.mode,
        gate_passed=gate.passed,
        champion=f"{pipeline.name} v{champion.version}" if champion else None,
        recalibrated=registered.recalibrated,
        policy=registered.policy,
        base=f"{pipeline.name} v{registered.base}",
        taken_back=find_rolled_back(records.ledger, pipeline.name, registered.version),
        incidents=past,
    )


def find_rolled_back(ledger: Ledger, pipeline: str, version: int) -> int | None:
    """Returns the version that a bake rolled back and that `version` repeats; None without one.

    It repeats itself, and any version with the same data, detector and policy.
    """
    trainings = {item.version: item for item in ledger.list_trainings(pipeline) if item.version is not None}
    training = trainings.get(version)
    for item in ledger.list_decisions(pipeline, "rollback"):
        bad_version = item.replaces
        if item.actor != "bake" or bad_version is None:
            continue
        bad_training = trainings.get(bad_version)
        same_model = (
            training is not None
            and bad_training is not None
            and _identify_training(training) == _identify_training(bad_training)
        )
        if bad_version == version or same_model:
            return bad_version
    return None


def _identify_training(training: TrainingRecord) -> tuple[str, str, str]:
    registered = training.registered
    if registered is None:
        return training.data_hash, "", ""
    return training.data_hash, registered.detector, registered.policy


def _read_standing_decision(
    ledger: Ledger, pipeline: Pipeline, ref: ModelRef, as_of: datetime, actor: str
) -> Decision:
    """Returns the decision that promoted `ref`, which is champion already."""
    promotion = ledger.find_last_decision(pipeline.name, "promote")
    if promotion is not None and promotion.version == ref.version:
        return promotion
    return Decision(
        key="",
        pipeline=pipeline.name,
        kind="promote",
        subject=f"{pipeline.name} v{ref.version}",
        outcome="standing",
        reasons=("it is the champion already",),
        evidence=StandingEvidence(ref.version),
        as_of=as_of,
        actor=actor,
    )


def _read_last_change_seq(ledger: Ledger, pipeline: str) -> int:
    """Returns the sequence number of the last change; tells repeated promotions of two versions apart."""
    change = find_last_change(ledger, pipeline)
    return (change.seq or 0) if change else 0


def rollback(
    pipeline: Pipeline, as_of: datetime, reason: str, actor: str = "person", only: int | None = None
) -> Decision:
    """Make the previous champion champion again; a second call reverses that.

    Parameters
    ----------
    only : int, optional
        Roll back only this version: refused when another one is champion.

    Raises
    ------
    NoChampionError
        If there is no champion, no previous champion, or the champion is not `only`.
    RecordError
        If the previous version does not pass the gate.
    """
    with (
        PipelineRecords.open(pipeline) as records,
        hold_champion_lease(pipeline, records.registry, records.ledger) as lease,
    ):
        ledger, registry = records.ledger, records.registry
        champion = registry.resolve_alias(pipeline.name, "champion")
        if only is not None and champion.version != only:
            raise NoChampionError(f"{pipeline.name} v{only} is champion no longer: v{champion.version} is")
        try:
            previous = registry.resolve_alias(pipeline.name, "previous")
        except NoChampionError as error:
            raise NoChampionError(
                f"{pipeline.name} v{champion.version} is the only champion so far: nothing to roll back to"
            ) from error
        gate = check_gate(pipeline, registry, previous)
        if not gate.passed:
            raise RecordError(f"{pipeline.name} v{previous.version} may not serve: {'; '.join(gate.reasons)}")
        change = f"v{champion.version}:v{previous.version}:{_read_last_change_seq(ledger, pipeline.name)}"
        decision = ledger.record_decision(
            Decision(
                key=f"rollback:{pipeline.name}:{change}",
                pipeline=pipeline.name,
                kind="rollback",
                subject=f"{pipeline.name} v{previous.version}",
                outcome="done",
                reasons=(f"v{champion.version} gave way to v{previous.version}: {reason}", *gate.reasons),
                evidence=RollbackEvidence(previous.version, champion.version, gate.evidence),
                as_of=as_of,
                actor=actor,
            ),
            lease,
        )
        move_aliases(ledger, registry, decision, lease)
        return decision
