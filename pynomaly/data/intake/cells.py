"""Text cells to values: marks of decimals and thousands, units, missing values, and what stays unreadable.

Each column gets a profile. The marks of a file are decided by all its columns together, because one file has
one way to write numbers. Called by ``reading``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.data.intake.findings import Decision
from pynomaly.data.intake.spelling import PANDAS_MISSING, classify_cell, is_missing_mark

__all__ = ["Profile", "profile_columns"]

_NUMBER_KINDS = ("point", "point3", "comma", "comma3", "commas", "points", "spaced")
_MOST_TOKENS = 30
_SENTINEL = re.compile(
    r"-?9{2,}(?:\.9+|\.0+)?|-?[1-9]0{2,}(?:\.0+)?|-1(?:\.0+)?|-?99\.9+|32767|-32768|65535|-?2147483647|-2147483648"
)
_FAR = 3.0


@dataclass
class Profile:
    """What the cells of one column are.

    Attributes
    ----------
    name : str
    cells : Series of str
        As they stand in the file.
    counts : Counter
        How often each different cell occurs, without the empty ones.
    kinds : dict
        How many cells look like what (:func:`pynomaly.data.intake.spelling.classify_cell`).
    values : ndarray of shape (n,)
        The numbers; NaN where the cell is none.
    is_number : bool
        Whether most of its cells are numbers.
    style : str
        ``plain``, ``marked`` (a unit, a currency, a percent sign) or ``magnitude`` (K, M, B).
    missing : tuple of str
        Cells that mean missing and need a setting.
    sentinels : tuple of str
        Numbers that mean missing.
    unreadable : int
        Cells of a column of numbers that are neither a number nor missing.
    """

    name: str
    cells: pd.Series[Any]
    counts: Counter[str]
    kinds: dict[str, int]
    values: np.ndarray[Any, np.dtype[np.float64]]
    is_number: bool = False
    style: str = "plain"
    missing: tuple[str, ...] = ()
    sentinels: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = field(default_factory=tuple)

    @property
    def distinct(self) -> int:
        """How many different cells it has, without the empty ones."""
        return len(self.counts)

    @property
    def filled(self) -> int:
        """How many cells are neither empty nor a mark of a missing value."""
        return sum(count for cell, count in self.counts.items() if cell not in self.missing)

    @property
    def present(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The numbers, without missing values and sentinels."""
        values: np.ndarray[Any, np.dtype[np.float64]] = self.values[np.isfinite(self.values)]
        return values

    @property
    def is_whole(self) -> bool:
        """Whether all its numbers are whole."""
        values = self.present
        return bool(len(values)) and bool((values == np.round(values)).all())

    @property
    def example(self) -> str:
        """The most common cell that is not empty."""
        return next((cell for cell, _ in self.counts.most_common(1)), "")


def profile_columns(
    cells: pd.DataFrame, typed: Mapping[str, str], hints: Mapping[str, Any]
) -> tuple[dict[str, Profile], list[Decision], dict[str, Any]]:
    """Return the profile of each column, the decisions on marks, and the settings they need.

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
    decimal, thousands, decisions, settings = _decide_marks(text, hints)
    given = tuple(hints.get("missing_values", ()))
    for profile in profiles.values():
        _read_numbers(profile, decimal, thousands, typed.get(profile.name), given)
    _find_missing(profiles, given, hints, decisions, settings)
    styles = {"marked": "numbers", "magnitude": "magnitudes"}
    for style, key in styles.items():
        names = [
            profile.name for profile in profiles.values() if profile.is_number and profile.style == style
        ]
        if names:
            settings[key] = names
    return profiles, decisions, settings


def _count_column(name: str, cells: pd.Series[Any]) -> Profile:
    counts = Counter(
        {cell: count for cell, count in cells.value_counts(sort=False).items() if cell not in PANDAS_MISSING}
    )
    return Profile(name, cells, counts, {}, np.full(len(cells), np.nan))


def _decide_marks(
    profiles: list[Profile], hints: Mapping[str, Any]
) -> tuple[str, str | None, list[Decision], dict[str, Any]]:
    """Return the decimal mark and the mark between thousands, by the votes of all cells."""
    votes: Counter[str] = Counter()
    for profile in profiles:
        own: Counter[str] = Counter()
        for cell, count in profile.counts.items():
            own[classify_cell(cell)] += count
        profile.kinds = dict(own)
        numbers = sum(own[kind] for kind in (*_NUMBER_KINDS, "marked", "magnitude"))
        if numbers <= sum(own.values()) / 2:
            continue
        if own["marked"] + own["magnitude"]:  # the number within its marks votes
            for cell, count in profile.counts.items():
                if (inner := _strip_marks(cell)) and inner != cell:
                    own[classify_cell(inner)] += count
        votes.update(own)
    comma, point = votes["comma"], votes["commas"] + votes["point"]
    decisions: list[Decision] = []
    settings: dict[str, Any] = {}
    if votes["points"] > votes["point"] and not votes["commas"]:
        comma += votes["points"]
    # Whole numbers vote for the point, though they have none: they decide nothing.
    with_point = sum(
        count for p in profiles for cell, count in p.counts.items() if "." in cell and classify_cell(cell) == "point"
    ) if comma else 0  # fmt: skip
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
        sure = (
            "as asked"
            if "decimal" in hints
            else f"{comma:,} cells are numbers like {(_find_example(profiles, 'comma') or _find_example(profiles, 'comma3'))!r}"
        )
        decisions.append(Decision("decimal", decimal, sure))
    if thousands:
        settings["thousands"] = thousands
        kind = {".": "points", ",": "commas"}.get(thousands, "spaced")
        example = _find_example(profiles, kind) or _find_example(
            profiles, "comma3" if thousands == "," else "point3"
        )
        decisions.append(Decision("thousands", thousands, f"numbers like {example!r}", "likely"))
    return decimal, thousands, decisions, settings


def _is_decimal_comma(profiles: list[Profile], hints: Mapping[str, Any]) -> bool:
    """Return whether commas before exactly three digits are decimal marks: no number of their column lacks one."""
    if hints.get("separator", ",") == ",":
        return False
    for profile in profiles:
        threes = sum(count for cell, count in profile.counts.items() if classify_cell(cell) in ("comma3", "comma"))
        plain = sum(count for cell, count in profile.counts.items() if classify_cell(cell) in ("point", "point3"))
        if profile.kinds.get("comma3") and threes > 20 * plain:
            return True
    return False


def _strip_marks(cell: str) -> str:
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
         or classify_cell(_strip_marks(cell)) == kind), ""
    )  # fmt: skip


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
    profile.values = profile.cells.map(values).to_numpy(dtype=np.float64)
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
        body = _strip_marks(cell)
        scale, style = (-1.0 if negative else 1.0), "marked"
    for mark in filter(None, (thousands, "\u00a0", "\u202f")):
        body = body.replace(mark, "")
    if decimal == ",":
        body = body.replace(",", ".")
    try:
        return float(body) * scale, style
    except ValueError:
        return None, ""


def _find_missing(
    profiles: Mapping[str, Profile],
    given: tuple[str, ...],
    hints: Mapping[str, Any],
    decisions: list[Decision],
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
        common = Counter(text for found in strict.values() for text in found)
        for profile in numeric:
            sentinels = strict[profile.name]
            weak = [
                text for text in _find_sentinels(profile, True) if text in common and text not in sentinels
            ]
            profile.sentinels = (*sentinels, *weak)
            for text in profile.sentinels:
                by_column.setdefault(text, []).append(profile.name)
                profile.values = np.where(profile.values == float(text), np.nan, profile.values)
    missing_in: dict[str, list[str]] = {}
    for text, names in by_column.items():
        others = [p for p in numeric if p.name not in names and (p.values == float(text)).any()]
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
        decisions.append(Decision("missing_values" if text in everywhere else "missing_in", text,
            f"{amount:,} cells of {where} stand far from all others", "likely"))  # fmt: skip
    for word in words:
        decisions.append(
            Decision(
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
            if not _SENTINEL.fullmatch(text) or edge == 0:
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
