"""Enter a judged window into the champion's account: exchangeability and alert rate.

Called by :mod:`pynomaly.steps.monitoring.monitor_window` while it holds the window's lease. A window that was
entered is not entered again; rows up to the newest one that was counted are not counted again.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.incidents import mark_incident_rows, read_incidents
from pynomaly.judging.account.alert_rate import AlertRateBets
from pynomaly.judging.account.guarantees import (
    Guarantee,
    explain_missing,
    judge_alert_rate,
    judge_exchange_test,
)
from pynomaly.judging.drift.exchangeability import Exchangeability
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.expected_alerts import bound_alert_rate
from pynomaly.model.dependence.dependence import to_seconds
from pynomaly.model.provenance import count_rows_per_event
from pynomaly.records.ledger import Ledger, TrainedBaseline
from pynomaly.steps.account import ChampionAccount

__all__ = ["enter_window"]


def enter_window(
    pipeline: Pipeline,
    ledger: Ledger,
    account: ChampionAccount,
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
    account.enter(ledger, key, judge_exchange_test(test), {}, as_of)
    if account.has_entry(ledger, "alert_rate", key):
        return
    state = AlertRateBets.from_dict(account.read_state(ledger, "alert_rate"))
    guarantee, bets = _bet_on_alert_rate(
        pipeline, bundle, baseline, rows, account.shares["alert_rate"], state
    )
    account.enter(ledger, key, guarantee, bets.to_dict(), as_of)


def _bet_on_alert_rate(
    pipeline: Pipeline,
    bundle: Bundle,
    baseline: TrainedBaseline,
    rows: tuple[pd.DataFrame, pd.DataFrame],
    alpha: float,
    bets: AlertRateBets,
) -> tuple[Guarantee, AlertRateBets]:
    """Return the guarantee and its bets after a window; known anomalies and declared incidents stay out."""
    frame, scored = rows
    contract, dependence = bundle.contract, bundle.dependence
    if contract.time is None or contract.time not in frame:
        return explain_missing("alert_rate", alpha, "rows without a time cannot be put in order"), bets
    if dependence.is_short:
        return explain_missing("alert_rate", alpha, dependence.describe()), bets
    if not bundle.calibration.computable:
        return explain_missing("alert_rate", alpha, bundle.calibration.reason), bets
    effective = dependence.count_effective(len(bundle.calibration.scores))
    bound = bound_alert_rate(bundle.policy, bundle.calibration, effective, alpha / 2)
    rate = max(bound, baseline.usual_alert_rate or 0.0)
    most = pipeline.degradation.alert_rate_factor
    if not 0 < rate * most < 1:
        reason = f"the promise, at most {rate:.2%} of normal rows alert, cannot be broken clearly"
        return explain_missing("alert_rate", alpha, reason), bets
    usual = ~mark_incident_rows(pipeline.data, frame, read_incidents(pipeline.data))
    if contract.label is not None and contract.label in frame:
        usual &= (frame[contract.label] != 1).to_numpy()
    bets = bets.count_rows(
        to_seconds(frame[contract.time])[usual],
        np.asarray(scored["is_anomaly"], dtype=bool)[usual],
        dependence,
        rate,
        most,
        count_rows_per_event(bundle.policy, bundle.facts),
    )
    return judge_alert_rate(bets.stake, alpha, rate), bets
