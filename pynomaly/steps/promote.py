"""Change the champion on evidence, refuse to, or take the last change back: always on record.

The ledger line is written before the aliases move, and a second run of the same promotion ends in the
same state. The gate cannot be switched off and fails closed: what cannot be checked is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import DataError, DetectorError, ModelError, NoChampionError, RecordError
from pynomaly.judging.comparison import Verdict
from pynomaly.judging.incidents import Regression, unreadable
from pynomaly.judging.promotion import Ruling, rule
from pynomaly.model.bundle import GOLDEN_TOLERANCE
from pynomaly.model.clean import BATCH_ROWS, check_in_clean_process
from pynomaly.records.ledger import Decision, Lease, Ledger, Training
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.champion import champion_of, changing_champion, last_change, move_aliases
from pynomaly.steps.difference import shown_difference
from pynomaly.steps.register import Registered
from pynomaly.steps.regression import past_incidents

__all__ = ["Gate", "check_gate", "promote", "rollback", "taken_back"]


@dataclass(frozen=True)
class Gate:
    """Whether a version may serve at all, before anyone asks whether it is better."""

    passed: bool
    reasons: tuple[str, ...]
    evidence: dict[str, Any]


def check_gate(pipeline: Pipeline, registry: Registry, ref: ModelRef) -> Gate:
    """Load the version in a clean process, score its golden rows, time one row, weigh a batch."""
    try:
        result = check_in_clean_process(registry.fetch(ref), ref.sha256)
    except ModelError as error:
        return Gate(False, (f"the version does not load in a clean process: {error}",), {})
    limit, memory = pipeline.promotion.max_latency_ms, pipeline.promotion.max_memory_mb
    checks = [
        (
            result.difference <= GOLDEN_TOLERANCE,
            f"golden rows differ by {result.difference:.1e} in a clean process (limit {GOLDEN_TOLERANCE:g})",
        ),
        (result.latency_ms <= limit, f"one row takes {result.latency_ms:.1f} ms (at most {limit:g} ms)"),
        (
            result.rss_mb <= memory,
            f"scoring {BATCH_ROWS} rows takes {result.rss_mb:.0f} MB at most (limit {memory:g} MB)",
        ),
    ]
    return Gate(all(passed for passed, _ in checks), tuple(said for _, said in checks), result.to_dict())


def promote(
    pipeline: Pipeline, registered: Registered, verdict: Verdict | None, as_of: datetime, actor: str = "gate"
) -> Decision:
    """Make the version champion if the gate passes and verdict and policy allow it; record either way.

    What takes long (a clean process, scoring for people) is done before the lease is asked for; what it was
    done against is looked at again under the lease.

    Parameters
    ----------
    verdict : Verdict or None
        Challenger against champion; None only while there is no champion.

    Returns
    -------
    Decision
        Of kind ``promote``, ``pending`` (``promotion.mode: approval``: a person answers) or ``refuse``.
    """
    registry = Registry.of(pipeline)
    ref = registry.version(pipeline.name, registered.version)
    with Ledger.open(pipeline.ledger_url) as ledger:
        before = champion_of(pipeline, registry)
        if before is not None and before.version == ref.version:
            return _close(ledger, registered.key, _standing(ledger, pipeline, ref, as_of, actor))
        gate = check_gate(pipeline, registry, ref)
        past = _past(pipeline, registry, before, ref, as_of) if before and gate.passed else None
        asked = _may(pipeline, ledger, registered, before, verdict, gate, past)
        shown = shown_difference(pipeline, registry, before, ref, as_of) if asked.kind == "pending" else {}
        with changing_champion(pipeline, registry, ledger) as lease:
            champion = champion_of(pipeline, registry)
            if champion is not None and champion.version == ref.version:
                decision = _standing(ledger, pipeline, ref, as_of, actor)
            else:
                ruling = _may(pipeline, ledger, registered, champion, verdict, gate, past)
                facts = {"gate": gate.evidence, "verdict": verdict.to_dict() if verdict else None}
                facts |= {"incidents": past.to_dict() if past else None}
                facts |= shown if ruling.kind == "pending" else {}
                decision = _written(
                    pipeline, ledger, lease, ref, champion, ruling, gate, facts, as_of=as_of, actor=actor
                )
                _point_aliases(pipeline, ledger, registry, decision, lease)
            return _close(ledger, registered.key, decision)


def _past(
    pipeline: Pipeline, registry: Registry, champion: ModelRef, challenger: ModelRef, as_of: datetime
) -> Regression | None:
    """What past incidents say; where that cannot be found out, that is an answer too, and a no."""
    try:
        return past_incidents(pipeline, registry, champion, challenger, as_of)
    except (DataError, DetectorError, ModelError) as error:  # a record that is away is tried again
        return unreadable(str(error))


def _written(
    pipeline: Pipeline,
    ledger: Ledger,
    lease: Lease,
    ref: ModelRef,
    champion: ModelRef | None,
    ruling: Ruling,
    gate: Gate,
    facts: dict[str, Any],
    *,
    as_of: datetime,
    actor: str,
) -> Decision:
    """The line of the ledger; the same ruling about the same change is one line."""
    replaces = champion.version if champion else None
    waits = {"expires": datetime.now(UTC) + pipeline.promotion.expires} if ruling.kind == "pending" else {}
    return ledger.record(
        Decision(
            key=f"{ruling.kind}:{pipeline.name}:v{ref.version}:after:{replaces or 0}:"
            f"{_place(ledger, pipeline.name)}",
            pipeline=pipeline.name,
            kind=ruling.kind,
            subject=f"{pipeline.name} v{ref.version}",
            outcome=ruling.outcome,
            reasons=(*ruling.reasons, *gate.reasons),
            evidence=facts | waits | {"version": ref.version, "replaces": replaces},
            as_of=as_of,
            actor=actor,
        ),
        lease,
    )


def _point_aliases(
    pipeline: Pipeline, ledger: Ledger, registry: Registry, decision: Decision, lease: Lease
) -> None:
    version = decision.evidence["version"]
    if decision.kind == "promote":
        move_aliases(ledger, registry, decision, lease)
        return
    lease.renew()
    registry.set_alias(pipeline.name, "challenger", version)
    if decision.kind == "pending" and pipeline.promotion.shadow:
        registry.set_alias(pipeline.name, "shadow", version)


def _close(ledger: Ledger, key: str, decision: Decision) -> Decision:
    """The training ended in a verdict: the same request is not answered again."""
    training = ledger.training(key)
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
    return decision


def _may(
    pipeline: Pipeline,
    ledger: Ledger,
    registered: Registered,
    champion: ModelRef | None,
    verdict: Verdict | None,
    gate: Gate,
    past: Regression | None,
) -> Ruling:
    """What the evidence and the policy allow; the facts are gathered here, the rule is pure."""
    return rule(
        verdict,
        pipeline.promotion.mode,
        gate_passed=gate.passed,
        champion=f"{pipeline.name} v{champion.version}" if champion else None,
        recalibrated=registered.recalibrated,
        policy=registered.policy,
        base=f"{pipeline.name} v{registered.base}",
        taken_back=taken_back(ledger, pipeline.name, registered.version),
        incidents=past,
    )


def taken_back(ledger: Ledger, pipeline: str, version: int) -> int | None:
    """The version that a bake took back and that `version` repeats: itself, or its detector on its data."""
    known = {item.version: item for item in ledger.trainings(pipeline) if item.version is not None}
    asked = known.get(version)
    for item in ledger.decisions(pipeline, "rollback"):
        bad = item.evidence.get("replaces")
        if item.actor != "bake" or bad is None:
            continue
        other = known.get(bad)
        same = asked is not None and other is not None and _learned(asked) == _learned(other)
        if bad == version or same:
            return int(bad)
    return None


def _learned(training: Training) -> tuple[str, str, str]:
    registered = training.detail.get("registered", {})
    return training.data_hash, registered.get("detector", ""), registered.get("policy", "")


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


def rollback(
    pipeline: Pipeline, as_of: datetime, reason: str, actor: str = "person", only: int | None = None
) -> Decision:
    """Make the previous champion champion again; a second call takes that back.

    Parameters
    ----------
    only : int, optional
        Roll back this version alone: refused when another is champion by now.

    Raises
    ------
    NoChampionError
        If there is no champion, nothing before it, or it is not `only`.
    RecordError
        If the previous version does not pass the gate.
    """
    registry = Registry.of(pipeline)
    with (
        Ledger.open(pipeline.ledger_url) as ledger,
        changing_champion(pipeline, registry, ledger) as lease,
    ):
        champion = registry.alias(pipeline.name, "champion")
        if only is not None and champion.version != only:
            raise NoChampionError(f"{pipeline.name} v{only} is champion no longer: v{champion.version} is")
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
            ),
            lease,
        )
        move_aliases(ledger, registry, decision, lease)
        return decision
