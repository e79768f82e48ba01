"""Enter a judged window into the champion's account: exchangeability, alert rate and incidents.

Called by :mod:`pynomaly.steps.monitoring.monitor_window` while it holds the window's lease. A window that was
entered is not entered again; rows up to the newest one that was counted are not counted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.data.incidents import mark_incident_rows, read_incidents
from pynomaly.judging.account.block_bets import UnitBets
from pynomaly.judging.account.guarantees import (
    Guarantee,
    explain_missing,
    judge_alert_rate,
    judge_exchange_test,
)
from pynomaly.judging.account.incidents import bet_on_catches, bound_misses, judge_incidents
from pynomaly.judging.account.stake import Stake
from pynomaly.judging.comparison.evidence import find_catches
from pynomaly.judging.drift.exchangeability import Exchangeability
from pynomaly.judging.drift.observation import Observation
from pynomaly.judging.drift.performance import JudgedScores
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.expected_alerts import bound_alert_rate
from pynomaly.model.dependence.dependence import to_seconds
from pynomaly.model.provenance import count_rows_per_event
from pynomaly.records.ledger import TrainedBaseline
from pynomaly.steps.account import WindowAccount
from pynomaly.steps.training.splits import number_rows

__all__ = ["enter_incidents", "enter_window", "mark_normal_rows"]


def enter_window(
    pipeline: Pipeline,
    account: WindowAccount,
    bundle: Bundle,
    baseline: TrainedBaseline,
    key: str,
    rows: tuple[pd.DataFrame, pd.DataFrame],
    test: Exchangeability,
    as_of: datetime,
) -> None:
    """Enter what a window says about the promises of the champion.

    Parameters
    ----------
    key : str
        The window's key.
    rows : pair of DataFrame of shape (n, >= d) and (n, >= 2)
        The window's rows, and their scores with ``is_anomaly``, each row judged alone.
    test : Exchangeability
        Of all windows of the champion, this one included.
    """
    alpha = account.shares["alert_rate"]

    def bet(state: Mapping[str, Any]) -> tuple[Guarantee, Mapping[str, Any]]:
        before = UnitBets.from_dict(state)
        guarantee, bets = _bet_on_alert_rate(pipeline, bundle, baseline, rows, alpha, before)
        return guarantee, bets.to_dict()

    account.bet_on_window("exchangeability", key, lambda _: (_judge_exchange(bundle, test), {}), as_of)
    account.bet_on_window("alert_rate", key, bet, as_of)


def mark_normal_rows(pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows lie in no declared incident and are not known to be anomalies, shape (n,)."""
    normal = ~mark_incident_rows(pipeline.data, frame, read_incidents(pipeline.data))
    label = bundle.contract.label
    if label is not None and label in frame:
        normal &= (frame[label] != 1).to_numpy()
    return np.asarray(normal, dtype=bool)


def enter_incidents(
    account: WindowAccount,
    bundle: Bundle,
    baseline: TrainedBaseline,
    observation: Observation,
    rows: tuple[pd.DataFrame, pd.DataFrame],
    as_of: datetime,
) -> None:
    """Enter which labelled incidents of a window are caught, once all its labels are in.

    Parameters
    ----------
    baseline : TrainedBaseline
        With the scores of the version's own judged anomalies, or of its first window with labels enough: that
        is what it promises.
    observation : Observation
        Of the window.
    rows : pair of DataFrame
        As for :func:`enter_window`.
    """
    if observation.labels_due is not None:
        return
    alpha = account.shares["incidents"]

    def bet(state: Mapping[str, Any]) -> tuple[Guarantee, Mapping[str, Any]]:
        before = Stake.from_dict(state)
        guarantee, stake = _bet_on_incidents(bundle, baseline, observation, rows, alpha, before)
        return guarantee, stake.to_dict()

    account.bet_on_window("incidents", observation.window, bet, as_of)


def _bet_on_incidents(
    bundle: Bundle,
    baseline: TrainedBaseline,
    observation: Observation,
    rows: tuple[pd.DataFrame, pd.DataFrame],
    alpha: float,
    stake: Stake,
) -> tuple[Guarantee, Stake]:
    """Return the guarantee and its stake after a window; an incident counts in the window it began in."""
    (frame, scored), label = rows, bundle.contract.label
    if label is None or label not in frame:
        return explain_missing("incidents", alpha, "no labels say which rows are anomalies"), stake
    if bundle.calibration.groups is not None:
        reason = "the scores that judged the version do not say whose rows they are (training.calibrate_by)"
        return explain_missing("incidents", alpha, reason), stake
    if unknown := _explain_unknown(bundle):
        return explain_missing("incidents", alpha, unknown), stake
    if baseline.judged is None or observation.kept is not None:
        return explain_missing("incidents", alpha, "no labelled incidents judged the version yet"), stake
    judged = JudgedScores.from_dict(baseline.judged)
    p_values = bundle.calibration.p_values(judged.scores)
    promise = find_catches(judged.blocks, judged.truth, bundle.policy.alerts(p_values))
    misses = bound_misses(sum(promise), len(promise), alpha / 2)
    truth = (frame[label] == 1).to_numpy()
    units = number_rows(bundle.contract, frame, bundle.dependence, truth)
    going_on = units[truth & _mark_first_rows(bundle, frame)]
    own = ~np.isin(units, going_on)  # the others were counted in the window in which they began
    catches = find_catches(units[own], truth[own], scored["is_anomaly"].to_numpy(dtype=bool)[own])
    stake = bet_on_catches(stake, catches, misses)
    return judge_incidents(stake, alpha, promise, misses), stake


def _judge_exchange(bundle: Bundle, test: Exchangeability) -> Guarantee:
    unknown = _explain_unknown(bundle)
    return explain_missing("exchangeability", test.alpha, unknown) if unknown else judge_exchange_test(test)


def _explain_unknown(bundle: Bundle) -> str:
    """Return why nobody knows which rows are independent, "" where it is known or rows have no times."""
    return bundle.dependence.explain_unknown() if bundle.contract.time is not None else ""


def _mark_first_rows(bundle: Bundle, frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Return the first row of each entity, bool array of shape (n,); none without times."""
    time, entity = bundle.contract.time, bundle.contract.id
    is_first = np.zeros(len(frame), dtype=bool)
    if time is None or time not in frame:
        return is_first
    order = np.argsort(frame[time].to_numpy(), kind="stable")
    if entity is None or entity not in frame:
        is_first[order[:1]] = True
        return is_first
    is_first[order] = ~frame[entity].iloc[order].duplicated().to_numpy()
    return is_first


def _bet_on_alert_rate(
    pipeline: Pipeline,
    bundle: Bundle,
    baseline: TrainedBaseline,
    rows: tuple[pd.DataFrame, pd.DataFrame],
    alpha: float,
    bets: UnitBets,
) -> tuple[Guarantee, UnitBets]:
    """Return the guarantee and its bets after a window; known anomalies and declared incidents stay out."""
    frame, scored = rows
    contract, dependence = bundle.contract, bundle.dependence
    if contract.time is None or contract.time not in frame:
        return explain_missing("alert_rate", alpha, "rows without a time cannot be put in order"), bets
    if unknown := _explain_unknown(bundle):
        return explain_missing("alert_rate", alpha, unknown), bets
    if not bundle.calibration.computable:
        return explain_missing("alert_rate", alpha, bundle.calibration.reason), bets
    effective = dependence.count_effective(len(bundle.calibration.scores))
    bound = bound_alert_rate(bundle.policy, bundle.calibration, effective, alpha / 2)
    rate = max(bound, baseline.usual_alert_rate or 0.0)
    most = pipeline.degradation.alert_rate_factor
    if not 0 < rate * most < 1:
        reason = f"the promise, at most {rate:.2%} of normal rows alert, cannot be broken clearly"
        return explain_missing("alert_rate", alpha, reason), bets
    normal = mark_normal_rows(pipeline, bundle, frame)
    bets = bets.bet_on_rate(
        to_seconds(frame[contract.time])[normal],
        np.asarray(scored["is_anomaly"], dtype=bool)[normal],
        dependence,
        rate,
        most,
        count_rows_per_event(bundle.policy, bundle.facts),
    )
    return judge_alert_rate(bets.stake, alpha, rate), bets
