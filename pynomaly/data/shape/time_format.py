"""Read times that are written by a strptime format (``data.time_format``).

It differs from strptime where people's tables do: blanks around a cell are ignored and runs of them are
equal; ``*`` at the end of the format stands for any rest of the cell; hour 24 is midnight of the next day;
``%H%M`` may lack leading zeros (``930``, ``0``); a fraction has 1 to 9 digits, is cut to microseconds and may
be missing; names of months are English, in any case; ``%z`` and ``%Z`` both read an offset (``+0200``,
``GMT+08:00``), an unambiguous zone word (``UTC``, ``CET``) or a name (``Europe/Berlin``). ``%y`` up to 50
is 20xx, else 19xx. A leap second is the second after it. A weekday is not compared with the date. Called by
``moments``.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config.spelling.units import split_time_format
from pynomaly.data.shape.zones import ZONE_PATTERN

__all__ = ["read_formatted"]

_LAST_OF_THIS_CENTURY = 50
_LEAST_WIDTHS = {"Y": 4}
_WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "j": 3, "f": 9}
_WORD_PATTERNS = {
    "p": r"[AaPp]\.?\s?[Mm]\.?",
    "b": r"[^\W\d_]{3,9}\.?",
    "a": r"[^\W\d_]+\.?",
    "z": ZONE_PATTERN,
}
_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {spelling: number for number, name in enumerate(_MONTH_NAMES, 1) for spelling in (name, name[:3])}
_MONTHS["sept"] = 9

Ints = NDArray[np.int64]


def read_formatted(text: pd.Series[Any], time_format: str) -> tuple[pd.Series[Any], pd.Series[Any] | None]:
    """Read text by a format.

    Parameters
    ----------
    text : Series of shape (n,)
        Text without blanks around it; "" is missing.
    time_format : str

    Returns
    -------
    times : Series of shape (n,), datetime64[us]
        Local times; NaT where the text does not match the format or there is no such time.
    zones : Series of shape (n,) or None
        What the format's ``%z`` or ``%Z`` matched; None if it has neither.
    """
    quick_format, width = _find_quick_format(time_format)
    if quick_format is None:
        return _match_text(text, time_format)
    fits = text if width is None else text.where(text.str.len() == width)
    times = pd.to_datetime(fits, format=quick_format, errors="coerce").dt.as_unit("us")
    if "%y" in time_format:  # pandas takes 51 to 68 for this century
        later = times.dt.year > 2000 + _LAST_OF_THIS_CENTURY
        times = times.where(~later, times - pd.DateOffset(years=100))
    unread = times.isna() & (text != "")
    if unread.any():  # looked at closer, as hour 24 and what else strptime does not know
        closer, _ = _match_text(text[unread], time_format)
        times = times.fillna(closer)
    return times, None


def _find_quick_format(time_format: str) -> tuple[str | None, int | None]:
    """Return the format by which strptime reads what it can as it is meant here; None if there is no such.

    Numbers in a row are meant so if the whole text has its full width, the second value.
    """
    tokens = split_time_format(time_format.strip())
    names = [name for is_directive, name in tokens if is_directive]
    quick_format = "".join(
        f"%{token}" if is_directive else token.replace("%", "%%") for is_directive, token in tokens
    )
    if quick_format.endswith("*") or len(set(names)) < len(names) or not set(names) <= set("YymdHMSfb"):
        return None, None
    if not any(one[0] and other[0] for one, other in itertools.pairwise(tokens)):
        return quick_format, None
    if len(names) == len(tokens) and set(names) <= set("YymdHMS"):
        return quick_format, sum(_WIDTHS[name] for name in names)
    return None, None


def _match_text(text: pd.Series[Any], time_format: str) -> tuple[pd.Series[Any], pd.Series[Any] | None]:
    """Read text by the pattern of a format."""
    pattern = _compile_format(time_format)
    codes, written = pd.factorize(text.to_numpy(dtype=object))
    matches = [pattern.match(cell) for cell in written]
    fits = np.array([match is not None for match in matches], dtype=bool)
    groups = {
        name: np.array([match[name] for match in matches if match is not None], dtype=object)
        for name in pattern.groupindex
    }
    times = np.full(len(written), np.datetime64("NaT", "us"))
    times[fits] = _assemble_times(groups, int(fits.sum()))
    moments = pd.Series(times[codes], index=text.index, name=text.name)
    if "z" not in groups:
        return moments, None
    zones = np.full(len(written), None, dtype=object)
    zones[fits] = groups["z"]
    return moments, pd.Series(zones[codes], index=text.index, dtype=object)


@lru_cache(maxsize=64)
def _compile_format(time_format: str) -> re.Pattern[str]:
    """Return the pattern of a format, with one named group for each directive; later repeats have none."""
    has_rest = time_format.rstrip().endswith("*")
    tokens = split_time_format(time_format.strip().removesuffix("*").strip())
    pattern, position = "", 0
    grouped: set[str] = set()
    while position < len(tokens):
        is_directive, token = tokens[position]
        run = _take_run(tokens, position)
        if not is_directive:
            if token[-1:] in ".," and tokens[position + 1 : position + 2] == [(True, "f")]:
                pattern += _escape_literal(token[:-1]) + f"(?:[.,]{_group('f', grouped, r'[0-9]{1,9}')})?"
                position += 1
            else:
                pattern += _escape_literal(token)
            position += 1
        elif "".join(run) in ("HM", "HMS"):
            pattern += _group("".join(run), grouped, f"[0-9]{{1,{2 * len(run)}}}")
            position += len(run)
        elif len(run) > 1:  # without a mark between them, numbers have their full width
            for name in run:
                width = "{1,9}" if name == "f" else f"{{{_WIDTHS[name]}}}"
                pattern += _group(name, grouped, f"[0-9]{width}")
            position += len(run)
        elif token in _WIDTHS:
            width = f"{{{_LEAST_WIDTHS.get(token, 1)},{_WIDTHS[token]}}}"
            pattern += _group(token, grouped, f"[0-9]{width}")
            position += 1
        else:
            pattern += _group(token, grouped, _WORD_PATTERNS[token])
            position += 1
    return re.compile(pattern + (r"(?![0-9])" if has_rest else r"\Z"), re.IGNORECASE)


def _take_run(tokens: list[tuple[bool, str]], position: int) -> list[str]:
    """Return the directives of numbers that follow one another from `position` on."""
    run = []
    for is_directive, token in tokens[position:]:
        if not is_directive or token not in _WIDTHS:
            break
        run.append(token)
    return run


def _escape_literal(text: str) -> str:
    return r"\s+".join(re.escape(part) for part in re.split(r"\s+", text))


def _group(name: str, grouped: set[str], pattern: str) -> str:
    if name in grouped:
        return f"(?:{pattern})"
    grouped.add(name)
    return f"(?P<{name}>{pattern})"


def _assemble_times(groups: dict[str, NDArray[Any]], count: int) -> NDArray[np.datetime64]:
    """Return the times of the parsed fields, shape (count,); NaT where there is no such time."""
    fields = dict(groups)
    for run in ("HM", "HMS"):
        digits = [cell.zfill(2 * len(run)) for cell in fields.pop(run, ())]
        for place, name in enumerate(run if digits else ""):
            fields[name] = np.array([cell[2 * place : 2 * place + 2] for cell in digits], dtype=object)
    valid = np.ones(count, dtype=bool)

    def read_field(name: str, default: int) -> Ints:
        if name not in fields:
            return np.full(count, default, dtype=np.int64)
        return np.array([int(cell) for cell in fields[name]], dtype=np.int64)

    year = read_field("Y", 1970)
    if "y" in fields and "Y" not in fields:
        short = read_field("y", 70)
        year = short + np.where(short <= _LAST_OF_THIS_CENTURY, 2000, 1900)
    month = read_field("m", 1)
    if "b" in fields and "m" not in fields:
        month = np.array([_MONTHS.get(cell.lower().rstrip("."), 0) for cell in fields["b"]], dtype=np.int64)
    day = read_field("d", 1)
    if "j" in fields and "d" not in fields:
        day = read_field("j", 1)
        month = np.ones(count, dtype=np.int64)
    valid &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    months = (np.where(valid, year, 1970) - 1970) * 12 + np.where(valid, month, 1) - 1
    span = 12 if "j" in fields and "d" not in fields else 1
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    after = (months + span).astype("datetime64[M]").astype("datetime64[D]")
    valid &= day <= (after - first).astype(np.int64)
    hour, minute, second = read_field("H", 0), read_field("M", 0), read_field("S", 0)
    if "I" in fields and "H" not in fields:
        hour = read_field("I", 0)
        if "p" in fields:
            valid &= hour <= 12
            hour = hour % 12 + np.array(
                [12 if cell[0] in "pP" else 0 for cell in fields["p"]], dtype=np.int64
            )
    fraction = np.array([int((cell or "0").ljust(6, "0")[:6]) for cell in fields.get("f", ["0"] * count)])
    fraction = fraction.astype(np.int64)
    rest = (minute * 60 + second) * 1_000_000 + fraction
    valid &= ((hour < 24) | ((hour == 24) & (rest == 0))) & (minute < 60) & (second < 62)
    times: NDArray[np.datetime64] = first.astype("datetime64[us]") + (day - 1).astype("timedelta64[D]")
    times = times + (hour * 3_600_000_000 + rest).astype("timedelta64[us]")
    times[~valid] = np.datetime64("NaT")
    return times
