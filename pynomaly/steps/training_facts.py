"""Gather the facts of a training's page while its rows are in memory: plain, small, stored permanently.

Called by :mod:`pynomaly.steps.register` once per training. Later decisions about the version are not
included: :mod:`pynomaly.steps.reports` reads them from the ledger whenever the page is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pynomaly.config import Pipeline
from pynomaly.judging.choice import Choice
from pynomaly.judging.evaluation import Metrics, not_computable, pr_curve, roc_curve
from pynomaly.judging.plain import plain
from pynomaly.judging.shape import binned, thinned
from pynomaly.judging.uniformity import uniformity
from pynomaly.model.bundle import Bundle
from pynomaly.steps.candidates import Fitted
from pynomaly.steps.prepare import Judged, Prepared

__all__ = ["FORMAT", "training_facts", "training_name"]

FORMAT = 1
"""Format number of stored facts; no page is written from facts of another format."""
_COUNTS = (
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


def training_name(version: int) -> str:
    """Returns the name of the facts and the page of a version."""
    return f"training-v{version}"


def training_facts(
    pipeline: Pipeline,
    prepared: Prepared,
    fitted: Sequence[Fitted],
    choice: Choice,
    chosen: Fitted,
    judged: Judged,
    measured: Mapping[str, Metrics],
    registered: Mapping[str, Any],
    git_commit: str,
) -> dict[str, Any]:
    """Returns facts about one registered version; JSON-serializable, some tens of kilobytes.

    Parameters
    ----------
    chosen : Fitted
        The winner, one of `fitted`.
    measured : mapping of str to Metrics
        By candidate; one that failed is missing.
    registered : mapping
        ``RegistrationResult.to_dict()``.
    """
    bundle = Bundle.load(Path(chosen.folder), chosen.sha256)
    candidates = [_candidate(item, choice, measured.get(item.label), judged) for item in fitted]
    scored = chosen.scores()
    facts = {
        "format": FORMAT,
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
        "counts": {name: getattr(prepared, name) for name in _COUNTS},
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
        "scores": _scores(judged.truth, scored["score"].to_numpy(), scored["is_anomaly"].to_numpy()),
        "calibration": _calibration(bundle),
        "uniformity": uniformity(scored["p_value"].to_numpy()[judged.truth == 0]).to_dict(),
        "policy": bundle.policy.to_dict(),
    }
    plain_facts: dict[str, Any] = plain(facts)
    return plain_facts


def _candidate(item: Fitted, choice: Choice, measured: Metrics | None, judged: Judged) -> dict[str, Any]:
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
    if reason := not_computable(judged.truth, scores):
        return entry | {"error": reason}
    return entry | {
        "curves": {
            "pr": thinned(*pr_curve(judged.truth, scores)),
            "roc": thinned(*roc_curve(judged.truth, scores)),
        }
    }


def _scores(truth: np.ndarray, scores: np.ndarray, alerts: np.ndarray) -> dict[str, Any]:
    """Returns the histogram of the winner's held-out scores, and the lowest score that alerted."""
    histogram = binned({"normal": scores[truth == 0], "anomaly": scores[truth == 1]})
    alerted = scores[alerts.astype(bool)]
    return histogram | {
        "lowest_alert": float(alerted.min()) if alerted.size else None,
        "alerts": len(alerted),
    }


def _calibration(bundle: Bundle) -> dict[str, Any]:
    calibration = bundle.calibration
    return {
        "rows": len(calibration.scores),
        "method": calibration.method,
        "computable": calibration.computable,
        "guarantee": calibration.guarantee,
        "resolution": calibration.resolution,
        "smallest": calibration.smallest,
        "tail": calibration.tail.reason if not calibration.tail else "",
    }
