"""Change the champion on evidence, refuse to, or take the last change back: always on record.

The ledger line is written before the aliases move, and a second run of the same promotion ends in the
same state. The gate cannot be switched off and fails closed: what cannot be checked is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import ModelError, NoChampionError, RecordError
from pynomaly.judging.comparison import Outcome, Verdict
from pynomaly.model.bundle import GOLDEN_TOLERANCE
from pynomaly.model.clean import check_in_clean_process
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.champion import champion_of, last_change, move_aliases
from pynomaly.steps.register import Registered

__all__ = ["Gate", "check_gate", "promote", "rollback"]


@dataclass(frozen=True)
class Gate:
    """Whether a version may serve at all, before anyone asks whether it is better."""

    passed: bool
    reasons: tuple[str, ...]
    evidence: dict[str, Any]


def check_gate(pipeline: Pipeline, registry: Registry, ref: ModelRef) -> Gate:
    """Load the version in a clean process, score its golden rows, time one row."""
    try:
        result = check_in_clean_process(registry.fetch(ref), ref.sha256)
    except ModelError as error:
        return Gate(False, (f"the version does not load in a clean process: {error}",), {})
    limit = pipeline.promotion.max_latency_ms
    checks = [
        (
            result.difference <= GOLDEN_TOLERANCE,
            f"golden rows differ by {result.difference:.1e} in a clean process (limit {GOLDEN_TOLERANCE:g})",
        ),
        (result.latency_ms <= limit, f"one row takes {result.latency_ms:.1f} ms (at most {limit:g} ms)"),
    ]
    return Gate(all(passed for passed, _ in checks), tuple(said for _, said in checks), result.to_dict())


def promote(
    pipeline: Pipeline, registered: Registered, verdict: Verdict | None, as_of: datetime, actor: str = "gate"
) -> Decision:
    """Make the version champion if the gate passes and the verdict allows it; record either way.

    Parameters
    ----------
    verdict : Verdict or None
        Challenger against champion; None only while there is no champion.
    """
    registry = Registry.open(pipeline.tracking_uri, pipeline.home)
    ref = registry.version(pipeline.name, registered.version)
    with Ledger.open(pipeline.ledger_url) as ledger, ledger.lease(f"champion:{pipeline.name}"):
        champion = champion_of(pipeline, registry)
        if champion is not None and champion.version == ref.version:
            standing = _standing(ledger, pipeline, ref, as_of, actor)
            _close(ledger, registered, standing)
            return standing
        gate = check_gate(pipeline, registry, ref)
        allowed, reasons = _may(pipeline, champion, verdict, gate, registered)
        decision = ledger.record(
            Decision(
                key=f"{'promote' if allowed else 'refuse'}:{pipeline.name}:v{ref.version}:"
                f"after:{champion.version if champion else 0}:{_place(ledger, pipeline.name)}",
                pipeline=pipeline.name,
                kind="promote" if allowed else "refuse",
                subject=f"{pipeline.name} v{ref.version}",
                outcome=str(verdict.outcome) if verdict else "policy" if registered.policy else "first",
                reasons=(*reasons, *gate.reasons),
                evidence={
                    "gate": gate.evidence,
                    "verdict": verdict.to_dict() if verdict else None,
                    "version": ref.version,
                    "replaces": champion.version if champion else None,
                },
                as_of=as_of,
                actor=actor,
            )
        )
        if allowed:
            move_aliases(registry, decision)
        else:
            registry.set_alias(pipeline.name, "challenger", ref.version)
        _close(ledger, registered, decision)
        return decision


def _close(ledger: Ledger, registered: Registered, decision: Decision) -> None:
    """The training ended in a verdict: the same request is not answered again."""
    training = ledger.training(registered.key)
    if training is not None:
        ledger.put_training(
            training.key,
            training.pipeline,
            training.as_of,
            training.data_hash,
            training.version,
            decision.kind,
            training.detail,
        )


def _may(
    pipeline: Pipeline,
    champion: ModelRef | None,
    verdict: Verdict | None,
    gate: Gate,
    registered: Registered,
) -> tuple[bool, tuple[str, ...]]:
    """Whether the evidence and the policy allow a promotion, and why."""
    if not gate.passed:
        return False, ("the gate refuses the version",)
    if champion is None:
        return True, ("there was no champion: the winner of the comparison is the first",)
    if registered.policy:
        return _may_alert_otherwise(pipeline, champion, registered)
    if verdict is None:
        return False, ("nothing says that it is better than the champion",)
    # The same scores in the same order: there is nothing to be superior in, and nothing to lose.
    same = registered.recalibrated and verdict.difference == 0
    if verdict.outcome is not Outcome.SUPERIOR and not same:
        why = f"the verdict is {verdict.outcome}: only superior promotes by itself"
        return False, (why, *verdict.reasons)
    if pipeline.promotion.mode == "never":
        return False, ("promotion.mode is never: a person sets the alias", *verdict.reasons)
    if same:
        return True, ("scores are the champion's own; p-values come from newer rows",)
    return True, verdict.reasons


def _may_alert_otherwise(
    pipeline: Pipeline, champion: ModelRef, registered: Registered
) -> tuple[bool, tuple[str, ...]]:
    """Whether a version that differs in its alert policy alone may replace the champion."""
    if champion.version != registered.base:
        why = f"its scores are those of v{registered.base}, and v{champion.version} is champion now"
        return False, (why,)
    if pipeline.promotion.mode == "never":
        return False, ("promotion.mode is never: a person sets the alias",)
    return True, (f"scores are the champion's own; alerts change: {registered.policy}",)


def _standing(ledger: Ledger, pipeline: Pipeline, ref: ModelRef, as_of: datetime, actor: str) -> Decision:
    """The decision that made `ref` champion, when it already is."""
    known = ledger.last(pipeline.name, "promote")
    if known is not None and known.evidence.get("version") == ref.version:
        return known
    return Decision(
        key="",
        pipeline=pipeline.name,
        kind="promote",
        subject=f"{pipeline.name} v{ref.version}",
        outcome="standing",
        reasons=("it is the champion already",),
        evidence={"version": ref.version},
        as_of=as_of,
        actor=actor,
    )


def _place(ledger: Ledger, pipeline: str) -> int:
    """Place of the last change: tells a promotion from an earlier one between the same versions."""
    change = last_change(ledger, pipeline)
    return (change.seq or 0) if change else 0


def rollback(pipeline: Pipeline, as_of: datetime, reason: str, actor: str = "person") -> Decision:
    """Make the previous champion champion again; a second call takes that back.

    Raises
    ------
    NoChampionError
        If there is no champion, or nothing before it.
    RecordError
        If the previous version does not pass the gate.
    """
    registry = Registry.open(pipeline.tracking_uri, pipeline.home)
    with Ledger.open(pipeline.ledger_url) as ledger, ledger.lease(f"champion:{pipeline.name}"):
        champion = registry.alias(pipeline.name, "champion")
        try:
            previous = registry.alias(pipeline.name, "previous")
        except NoChampionError as error:
            raise NoChampionError(
                f"{pipeline.name} v{champion.version} is the only champion so far: nothing to roll back to"
            ) from error
        gate = check_gate(pipeline, registry, previous)
        if not gate.passed:
            raise RecordError(f"{pipeline.name} v{previous.version} may not serve: {'; '.join(gate.reasons)}")
        moved = f"v{champion.version}:v{previous.version}:{_place(ledger, pipeline.name)}"
        decision = ledger.record(
            Decision(
                key=f"rollback:{pipeline.name}:{moved}",
                pipeline=pipeline.name,
                kind="rollback",
                subject=f"{pipeline.name} v{previous.version}",
                outcome="done",
                reasons=(f"v{champion.version} gave way to v{previous.version}: {reason}", *gate.reasons),
                evidence={"version": previous.version, "replaces": champion.version, "gate": gate.evidence},
                as_of=as_of,
                actor=actor,
            )
        )
        move_aliases(registry, decision)
        return decision
