"""Sentences about a scored file: rows unlike the reference, rows that the limits on alerts hold back. Pure.

Called by ``score_windows``.
"""

from __future__ import annotations

import pandas as pd

from pynomaly.judging.drift.window_drift import DriftReport

__all__ = ["describe_held_back", "warn_of_drift"]


def warn_of_drift(drift: DriftReport) -> tuple[str, ...]:
    """Returns a warning if the rows differ from the reference, as alerts may then reflect drift only."""
    if drift.status != "drift":
        return ()
    names = ", ".join(drift.drifted[:5]) or "no column alone, all of them together"
    return (
        f"the rows are not like the reference ({names}): alerts may say only that; train on rows like these",
    )


def describe_held_back(table: pd.DataFrame) -> tuple[str, ...]:
    """Returns a sentence on the rows that the limits on alerts hold back; none without such rows."""
    reasons = (
        table["held_back"][table["held_back"] != ""] if "held_back" in table else pd.Series(dtype=object)
    )
    if not len(reasons):
        return ()
    return (
        f"{len(reasons)} rows would alert but are held back (alerts.direction, alerts.minimum; column "
        f"held_back), the first as {reasons.iloc[0]}",
    )
