"""Gather the facts of a training's page while its rows are in memory: plain, small, stored permanently.

Called by :mod:`pynomaly.steps.training.register` once per training. Later decisions about the version are not
included: :mod:`pynomaly.steps.reporting.reports` reads them from the ledger whenever the page is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pynomaly.config import Pipeline
from pynomaly.judging.comparison.choice import CandidateChoice
from pynomaly.judging.comparison.evaluation import Metrics, explain_not_computable, pr_curve, roc_curve
from pynomaly.judging.curve_shapes import bin_scores, thin_curve
from pynomaly.judging.drift.uniformity import measure_uniformity
from pynomaly.judging.jsonable import to_jsonable
from pynomaly.model.bundle import Bundle
from pynomaly.steps.training.fit_candidates import FittedCandidate
from pynomaly.steps.training.prepare import PreparedReference
from pynomaly.steps.training.training_rows import JudgedRows

__all__ = ["COUNT_NAMES", "FACTS_FORMAT", "build_training_facts", "name_training_page"]

FACTS_FORMAT = 1
"""Format number of stored facts; no page is written from facts of another format."""
COUNT_NAMES = (
    "rows",
    "fit_rows",
    "calibration_rows",
    "judged_rows",
    "quarantined",
    "known_anomalies",
    "incident_rows",
    "labelled_rows",
    "alerted_rows",
)
"""Fields of a prepared reference that count rows, as pages and MLflow show them."""


def name_training_page(version: int) -> str:
    """Returns the name of the facts and the page of a version."""
    return f"training-v{version}"


def build_training_facts(
    pipeline: Pipeline,
    prepared: PreparedReference,
    fitted: Sequence[FittedCandidate],
    choice: CandidateChoice,
    chosen: FittedCandidate,
    judged: JudgedRows,
    registered: Mapping[str, Any],
    git_commit: str,
) -> dict[str, Any]:
    """Returns facts about one registered version; JSON-serializable, some tens of kilobytes.

    Parameters
    ----------
    chosen : FittedCandidate
        The winner, one of `fitted`.
    registered : mapping
        ``RegistrationResult.to_dict()``.
    """
    bundle = Bundle.load(Path(chosen.folder), chosen.sha256)
    candidates = [
        _describe_candidate(item, choice, choice.measured.get(item.label), judged) for item in fitted
    ]
    scored = chosen.scores()
    facts = {
        "format": FACTS_FORMAT,
        "kind": "training",
        "pipeline": pipeline.name,
        "description": pipeline.description,
        "config": pipeline.origin.name,
        "registered": dict(registered),
        "params": dict(chosen.params),
        "git_commit": git_commit,
        "seed": pipeline.training.seed,
        "versions": bundle.facts["versions"],
        "window": prepared.window,
        "as_of": prepared.as_of,
        "data_hash": prepared.data_hash,
        "quality": prepared.quality,
        "counts": {name: getattr(prepared, name) for name in COUNT_NAMES},
        "alerts_said": prepared.alerts_said,
        "sampled": prepared.sampled,
        "columns": bundle.contract.to_dict(),
        "importance": dict(bundle.sketch.importance),
        "missing": pipeline.features.missing,
        "rung": prepared.rung,
        "confidence": pipeline.comparison.confidence,
        "metric": pipeline.comparison.metric,
        "min_improvement": pipeline.comparison.min_improvement,
        "candidates": candidates,
        "choice": choice.to_dict(),
        "scores": _bin_scores(
            judged.evidence.truth, scored["score"].to_numpy(), scored["is_anomaly"].to_numpy()
        ),
        "calibration": _describe_calibration(bundle),
        "uniformity": measure_uniformity(scored["p_value"].to_numpy()[judged.evidence.truth == 0]).to_dict(),
        "policy": bundle.policy.to_dict(),
    }
    plain_facts: dict[str, Any] = to_jsonable(facts)
    return plain_facts


def _describe_candidate(
    item: FittedCandidate, choice: CandidateChoice, measured: Metrics | None, judged: JudgedRows
) -> dict[str, Any]:
    """Returns cost, metrics and thinned curves of one candidate."""
    entry: dict[str, Any] = {
        "label": item.label,
        "detector": item.detector,
        "params": dict(item.params),
        "chosen": item.label == choice.winner,
        "fit_seconds": item.fit_seconds,
        "score_seconds": item.score_seconds,
        "megabytes": item.cost().megabytes if not item.error else None,
        "error": item.error,
        "metrics": measured.to_dict() if measured else {},
        "curves": None,
    }
    if item.error:
        return entry
    scores = item.scores()["score"].to_numpy()
    if reason := explain_not_computable(judged.evidence.truth, scores):
        return entry | {"error": reason}
    return entry | {
        "curves": {
            "pr": thin_curve(*pr_curve(judged.evidence.truth, scores)),
            "roc": thin_curve(*roc_curve(judged.evidence.truth, scores)),
        }
    }


def _bin_scores(truth: np.ndarray, scores: np.ndarray, alerts: np.ndarray) -> dict[str, Any]:
    """Returns the histogram of the winner's held-out scores, and the lowest score that alerted."""
    histogram = bin_scores({"normal": scores[truth == 0], "anomaly": scores[truth == 1]})
    alerted = scores[alerts.astype(bool)]
    return histogram | {
        "lowest_alert": float(alerted.min()) if alerted.size else None,
        "alerts": len(alerted),
    }


def _describe_calibration(bundle: Bundle) -> dict[str, Any]:
    calibration = bundle.calibration
    return {
        "rows": len(calibration.scores),
        "method": calibration.method,
        "computable": calibration.computable,
        "guarantee": calibration.guarantee,
        "resolution": calibration.resolution,
        "smallest": calibration.smallest_p_value,
        "tail": calibration.tail.reason if not calibration.tail else "",
    }
