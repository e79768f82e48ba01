"""Learning from known anomalies: they may rerank scores, but they never set the model's p-values.

Known anomalies are left out of the fit. Half of the held-out rows, drawn by seed, serve as normal rows when a
:class:`~pynomaly.detectors.methods.reranking.Reranking` is learned; cross-validation on these rows decides
whether it is used. The other half, not used for learning, gives the p-values of the new scores. If there are
too few rows of either kind, or the reranking does not help, nothing changes: every held-out row calibrates
the detector's own scores, and the facts give the reason. Called by :mod:`pynomaly.model.fitting.fitting`, and
by the benchmark of what labels add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.detectors.methods.reranking import LEAST_POSITIVES, Reranking
from pynomaly.errors import DetectorError
from pynomaly.model.calibration.calibration import MIN_SCORES

__all__ = [
    "MAX_LEARNING_ROWS",
    "KnownAnomalies",
    "RerankingResult",
    "describe_known",
    "learn_reranking",
    "unused_facts",
]

Floats = NDArray[np.float64]

MAX_LEARNING_ROWS = 10_000  # rows of each kind used to train trees, so that it takes seconds, not minutes


@dataclass(frozen=True, eq=False)
class KnownAnomalies:
    """Known anomalies to learn from; they are not used to fit, to calibrate or to compare models.

    Attributes
    ----------
    frame : DataFrame of shape (k, >= d)
        Rows as read and validated.
    blocks : int array of shape (k,)
        Rows with the same number belong to one incident and stay in the same fold.
    """

    frame: pd.DataFrame
    blocks: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RerankingResult:
    """Result of learning from known anomalies.

    Attributes
    ----------
    reranking : Reranking or None
        None if it is not used.
    calibrating : bool array of shape (n,)
        Held-out rows whose scores give the p-values.
    facts : dict
        Number of ``known`` anomalies, whether they are ``used``, average precision ``before`` and ``after``
        with the corrected standard ``error`` of the gain (None if nothing was learned), and ``why``.
    """

    reranking: Reranking | None
    calibrating: NDArray[np.bool_]
    facts: dict[str, Any]


def learn_reranking(
    held_out: Floats,
    scores: Floats,
    known: Floats,
    known_scores: Floats,
    blocks: NDArray[np.int64] | None = None,
    seed: int = 0,
    normal_blocks: NDArray[np.int64] | None = None,
) -> RerankingResult:
    """Learn a reranking, if there are enough rows to learn from and to validate with.

    Parameters
    ----------
    held_out : ndarray of shape (n, d)
        Rows presumed normal that the detector was not fitted on, as feature numbers.
    scores : ndarray of shape (n,)
        Scores of these rows by the detector.
    known : ndarray of shape (k, d)
        Known anomalies; `known_scores`, shape (k,), are their scores by the detector.
    blocks : int array of shape (k,), optional
        See :class:`KnownAnomalies`; without them each row is its own block.
    seed : int
    normal_blocks : int array of shape (n,), optional
        Blocks of dependent held-out rows, from 0: one half of the blocks teaches. Without them rows are
        independent, and one half of the rows does.
    """
    rows, count = len(held_out), len(known)
    everything = np.ones(rows, dtype=bool)
    if count < LEAST_POSITIVES:
        why = f"{count} known anomalies are fewer than the {LEAST_POSITIVES} that can teach"
        return RerankingResult(None, everything, unused_facts(count, why))
    if rows // 2 < max(LEAST_POSITIVES, MIN_SCORES):
        why = f"{rows} held-out rows are too few to teach with one half and calibrate on the other"
        return RerankingResult(None, everything, unused_facts(count, why))
    rng = np.random.default_rng(seed)
    normal_places = _draw_teachers(rows, normal_blocks, rng)
    anomaly_places = np.sort(rng.permutation(count)[:MAX_LEARNING_ROWS])
    numbers = np.arange(count) if blocks is None else np.asarray(blocks)
    try:
        reranking = Reranking.fit(
            np.concatenate([held_out[normal_places], known[anomaly_places]]),
            np.concatenate([scores[normal_places], known_scores[anomaly_places]]),
            (np.arange(len(normal_places) + len(anomaly_places)) >= len(normal_places)).astype(np.int64),
            seed,
            np.concatenate(
                [
                    np.full(len(normal_places), -1)
                    if normal_blocks is None
                    else numbers.max() + 1 + normal_blocks[normal_places],
                    numbers[anomaly_places],
                ]
            ),
        )
    except DetectorError as error:
        return RerankingResult(None, everything, unused_facts(count, str(error)))
    precisions = {"before": reranking.before, "after": reranking.after, "error": reranking.error}
    if not reranking.used:
        why = (
            f"on folds it had not seen, average precision went from {reranking.before:.3f} "
            f"to {reranking.after:.3f}, "
            f"no more than chance explains (standard error {reranking.error:.3f})"
        )
        return RerankingResult(None, everything, unused_facts(count, why) | precisions)
    why = (
        f"on folds it had not seen, average precision rose from {reranking.before:.3f} "
        f"to {reranking.after:.3f} "
        f"(standard error {reranking.error:.3f})"
    )
    calibrating = everything.copy()
    calibrating[normal_places] = False
    return RerankingResult(reranking, calibrating, {"known": count, "used": True, "why": why} | precisions)


def _draw_teachers(
    rows: int, blocks: NDArray[np.int64] | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the places of the held-out rows that teach: about one half, whole blocks if they are given."""
    most = min(rows // 2, MAX_LEARNING_ROWS)
    if blocks is None:
        return rng.choice(rows, most, replace=False)
    order = rng.permutation(int(blocks.max()) + 1)
    taken = np.cumsum(np.bincount(blocks, minlength=len(order))[order]) <= most
    return np.flatnonzero(np.isin(blocks, order[taken]))


def unused_facts(known: int, why: str) -> dict[str, Any]:
    """Return the facts for known anomalies that are not used, with the reason `why`."""
    return {"known": known, "used": False, "before": None, "after": None, "error": None, "why": why}


def describe_known(facts: dict[str, Any] | None) -> str:
    """Return a note for people about the known anomalies of a model; "" if there were none."""
    if not facts or not facts["known"]:
        return ""
    effect = "teach the scores" if facts["used"] else "are left out of the fit and teach nothing"
    return f"{facts['known']} known anomalies {effect}: {facts['why']}"
