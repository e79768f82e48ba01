"""Blocks of the judged rows once models have scored them: as long as their own scores depend on each other.

Before a fit the blocks come from the rows themselves. A detector may remember longer, and two models differ
for longer than each of them varies. Called where models are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pynomaly.data.frame import FrameContract
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.ranking_metrics import Array
from pynomaly.model.dependence.autocorrelation import normal_scores
from pynomaly.model.dependence.measure import measure_rows
from pynomaly.steps.training.splits import number_rows
from pynomaly.steps.training.training_rows import separate_episodes

__all__ = ["lengthen_blocks"]


def lengthen_blocks(
    contract: FrameContract, frame: pd.DataFrame, evidence: Evidence, scores: Sequence[Array]
) -> Evidence:
    """Return the evidence with its blocks, or with those that the scores ask for, if these are fewer.

    Parameters
    ----------
    contract : FrameContract
    frame : DataFrame of shape (n, d)
        The judged rows.
    evidence : Evidence
    scores : sequence of ndarray of shape (n,)
        Of two models; each counts, and the difference of their ranks.
    """
    normal = evidence.truth == 0
    if evidence.injected is not None and evidence.injected.episodes is not None:
        normal = normal & (evidence.injected.episodes < 0)  # rows around episodes are copies
    if contract.time is None or contract.time not in frame or not normal.any():
        return evidence
    if not all(np.isfinite(each).all() for each in scores):
        return evidence  # the verdict says so
    ranks = [normal_scores(each[normal]) for each in scores]
    observed = measure_rows(frame[normal], np.column_stack([*ranks, ranks[0] - ranks[1]]), contract)
    if not observed.is_dependent:
        return evidence
    truth = evidence.truth == 1 if evidence.rung is Rung.LABELS else None
    longer = replace(evidence, blocks=number_rows(contract, frame, observed, truth))
    longer = separate_episodes(longer)
    return longer if longer.count_blocks() < evidence.count_blocks() else evidence
