"""Collect the levels of a champion's earlier windows, to which a window adds its own.

Called by :mod:`pynomaly.steps.monitoring.monitor_window` and by replays. Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pynomaly.data.window import Window
from pynomaly.judging.drift.observation import Observation
from pynomaly.records.ledger import parse_window_key

__all__ = ["collect_levels"]


def collect_levels(
    earlier: Sequence[Observation], window: Window | None
) -> tuple[Mapping[str, float], ...] | None:
    """Return the levels of the windows before `window` that are as long, oldest first.

    They are chosen from the oldest on, whatever window is judged: another choice at each look would be
    another chance to find something. A window that begins before the one chosen last has ended is left out,
    as the rows of both would count twice. Windows that :meth:`Window.last` gives never overlap.

    Parameters
    ----------
    earlier : sequence of Observation
        Of the champion, oldest first.
    window : Window or None

    Returns
    -------
    tuple of mapping, or None
        None where nothing is carried to `window`: it begins within a chosen one, or its rows have no times
        and so no order.
    """
    if window is None:
        return None
    collected, limit = [], datetime.min.replace(tzinfo=UTC)
    for observation in earlier:
        edges = parse_window_key(observation.window)
        if edges is None or not limit <= edges[0] < window.start or not observation.levels:
            continue
        if edges[1] - edges[0] == window.end - window.start:
            collected.append(observation.levels)
            limit = edges[1]
    return tuple(collected) if limit <= window.start else None
