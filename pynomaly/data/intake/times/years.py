"""A column of years as the time of yearly tables, and times of day that are left beside the time.

Called by ``joins`` and ``assembly``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import split_name
from pynomaly.data.intake.times.formats import CLOCK
from pynomaly.data.intake.times.moments import Moments, read_moments

__all__ = ["find_years", "list_clocks"]

_YEARS = {"year", "years", "yr", "jahr", "annee", "année", "ano", "año", "anno", "yil", "yıl"}

_LEAST_YEARS = 5


def find_years(profiles: Mapping[str, Profile]) -> Moments | None:
    """Return a column of years as times, if nearly all rows go on by the same number of years.

    Runs of entities one after the other are allowed; years in any order are the age of things, no time.
    """
    for name, profile in profiles.items():
        if not set(split_name(name)) & _YEARS or not profile.is_number or not profile.is_whole:
            continue
        values = profile.present
        if len(values) < len(profile.cells) or values.min() < 1678 or values.max() > 2100:
            continue
        steps = Counter(np.diff(values).tolist())
        if profile.distinct < _LEAST_YEARS or not steps:
            continue
        step, count = steps.most_common(1)[0]
        if step == 0 or count < 0.8 * steps.total():
            continue
        settings = {"time_format": "%Y"}
        times = read_moments(profile.cells.rename(name), settings)
        if times is not None and times.notna().all():
            why = f"a year in each row, {abs(step):g} after the other"
            return Moments((name,), {**settings, "timezone": "UTC"}, "%Y", times, why, "likely")
    return None


def list_clocks(profiles: Mapping[str, Profile], taken: Iterable[str]) -> list[str]:
    """Return the columns of text that hold times of day and are no part of the time."""
    clocks = []
    for name in set(profiles) - set(taken):
        cells = [cell for cell in profiles[name].counts if cell not in profiles[name].missing]
        if not profiles[name].is_number and cells and all(CLOCK.fullmatch(cell) for cell in cells[:500]):
            clocks.append(name)
    return clocks
