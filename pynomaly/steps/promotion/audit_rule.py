"""The rule by which an audit decides: that of its draw, whatever the settings say at a later look.

Whoever may move the metric, the level or the smallest gain after the answers finds a rule that they like.
Called by :mod:`pynomaly.steps.promotion.deciding_audit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pynomaly.config import Comparison, Pipeline
from pynomaly.judging.comparison.ranking_metrics import OperatingPoint

__all__ = ["AuditRule"]


@dataclass(frozen=True)
class AuditRule:
    """How champion and challenger are compared.

    Attributes
    ----------
    comparison : Comparison
    operation : OperatingPoint
    seed : int
        Of the bootstrap.
    among, attempt : int
        Number of candidates that the challenger was chosen from, and of the comparison with this champion.
    notes : tuple of str
        Where the settings of today differ, or the rule is not on record.
    """

    comparison: Comparison
    operation: OperatingPoint
    seed: int
    among: int
    attempt: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of_settings(cls, pipeline: Pipeline, share: float, seed: int, among: int, attempt: int) -> AuditRule:
        """Return the rule that the settings give now; `share` of normal rows alert under the challenger."""
        return cls(pipeline.comparison, OperatingPoint.of(pipeline.alerts, share), seed, among, attempt)

    def to_record(self) -> dict[str, Any]:
        """Return what the draw keeps of the rule."""
        return {
            "seed": self.seed,
            "among": self.among,
            "attempt": self.attempt,
            "comparison": self.comparison.to_record(),
            "operation": asdict(self.operation),
        }

    @classmethod
    def of_record(cls, content: Mapping[str, Any], pipeline: Pipeline) -> AuditRule:
        """Read the rule from the content of an audit; `pipeline` has the settings of today."""
        seed, among, attempt = content["seed"], content["among"], content["attempt"]
        if "comparison" not in content:
            today = cls.of_settings(pipeline, content["share"], seed, among, attempt)
            note = "the draw is older than this edition and kept no rule: that of the settings decides"
            return replace(today, notes=(note,))
        comparison = Comparison.of_record(content["comparison"])
        operation = OperatingPoint(**content["operation"])
        changes = comparison.list_changes(pipeline.comparison)
        now = OperatingPoint.of(pipeline.alerts, operation.share).false_alarms
        if now != operation.false_alarms:
            changes += (f"costs of false alarms {operation.false_alarms:g} (now {now:g})",)
        notes = (
            (f"settings changed since the draw, whose rule stays: {', '.join(changes)}",) if changes else ()
        )
        return cls(comparison, operation, seed, among, attempt, notes)
