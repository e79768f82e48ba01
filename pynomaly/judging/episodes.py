"""Episodes of labelled rows, and which of them an alert reached: pure counting.

An episode is an unbroken run of anomalous rows of one entity, in order of time; it is caught when at least
one of its rows alerted. People answer to episodes, not to rows. Called by :mod:`pynomaly.steps.replay`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Episodes", "episodes"]


@dataclass(frozen=True)
class Episodes:
    """Episodes, each by the positions of its first and last row among the rows given.

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
        """Share that was caught; None without an episode."""
        return float(self.caught.mean()) if len(self.caught) else None


def episodes(entity: npt.ArrayLike, truth: npt.ArrayLike, alerts: npt.ArrayLike) -> Episodes:
    """Find the episodes of rows in order of time.

    Parameters
    ----------
    entity : array of shape (n,)
        Whose row it is; all alike for one machine.
    truth : array of shape (n,)
        1 for an anomaly; anything else, also NaN, ends an episode.
    alerts : array of bool, shape (n,)

    Returns
    -------
    Episodes
        Entity by entity, each in order of time. Cost: one sort.
    """
    who = pd.factorize(np.asarray(entity))[0]
    order = np.argsort(who, kind="stable")
    odd = np.asarray(truth, dtype=np.float64)[order] == 1
    hit = np.asarray(alerts, dtype=bool)[order]
    who = who[order]
    fresh = np.ones(len(odd), dtype=bool)
    fresh[1:] = (who[1:] != who[:-1]) | ~odd[:-1]
    number = np.cumsum(odd & fresh)[odd] - 1
    rows = order[odd].astype(np.int64)
    count = int(number[-1]) + 1 if len(number) else 0
    first = np.searchsorted(number, np.arange(count), side="left")
    last = np.searchsorted(number, np.arange(count), side="right") - 1
    caught = np.bincount(number, weights=hit[odd], minlength=count) > 0
    return Episodes(rows[first], rows[last], caught)
