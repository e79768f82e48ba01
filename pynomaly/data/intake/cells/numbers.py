"""Text cells to values: each column gets its profile, and stays as it is where it cannot be read.

The marks of a file are decided by all its columns together, because one file has one way to write numbers.
Called by ``reading``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.data.intake.cells.marks import decide_marks, strip_marks
from pynomaly.data.intake.cells.missing import find_missing
from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import PANDAS_MISSING, classify_cell, is_missing_mark
from pynomaly.data.intake.findings import Choice

__all__ = ["profile_columns"]

_MOST_TOKENS = 30


def profile_columns(
    cells: pd.DataFrame, typed: Mapping[str, str], hints: Mapping[str, Any]
) -> tuple[dict[str, Profile], list[Choice], dict[str, Any]]:
    """Return the profile of each column, the choices on marks, and the settings they need.

    Parameters
    ----------
    cells : DataFrame of shape (n, d), object
    typed : mapping
        Columns whose cells the file itself types.
    hints : mapping
        Settings under ``data`` that are given: ``decimal``, ``thousands``, ``missing_values``.
    """
    profiles = {str(name): _count_column(str(name), cells[name]) for name in cells.columns}
    text = [profile for name, profile in profiles.items() if name not in typed]
    decimal, thousands, choices, settings = decide_marks(text, hints)
    given = tuple(hints.get("missing_values", ()))
    for profile in profiles.values():
        _read_numbers(profile, decimal, thousands, typed.get(profile.name), given)
    find_missing(profiles, given, hints, choices, settings)
    styles = {"marked": "numbers", "magnitude": "magnitudes"}
    for style, key in styles.items():
        names = [
            profile.name for profile in profiles.values() if profile.is_number and profile.style == style
        ]
        if names:
            settings[key] = names
    return profiles, choices, settings


def _count_column(name: str, cells: pd.Series[Any]) -> Profile:
    counts: Counter[str] = Counter(
        {
            str(cell): count
            for cell, count in cells.value_counts(sort=False).items()
            if cell not in PANDAS_MISSING
        }
    )
    return Profile(name, cells, counts, {}, np.full(len(cells), np.nan))


def _read_numbers(
    profile: Profile, decimal: str, thousands: str | None, typed: str | None, given: tuple[str, ...]
) -> None:
    """Fill the values of a profile, and decide whether it is a column of numbers."""
    if typed in ("moment", "flag"):
        return
    if not profile.counts:
        return
    values: dict[str, float] = {}
    marked = magnitude = 0
    for cell, count in profile.counts.items():
        number, style = _parse_number(cell, decimal, thousands)
        if number is not None:
            values[cell] = number
            marked += count * (style == "marked")
            magnitude += count * (style == "magnitude")
    total = profile.counts.total()
    tokens = Counter({cell: count for cell, count in profile.counts.items() if cell not in values})
    known = sum(count for cell, count in tokens.items() if is_missing_mark(cell) or cell in given)
    numbers = total - tokens.total()
    candidates = total - known
    if (
        numbers == 0
        or numbers <= candidates / 2
        or (typed is None and _is_code_list(profile, marked, numbers))
    ):
        return
    # Few different words among many numbers are marks; many different ones make it text.
    if typed != "number" and len(tokens) > _MOST_TOKENS and tokens.total() > 0.2 * total:
        return
    profile.is_number = True
    profile.style = "magnitude" if magnitude and magnitude >= marked else "marked" if marked else "plain"
    profile.numbers = np.asarray(profile.cells.map(values), dtype=np.float64)
    repeated = [
        cell for cell, count in tokens.most_common(_MOST_TOKENS)
        if is_missing_mark(cell) or (count > 1 and count >= 0.002 * total) or cell in given
    ]  # fmt: skip
    profile.missing = tuple(repeated)
    profile.unreadable = tuple(cell for cell in tokens if cell not in repeated)


def _is_code_list(profile: Profile, marked: int, numbers: int) -> bool:
    """Return whether marked cells are rather names that hold a digit (`3 Doors`, `5G`, `12V-a`)."""
    if not marked or marked < numbers / 2:
        return False
    units = Counter(
        re.sub(r"^[^A-Za-z%°µ]*", "", cell) for cell in profile.counts if re.search(r"[A-Za-z%°µ]", cell)
    )
    return len(units) > 4 or (profile.distinct <= 4 and profile.counts.total() > 20 * profile.distinct)


def _parse_number(cell: str, decimal: str, thousands: str | None) -> tuple[float | None, str]:
    kind = classify_cell(cell)
    if kind in ("text", "missing", "empty"):
        return None, ""
    scale, style, body = 1.0, "plain", cell
    if kind == "magnitude":
        match = re.search(r"(bn|mn|[KkMmBbTt])$", cell)
        unit = match.group(1).lower() if match else ""
        scale = {"k": 1e3, "m": 1e6, "mn": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12}.get(unit, 1.0)
        style, body = "magnitude", cell[: len(cell) - len(unit)]
    elif kind == "marked":
        negative = (
            bool(re.match(r"^\D*[-\u2212]\s*\D{0,3}\d", cell)) or cell.startswith("(") or cell.endswith("-")
        )
        body = strip_marks(cell)
        scale, style = (-1.0 if negative else 1.0), "marked"
    for mark in filter(None, (thousands, "\u00a0", "\u202f")):
        body = body.replace(mark, "")
    if decimal == ",":
        body = body.replace(",", ".")
    try:
        return float(body) * scale, style
    except ValueError:
        return None, ""
