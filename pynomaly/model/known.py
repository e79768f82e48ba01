"""Known anomalies of a reference teach a fitted model, and never set the p-values it ships.

They are kept out of the fit. Half of the held-out rows, drawn by seed, stand beside them as normal rows when
a :class:`~pynomaly.detectors.reranking.Reranking` is learned; folds of those rows decide whether it is used.
The other half, which it never saw, gives the p-values of the new scores. Where there are too few of either,
or it does not help, nothing changes: every held-out row calibrates the detector's own scores, and the facts
say why. Called by :mod:`pynomaly.model.fitting`, and by the benchmark of what labels add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.detectors.reranking import LEAST_POSITIVES, Reranking
from pynomaly.errors import DetectorError
from pynomaly.model.calibration import FEWEST

__all__ = ["MOST_TEACHING", "Known", "Taught", "left_out", "note_of", "teach"]

Floats = NDArray[np.float64]

MOST_TEACHING = 10_000  # rows of either kind that trees are grown on: seconds, not minutes


@dataclass(frozen=True, eq=False)
class Known:
    """Known anomalies to learn from; none of them is fitted on, calibrates or judges.

    Attributes
    ----------
    frame : DataFrame of shape (k, >= d)
        Rows as read and validated.
    blocks : int array of shape (k,)
        Rows with the same number belong to one incident and stay together in validation.
    """

    frame: pd.DataFrame
    blocks: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Taught:
    """What known anomalies came to.

    Attributes
    ----------
    reranking : Reranking or None
        None unless it is used.
    calibrating : bool array of shape (n,)
        Held-out rows whose scores may give p-values.
    facts : dict
        ``known`` anomalies there were, whether they are ``used``, average precision ``before`` and ``after``
        with the standard ``error`` of the gain (None where nothing was learned), and ``why``.
    """

    reranking: Reranking | None
    calibrating: NDArray[np.bool_]
    facts: dict[str, Any]


def teach(
    held_out: Floats,
    scores: Floats,
    known: Floats,
    known_scores: Floats,
    blocks: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Taught:
    """Learn a reranking, if there is enough to learn and to validate it with.

    Parameters
    ----------
    held_out : ndarray of shape (n, d)
        Rows presumed normal that the detector was not fitted on, as numbers.
    scores : ndarray of shape (n,)
        The detector's scores of them.
    known : ndarray of shape (k, d)
        Known anomalies; `known_scores`, shape (k,), are the detector's.
    blocks : int array of shape (k,), optional
        See :class:`Known`; without them each row stands for itself.
    seed : int
    """
    rows, count = len(held_out), len(known)
    everything = np.ones(rows, dtype=bool)
    if count < LEAST_POSITIVES:
        why = f"{count} known anomalies are fewer than the {LEAST_POSITIVES} that can teach"
        return Taught(None, everything, left_out(count, why))
    if rows // 2 < max(LEAST_POSITIVES, FEWEST):
        why = f"{rows} held-out rows are too few to teach with one half and calibrate on the other"
        return Taught(None, everything, left_out(count, why))
    rng = np.random.default_rng(seed)
    usual = rng.choice(rows, min(rows // 2, MOST_TEACHING), replace=False)
    odd = np.sort(rng.permutation(count)[:MOST_TEACHING])
    numbers = np.arange(count) if blocks is None else np.asarray(blocks)
    try:
        found = Reranking.fit(
            np.concatenate([held_out[usual], known[odd]]),
            np.concatenate([scores[usual], known_scores[odd]]),
            (np.arange(len(usual) + len(odd)) >= len(usual)).astype(np.int64),
            seed,
            np.concatenate([np.full(len(usual), -1), numbers[odd]]),
        )
    except DetectorError as error:
        return Taught(None, everything, left_out(count, str(error)))
    measured = {"before": found.before, "after": found.after, "error": found.error}
    if not found.used:
        why = (
            f"on folds it had not seen, average precision went from {found.before:.3f} to {found.after:.3f}, "
            f"no more than chance explains (standard error {found.error:.3f})"
        )
        return Taught(None, everything, left_out(count, why) | measured)
    why = (
        f"on folds it had not seen, average precision rose from {found.before:.3f} to {found.after:.3f} "
        f"(standard error {found.error:.3f})"
    )
    calibrating = everything.copy()
    calibrating[usual] = False
    return Taught(found, calibrating, {"known": count, "used": True, "why": why} | measured)


def left_out(known: int, why: str) -> dict[str, Any]:
    """Facts of known anomalies that nothing was learned from."""
    return {"known": known, "used": False, "before": None, "after": None, "error": None, "why": why}


def note_of(facts: dict[str, Any] | None) -> str:
    """What a person should know of the known anomalies of a model; "" where there were none."""
    if not facts or not facts["known"]:
        return ""
    done = "teach the scores" if facts["used"] else "are left out of the fit and teach nothing"
    return f"{facts['known']} known anomalies {done}: {facts['why']}"
