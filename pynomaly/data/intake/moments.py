"""Columns to the time of the rows: formats of dates, epochs, and columns that are joined.

A format is proposed from what some cells look like and kept if the whole column reads under it, through the
same parser that reads the rows later. Day and month are told apart by the whole column: by a number above
twelve, else by the order of the rows. Called by ``reading``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Data
from pynomaly.data.intake.cells import Profile
from pynomaly.data.intake.spelling import looks_like_number, split_name
from pynomaly.data.sources.normalize import parse_moments
from pynomaly.errors import DataError

__all__ = ["Moments", "find_moments", "find_time", "read_moments"]

_TRIED = 1500
_NEEDED = 0.9
_GENERIC = {
    "time", "timestamp", "date", "datetime", "ts", "ds", "datum", "zeit", "zeitstempel", "fecha", "data", "hora",
    "heure", "moment", "epoch", "unixtime", "dt", "utc", "day", "uhrzeit", "zeitpunkt", "tstamp", "clock", "dates",
    "times", "timestamps", "month", "week", "at", "when", "dteday", "local", "gmt", "recorded", "measured",
}  # fmt: skip
_START = {
    "start",
    "begin",
    "pickup",
    "from",
    "created",
    "opened",
    "arrival",
    "order",
    "trans",
    "transaction",
    "event",
}
_END = {"end", "stop", "dropoff", "to", "until", "closed", "updated", "modified", "finish", "finished", "departure",
        "birth", "dob", "expiry", "due", "delivered", "last"}  # fmt: skip
_PARTS = {
    "year": ("year", "yr", "jahr", "annee", "année", "ano", "año", "yyyy", "anno"),
    "month": ("month", "mo", "mon", "mnth", "monat", "mes", "mois", "mm", "mese"),
    "day": ("day", "dy", "dd", "tag", "dia", "día", "jour", "dom", "mday", "giorno"),
    "doy": ("doy", "jday", "yday", "julian", "dayofyear"),
    "hour": ("hour", "hr", "hh", "stunde", "hora", "heure", "hours", "hrs", "ora"),
    "minute": ("minute", "min", "mi", "minutes", "mins"),
    "second": ("second", "sec", "ss", "seconds", "secs"),
}
_RANGES = {"year": (1900, 2100), "month": (1, 12), "day": (1, 31), "doy": (1, 366), "hour": (0, 24),
           "minute": (0, 59), "second": (0, 60)}  # fmt: skip
_EPOCHS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_OLDEST, _NEWEST = 2e8, 4.1e9  # seconds: 1976 to 2099
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"]
_CLOCK = re.compile(r"(\d{1,2})([:.h])(\d{2})(?:([:.])(\d{2})(?:([.,])(\d{1,9}))?)?(?:\s*([AaPp]\.?[Mm]\.?))?")
_ZONE = r"(?:Z|UTC|GMT|UT|[A-Z]{3,4}|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2})?)"


@dataclass(frozen=True)
class Moments:
    """A column, or several joined, that reads as times.

    Attributes
    ----------
    columns : tuple of str
    settings : dict
        Settings under ``data``: ``time``, ``time_format``, ``epoch``, ``timezone``.
    format : str
        ``iso``, a strptime format, or the unit of an epoch.
    times : Series of datetime64[us, UTC]
        NaT where a cell cannot be read.
    why : str
    sure : str
    otherwise : tuple of str
    """

    columns: tuple[str, ...]
    settings: Mapping[str, Any]
    format: str
    times: pd.Series[Any]
    why: str
    sure: str = "sure"
    otherwise: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Share of the rows that have a readable time."""
        return float(self.times.notna().mean())

    @property
    def has_dates_only(self) -> bool:
        """Whether every time is a midnight."""
        present = self.times.dropna()
        return bool((present == present.dt.normalize()).all())

    @property
    def order(self) -> float:
        """Share of neighbouring rows whose times do not step back (or forward, if that is rarer)."""
        steps = self.times.dropna().diff().dropna()
        if not len(steps):
            return 0.0
        zero = pd.Timedelta(0)
        return float(max((steps >= zero).mean(), (steps <= zero).mean()))


def read_moments(cells: pd.Series[Any], settings: Mapping[str, Any]) -> pd.Series[Any] | None:
    """Return the times of a column under settings of ``data``, through the readers' own parser; None if none reads."""
    content = {"source": "csv", "path": "-", "timezone": "UTC", **settings, "time": str(cells.name)}
    try:
        return parse_moments(cells, Data.model_validate(content))
    except DataError:
        return None


def find_moments(profile: Profile, typed: str | None) -> Moments | None:
    """Return the reading of one column as times, None if it is no time.

    A bare number of four or eight digits is no time, unless the name says so and every cell is a date.
    """
    cells = profile.cells.rename(profile.name)
    if typed == "moment":
        return _build(profile.name, cells, {}, "iso", "the file types it as a time")
    if profile.is_number and profile.style == "plain":
        return _find_numeric(profile, cells)
    if profile.is_number and typed is not None:
        return None
    return _find_textual(profile, cells)


def _build(
    name: str, cells: pd.Series[Any], settings: dict[str, Any], shown: str, why: str, sure: str = "sure",
    otherwise: tuple[str, ...] = (),
) -> Moments | None:  # fmt: skip
    times = read_moments(cells, settings)
    if times is None or times.notna().sum() < 1:
        return None
    has_offset = settings.get("epoch") not in (None, "excel") or _has_offset(cells, settings)
    zone = {} if has_offset else {"timezone": "UTC"}
    return Moments((name,), {**settings, **zone}, shown, times, why, sure, otherwise)


def _has_offset(cells: pd.Series[Any], settings: Mapping[str, Any]) -> bool:
    if "time_format" in settings:
        return "%z" in settings["time_format"] or "%Z" in settings["time_format"]
    sample = [cell for cell in cells.iloc[:200] if cell]
    return bool(sample) and all(
        re.search(r"[T ]\d{1,2}:?\d{2}.*(?:[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$", cell) for cell in sample
    )


def _find_numeric(profile: Profile, cells: pd.Series[Any]) -> Moments | None:
    values = profile.present
    if len(values) < 2 or values.min() == values.max():
        return None
    words = set(split_name(profile.name))
    compact = re.sub(r"[\W_]", "", profile.name.lower())
    named = bool(words & _GENERIC) or any(
        word in compact for word in ("time", "date", "epoch", "stamp", "unix")
    )
    steps = np.diff(profile.values[np.isfinite(profile.values)])
    ordered = bool(len(steps)) and max((steps >= 0).mean(), (steps <= 0).mean()) > 0.98
    for format_, digits in (("%Y%m%d%H%M%S", 14), ("%Y%m%d%H%M", 12), ("%Y%m%d%H", 10), ("%Y%m%d", 8)):
        if (
            profile.is_whole
            and _has_digits(values, digits)
            and (named or (digits >= 12) or (digits == 10 and ordered))
        ):
            moments = _build(
                profile.name,
                _spell_whole(cells),
                {"time_format": format_},
                format_,
                f"{digits} digits that are a date in every row",
            )
            if (
                moments is not None
                and moments.share > 0.99 * (len(values) / len(cells))
                and _is_plausible(moments.times)
            ):
                return moments
    for unit, factor in _EPOCHS.items():
        low, high = values.min() / factor, values.max() / factor
        if (
            low >= _OLDEST
            and high <= _NEWEST
            and (named or (ordered and profile.distinct > len(values) / 20 and (high - low) < 0.5 * low))
        ):
            moments = _build(
                profile.name,
                cells,
                {"epoch": unit},
                unit,
                f"numbers of the size of {unit} since 1970",
                "sure" if named else "likely",
            )
            if moments is not None:
                return moments
    if named and values.min() > 20_000 and values.max() < 80_000 and not profile.is_whole and ordered:
        return _build(
            profile.name,
            cells,
            {"epoch": "excel"},
            "excel",
            "numbers of the size of a spreadsheet's days",
            "likely",
        )
    return None


def _has_digits(values: np.ndarray[Any, np.dtype[np.float64]], digits: int) -> bool:
    return bool(values.min() >= 19 * 10 ** (digits - 2) and values.max() < 21 * 10 ** (digits - 2))


def _spell_whole(cells: pd.Series[Any]) -> pd.Series[Any]:
    return cells.map(lambda cell: cell[:-2] if cell.endswith(".0") else cell)


def _is_plausible(times: pd.Series[Any]) -> bool:
    present = times.dropna()
    return len(present) > 0 and present.min().year >= 1950 and present.max().year <= 2100


def _find_textual(profile: Profile, cells: pd.Series[Any]) -> Moments | None:
    filled = [cell for cell in profile.counts if not looks_like_number(cell)]
    if not filled:
        return None
    step = max(1, len(filled) // _TRIED)
    tried = filled[::step]
    probe = pd.Series(tried, dtype=object, name=profile.name)
    proposals = _propose_formats(tried)
    if not proposals:
        return None
    needed = _NEEDED * sum(profile.counts.values()) / max(1, profile.counts.total())
    readable: list[tuple[dict[str, Any], float]] = []
    for settings in proposals:
        times = read_moments(probe, settings)
        if times is not None and times.notna().mean() >= needed and _is_plausible(times):
            readable.append((settings, float(times.notna().mean())))
    if not readable:
        return None
    best = max(share for _, share in readable)
    readable = [(settings, share) for settings, share in readable if share > best - 0.02]
    fits = [
        moments for settings, _ in readable
        if (moments := _build(profile.name, cells, settings, settings.get("time_format", "iso"), "")) is not None
    ]  # fmt: skip
    return _choose_fit(fits)


def _choose_fit(fits: list[Moments]) -> Moments | None:
    """Return the reading under which the rows are in the best order, if day and month could be exchanged."""
    if not fits:
        return None
    if len(fits) == 1 or fits[0].format == "iso":
        fit = fits[0]
        return _explain(
            fit,
            "every cell is ISO 8601" if fit.format == "iso" else f"every cell reads as {fit.format}",
            "sure",
            (),
        )
    ranked = sorted(fits, key=_measure_disorder)
    best, second = ranked[0], ranked[1]
    others = tuple(fit.format for fit in ranked[1:3])
    if _measure_disorder(best) < 0.8 * _measure_disorder(second):
        why = f"reads as {best.format}: under {second.format} the rows would jump"
        return _explain(best, why, "likely", others)
    preferred = next((fit for fit in fits if fit.format.startswith("%d")), best)
    if any("%p" in fit.format for fit in fits):
        preferred = next((fit for fit in fits if fit.format.startswith("%m")), best)
    return _explain(
        preferred, f"day and month cannot be told apart; {preferred.format} is assumed", "doubtful", others
    )


def _explain(moments: Moments, why: str, sure: str, otherwise: tuple[str, ...]) -> Moments:
    return Moments(moments.columns, moments.settings, moments.format, moments.times, why, sure, otherwise)


def _measure_disorder(moments: Moments) -> float:
    """Return the sum of all steps of time, in seconds, and more for times in the future: small if in order."""
    times = moments.times.dropna()
    steps = times.diff().dropna().dt.total_seconds().abs()
    future = (times > pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=366)).mean()
    distinct = times.drop_duplicates().sort_values().diff().dropna().dt.total_seconds()
    spread = float(distinct.std()) if len(distinct) > 1 else 0.0
    return float(steps.sum()) * (1 + 10 * float(future)) + spread


def _propose_formats(cells: Sequence[str]) -> list[dict[str, Any]]:
    """Return settings under which the first cells could read, ISO 8601 first."""
    proposals: list[dict[str, Any]] = []
    step = max(1, len(cells) // 8)
    for cell in cells[::step][:10]:
        for settings in _propose_for(cell):
            if settings not in proposals:
                proposals.append(settings)
    return proposals


_DATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", ("%Y{1}%m{1}%d",)),
    (r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4})", ("%d{1}%m{1}%Y", "%m{1}%d{1}%Y")),
    (r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{2})(?!\d)", ("%d{1}%m{1}%y", "%m{1}%d{1}%y", "%y{1}%m{1}%d")),
    (r"(\d{4})([-/. ])([A-Za-z]{3,9})\2(\d{1,2})", ("%Y{1}%b{1}%d",)),
    (r"(\d{1,2})([-/. ]?)([A-Za-z]{3,9})\2(\d{4})", ("%d{1}%b{1}%Y",)),
    (r"(\d{1,2})([-/. ]?)([A-Za-z]{3,9})\2(\d{2})(?!\d)", ("%d{1}%b{1}%y",)),
    (r"([A-Za-z]{3,9})( )(\d{1,2}),? (\d{4})", ("%b %d, %Y", "%b %d %Y")),
    (r"([A-Za-z]{3,9})([-/. ])(\d{1,2})\2(\d{4})", ("%b{1}%d{1}%Y",)),
    (r"([A-Za-z]{3,9})([-/. ])(\d{4})", ("%b{1}%Y",)),
    (r"([A-Za-z]{3,9})([-/. ]?)(\d{2})(?!\d)", ("%b{1}%y",)),
    (r"(\d{1,2})([-/.])(\d{4})(?!\d)", ("%m{1}%Y",)),
    (r"(\d{4})(\d{2})(\d{2})(?=[T _-]?\d)", ("%Y%m%d",)),
)


def _propose_for(cell: str) -> list[dict[str, Any]]:
    if re.fullmatch(
        r"\d{4}-\d{1,2}(-\d{1,2})?([T ]+\d{1,2}(:\d{2}){0,2}([.,]\d{1,9})?)?\s*" + _ZONE + "?", cell
    ):
        padded = re.match(r"\d{4}-\d{2}(-\d{2})?([T ]\d{2}|\s*$|$)", cell)
        if padded:
            return [{}]
    weekday = re.match(r"([A-Za-z]{3,9}),?\s+", cell)
    prefix, rest = "", cell
    if weekday and weekday.group(1)[:3].lower() in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"):
        long = len(weekday.group(1)) > 3
        comma = "," if "," in weekday.group(0) else ""
        prefix, rest = ("%A" if long else "%a") + comma + " ", cell[weekday.end() :]
        unix = re.fullmatch(rf"([A-Za-z]{{3}}) +\d{{1,2}} \d{{1,2}}:\d{{2}}:\d{{2}}( {_ZONE})? \d{{4}}", rest)
        if unix:
            zone = " %Z" if unix.group(2) else ""
            if zone and re.search(r"[+-]\d", unix.group(2)):
                zone = " %z"
            return [{"time_format": f"{prefix}%b %d %H:%M:%S{zone} %Y"}]
    settings: list[dict[str, Any]] = []
    for pattern, formats in _DATES:
        match = re.match(pattern, rest)
        if match is None:
            continue
        if any(
            group.isalpha() and group[:3].lower() not in _MONTHS
            for group in match.groups()
            if group and group.isalpha()
        ):
            continue
        long_month = any(group and group.isalpha() and len(group) > 4 for group in match.groups())
        tail = rest[match.end() :]
        clock = _describe_clock(tail)
        if clock is None:
            continue
        separator = (
            match.group(2)
            if match.lastindex and match.lastindex >= 2 and not match.group(2).isdigit()
            else ""
        )
        for format_ in formats:
            text = prefix + format_.replace("{1}", separator) + clock
            if long_month:
                text = text.replace("%b", "%B")
            settings.append({"time_format": text})
        break
    return settings


def _describe_clock(tail: str) -> str | None:
    """Return the format of what stands behind a date; None if it is no time of day."""
    if not tail.strip():
        return ""
    match = re.match(r"(?:T|\s*@\s*|[\s,_:-]+| at )", tail)
    between = match.group(0) if match else ""
    body = tail[len(between) :]
    if not between:
        between, body = "", tail
    between = re.sub(r"\s+", " ", between)
    clock = _CLOCK.match(body)
    if clock is None:
        if digits := re.match(r"(\d{6}|\d{4}|\d{2})(?!\d)", body):
            spelled = {6: "%H%M%S", 4: "%H%M", 2: "%H"}[len(digits.group(1))]
            return between + spelled + _describe_rest(body[digits.end() :])
        return None
    half = clock.group(8)
    text = ("%I" if half else "%H") + clock.group(2) + "%M"
    if clock.group(5):
        text += clock.group(4) + "%S"
    if clock.group(7):
        text += clock.group(6) + "%f"
    if half:
        text += (" " if re.search(r"\s[AaPp]", clock.group(0)) else "") + "%p"
    return between + text + _describe_rest(body[clock.end() :])


def _describe_rest(rest: str) -> str:
    if not rest.strip():
        return ""
    if re.fullmatch(r"\s*(?:(?:UTC|GMT)?[+-]\d{2}:?\d{2}|Z)", rest):
        return (" " if rest[0] == " " else "") + "%z"
    if re.fullmatch(r"\s*(?:UTC|GMT)", rest):
        return rest.replace(rest.strip(), rest.strip())
    if re.match(r"\s*(?:-|–|to|bis)\s*\d", rest) or re.fullmatch(r"\s*[A-Za-z]{2,5}", rest):
        return "*"
    return "*" if rest.startswith((" ", "(")) else "\0"


def find_time(
    profiles: Mapping[str, Profile], typed: Mapping[str, str], requested: Sequence[str] | None
) -> tuple[Moments | None, dict[str, Moments]]:
    """Return the time of the rows, and every single column that reads as times.

    Parameters
    ----------
    profiles : mapping
        Profile of each column.
    typed : mapping
        Columns that the file itself types.
    requested : sequence of str or None
        The column or columns that the user names.
    """
    single: dict[str, Moments] = {}
    for name, profile in profiles.items():
        if requested and name not in requested:
            continue
        moments = find_moments(profile, typed.get(name))
        if moments is not None and (requested or moments.share > 0.5):
            single[name] = moments
    if requested:
        if len(requested) == 1:
            return single.get(requested[0]), single
        return _join(profiles, tuple(requested), single), single
    candidates = [
        moments for moments in single.values() if moments.share > _NEEDED and moments.times.nunique() > 1
    ]
    joined = _find_joined(profiles, single)
    if joined is not None:
        whole = [m for m in candidates if not m.has_dates_only and m.columns[0] not in joined.columns]
        if not whole or max(m.order for m in whole) < joined.order - 0.05:
            return joined, single
    if not candidates:
        return None, single
    return max(candidates, key=_rank), single


def _rank(moments: Moments) -> tuple[float, ...]:
    """Return how well a column orders the rows: by its name, order, resolution and completeness."""
    words = set(split_name(moments.columns[0]))
    name = 1.0 * bool(words & _GENERIC) + 0.5 * bool(words & _START) - 1.5 * bool(words & _END)
    unique = moments.times.nunique() / max(1, len(moments.times))
    numeric = 0.3 if moments.format in (*_EPOCHS, "excel") or moments.format.startswith("%Y%m%d") else 0.0
    fine = 0.05 * bool((moments.times.dropna().dt.microsecond != 0).any())
    return (
        round(moments.share, 1) + 0.5 * name + round(moments.order, 1) + round(unique, 1) - numeric + fine,
    )


def _find_joined(profiles: Mapping[str, Profile], single: Mapping[str, Moments]) -> Moments | None:
    """Return a date joined with a time of day, or year, month, day and the rest, if the columns are there."""
    dates = [m for m in single.values() if m.has_dates_only and m.share > _NEEDED]
    dates.sort(key=_rank, reverse=True)
    for date in dates[:2]:
        if date.times.nunique() == len(date.times):
            continue
        for name, profile in profiles.items():
            if name not in date.columns and (clock := _read_clock(profile, single)):
                parts = (*date.columns, name)
                minute = _find_part(profiles, "minute", parts) if clock == "%H" else None
                if minute:
                    parts, clock = (*parts, minute), "%H %M"
                joined = _join_with(profiles, parts, date, clock)
                if joined is not None and joined.times.nunique() > date.times.nunique():
                    return joined
    return _join_calendar(profiles) if not any(m.share > _NEEDED for m in dates) else None


def _read_clock(profile: Profile, single: Mapping[str, Moments]) -> str | None:
    """Return the format of a column of times of day, None if it is none."""
    words = set(split_name(profile.name))
    filled = [cell for cell in profile.counts if cell]
    if not filled:
        return None
    if profile.is_number and profile.style == "plain":
        values = profile.present
        named_hour = words & set(_PARTS["hour"])
        if (
            profile.is_whole
            and named_hour
            and values.min() >= 0
            and values.max() <= 24
            and profile.distinct > 1
        ):
            return "%H"
        named = words & (_GENERIC | {"hhmm", "mst", "lst", "est", "pst", "cet", "hour", "hr"})
        if (
            profile.is_whole
            and named
            and values.min() >= 0
            and values.max() <= 2400
            and (values % 100 < 60).all()
            and values.max() > 24
        ):
            return "%H%M"
        return None
    matches = [_CLOCK.match(cell) for cell in filled[:: max(1, len(filled) // 300)]]
    hits = [match for match in matches if match]
    if len(hits) >= 0.9 * len(matches) and hits:
        return (_describe_clock(" " + hits[0].string) or "").lstrip()
    digits = [re.fullmatch(r"(\d{4}|\d{6})(\s*(?:UTC|GMT|Z|Uhr|h))?", cell) for cell in filled[:300]]
    if all(digits) and digits[0] is not None and (digits[0].group(2) or words & _GENERIC):
        return ("%H%M" if len(digits[0].group(1)) == 4 else "%H%M%S") + (digits[0].group(2) or "")
    return None


def _find_part(profiles: Mapping[str, Profile], part: str, taken: Iterable[str]) -> str | None:
    """Return the column that holds a part of the date: by its name and by the range of its values."""
    low, high = _RANGES[part]
    for name, profile in profiles.items():
        words = split_name(name)
        known = _PARTS[part]
        if (
            name in taken
            or not profile.is_number
            or not (set(words) & set(known) if len(words) > 1 else name.lower().strip() in known)
        ):
            continue
        values = profile.present
        if (
            len(values)
            and profile.is_whole
            and values.min() >= low
            and values.max() <= high
            and len(words) <= 2
        ):
            return name
    return None


def _join_with(
    profiles: Mapping[str, Profile], columns: tuple[str, ...], date: Moments, clock: str
) -> Moments | None:
    cells = _join_cells(profiles, columns)
    text = date.settings.get("time_format") or date.settings.get("epoch")
    if date.settings.get("epoch"):
        return None
    settings = {"time_format": f"{text or '%Y-%m-%d'} {clock}"}
    if not text and clock in ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f"):
        settings = {}
    times = read_moments(cells, settings)
    if times is None or times.notna().mean() < 0.8:
        return None
    shown = settings.get("time_format", "iso")
    has_offset = "%z" in shown
    full = {"time": list(columns), **settings, **({} if has_offset else {"timezone": "UTC"})}
    return Moments(
        columns,
        full,
        shown,
        times,
        f"{' and '.join(map(repr, columns))} are a date and its time of day",
        date.sure,
        date.otherwise,
    )


def _join_calendar(profiles: Mapping[str, Profile]) -> Moments | None:
    year = _find_part(profiles, "year", ())
    if year is None:
        return None
    columns, formats = [year], ["%Y"]
    month = _find_part(profiles, "month", columns)
    day = _find_part(profiles, "day", columns) if month else None
    doy = _find_part(profiles, "doy", columns) if not month else None
    if month:
        columns, formats = [*columns, month], [*formats, "%m"]
    if day:
        columns, formats = [*columns, day], [*formats, "%d"]
    if doy:
        columns, formats = [*columns, doy], [*formats, "%j"]
    if not month and not doy:
        return None
    if day or doy:
        for part, code in (("hour", "%H"), ("minute", "%M"), ("second", "%S")):
            name = _find_part(profiles, part, columns)
            if name is None:
                name = next((n for n, p in profiles.items() if n not in columns and part == "hour"
                             and (clock := _read_clock(p, {})) and _set_clock(formats, clock)), None)  # fmt: skip
                if name is not None:
                    columns.append(name)
                break
            columns.append(name)
            formats.append(code)
    cells = _join_cells(profiles, tuple(columns))
    settings = {"time_format": " ".join(formats)}
    times = read_moments(cells, settings)
    if times is None or times.notna().mean() < 0.8 or times.nunique() < 2:
        return None
    return Moments(tuple(columns), {"time": columns, **settings, "timezone": "UTC"}, settings["time_format"], times,
                   f"{', '.join(map(repr, columns))} are the parts of a date")  # fmt: skip


def _set_clock(formats: list[str], clock: str) -> bool:
    formats.append(clock)
    return True


def _join_cells(profiles: Mapping[str, Profile], columns: tuple[str, ...]) -> pd.Series[Any]:
    parts = [
        profiles[name].cells.map(lambda cell: cell[:-9] if cell.endswith(" 00:00:00") else cell)
        for name in columns
    ]
    parts = [_spell_whole(part) for part in parts]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.str.cat(part, sep=" ")
    return joined.rename(" ".join(columns))


def _join(
    profiles: Mapping[str, Profile], columns: tuple[str, ...], single: Mapping[str, Moments]
) -> Moments | None:
    """Return the join of the columns that the user names."""
    date = single.get(columns[0])
    if date is not None and len(columns) >= 2 and (clock := _read_clock(profiles[columns[1]], single)):
        return _join_with(profiles, columns, date, clock if len(columns) == 2 else f"{clock} %M")
    chosen = {name: profiles[name] for name in columns}
    calendar = _join_calendar(chosen)
    if calendar is not None and calendar.columns == columns:
        return calendar
    cells = _join_cells(profiles, columns)
    merged = Profile(
        " ".join(columns),
        cells,
        profiles[columns[0]].counts.__class__(cells),
        {},
        np.full(len(cells), np.nan),
    )
    moments = _find_textual(merged, cells)
    if moments is None:
        return None
    return Moments(
        columns, {**moments.settings, "time": list(columns)}, moments.format, moments.times, "as asked"
    )
