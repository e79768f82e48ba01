"""Collect the levels of a champion's earlier windows, to which a window adds its own.

Called by :mod:`pynomaly.steps.monitoring.monitor_window` and by replays. Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pynomaly.data.window import Window
from pynomaly.judging.drift.observation import Observation
from pynomaly.records.ledger import parse_window_key

__all__ = ["collect_levels"]


def collect_levels(earlier: Sequence[Observation], window: Window | None) -> tuple[Mapping[str, float], ...]:
    """Return the levels of the windows that end before `window` begins, oldest first.

    A window that reaches into a later one is left out: the rows of both would count twice. Rows without times
    have no order, and nothing is carried.

    Parameters
    ----------
    earlier : sequence of Observation
        Of the champion, oldest first.
    window : Window or None
    """
    if window is None:
        return ()
    collected, limit = [], window.start
    for observation in reversed(earlier):
        edges = parse_window_key(observation.window)
        if edges is not None and edges[1] <= limit and observation.levels:
            collected.append(observation.levels)
            limit = edges[0]
    return tuple(reversed(collected))
