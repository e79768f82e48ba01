"""What a number or a word is that is neither time, truth nor entity: feature, counter, name or text. Pure.

Called by ``reading``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pynomaly.data.intake.cells.profile import Profile

__all__ = ["describe_number", "is_counter", "rises_only"]


def rises_only(profile: Profile) -> bool:
    """Return whether a number never falls from one row to the next, over many values."""
    steps = np.diff(profile.present)
    return profile.distinct >= 20 and len(steps) > 50 and bool((steps >= 0).all())


def describe_number(profile: Profile) -> str:
    kind = {"plain": "numbers", "marked": "numbers with a unit", "magnitude": "numbers with K, M or B"}[
        profile.style
    ]
    values = profile.present
    text = f"{kind} from {values.min():g} to {values.max():g}"
    marks = [*profile.missing, *profile.sentinels]
    if marks:
        text += f"; missing: {', '.join(map(repr, marks[:4]))}"
    return text


def is_counter(profile: Profile, order: np.ndarray[Any, Any], codes: np.ndarray[Any, Any]) -> bool:
    """Return whether a number rises in time and hardly ever falls."""
    values, owners = profile.values[order], codes[order]
    steps = np.diff(values)[np.diff(owners) == 0]
    steps = steps[np.isfinite(steps)]
    if len(steps) < 50 or profile.distinct < 20:
        return False
    rises, falls = float((steps > 0).mean()), float((steps < 0).mean())
    if rises < 0.05 or falls > 0.004:
        return False
    total, largest = float(steps[steps > 0].sum()), float(steps.max())
    if falls == 0:
        return rises > 0.2 or largest < 0.5 * total
    resets = steps[steps < 0]
    return (
        bool(
            (-resets > 0.5 * (values[np.isfinite(values)].max() - values[np.isfinite(values)].min())).mean()
            > 0.5
        )
        and rises > 0.2
    )
