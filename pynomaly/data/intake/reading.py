"""Reads a table once and decides what it is: encoding, marks, times, truth, entity, role of each column.

The order of the choices: text, cells, time, truth, entity, then what is left. Each says why. Called by
``pynomaly init`` through :func:`pynomaly.data.intake.read_table`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pynomaly.config import Limits
from pynomaly.data.intake.assembly import Assembly
from pynomaly.data.intake.cells.numbers import profile_columns
from pynomaly.data.intake.cells.spelling import looks_like_moment, looks_like_number
from pynomaly.data.intake.findings import Reading
from pynomaly.data.intake.sample import Sample, list_files
from pynomaly.data.intake.text.typed import read_sample
from pynomaly.data.intake.times.given import check_given_settings, take_given_time
from pynomaly.data.intake.times.joins import find_time
from pynomaly.errors import ColumnError, SourceError, list_allowed

__all__ = ["list_files", "read_table"]

_WIDE_DATES = 10


def read_table(path: str | Path, hints: Mapping[str, Any] | None = None) -> Reading:
    """Return how the table at `path` is read, with the reasons.

    Parameters
    ----------
    path : str or Path
        A file, a folder of files with the same columns, or a pattern with `*`.
    hints : mapping, optional
        Settings under ``data`` that are known; they are taken and not guessed.

    Raises
    ------
    SourceError
        If the table is missing, empty, unreadable, or wide: its columns are dates.
    ConfigError
        If a setting in `hints` has a value that is not allowed.
    ColumnError
        If a column that `hints` name does not exist.
    WindowError
        If the time that `hints` name cannot be read.

    Notes
    -----
    Reads at most 24,000 rows, and counts the lines of the rest.
    """
    known = dict(hints or {})
    check_given_settings(known)
    kind, files = list_files(path, known.get("source"))
    sample = read_sample(kind, files, Limits(), known)
    _refuse_wide(sample, path)
    requested = _list_requested(known)
    for column in [*requested, *filter(None, (known.get("label"), known.get("id")))]:
        if column not in sample.names:
            raise ColumnError(f"{path}: no column {column!r}; {list_allowed(column, sample.names)}")
    profiles, choices, settings = profile_columns(
        sample.cells, sample.typed, {"separator": sample.settings.get("separator", ","), **known}
    )
    moments, single = find_time(profiles, sample.typed, requested or None)
    moments = take_given_time(profiles, requested, moments, known)
    return Assembly(str(path), kind, sample, profiles, moments, single, known).assemble(choices, settings)


def _list_requested(known: Mapping[str, Any]) -> list[str]:
    time = known.get("time")
    if time is None:
        return []
    return [time] if isinstance(time, str) else list(time)


def _refuse_wide(sample: Sample, path: object) -> None:
    """Refuse a table whose columns are dates."""
    dates = [name for name in sample.names if looks_like_moment(name) and not looks_like_number(name)]
    if len(dates) >= _WIDE_DATES and len(dates) > len(sample.names) / 2:
        raise SourceError(
            f"{path} is a wide table: {len(dates)} of its {len(sample.names)} columns are dates "
            f"({dates[0]!r} to {dates[-1]!r}); turn it so that each date is a row (pandas.DataFrame.melt)"
        )
