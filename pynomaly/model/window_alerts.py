"""Which rows of a window alert, from p-values that are known already, and how they come in events.

Called by the steps that decide window by window over rows scored at once, and that recalibrate.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.alert_stream import StreamShare
from pynomaly.model.calibration.events import EventRates
from pynomaly.model.calibration.expected_alerts import ExpectedAlerts, expect_alerts
from pynomaly.model.entities.scales import read_row_entities
from pynomaly.model.explanation.held_back import find_held_back_rows
from pynomaly.model.fitting.event_counts import count_reference_events, take_newest
from pynomaly.model.row_times import read_row_keys, read_row_times
from pynomaly.model.scoring import PreparedRows

__all__ = [
    "count_discoveries",
    "count_events_again",
    "expect_alerts_of",
    "flag_rows",
    "flag_single_rows",
    "spend_at_finest",
]


def flag_rows(
    bundle: Bundle, frame: pd.DataFrame, p_values: NDArray[np.float64], share: StreamShare | None = None
) -> NDArray[np.bool_]:
    """Return which rows of a whole window alert, by policy and limits; bool array of shape (n,).

    `share` is what the window may spend of the level of a stream; without it, it is judged alone.
    """
    rows = bundle.prepare(frame)
    keys = read_row_keys(frame, bundle.contract) if bundle.policy.events else None
    flags = bundle.policy.flag_window(p_values, bundle.calibration.resolutions(rows.entities), keys, share)
    return _apply_limits(bundle, rows, flags)


def count_discoveries(
    policy: AlertPolicy,
    contract: FrameContract,
    frame: pd.DataFrame,
    alerted: NDArray[np.bool_],
    open_events: Mapping[str, int],
) -> tuple[int, dict[str, int]]:
    """Return how many discoveries the alerting rows of a window are, and which events go on after it.

    Parameters
    ----------
    frame : DataFrame of shape (n, >= 2)
        With times and entities.
    alerted : bool array of shape (n,)
    open_events : mapping of str to int
        For each entity the moment (microseconds since 1970) of its newest alerting row before the window: an
        event that goes on is no new discovery. Empty where rows are counted.
    """
    times = read_row_times(frame, contract)
    if policy.events is None or times is None:
        return int(alerted.sum()), {}
    gap = policy.events.gap // timedelta(microseconds=1)
    moments = times.astype("int64").to_numpy()
    has_entity = contract.id is not None and contract.id in frame
    names = frame[contract.id].astype(str).to_numpy() if has_entity else np.full(len(frame), "")
    newest, discoveries = dict(open_events), 0
    for row in np.flatnonzero(alerted)[np.argsort(moments[alerted], kind="stable")].tolist():
        before = newest.get(names[row])
        discoveries += before is None or moments[row] - before > gap
        newest[names[row]] = max(int(moments[row]), before or 0)
    end = int(moments.max(initial=0))
    return discoveries, {name: moment for name, moment in newest.items() if end - moment <= gap}


def spend_at_finest(bundle: Bundle, frame: pd.DataFrame) -> float:
    """Return the discoveries by chance among the rows of a window at the smallest p-value of counting."""
    entities = read_row_entities(frame, bundle.contract) if bundle.calibration.groups else None
    least = np.max(bundle.calibration.resolutions(entities))
    return float(bundle.policy.expect_discoveries(len(frame), least)[0])


def flag_single_rows(bundle: Bundle, frame: pd.DataFrame, p_values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows alert when each is judged alone, by policy and limits; bool array of shape (n,).

    Two models are compared by this rule: under ``fdr`` a window's other rows move the limit of each row, so
    one event more makes many rows differ, and the rate depends on the length of the window.
    """
    flags = bundle.policy.alerts(p_values)
    if bundle.policy.limits is None:
        return flags
    return _apply_limits(bundle, bundle.prepare(frame), flags)


def _apply_limits(bundle: Bundle, rows: PreparedRows, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    limits = bundle.policy.limits
    if limits is None:
        return flags
    held_back = find_held_back_rows(rows, flags, bundle.features, bundle.sketch, limits)
    return np.asarray(flags & (held_back == ""), dtype=np.bool_)


def expect_alerts_of(bundle: Bundle, held_out: pd.DataFrame) -> ExpectedAlerts:
    """Return the share of normal rows that alert under the bundle's policy, each judged alone.

    Parameters
    ----------
    bundle : Bundle
    held_out : DataFrame of shape (n, >= 2)
        ``p_value`` and ``is_anomaly`` of rows that were not fitted; they tell how many alerts the limits on
        alerts let through.
    """
    kept = 1.0
    if bundle.policy.limits is not None:
        passed = int(bundle.policy.alerts(held_out["p_value"].to_numpy()).sum())
        kept = (int(held_out["is_anomaly"].sum()) + 1) / (passed + 1)
    effective = bundle.dependence.count_effective(len(bundle.calibration.scores))
    return expect_alerts(bundle.policy, bundle.calibration, effective, min(1.0, kept))


def count_events_again(bundle: Bundle, frame: pd.DataFrame, pipeline: config.Pipeline) -> EventRates | None:
    """Return how the rows that recalibrated `bundle` alert together; None if rows are counted.

    Cost: the newest :data:`~pynomaly.model.fitting.event_counts.MAX_COUNTED_ROWS` rows are scored.
    """
    if pipeline.alerts.count == "rows" or not bundle.calibration.computable:
        return None
    newest = take_newest(frame, bundle.contract)
    p_values = bundle.score(newest)["p_value"].to_numpy()
    return count_reference_events(
        bundle.raw_scores, None, newest, p_values, bundle.contract, pipeline.grouping.gap
    )
