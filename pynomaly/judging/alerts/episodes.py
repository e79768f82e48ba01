"""Find episodes of labelled anomalies, and which of them were caught by an alert. Pure.

An episode is an unbroken run of anomalous rows of one entity, in order of time; it is caught when at least
one of its rows alerted. People respond to episodes, not to rows. Called by
:mod:`pynomaly.steps.replay.replay`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Episodes", "find_episodes"]


@dataclass(frozen=True)
class Episodes:
    """Episodes, each as the positions of its first and last row among the input rows.

    Attributes
    ----------
    first, last : ndarray of int64, shape (m,)
    caught : ndarray of bool, shape (m,)
    """

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    caught: npt.NDArray[np.bool_]

    @property
    def share(self) -> float | None:
        """Share of episodes that were caught; None without an episode."""
        return float(self.caught.mean()) if len(self.caught) else None


def find_episodes(entity: npt.ArrayLike, truth: npt.ArrayLike, alerts: npt.ArrayLike) -> Episodes:
    """Find the episodes in rows ordered by time.

    Parameters
    ----------
    entity : array of shape (n,)
        Entity of each row; one constant value for a single machine.
    truth : array of shape (n,)
        1 for an anomaly; any other value, also NaN, ends an episode.
    alerts : array of bool, shape (n,)

    Returns
    -------
    Episodes
        Ordered by entity, then by time. Cost: one sort.
    """
    codes = pd.factorize(np.asarray(entity))[0]
    order = np.argsort(codes, kind="stable")
    anomalous = np.asarray(truth, dtype=np.float64)[order] == 1
    alerted = np.asarray(alerts, dtype=bool)[order]
    codes = codes[order]
    starts = np.ones(len(anomalous), dtype=bool)
    starts[1:] = (codes[1:] != codes[:-1]) | ~anomalous[:-1]
    number = np.cumsum(anomalous & starts)[anomalous] - 1
    rows = order[anomalous].astype(np.int64)
    count = int(number[-1]) + 1 if len(number) else 0
    first = np.searchsorted(number, np.arange(count), side="left")
    last = np.searchsorted(number, np.arange(count), side="right") - 1
    caught = np.bincount(number, weights=alerted[anomalous], minlength=count) > 0
    return Episodes(rows[first], rows[last], caught)
