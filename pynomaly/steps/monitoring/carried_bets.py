"""Bet against exchangeability through all windows of a champion, on rows far enough apart.

Called by :mod:`pynomaly.steps.monitoring.monitor_window`. The scores that a window was bet on are kept with
its observation; the bets on the next window go on where they ended. Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.judging.comparison.ranking_metrics import Array
from pynomaly.judging.drift.exchangeability import (
    MIN_ROWS,
    Exchangeability,
    judge_exchangeability,
    select_spaced_rows,
)
from pynomaly.judging.drift.observation import Observation
from pynomaly.model.bundle import Bundle
from pynomaly.model.dependence.dependence import Dependence, to_seconds

__all__ = ["MAX_BETS", "bet_on_window", "carry_bets", "keep_bets", "select_bets"]

MAX_BETS = 500
"""Most rows of a window that are bet on."""


def select_bets(pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame, scores: Array) -> Array:
    """Return the scores of a window to bet on, in random order by seed; known anomalies are left out.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
    scores : array of shape (n,)
    """
    contract, dependence = bundle.contract, bundle.dependence
    usual = np.ones(len(frame), dtype=bool)
    if contract.label is not None and contract.label in frame:
        usual = (frame[contract.label] != 1).to_numpy()
    rows, values = frame[usual], scores[usual]
    if dependence.is_dependent and contract.time is not None and contract.time in rows:
        codes = np.zeros(len(rows), dtype=np.int64)
        if contract.id is not None and contract.id in rows and not dependence.is_shared:
            codes = pd.factorize(rows[contract.id])[0].astype(np.int64)
        spacing = dependence.upper if not dependence.is_short else np.inf
        if spacing > 0:
            values = values[select_spaced_rows(to_seconds(rows[contract.time]), codes, spacing)]
    return np.random.default_rng(pipeline.training.seed).permutation(values)[:MAX_BETS]


def bet_on_window(
    pipeline: Pipeline, bundle: Bundle, bets: Array, earlier: Sequence[Observation], alpha: float
) -> Exchangeability:
    """Test whether the champion's windows so far are exchangeable with the held-out scores.

    Parameters
    ----------
    bets : array of shape (m,)
        What :func:`select_bets` returns of the newest window.
    earlier : sequence of Observation
        Of the champion, oldest first.
    alpha : float
        Its share of the champion's account.
    """
    calibration = bundle.calibration
    held_out = calibration.scores if calibration.computable else calibration.scores[:0]
    carried = [np.asarray(item.bets, dtype=np.float64) for item in earlier if item.bets]
    return carry_bets(held_out, [*carried, bets], bundle.dependence, alpha, pipeline.training.seed)


def keep_bets(observation: Observation, bets: Array) -> Observation:
    """Return the observation of a window with the scores that were bet on, in nine digits."""
    return replace(observation, bets=tuple(float(f"{score:.9g}") for score in bets))


def carry_bets(
    held_out: Array, windows: Sequence[Array], dependence: Dependence, alpha: float, seed: int
) -> Exchangeability:
    """Bet on the windows one after another; dependent held-out rows count as what they are worth.

    Parameters
    ----------
    held_out : array of shape (n,)
    windows : sequence of arrays
        Scores of each window, the newest last.
    """
    if dependence.is_dependent and held_out.size:
        size = min(held_out.size, max(1, int(dependence.count_effective(held_out.size))))
        held_out = np.random.default_rng(seed).choice(held_out, size=size, replace=False)
    stream = np.concatenate(windows)
    if dependence.is_dependent and 0 < held_out.size < MIN_ROWS <= held_out.size + stream.size:
        # Too few independent held-out rows: the first rows of the stream take their part.
        lacking = MIN_ROWS - held_out.size
        held_out, stream = np.concatenate([held_out, stream[:lacking]]), stream[lacking:]
    result = judge_exchangeability(held_out, stream, alpha=alpha, seed=seed)
    if len(windows) < 2:
        return result
    note = f"bets are carried through {len(windows)} windows of this version"
    return replace(result, reasons=(*result.reasons, note))
