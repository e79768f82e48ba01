"""Rehearse a recalibration: everything that it would do and decide, in memory and without a record.

Called by ``pynomaly recalibrate --dry-run``. The gate, which checks a registered version in a clean process,
is left out.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.quality import validate
from pynomaly.errors import QualityError
from pynomaly.judging.comparison.promotion_rules import rule_on_promotion
from pynomaly.records.registry import Registry
from pynomaly.steps.alerting.feedback import read_feedback
from pynomaly.steps.champion import find_champion
from pynomaly.steps.training.planning import plan_training
from pynomaly.steps.training.recalibration.new_p_values import (
    read_baseline,
    recalibrate_in_memory,
    require_recalibratable,
)
from pynomaly.steps.training.train_candidates import compare_with
from pynomaly.steps.training.training_rows import TrainingRows

__all__ = ["rehearse_recalibration"]


def rehearse_recalibration(pipeline: Pipeline, as_of: datetime, reason: str) -> dict[str, Any]:
    """Return what a recalibration at `as_of` would come to.

    Returns
    -------
    dict
        ``decision`` on whether it runs at all. Where it does, also ``ruling`` (kind, outcome and reasons, if
        the gate passes), ``rows`` that would set p-values, and the share of normal held-out rows that alert
        under the champion (``alert_rate_before``), would alert (``alert_rate_after``), and should
        (``promised``).

    Raises
    ------
    NoChampionError, ConfigError
        As :func:`~pynomaly.steps.training.recalibration.new_p_values.require_recalibratable`.
    QualityError
        If validation blocks the rows.
    """
    plan = plan_training(pipeline, as_of, "manual", reason, (), "recalibrate", record=False)
    result: dict[str, Any] = {"trained": False, "dry_run": True} | plan.to_dict()
    reference = plan.held.reference
    if not plan.should_train or reference is None:
        return result
    frame, registry = reference.frame, Registry.open_for(pipeline)
    ref = require_recalibratable(pipeline, find_champion(pipeline, registry))
    champion, name = registry.load_bundle(ref), f"{pipeline.name} v{ref.version}"
    contract = FrameContract.infer(frame, pipeline.data)
    checked = validate(frame, contract, pipeline.quality, "train", reference.origin)
    if checked.report.outcome == "block":
        raise QualityError(f"{pipeline.name}: the reference is blocked: {'; '.join(checked.report.reasons)}")
    rows, _ = TrainingRows.split(pipeline, contract, checked.clean, None, read_feedback(pipeline, frame))
    candidate = recalibrate_in_memory(pipeline, rows, champion, read_baseline(pipeline, ref), {})
    verdict = compare_with(pipeline, rows.judged, champion, candidate, name=name)
    ruling = rule_on_promotion(
        verdict, pipeline.promotion.mode, gate_passed=True, champion=name, recalibrated=True
    )
    normal = rows.judged.evidence.truth == 0
    before, after = (table["is_anomaly"].to_numpy(dtype=bool)[normal].mean() for table in (
        champion.score(rows.judged.frame), candidate.scores()
    ))  # fmt: skip
    return result | {
        "ruling": {"kind": ruling.kind, "outcome": ruling.outcome, "reasons": list(ruling.reasons)},
        "rows": len(rows.fit) + len(rows.calibration),
        "alert_rate_before": float(before),
        "alert_rate_after": float(after),
        "promised": candidate.threshold(),
    }
