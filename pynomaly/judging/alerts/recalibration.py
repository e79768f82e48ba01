"""Say whether rows may set new p-values for a champion, and hold its alerts to the promised rate. Pure.

Called by a recalibration, on rows that the champion has not learned. New p-values take what these rows show
for normal: where they hold an incident, its like alerts no longer; where the rows that judge hold it, too,
nobody sees that.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pynomaly import config

__all__ = ["hold_to_promise", "object_to_rows"]

_ALERTS_OF_A_STRETCH = 5.0
"""How many alerts a stretch of rows holds on average, if they are enough: chance alone puts few together."""

_LEFT_OUT = 0.1
"""Share of the stretches that an incident may fill without being taken for what all rows do."""

_EXCESS_LEFT = 0.5
"""Share of the alerts beyond the promise that must be left without these stretches."""


def object_to_rows(
    name: str,
    p_values: npt.NDArray[np.float64],
    blocks: int,
    promised: float,
    training: config.Training,
    comparison: config.Comparison,
) -> tuple[str, ...]:
    """Return what speaks against letting rows set or judge p-values; empty if nothing does.

    Parameters
    ----------
    name : str
        Which rows these are, for people.
    p_values : array of shape (n,)
        Of the champion, on rows without known anomalies and declared incidents, entity by entity in the order
        of time.
    blocks : int
        Number of independent blocks of these rows.
    promised : float
        Share of normal rows on which the champion alerts by its policy.
    training : Training
        ``exclude_alerts`` is the p-value of a confident alert, ``exclude_alerts_cap`` the largest share of
        these that is no incident.
    comparison : Comparison
        With fewer blocks than ``min_blocks`` an incident cannot be told from what all rows do; alerts
        beyond the promise that chance explains at ``confidence`` are none.

    Notes
    -----
    Where thresholds have moved, alerts are too many nearly everywhere; an incident fills few stretches of
    time. The tenth of the stretches in which most rows alert is left out: half of the alerts beyond the
    promise must be left. A stretch is no shorter than a block.
    """
    from scipy.special import bdtrc

    objections, confident, cap = [], training.exclude_alerts, training.exclude_alerts_cap
    if confident is not None and (share := float(np.mean(p_values <= confident))) > cap:
        objections.append(
            f"on {share:.1%} of {name} the champion alerts with confidence (p-value at most {confident:g}), "
            f"more than {cap:.1%} (training.exclude_alerts_cap): an incident, or more than thresholds moved"
        )
    alerts = p_values <= promised
    rows, rate = len(alerts), float(alerts.mean())
    chance = float(bdtrc(int(alerts.sum()) - 1, rows, promised)) if alerts.any() else 1.0
    if rate <= promised or chance > 1 - comparison.confidence:
        return tuple(objections)
    figures = f"{rate:.2%} of {name} alert where {promised:.2%} are promised"
    if blocks < comparison.min_blocks:
        objections.append(
            f"{figures}, in {blocks} independent blocks: {comparison.min_blocks} (comparison.min_blocks) "
            f"tell an incident from thresholds that moved"
        )
        return tuple(objections)
    count = min(blocks, max(comparison.min_blocks, math.floor(rows * rate / _ALERTS_OF_A_STRETCH)))
    stretches = np.array_split(alerts, count)
    order = np.argsort([-stretch.mean() for stretch in stretches], kind="stable")
    left_out = math.ceil(_LEFT_OUT * count)
    rest = float(np.concatenate([stretches[place] for place in order[left_out:]]).mean())
    if rest - promised < _EXCESS_LEFT * (rate - promised):
        objections.append(
            f"{figures}, and {rest:.2%} without {left_out} of {count} stretches: alerts lie close together; "
            f"is that an incident (data.incidents)?"
        )
    return tuple(objections)


def hold_to_promise(
    alerts: npt.NDArray[np.bool_],
    p_values: npt.NDArray[np.float64],
    scores: npt.NDArray[np.float64],
    normal: npt.NDArray[np.bool_],
    promised: float,
) -> npt.NDArray[np.bool_]:
    """Return the alerts that are left where as many normal rows alert as were promised, not more.

    A champion that alerts too often catches more anomalies by that alone. The least extreme alerts go, of
    normal rows and anomalies alike.

    Parameters
    ----------
    alerts, normal : bool array of shape (n,)
    p_values, scores : array of shape (n,)
        Of the champion; scores break ties of p-values.
    promised : float
        Share of normal rows.
    """
    allowed = math.ceil(promised * int(normal.sum()))
    order = np.lexsort((-scores, p_values))
    counted = np.cumsum((alerts & normal)[order])
    kept = np.zeros(len(alerts), dtype=bool)
    kept[order] = counted <= allowed
    return alerts & kept
