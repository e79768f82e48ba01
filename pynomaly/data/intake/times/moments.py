"""One column as times: a format or an epoch under which the whole column reads.

A format is proposed from what some cells look like and kept if the whole column reads under it, through the
same parser that reads the rows later. Day and month are told apart by the whole column: by a number above
twelve, else by the order of the rows. Called by ``joins``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from pynomaly.config import Data
from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import looks_like_number, split_name
from pynomaly.data.intake.times.formats import propose_formats
from pynomaly.data.shape.moments import parse_moments
from pynomaly.errors import DataError

__all__ = [
    "EPOCHS",
    "GENERIC",
    "NEEDED",
    "Moments",
    "find_moments",
    "find_textual",
    "read_moments",
    "spell_whole",
]

_TRIED = 1500

NEEDED = 0.9

GENERIC = {
    "time", "timestamp", "date", "datetime", "ts", "ds", "datum", "zeit", "zeitstempel", "fecha",
    "data", "hora", "heure", "moment", "epoch", "unixtime", "dt", "utc", "day", "uhrzeit", "zeitpunkt",
    "tstamp", "clock", "dates", "times", "timestamps", "month", "week", "at", "when", "dteday", "local",
    "gmt", "recorded", "measured",
}  # fmt: skip

EPOCHS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}

_OLDEST, _NEWEST = 2e8, 4.1e9  # seconds: 1976 to 2099


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
    """Return the times of a column under settings of ``data`` by the readers' parser; None if none reads."""
    content = {"source": "csv", "path": "-", "timezone": "UTC", **settings, "time": str(cells.name)}
    try:
        return parse_moments(cells, Data.model_validate(content))
    except (DataError, ValidationError):  # the name may be one that scores have
        return None


def find_moments(profile: Profile, typed: str | None) -> Moments | None:
    """Return the reading of one column as times, None if it is no time.

    A bare number of four or eight digits is no time, unless the name says so and every cell is a date.
    """
    cells = profile.cells.rename(profile.name)
    if typed == "moment":
        return _build_moments(profile.name, cells, {}, "iso", "the file types it as a time")
    if profile.is_number and profile.style == "plain":
        return _find_numeric(profile, cells)
    if profile.is_number and typed is not None:
        return None
    return find_textual(profile, cells)


def _build_moments(
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
    named = bool(words & GENERIC) or any(
        word in compact for word in ("time", "date", "epoch", "stamp", "unix")
    )
    steps = np.diff(profile.numbers[np.isfinite(profile.numbers)])
    ordered = bool(len(steps)) and max((steps >= 0).mean(), (steps <= 0).mean()) > 0.98
    for format_, digits in (("%Y%m%d%H%M%S", 14), ("%Y%m%d%H%M", 12), ("%Y%m%d%H", 10), ("%Y%m%d", 8)):
        if (
            profile.is_whole
            and _has_digits(values, digits)
            and (named or (digits >= 12) or (digits == 10 and ordered))
        ):
            moments = _build_moments(
                profile.name,
                spell_whole(cells),
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
    for unit, factor in EPOCHS.items():
        low, high = values.min() / factor, values.max() / factor
        if (
            low >= _OLDEST
            and high <= _NEWEST
            and (named or (ordered and profile.distinct > len(values) / 20 and (high - low) < 0.5 * low))
        ):
            moments = _build_moments(
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
        return _build_moments(
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


def spell_whole(cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return whole numbers without the fraction that a typed file gave them."""
    return cells.map(lambda cell: cell[:-2] if cell.endswith(".0") else cell)


def _is_plausible(times: pd.Series[Any]) -> bool:
    present = times.dropna()
    return len(present) > 0 and present.min().year >= 1950 and present.max().year <= 2100


def find_textual(profile: Profile, cells: pd.Series[Any]) -> Moments | None:
    """Return the reading of a column of text as times, None if it is no time."""
    filled = [cell for cell in profile.counts if not looks_like_number(cell)]
    if not filled:
        return None
    step = max(1, len(filled) // _TRIED)
    tried = filled[::step]
    probe = pd.Series(tried, dtype=object, name=profile.name)
    proposals = propose_formats(tried)
    if not proposals:
        return None
    needed = NEEDED * sum(profile.counts.values()) / max(1, profile.counts.total())
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
        if (moments := _build_moments(profile.name, cells, settings, _show_format(settings), "")) is not None
    ]  # fmt: skip
    return _choose_fit(fits)


def _show_format(settings: Mapping[str, Any]) -> str:
    return str(settings.get("time_format", "iso"))


def _choose_fit(fits: list[Moments]) -> Moments | None:
    """Return the reading under which the rows are in the best order, if day and month could be exchanged."""
    if not fits:
        return None
    if len(fits) == 1 or fits[0].format == "iso":
        fit = fits[0]
        return _explain_choice(
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
        return _explain_choice(best, why, "likely", others)
    preferred = next((fit for fit in fits if fit.format.startswith("%d")), best)
    if any("%p" in fit.format for fit in fits):
        preferred = next((fit for fit in fits if fit.format.startswith("%m")), best)
    return _explain_choice(
        preferred, f"day and month cannot be told apart; {preferred.format} is assumed", "doubtful", others
    )


def _explain_choice(moments: Moments, why: str, sure: str, otherwise: tuple[str, ...]) -> Moments:
    return Moments(moments.columns, moments.settings, moments.format, moments.times, why, sure, otherwise)


def _measure_disorder(moments: Moments) -> float:
    """Return the sum of all steps of time in seconds, more if times lie in the future: small if in order."""
    times = moments.times.dropna()
    steps = times.diff().dropna().dt.total_seconds().abs()
    future = (times > pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=366)).mean()
    distinct = times.drop_duplicates().sort_values().diff().dropna().dt.total_seconds()
    spread = float(distinct.std()) if len(distinct) > 1 else 0.0
    return float(steps.sum()) * (1 + 10 * float(future)) + spread
