"""A sentence on the rows that the limits on alerts hold back. Called by ``score_windows`` and ``score_file``."""

from __future__ import annotations

import pandas as pd

__all__ = ["describe_held_back"]


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
