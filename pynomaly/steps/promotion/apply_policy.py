"""Apply the configured alert policy to the champion: no refit, unchanged scores, the same gate.

Called when a person changed ``alerts`` in the YAML file. The result is a version of its own, so it can be
rolled back like any other; applying the same policy again registers nothing and reports that. Windows that
were scored before keep their alerts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.config.spelling.units import spell_duration
from pynomaly.errors import ModelError, RecordError
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.provenance import read_events
from pynomaly.model.window_alerts import expect_alerts_of
from pynomaly.records.ledger import Decision, RegistrationResult, TrainingFacts
from pynomaly.records.ledger.decision_evidence import PolicyEvidence, UnchangedPolicyEvidence
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.records.store import Store
from pynomaly.steps.champion import honour_alias
from pynomaly.steps.pipeline_records import PipelineRecords
from pynomaly.steps.promotion.promote import promote

__all__ = ["PolicyChange", "apply_policy", "describe_policy"]


@dataclass(frozen=True)
class PolicyChange:
    """Result of applying the configured policy.

    Attributes
    ----------
    version : int
        The version with the configured policy: new, registered by an earlier call, or the champion.
    new : bool
        Whether this call registered it.
    policy : Decision
        Old and new policy with the expected alert rates; outcome ``registered`` or ``unchanged``.
    decision : Decision or None
        The decision of the gate; None when the champion has this policy already.
    """

    version: int
    new: bool
    policy: Decision
    decision: Decision | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for events and ``--json``."""
        return {
            "version": self.version,
            "new": self.new,
            "policy": self.policy.to_dict(),
            "decision": self.decision.to_dict() if self.decision else None,
        }


def describe_policy(policy: AlertPolicy) -> str:
    """Returns a policy as text: its kind, and the p-value at or below which a single row is an alert."""
    level = f" {policy.level:g}" if policy.level is not None else ""
    tail = ", extrapolating" if policy.extrapolate else ""
    level += f" of {spell_duration(policy.period)}" if policy.period else ""
    counted = ", counting events" if policy.events is not None else ""
    return f"{policy.kind}{level} (p <= {policy.threshold:.4g}{tail}{counted})"


def apply_policy(pipeline: Pipeline, as_of: datetime, reason: str, actor: str = "person") -> PolicyChange:
    """Give the champion the alert policy of `pipeline`, and promote the result if the gate passes.

    Raises
    ------
    NoChampionError
        If nothing was promoted yet.
    ConfigError
        If the policy is impossible for the champion's rows: a budget without times, or of half the rows.
    ModelError
        If the result does not score as the champion does; nothing is registered then.
    """
    honour_alias(pipeline)
    registry = Registry.open_for(pipeline)
    ref = registry.resolve_alias(pipeline.name, "champion")
    champion = registry.load_bundle(ref)
    new_policy = AlertPolicy.from_config(
        pipeline.alerts, champion.policy.rows_per_day, champion.contract.numeric, read_events(champion.facts)
    )
    key = _hash_policy_change(ref, new_policy)
    with (
        PipelineRecords.open(pipeline) as records,
        records.ledger.hold_lease(f"register:{pipeline.name}:{key}"),
    ):
        ledger = records.ledger
        if new_policy == champion.policy:
            same = f"v{ref.version} has this policy already: {describe_policy(new_policy)}"
            same += "; nothing is registered"
            policy_decision = _build_decision(
                pipeline,
                key,
                "unchanged",
                (same,),
                UnchangedPolicyEvidence(ref.version, new_policy.to_dict()),
                as_of,
                actor,
            )
            return PolicyChange(ref.version, False, ledger.record_decision(policy_decision), None)
        training = ledger.find_training(key)
        if training is not None and training.registered is not None:
            registered = training.registered
        else:
            registered = _register_policy(records, ref, champion, new_policy, key, as_of)
        rates = registered.notes[0]
        reasons = (f"v{registered.base} to v{registered.version}: {registered.policy}; {reason}", rates)
        evidence = PolicyEvidence(
            version=registered.version,
            from_version=ref.version,
            policy=new_policy.to_dict(),
            before=champion.policy.to_dict(),
            expected=registered.expected_alert_rate,
        )
        policy_decision = ledger.record_decision(
            _build_decision(pipeline, key, "registered", reasons, evidence, as_of, actor)
        )
    decision = promote(pipeline, registered, None, as_of, actor)
    return PolicyChange(registered.version, registered.new, policy_decision, decision)


def _hash_policy_change(ref: ModelRef, new_policy: AlertPolicy) -> str:
    """Returns a key of champion content and policy: the same pair gives the same version."""
    parts = json.dumps(["policy", ref.sha256, new_policy.to_dict()], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def _build_decision(
    pipeline: Pipeline,
    key: str,
    outcome: str,
    reasons: tuple[str, ...],
    evidence: PolicyEvidence | UnchangedPolicyEvidence,
    as_of: datetime,
    actor: str,
) -> Decision:
    return Decision(
        key=f"policy:{pipeline.name}:{key}:{outcome}",
        pipeline=pipeline.name,
        kind="policy",
        subject=f"{pipeline.name} v{evidence.version}",
        outcome=outcome,
        reasons=reasons,
        evidence=evidence,
        as_of=as_of,
        actor=actor,
    )


def _register_policy(
    records: PipelineRecords,
    ref: ModelRef,
    champion: Bundle,
    new_policy: AlertPolicy,
    key: str,
    as_of: datetime,
) -> RegistrationResult:
    """Save, check, log and register the champion with another policy and its expected alert rate."""
    pipeline, registry, store = records.pipeline, records.registry, records.store
    change = f"{describe_policy(champion.policy)} -> {describe_policy(new_policy)}"
    p_values, basis = _read_held_out(pipeline, store, ref, champion)
    bundle = champion.with_policy(new_policy)
    flags = (champion.policy.alerts(p_values), new_policy.alerts(p_values))
    tables = (pd.DataFrame({"p_value": p_values, "is_anomaly": each}) for each in flags)
    before, after = (expect_alerts_of(*pair) for pair in zip((champion, bundle), tables, strict=True))
    alerted = tuple(float(each.mean()) for each in flags)
    rates = (
        f"expected alert rate {before.rate:.4f} -> {after.rate:.4f} of normal rows (up to {after.high:.4f}); "
        f"{alerted[0]:.4f} -> {alerted[1]:.4f}, anomalies included, of {basis}"
    )
    origin = {"version": ref.version, "sha256": ref.sha256, "change": change}
    bundle = replace(bundle, facts={**bundle.facts, "policy_of": origin})
    folder = pipeline.home / "work" / pipeline.name / f"policy-{key}" / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    sha256 = bundle.save(folder)
    rows = champion.golden
    if not np.array_equal(Bundle.load(folder, sha256).raw_scores(rows), champion.raw_scores(rows)):
        raise ModelError(
            f"{pipeline.name}: with another policy v{ref.version} scores its golden rows otherwise"
        )
    earlier = records.ledger.find_version_training(pipeline.name, ref.version)
    earlier_result = earlier.registered if earlier else None
    tags = {name: ref.tags[f"pynomaly.{name}"] for name in ("rung", "window", "detector")}
    with registry.start_parent_run(
        pipeline.name, f"policy for v{ref.version}", tags={"pynomaly.kind": "policy", "pynomaly.key": key}
    ) as run:
        registry.log_to_run(
            run,
            metrics={"alert_rate_before": before.rate, "alert_rate_after": after.rate},
            params={f"policy.{name}": value for name, value in new_policy.to_dict().items()},
        )
        new_ref = registry.register(
            pipeline.name,
            run,
            folder,
            sha256,
            example=bundle.golden,
            tags={f"pynomaly.{name}": value for name, value in tags.items()},
            key=key,
        )
        registry.describe_version(new_ref, f"v{ref.version} with another alert policy: {change}")
    store.copy_evidence(pipeline.name, ref.sha256, sha256)
    registered = RegistrationResult(
        pipeline=pipeline.name,
        key=key,
        version=new_ref.version,
        run_id=run,
        parent_run_id=run,
        sha256=sha256,
        detector=champion.detector.name,
        metric=earlier_result.metric if earlier_result else pipeline.comparison.metric,
        value=earlier_result.value if earlier_result else None,
        rung=tags["rung"],
        expected_alert_rate=after.rate,
        recalibrated=False,
        notes=(rates, *bundle.facts["notes"]),
        new=True,
        policy=change,
        base=ref.version,
        probe=earlier_result.probe if earlier_result else None,
        expected_rate_low=after.low,
        expected_rate_high=after.high,
        held_out_alert_rate=alerted[1],
        anomaly_share=earlier_result.anomaly_share if earlier_result else None,
        usual_alert_rate=alerted[1] if earlier_result and earlier_result.usual_alert_rate else None,
        alerts=pipeline.alerts.to_record(),
    )
    records.ledger.put_training(
        key=key,
        pipeline=pipeline.name,
        as_of=as_of,
        data_hash=earlier.data_hash if earlier else "",
        version=new_ref.version,
        outcome="registered",
        detail=TrainingFacts(
            registered,
            window=tags["window"],
            policy=change,
            judged=earlier.facts.judged if earlier else None,
        ),
    )
    return registered


def _read_held_out(
    pipeline: Pipeline, store: Store, ref: ModelRef, champion: Bundle
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], str]:
    """Returns p-values of the champion's held-out rows, else of its calibration rows; and a description."""
    try:
        p_values = store.read_held_out(pipeline.name, ref.sha256)
        return p_values, f"the {len(p_values)} held-out rows of v{ref.version}"
    except RecordError:
        calibration = replace(champion.calibration, groups=None)  # among the rows of all entities
        p_values = calibration.p_values(calibration.scores) if len(calibration.scores) else np.ones(1)
        basis = f"{len(p_values)} calibration rows without known anomalies, as no held-out rows were kept"
        return p_values, f"{basis} for v{ref.version}"
