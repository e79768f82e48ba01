"""What one cell of text looks like: a number under which marks, a moment, a mark of a missing value.

Pure functions on single cells and their counts. Called by ``dialect``, ``cells`` and ``roles``.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = [
    "MISSING_MARKS",
    "PANDAS_MISSING",
    "classify_cell",
    "is_missing_mark",
    "looks_like_moment",
    "looks_like_number",
    "split_name",
]

PANDAS_MISSING = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
     "NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
)  # fmt: skip
"""Cells that every reader takes as missing, without a setting."""

MISSING_MARKS = frozenset((
    "-", "--", "---", "----", "?", "??", ".", "..", "*", "**", "***", "x", "na", "n.a.", "n.a", "nil",
    "none", "null", "missing", "unknown", "undefined", "no data", "nodata", "bad", "bad input",
    "bad data", "i/o timeout", "shutdown", "not connect", "under range", "over range", "out of range",
    "error", "err", "fail", "invalid", "off line", "offline", "comm fail", "configure", "pt created",
    "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!", "#####", "inf", "-inf", "+inf",
    "infinity", "nan()", "-nan(ind)", "not available", "not a number", "m", "tr", "k.a.", "s/d", "nd",
    "n/d", "n.d.", "–", "—", "<na>", "nat", "\\n",
))  # fmt: skip
"""Words that mean a missing value among numbers, in lower case."""

_POINT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")

_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")

_COMMA_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")

_POINT_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?")

_OTHER_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[ '_\u00a0\u202f]\d{3})+(?:[.,]\d+)?")

_CURRENCY = "[$€£¥₹]|USD|EUR|GBP|CHF|Rs\\.?"

_MARKED = re.compile(
    rf"(?:{_CURRENCY})?\s*\(?[+\-\u2212]?\s*(?:{_CURRENCY})?\s*"
    rf"(?P<number>\d[\d.,' \u00a0\u202f]*\d|\d|[.,]\d+)\)?-?\s*"
    rf"(?P<unit>(?:{_CURRENCY})|[%‰°A-Za-zµμΩ][%‰°A-Za-zµμΩ0-9²³/·*^.\-]{{0,11}}|%)?"
)

_MAGNITUDE = re.compile(r"[+\-\u2212]?\d[\d.,]*(?P<unit>[KkMmBbTt]|bn|mn)")

_CLOCK = re.compile(r"\d{1,2}[:.h]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?(?:\s*[AaPp]\.?[Mm]\.?)?")

_MOMENT = re.compile(
    r"""(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\w*,?\s+)?          # weekday
    (?:\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?                     # 2026-01-05
      |\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}                       # 05.01.2026
      |\d{1,2}[-/. ]?[A-Za-z]{3,9}\.?[-/., ]*\d{2,4}           # 5 Jan 2026
      |[A-Za-z]{3,9}\.?[-/ ]+\d{1,2}(?:st|nd|rd|th)?,?[-/ ]*(?:\d{4}|\d{1,2}:)  # Jan 5, 2026
      |[A-Za-z]{3}-\d{2,4})                                    # Jan-2026
    (?:[T\s,:]+.*)?""",
    re.VERBOSE,
)


@lru_cache(maxsize=1 << 17)
def classify_cell(cell: str) -> str:
    """Return what a cell looks like.

    Returns
    -------
    str
        ``empty``, ``missing`` (a known mark), ``point`` (a number with or without a decimal point), ``comma``
        (a decimal comma), ``comma3`` (a comma before exactly three digits: either), ``commas``
        (commas between thousands for sure), ``point3`` and ``points`` (the same with points), ``spaced``
        (blanks or apostrophes between thousands), ``magnitude``, ``marked`` (a number with a unit, a currency
        or a percent sign), or ``text``.
    """
    if cell in PANDAS_MISSING:
        return "empty"
    if _POINT.fullmatch(cell):
        whole, _, digits = cell.partition(".")
        return (
            "point3"
            if len(digits) == 3 and 0 < len(whole.lstrip("+-")) <= 3 and whole.lstrip("+-0")
            else "point"
        )
    if _COMMA_THOUSANDS.fullmatch(cell):
        sure = cell.count(",") > 1 or "." in cell
        return "commas" if sure else ("comma" if cell.lstrip("+-").startswith("0") else "comma3")
    if _POINT_THOUSANDS.fullmatch(cell):
        return "points"
    if _COMMA.fullmatch(cell):
        return "comma"
    if _OTHER_THOUSANDS.fullmatch(cell):
        return "spaced"
    if cell.lower() in MISSING_MARKS:
        return "missing"
    if _MAGNITUDE.fullmatch(cell):
        return "magnitude"
    if _MARKED.fullmatch(cell) and not _MOMENT.fullmatch(cell) and not _CLOCK.fullmatch(cell):
        return "marked"
    return "text"


def looks_like_number(cell: str) -> bool:
    """Return whether a cell is a number under some marks."""
    return classify_cell(cell) not in ("empty", "missing", "text", "marked")


def looks_like_moment(cell: str) -> bool:
    """Return whether a cell looks like a date, with or without a time of day."""
    return bool(_MOMENT.fullmatch(cell))


def is_missing_mark(cell: str) -> bool:
    """Return whether a word means a missing value among numbers."""
    return cell in PANDAS_MISSING or cell.lower() in MISSING_MARKS


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-zà-öø-ÿ]+|\d+")


def split_name(name: str) -> tuple[str, ...]:
    """Return the words of a column's name in lower case.

    >>> split_name("isFraud"), split_name("Machine failure"), split_name("KPI_label")
    (('is', 'fraud'), ('machine', 'failure'), ('kpi', 'label'))
    """
    return tuple(word.lower() for word in _WORDS.findall(name))
