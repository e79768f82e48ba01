"""What a column is that is neither time, truth nor entity: feature, counter, name or text. Pure.

Called by ``reading``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import split_name
from pynomaly.data.intake.findings import ColumnReading, Sureness
from pynomaly.data.intake.roles.entities import is_identifier_name

__all__ = ["ONLY_RISES", "Role", "decide_role", "is_counter", "mark_duplicates"]

_FEW_CATEGORIES = 50
_ROW_NUMBERS = {
    "no", "nr", "index", "instant", "row", "rownum", "rowid", "id", "udi", "uid", "#", "seq",
    "sequence", "recno", "record", "sn", "sno", "idx", "step", "unnamed", "key", "entry", "obs",
    "observation",
}  # fmt: skip
ONLY_RISES = "only rises from row to row"
_YEARS = {"year", "yr", "jahr"}

Role = tuple[str, str, Sureness, str]
"""Role, reason, how sure it is, and what would change it."""


def decide_role(profile: Profile, lines: np.ndarray[Any, Any], has_time: bool) -> Role:
    """Return the role of a column.

    Parameters
    ----------
    profile : Profile
    lines : ndarray of shape (n,), int
        Line of the file of each row.
    has_time : bool
        Whether the table has a time; without one, a number that only rises is a time or a row number.
    """
    if not profile.filled:
        return "empty", "has no value", "sure", ""
    if profile.is_number:
        return _decide_number(profile, lines, has_time)
    distinct = profile.distinct
    if distinct == 1:
        if profile.filled == len(profile.cells):
            return _call_constant(profile)
        return "category", f"{profile.example[:40]!r} or nothing", "sure", "data.ignore"
    if distinct >= 0.95 * profile.filled and distinct > 20:
        return "identifier", "another value in every row: a name, no feature", "sure", "data.categorical"
    if distinct > max(_FEW_CATEGORIES, profile.filled / 10):
        why = f"text with {distinct:,} values, too many for a category"
        return "text", why, "sure", "data.categorical"
    if distinct > _FEW_CATEGORIES and is_identifier_name(profile.name):
        return "identifier", f"names {distinct:,} things", "likely", "--id"
    return "category", f"text with {distinct} values", "sure", "data.ignore"


def _call_constant(profile: Profile) -> Role:
    return "constant", f"always {profile.example[:40]!r} so far: a change alerts", "sure", "data.ignore"


def _decide_number(profile: Profile, lines: np.ndarray[Any, Any], has_time: bool) -> Role:
    values, is_name = profile.present, is_identifier_name(profile.name)
    if not len(values):
        return "empty", "has no number, only marks of missing values", "sure", ""
    if values.min() == values.max():
        if is_name and profile.is_whole and values[0] >= 100:
            return "identifier", f"the name of a thing, always {profile.example}", "likely", "data.columns"
        return _call_constant(profile)
    if profile.is_whole and _numbers_rows(profile, lines):
        return "identifier", "counts the rows", "sure", "data.columns"
    if (
        _YEARS & set(split_name(profile.name))
        and profile.is_whole
        and 1800 <= values.min() <= values.max() <= 2200
    ):
        why = "a year: rows of later years would all be new to the model"
        return "identifier", why, "likely", "data.columns"
    if profile.is_whole and is_name:
        if profile.distinct <= _FEW_CATEGORIES:
            return "category", f"numbers that name {profile.distinct} things", "likely", "data.ignore"
        return "identifier", f"numbers that name {profile.distinct:,} things", "likely", "data.columns"
    if not has_time and _rises_only(profile):
        why = f"{ONLY_RISES}: every later row would be new to the model"
        return "identifier", why, "likely", "data.columns"
    return "number", _describe_number(profile), "likely" if profile.unreadable else "sure", "data.categorical"


def _numbers_rows(profile: Profile, lines: np.ndarray[Any, Any]) -> bool:
    """Return whether a column numbers the rows: by steps of one, or by name and another value in each row."""
    steps = np.diff(profile.numbers)[np.diff(lines) == 1]
    if len(steps) > 5 and max(np.mean(steps == 1), np.mean(steps == -1)) > 0.99:
        return True
    is_named = bool(set(split_name(profile.name)) & _ROW_NUMBERS)
    return is_named and profile.distinct == profile.filled and profile.distinct > 20


def _rises_only(profile: Profile) -> bool:
    """Return whether a number never falls and rises like a clock: often, or by equal steps."""
    steps = np.diff(profile.present)
    if profile.distinct < 20 or len(steps) <= 50 or (steps < 0).any():
        return False
    rises = steps[steps > 0]
    commonest = np.unique(np.round(rises, 9), return_counts=True)[1].max()
    return len(rises) > 0.2 * len(steps) or commonest > 0.8 * len(rises)


def _describe_number(profile: Profile) -> str:
    """Return the range of the numbers and the marks that mean missing."""
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
    values, owners = profile.numbers[order], codes[order]
    steps = np.diff(values)[np.diff(owners) == 0]
    steps = steps[np.isfinite(steps)]
    if len(steps) < 50 or profile.distinct < 20:
        return False
    rises, falls = float((steps > 0).mean()), float((steps < 0).mean())
    if rises < 0.05 or falls > max(0.004, 1.5 / len(steps)):  # one reset is allowed in any table
        return False
    total, largest = float(steps[steps > 0].sum()), float(steps.max())
    if falls == 0:
        return rises > 0.2 or largest < 0.5 * total
    resets = -steps[steps < 0]
    whole = np.ptp(values[np.isfinite(values)])
    return bool((resets > 0.5 * whole).mean() > 0.5) and rises > 0.2


def mark_duplicates(
    columns: Mapping[str, ColumnReading], profiles: Mapping[str, Profile]
) -> dict[str, ColumnReading]:
    """Return the columns, with features named that have the values of an earlier one.

    They stay features, so that a difference shows when it comes.
    """
    first: dict[int, str] = {}
    marked = dict(columns)
    for name, column in columns.items():
        if column.role not in ("number", "category"):
            continue
        key = hash(tuple(profiles[name].cells))
        twin = first.setdefault(key, name)
        if twin != name and (profiles[twin].cells == profiles[name].cells).all():
            why = f"the same as {twin!r} in every row so far"
            marked[name] = replace(column, role="duplicate", why=why, otherwise="data.ignore")
    return marked
