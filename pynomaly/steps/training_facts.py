"""What a training's page tells, gathered while its rows are at hand: plain, small, kept for good.

Called by :mod:`pynomaly.steps.register` once a training. What was decided about the version afterwards is
not in here: the ledger knows, and :mod:`pynomaly.steps.reports` asks it whenever the page is written.
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
"""Of kept facts; a page of another format is not written."""
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
    """How the facts and the page of a version are called."""
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
    """Facts about one registered version; JSON-able, a few ten kilobytes.

    Parameters
    ----------
    chosen : Fitted
        The winner, one of `fitted`.
    measured : mapping of str to Metrics
        By candidate; one that failed is missing.
    registered : mapping
        ``Registered.to_dict()``.
    """
    bundle = Bundle.load(Path(chosen.folder), chosen.sha256)
    shown = [_candidate(item, choice, measured.get(item.label), judged) for item in fitted]
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
        "candidates": shown,
        "choice": choice.to_dict(),
        "scores": _scores(judged.truth, scored["score"].to_numpy(), scored["is_anomaly"].to_numpy()),
        "calibration": _calibration(bundle),
        "uniformity": uniformity(scored["p_value"].to_numpy()[judged.truth == 0]).to_dict(),
        "policy": bundle.policy.to_dict(),
    }
    found: dict[str, Any] = plain(facts)
    return found


def _candidate(item: Fitted, choice: Choice, measured: Metrics | None, judged: Judged) -> dict[str, Any]:
    """One candidate: what it cost, how good it was, and its curves in small."""
    shown: dict[str, Any] = {
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
        return shown
    scores = item.scores()["score"].to_numpy()
    if reason := not_computable(judged.truth, scores):
        return shown | {"error": reason}
    return shown | {
        "curves": {
            "pr": thinned(*pr_curve(judged.truth, scores)),
            "roc": thinned(*roc_curve(judged.truth, scores)),
        }
    }


def _scores(truth: np.ndarray, scores: np.ndarray, alerts: np.ndarray) -> dict[str, Any]:
    """The winner's held-out scores, and the smallest that alerted."""
    found = binned({"normal": scores[truth == 0], "anomaly": scores[truth == 1]})
    alerted = scores[alerts.astype(bool)]
    return found | {"lowest_alert": float(alerted.min()) if alerted.size else None, "alerts": len(alerted)}


def _calibration(bundle: Bundle) -> dict[str, Any]:
    held = bundle.calibration
    return {
        "rows": len(held.scores),
        "method": held.method,
        "computable": held.computable,
        "guarantee": held.guarantee,
        "resolution": held.resolution,
        "smallest": held.smallest,
        "tail": held.tail.reason if not held.tail else "",
    }
