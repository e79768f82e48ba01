"""The marks of decimals and thousands of a file, by the votes of all its cells. Called by ``profile``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from pynomaly.data.intake.cells.profile import NUMBER_KINDS, Profile
from pynomaly.data.intake.cells.spelling import classify_cell
from pynomaly.data.intake.findings import Choice

__all__ = ["decide_marks", "strip_marks"]


def decide_marks(
    profiles: list[Profile], hints: Mapping[str, Any]
) -> tuple[str, str | None, list[Choice], dict[str, Any]]:
    """Return the decimal mark and the mark between thousands, by the votes of all cells."""
    votes: Counter[str] = Counter()
    for profile in profiles:
        own: Counter[str] = Counter()
        for cell, count in profile.counts.items():
            own[classify_cell(cell)] += count
        profile.kinds = dict(own)
        numbers = sum(own[kind] for kind in (*NUMBER_KINDS, "marked", "magnitude"))
        if numbers <= sum(own.values()) / 2:
            continue
        if own["marked"] + own["magnitude"]:  # the number within its marks votes
            for cell, count in profile.counts.items():
                if (inner := strip_marks(cell)) and inner != cell:
                    own[classify_cell(inner)] += count
        if own["spaced"]:  # what stands behind the last group of digits is a decimal mark
            own.update(_vote_for_spaced(profile))
        votes.update(own)
    comma = votes["comma"]
    choices: list[Choice] = []
    settings: dict[str, Any] = {}
    if votes["points"] and not votes["commas"]:
        comma += votes["points"]
    # Whole numbers vote for the point, though they have none: they decide nothing.
    with_point = _count_points(profiles) if comma else 0
    decimal = "," if comma and comma > with_point + votes["commas"] else "."
    if not with_point and votes["comma3"] and not votes["commas"] and _is_decimal_comma(profiles, hints):
        decimal, comma = ",", max(comma, votes["comma3"])
    decimal = str(hints.get("decimal", decimal))
    thousands: str | None = None
    if decimal == "," and (votes["points"] or votes["point3"]):
        thousands = "."
    elif decimal == "." and (votes["commas"] or votes["comma3"]):
        thousands = ","
    elif votes["spaced"]:
        thousands = _find_spacing(profiles)
    thousands = hints.get("thousands", thousands)
    if decimal != ".":
        settings["decimal"] = decimal
        example = _find_example(profiles, "comma") or _find_example(profiles, "comma3")
        sure = "as asked" if "decimal" in hints else f"{comma:,} cells are numbers like {example!r}"
        choices.append(Choice("decimal", decimal, sure))
    if thousands:
        settings["thousands"] = thousands
        kind = {".": "points", ",": "commas"}.get(thousands, "spaced")
        example = _find_example(profiles, kind) or _find_example(
            profiles, "comma3" if thousands == "," else "point3"
        )
        choices.append(Choice("thousands", thousands, f"numbers like {example!r}", "likely"))
    return decimal, thousands, choices, settings


def _count_points(profiles: list[Profile]) -> int:
    """Count the cells with a point that is a decimal mark for sure."""
    return sum(
        count
        for profile in profiles
        for cell, count in profile.counts.items()
        if "." in cell and classify_cell(cell) in ("point", "spaced")
    )


def _vote_for_spaced(profile: Profile) -> Counter[str]:
    """Return the votes of cells with blanks between thousands for their decimal mark."""
    votes: Counter[str] = Counter()
    for cell, count in profile.counts.items():
        if classify_cell(cell) == "spaced" and (match := re.search(r"([.,])\d+$", cell)):
            votes["comma" if match.group(1) == "," else "point"] += count
    return votes


def _is_decimal_comma(profiles: list[Profile], hints: Mapping[str, Any]) -> bool:
    """Return whether commas before three digits are decimal marks: no number of a column lacks one."""
    if hints.get("separator", ",") == ",":
        return False
    for profile in profiles:
        threes = sum(
            count for cell, count in profile.counts.items() if classify_cell(cell) in ("comma3", "comma")
        )
        plain = sum(
            count for cell, count in profile.counts.items() if classify_cell(cell) in ("point", "point3")
        )
        if profile.kinds.get("comma3") and threes > 20 * plain:
            return True
    return False


def strip_marks(cell: str) -> str:
    """Return the number within a cell, without its unit or currency; the cell itself if it has none."""
    match = re.search(r"[\d.,][\d., ']*", cell)
    return match.group(0).strip() if match else cell


def _find_spacing(profiles: list[Profile]) -> str | None:
    for profile in profiles:
        for cell in profile.counts:
            if classify_cell(cell) == "spaced":
                return next((mark for mark in ("'", "_") if mark in cell), " ")
    return None


def _find_example(profiles: list[Profile], kind: str) -> str:
    return next(
        (cell for p in profiles for cell in p.counts if classify_cell(cell) == kind
         or classify_cell(strip_marks(cell)) == kind), ""
    )  # fmt: skip
