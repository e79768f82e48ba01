"""Two versions on the rows of one window: each summarised, paired block by block, and bet on.

Called by :mod:`pynomaly.steps.promotion.bake` and by its benchmark. Reads and writes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.judging.account.block_bets import UnitBets
from pynomaly.judging.drift.bake_verdict import BakeObservation, observe_bake
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.drift.degradation import observe_window
from pynomaly.judging.drift.paired_blocks import PairedBlocks
from pynomaly.model.bundle import Bundle
from pynomaly.model.dependence.dependence import Dependence, to_seconds
from pynomaly.model.provenance import count_rows_per_event
from pynomaly.model.row_times import read_row_times
from pynomaly.records.ledger import TrainedBaseline

__all__ = ["bet_on_versions", "observe_version", "pair_versions"]


def observe_version(
    pipeline: Pipeline,
    version: int,
    bundle: Bundle,
    key: str,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    baseline: TrainedBaseline,
) -> BakeObservation:
    """Summarise one version on a window, each row judged alone; its latency is not measured."""
    drift = compute_window_drift(bundle.sketch, bundle.contract, frame, pipeline.drift, scored["score"])
    alerts = int(scored["is_anomaly"].sum())
    observation = observe_window(
        key,
        len(frame),
        drift,
        alerts,
        baseline.usual_alert_rate,
        pipeline.degradation,
        rows_per_event=count_rows_per_event(bundle.policy, bundle.facts),
    )
    scores = scored["score"].to_numpy()
    vary = bool((scores != scores[0]).any())
    highest = baseline.expected_rate_high
    return observe_bake(version, drift, observation, alerts, 0.0, highest, scores_vary=vary)


def pair_versions(
    bundle: Bundle,
    previous: Bundle,
    frame: pd.DataFrame,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    edges: tuple[datetime, datetime] | None,
) -> PairedBlocks:
    """Return the sums over the window's blocks; the longer dependence of the two versions counts."""
    dependence = bundle.dependence.widen(previous.dependence)
    times = read_row_times(frame, bundle.contract)
    if times is not None and times.isna().any():
        times = None if times.isna().all() else times.fillna(times.min())
    contract_id = bundle.contract.id
    entities = frame[contract_id] if contract_id and contract_id in frame else None
    share = 1.0
    if times is not None and dependence.explain_unknown():
        share = 0.0
    elif times is not None and dependence.is_dependent:
        first, last = edges or (times.min(), times.max())
        share = min(1.0, (last - first).total_seconds() / dependence.block)
    new, old = ((table["is_anomaly"].to_numpy(), table["p_value"].to_numpy()) for table in tables)
    return PairedBlocks.sum_window(new, old, _number_blocks(dependence, times, entities, len(frame)), share)


def bet_on_versions(
    pipeline: Pipeline,
    bundles: tuple[Bundle, Bundle],
    frame: pd.DataFrame,
    tables: tuple[pd.DataFrame, pd.DataFrame],
    rates: tuple[float, float],
    bets: UnitBets,
) -> UnitBets:
    """Return the bets on a promotion after a window; those before where rows have no order or unknown units.

    Parameters
    ----------
    bundles, tables, rates : pairs
        Of the new and of the old version: the model, its scores of `frame`, and the alert rate it promised.
    """
    times = read_row_times(frame, bundles[0].contract)
    dependence = bundles[0].dependence.widen(bundles[1].dependence)
    if times is None or dependence.explain_unknown():
        return bets
    known = times.notna().to_numpy()
    flags = [table["is_anomaly"].to_numpy(dtype=bool)[known] for table in tables]
    return bets.bet_on_pairs(
        to_seconds(times[known]),
        (flags[0], flags[1]),
        dependence,
        rates,
        pipeline.degradation.alert_rate_factor,
        max(count_rows_per_event(bundle.policy, bundle.facts) for bundle in bundles),
    )


def _number_blocks(
    dependence: Dependence, times: pd.Series[Any] | None, entities: pd.Series[Any] | None, rows: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.arange(rows) if times is None else dependence.number_blocks(times, entities)
