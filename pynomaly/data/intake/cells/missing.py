"""Words and numbers that mean a missing value: marks among numbers, and codes far from the rest.

Called by ``profile``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import is_missing_mark
from pynomaly.data.intake.findings import Choice
from pynomaly.data.shape.missing_codes import is_missing_code

__all__ = ["find_missing"]

_FAR = 3.0


def find_missing(
    profiles: Mapping[str, Profile],
    given: tuple[str, ...],
    hints: Mapping[str, Any],
    choices: list[Choice],
    settings: dict[str, Any],
) -> None:
    """Collect words and numbers that mean missing, for all columns or for one."""
    numeric = [profile for profile in profiles.values() if profile.is_number]
    words = Counter(cell for profile in numeric for cell in profile.missing)
    counts = {word: sum(p.counts[word] for p in numeric if word in p.missing) for word in words}
    everywhere = [word for word in words if word not in given]
    by_column: dict[str, list[str]] = {}
    if "missing_values" not in hints:
        strict = {profile.name: _find_sentinels(profile, False) for profile in numeric}
        common = Counter(text for codes in strict.values() for text in codes)
        for profile in numeric:
            sentinels = strict[profile.name]
            weak = [
                text for text in _find_sentinels(profile, True) if text in common and text not in sentinels
            ]
            profile.sentinels = (*sentinels, *weak)
            for text in profile.sentinels:
                by_column.setdefault(text, []).append(profile.name)
                profile.numbers = np.where(profile.numbers == float(text), np.nan, profile.numbers)
    missing_in: dict[str, list[str]] = {}
    for text, names in by_column.items():
        others = [p for p in numeric if p.name not in names and (p.numbers == float(text)).any()]
        amount = sum(
            p.counts[cell] for p in numeric if p.name in names for cell in p.counts if _same(cell, text)
        )
        if len(names) > 1 and not others:
            everywhere.append(text)
            where = f"{len(names)} columns"
        else:
            for name in names:
                missing_in.setdefault(name, []).append(text)
            where = ", ".join(map(repr, names[:3]))
        choices.append(Choice("missing_values" if text in everywhere else "missing_in", text,
            f"{amount:,} cells of {where} stand far from all others", "likely"))  # fmt: skip
    for word in words:
        choices.append(
            Choice(
                "missing_values",
                word,
                f"{counts[word]:,} cells among numbers",
                "sure" if is_missing_mark(word) else "likely",
            )
        )
    if everywhere or given:
        settings["missing_values"] = [*given, *everywhere]
    if missing_in:
        settings["missing_in"] = missing_in


def _same(cell: str, text: str) -> bool:
    try:
        return float(cell.replace(",", ".")) == float(text)
    except ValueError:
        return False


def _find_sentinels(profile: Profile, weak: bool) -> list[str]:
    """Return numbers at the edge of a column that stand far from the rest and look like a code."""
    values = profile.present
    if len(values) < 20 or len(np.unique(values)) < 6:
        return []
    sentinels: list[str] = []
    for _ in range(2):
        kept = values[~np.isin(values, [float(text) for text in sentinels])]
        if len(kept) < 10 or kept.min() == kept.max():
            break
        for edge in (float(kept.min()), float(kept.max())):
            text = f"{edge:g}" if abs(edge) < 1e5 else repr(int(edge)) if edge.is_integer() else repr(edge)
            if not is_missing_code(text) or edge == 0:
                continue
            rest = kept[kept != edge]
            times = len(kept) - len(rest)
            if len(rest) < 10 or (times < 2 and not weak):
                continue
            near = float(rest.min() if edge < rest.min() else rest.max())
            spread = max(
                float(np.subtract(*np.percentile(rest, [75, 25]))), abs(float(np.median(rest))) / 100, 1e-9
            )
            gap, whole = abs(edge - near), float(rest.max() - rest.min())
            far = gap > whole and gap > _FAR * spread
            if text.lstrip("-") == "1" or len(text.lstrip("-")) <= 2:  # -1 and 99 are often values
                far = far and gap > 3 * whole
            sign = edge < 0 <= near and gap > spread / 2
            if (far or (weak and sign)) and text not in sentinels:
                sentinels.append(text)
    return sentinels
