"""The time as the user says it is written: a format, an epoch or a zone that is taken and not guessed.

Called by ``reading``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from pynomaly.config import Data
from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.times.joins import join_cells
from pynomaly.data.intake.times.moments import NEEDED, Moments, read_moments
from pynomaly.data.shape.zones import localize_times
from pynomaly.errors import ConfigError, WindowError

__all__ = ["check_given_settings", "take_given_time"]


def check_given_settings(known: Mapping[str, Any]) -> None:
    """Raise if a setting that the user names has a value that no configuration may have.

    Raises
    ------
    ConfigError
        With the setting, the value and what is allowed.
    """
    content = {"source": "csv", "path": "-", "time": "time", **known}
    content |= {"source": "csv", "time": content["time"] or "time"}
    try:
        Data.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"data.{key} (--{key.replace('_', '-')}): {first['msg'].removeprefix('Value error, ')}, "
            f"and is {first['input']!r}"
        ) from None


def take_given_time(
    profiles: Mapping[str, Profile],
    requested: Sequence[str],
    guess: Moments | None,
    known: Mapping[str, Any],
) -> Moments | None:
    """Return the time as the user says it is written; the guess where nothing is said.

    Parameters
    ----------
    profiles : mapping
        Profile of each column.
    requested : sequence of str
        Columns that the user names; empty if any may be the time.
    guess : Moments or None
        The time that was found without the user: its columns are tried first.
    known : mapping
        ``time_format`` or ``epoch``, and ``timezone``, as far as they are given.

    Raises
    ------
    WindowError
        If no column reads as it is said.
    """
    given = {key: known[key] for key in ("time_format", "epoch") if known.get(key)}
    moments = _read_given(profiles, requested, guess, given) if given else guess
    if moments is None and (requested or given):
        names = list(requested or profiles)
        advice = "set --time-format, e.g. '%d.%m.%Y %H:%M'"
        for key, value in given.items():
            advice = f"--{key.replace('_', '-')} is {value!r}"
        raise WindowError(
            f"no time can be read from {', '.join(map(repr, names))} "
            f"(a cell: {profiles[names[0]].example!r}); {advice}"
        )
    if moments is not None and known.get("timezone"):
        moments = _apply_zone(moments, str(known["timezone"]))
    return moments


def _read_given(
    profiles: Mapping[str, Profile],
    requested: Sequence[str],
    guess: Moments | None,
    given: Mapping[str, Any],
) -> Moments | None:
    """Return the time of the first columns that read under a format or an epoch, None if there are none."""
    if requested:
        return _read_columns(profiles, tuple(requested), given, 0.0)
    tried = [guess.columns] if guess is not None else []
    for columns in [*tried, *((name,) for name in profiles)]:
        moments = _read_columns(profiles, columns, given, NEEDED)
        if moments is not None and moments.times.nunique() > 1:
            return moments
    return None


def _read_columns(
    profiles: Mapping[str, Profile], columns: tuple[str, ...], given: Mapping[str, Any], needed: float
) -> Moments | None:
    times = read_moments(join_cells(profiles, columns), given)
    if times is None or times.notna().mean() <= needed:
        return None
    text = str(given.get("time_format", ""))
    has_offset = given.get("epoch") not in (None, "excel") or "%z" in text or "%Z" in text
    zone = {} if has_offset else {"timezone": "UTC"}
    return Moments(columns, {**given, **zone}, text or str(given["epoch"]), times, "written as asked")


def _apply_zone(moments: Moments, zone: str) -> Moments:
    """Return the moments with times without an offset read as local times of `zone`."""
    if "timezone" not in moments.settings:
        return moments
    local = moments.times.dt.tz_localize(None)
    settings = {**moments.settings, "timezone": zone}
    return replace(moments, settings=settings, times=localize_times(local, ZoneInfo(zone)))
