"""Reads a table once and decides what it is: encoding, marks, times, truth, entity, and the role of each column.

The order of the decisions: text, cells, time, truth, entity, then what is left. Each says why. Called by
``pynomaly init`` through :func:`pynomaly.data.intake.read_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Limits
from pynomaly.data.intake.cells.numbers import profile_columns
from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import looks_like_moment, split_name
from pynomaly.data.intake.findings import ColumnReading, Decision, Reading, TimeReading, Unreadable
from pynomaly.data.intake.roles.columns import describe_number, is_counter, rises_only
from pynomaly.data.intake.roles.entities import find_entity, find_long_table, is_identifier_name
from pynomaly.data.intake.roles.truth import find_truths
from pynomaly.data.intake.roles.truth_kinds import Truth
from pynomaly.data.intake.sample import Sample
from pynomaly.data.intake.seasons import find_seasons
from pynomaly.data.intake.text.typed import read_sample
from pynomaly.data.intake.times.joins import find_time
from pynomaly.data.intake.times.moments import Moments
from pynomaly.data.intake.windows import WindowPlan, measure_step, plan_windows
from pynomaly.data.sources import SOURCES, infer_source_kind
from pynomaly.data.sources.text.files import is_glob, require_path
from pynomaly.data.sources.text.files import list_files as list_source_files
from pynomaly.errors import ColumnError, SourceError, WindowError, list_allowed

all__ = ["list_files", "read_table"]

_FEW_CATEGORIES = 50
_ROW_NUMBER_NAMES = {
    "no", "nr", "index", "instant", "row", "rownum", "rowid", "id", "udi", "uid", "#", "seq",
    "sequence", "recno", "record", "sn", "sno", "idx", "step", "unnamed", "key", "entry", "obs",
    "observation",
}  # fmt: skip
_WIDE_DATES = 10
_MARKS_SHOWN = 3


def list_files(path: str | Path, kind: str | None = None) -> tuple[str, list[Path]]:
    """Return the kind of source and the files of a path: one file, a folder, or a pattern with `*`.

    Raises
    ------
    SourceError
        If nothing lies there.
    """
    text = str(path)
    if not is_glob(text):
        require_path(text, folder=True)
    chosen = kind or infer_source_kind(text, "csv")
    endings = SOURCES[chosen].endings if chosen in SOURCES else ()
    return chosen, [Path(item).expanduser() for item in list_source_files(text, endings)]


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
    ColumnError
        If a column that `hints` name does not exist.
    WindowError
        If the time that `hints` name cannot be read.

    Notes
    -----
    Reads at most 24,000 rows, and counts the lines of the rest.
    """
    known = dict(hints or {})
    kind, files = list_files(path, known.get("source"))
    sample = read_sample(kind, files, Limits(), known)
    _refuse_wide(sample, path)
    requested = _list_requested(known)
    for column in [*requested, *filter(None, (known.get("label"), known.get("id")))]:
        if column not in sample.names:
            raise ColumnError(f"{path}: no column {column!r}; {list_allowed(column, sample.names)}")
    profiles, decisions, settings = profile_columns(
        sample.cells, sample.typed, {"separator": sample.settings.get("separator", ","), **known}
    )
    moments, single = find_time(profiles, sample.typed, requested or None)
    if requested and moments is None:
        cell = profiles[requested[0]].example
        raise WindowError(
            f"no time can be read from {', '.join(map(repr, requested))} (a cell: {cell!r}); set --time-format, e.g. '%d.%m.%Y %H:%M'"
        )
    return _Assembly(str(path), kind, sample, profiles, moments, single, known).assemble(decisions, settings)


def _list_requested(known: Mapping[str, Any]) -> list[str]:
    time = known.get("time")
    if time is None:
        return []
    return [time] if isinstance(time, str) else list(time)


def _refuse_wide(sample: Sample, path: object) -> None:
    """Refuse a table whose columns are dates."""
    dates = [name for name in sample.names if looks_like_moment(name)]
    if len(dates) >= _WIDE_DATES and len(dates) > len(sample.names) / 2:
        raise SourceError(
            f"{path} is a wide table: {len(dates)} of its {len(sample.names)} columns are dates "
            f"({dates[0]!r} to {dates[-1]!r}); turn it so that each date is a row (pandas.DataFrame.melt)"
        )


class _Assembly:
    """Puts the decisions together: what is known of the columns, and what is decided from it."""

    def __init__(
        self, path: str, kind: str, sample: Sample, profiles: Mapping[str, Profile], moments: Moments | None,
        single: Mapping[str, Moments], known: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.path, self.kind, self.sample, self.profiles = path, kind, sample, profiles
        self.moments, self.single, self.known = moments, single, known
        self.notes = list(sample.notes)
        self.columns: dict[str, ColumnReading] = {}
        self.label: Truth | None = None
        self.entity: str | None = None
        self.counters: list[str] = []

    def assemble(self, decisions: list[Decision], settings: dict[str, Any]) -> Reading:
        """Return the reading."""
        decided = [*self.sample.decisions, *decisions]
        data = {**self.sample.settings, **settings}
        self._read_time(data)
        self._read_truths(data)
        self._read_entity(data)
        for name in self.profiles:
            if name not in self.columns:
                self.columns[name] = self._read_column(self.profiles[name])
        self._read_counters(data)
        self._check_duplicates()
        categorical = [c.name for c in self.columns.values() if c.is_feature and self._is_category(c)]
        if categorical:
            data["categorical"] = categorical
        ignored = [
            c.name
            for c in self.columns.values()
            if not c.is_feature and c.role not in ("time", "entity", "label")
        ]
        if ignored:
            data["ignore"] = ignored
        data = {**data, **{key: value for key, value in self.known.items() if key != "source"}}
        self._drop_unused(data)
        blocks, problems = self._plan_blocks(data)
        return Reading(
            file=self.path,
            kind=self.kind,
            rows=self.sample.rows,
            sampled=len(self.sample.cells),
            header_line=self.sample.header_line,
            decisions=tuple(decided),
            time=self._describe_time(),
            label=self.label.name if self.label else None,
            id=self.entity,
            columns=tuple(self.columns[name] for name in self.profiles),
            notes=tuple(self.notes),
            problems=tuple(problems),
            data=data,
            blocks=blocks,
        )

    def _add(self, name: str, role: str, why: str, sure: Any = "sure", otherwise: str = "") -> None:
        profile = self.profiles[name]
        cells = (
            tuple(self._locate(profile, cell) for cell in profile.unreadable[:_MARKS_SHOWN])
            if role in ("number", "counter")
            else ()
        )
        count = sum(profile.counts[cell] for cell in profile.unreadable) if cells else 0
        self.columns[name] = ColumnReading(name, role, why, sure, profile.example, count, cells, otherwise)

    def _locate(self, profile: Profile, cell: str) -> Unreadable:
        place = int(np.flatnonzero((profile.cells == cell).to_numpy())[0])
        return Unreadable(int(self.sample.lines[place]), profile.name, cell)

    def _read_time(self, data: dict[str, Any]) -> None:
        if self.moments is None:
            return
        columns = self.moments.columns
        data["time"] = columns[0] if len(columns) == 1 else list(columns)
        data.update({key: value for key, value in self.moments.settings.items() if key != "time"})
        why = self.moments.why if len(columns) == 1 else f"joined to one time: {self.moments.why}"
        for name in columns:
            self._add(name, "time", why, self.moments.sure, "--time")
        unread = 1 - self.moments.share
        if unread:
            self._note_unread_times(columns)
        for name, other in self.single.items():
            if name not in columns and other.share > 0.5:
                self._add(
                    name,
                    "identifier",
                    f"a further time ({other.format}); {columns[0]!r} orders the rows",
                    "likely",
                    f"--time '{name}'",
                )

    def _note_unread_times(self, columns: Sequence[str]) -> None:
        assert self.moments is not None
        wrong = np.flatnonzero(self.moments.times.isna().to_numpy())
        first = self.profiles[columns[0]].cells
        shown = [f"line {self.sample.lines[place]}: {first.iloc[place]!r}" for place in wrong[:_MARKS_SHOWN]]
        self.notes.append(
            f"{len(wrong):,} of {len(first):,} rows have no readable time and go to quarantine ({'; '.join(shown)})"
        )

    def _read_truths(self, data: dict[str, Any]) -> None:
        label, truths = find_truths(
            self.profiles,
            set(self.columns),
            self.known.get("label"),
            self.sample.settings.get("header", True),
        )
        if self.known.get("label") and label is None:
            label = Truth(str(self.known["label"]), "as asked", rank=1.0)
            truths = {**truths, label.name: label}
        self.label = label
        for name, truth in truths.items():
            if label is not None and name == label.name:
                share = f"; {truth.positives:.1%} of the known are 1" if truth.positives is not None else ""
                self._add(name, "label", truth.why + share, truth.sure, "--label")
                data["label"] = name
                if truth.values:
                    data["label_values"] = dict(truth.values)
            else:
                self._add(
                    name,
                    "truth",
                    f"tells the truth afterwards, no feature: {truth.why}",
                    truth.sure,
                    f"--label '{name}'",
                )

    def _read_entity(self, data: dict[str, Any]) -> None:
        if self.moments is None:
            if self.known.get("id"):
                self.entity = str(self.known["id"])
                self._add(self.entity, "entity", "as asked")
            return
        name, why, others = find_entity(self.profiles, self.moments.times, set(self.columns))
        if self.known.get("id"):
            name, why = str(self.known["id"]), "as asked"
        if name is None:
            self._note_repeated_times()
            return
        self.entity = name
        data["id"] = name
        otherwise = f"or {', '.join(map(repr, others))} (--id)" if others else "--id"
        self._add(name, "entity", why, "likely" if others else "sure", otherwise)
        if (long := find_long_table(self.profiles, name, set(self.columns) - {name})) is not None:
            quantity, value = long
            self.notes.append(
                f"a long table: {quantity!r} names what {value!r} is of; to have a row for each moment and a column for "
                f"each of its {self.profiles[quantity].distinct} names set data.long: {{name: {quantity}, value: {value}}}"
            )

    def _note_repeated_times(self) -> None:
        assert self.moments is not None
        share = float(self.moments.times.duplicated(keep=False).mean())
        if share > 0.02:
            self.notes.append(
                f"{share:.0%} of the rows share their time with another row, and no column tells them apart; --id names one"
            )

    def _read_column(self, profile: Profile) -> ColumnReading:
        self._add(profile.name, *self._decide_role(profile))
        return self.columns[profile.name]

    def _decide_role(self, profile: Profile) -> tuple[str, str, str, str]:
        """Return role, reason, sureness and what would change it, of a column that is left."""
        rows, words, name = len(profile.cells), split_name(profile.name), profile.name
        if not profile.filled or profile.distinct == len(profile.missing):
            return "empty", "has no value", "sure", ""
        if profile.is_number:
            return self._decide_number(profile, rows, words)
        distinct = profile.distinct
        if distinct == 1:
            share = profile.filled / rows
            if share == 1:
                return (
                    "constant",
                    f"always {profile.example[:40]!r} so far: a change alerts",
                    "sure",
                    "data.ignore",
                )
            return "category", f"{profile.example[:40]!r} or nothing", "sure", "data.ignore"
        if distinct >= 0.95 * profile.filled and distinct > 20:
            return "identifier", "another value in every row: a name, no feature", "sure", "data.categorical"
        if distinct > max(_FEW_CATEGORIES, profile.filled / 10):
            return (
                "text",
                f"text with {distinct:,} values, too many for a category",
                "sure",
                "data.categorical",
            )
        if distinct > _FEW_CATEGORIES and is_identifier_name(name):
            return "identifier", f"names {distinct:,} things", "likely", "--id"
        return "category", f"text with {distinct} values", "sure", "data.ignore"

    def _decide_number(
        self, profile: Profile, rows: int, words: tuple[str, ...]
    ) -> tuple[str, str, str, str]:
        values = profile.present
        name = profile.name
        if not len(values):
            return "empty", "has no number, only marks of missing values", "sure", ""
        reason = describe_number(profile)
        if values.min() == values.max():
            if is_identifier_name(name) and profile.is_whole and values[0] >= 100:
                return (
                    "identifier",
                    f"the name of a thing, always {profile.example}",
                    "likely",
                    "data.columns",
                )
            return (
                "constant",
                f"always {profile.example[:40]!r} so far: a change alerts",
                "sure",
                "data.ignore",
            )
        if profile.is_whole and self._counts_rows(profile):
            return "identifier", "counts the rows", "sure", "data.columns"
        year = {"year", "yr", "jahr"} & set(words)
        if year and profile.is_whole and values.min() >= 1800 and values.max() <= 2200:
            return (
                "identifier",
                "a year: rows of later years would all be new to the model",
                "likely",
                "data.columns",
            )
        if profile.is_whole and is_identifier_name(name):
            if profile.distinct <= _FEW_CATEGORIES:
                return "category", f"numbers that name {profile.distinct} things", "likely", "data.ignore"
            return "identifier", f"numbers that name {profile.distinct:,} things", "likely", "data.columns"
        if self.moments is None and rises_only(profile):
            return (
                "identifier",
                "only rises from row to row: every later row would be new to the model",
                "likely",
                "data.columns",
            )
        return "number", reason, "likely" if profile.unreadable else "sure", "data.categorical"

    def _counts_rows(self, profile: Profile) -> bool:
        """Return whether a column numbers the rows: steps of one between neighbouring lines, or all different and named so."""
        values = profile.values
        lines = self.sample.lines
        steps, near = np.diff(values), np.diff(lines) >= 1
        unbroken = np.diff(lines) == 1
        pairs = steps[unbroken & near]
        if len(pairs) > 5 and np.mean(pairs == 1) > 0.99:
            return True
        if len(pairs) > 5 and np.mean(pairs == -1) > 0.99:
            return True
        named = set(split_name(profile.name)) & _ROW_NUMBER_NAMES
        return bool(named) and profile.distinct == profile.filled and profile.distinct > 20

    def _read_counters(self, data: dict[str, Any]) -> None:
        """Find numbers that only rise in time, for each entity; they are read as their increase."""
        if self.moments is None or self.known.get("counters") is not None:
            self.counters = list(self.known.get("counters", ()))
        else:
            order = self._order_rows()
            for name, column in self.columns.items():
                if column.role == "number" and is_counter(self.profiles[name], order, self._entity_codes()):
                    self.counters.append(name)
        for name in self.counters:
            if name in self.columns:
                self._add(
                    name,
                    "counter",
                    "only rises: read as its increase since the row before",
                    "likely",
                    "data.counters",
                )
        if self.counters:
            data["counters"] = self.counters

    def _order_rows(self) -> np.ndarray[Any, Any]:
        assert self.moments is not None
        return np.lexsort(
            (
                self.sample.lines,
                self.moments.times.fillna(pd.Timestamp.min.tz_localize("UTC")).astype("int64"),
                self._entity_codes(),
            )
        )

    def _entity_codes(self) -> np.ndarray[Any, Any]:
        if self.entity is None:
            return np.zeros(len(self.sample.cells), dtype=np.int64)
        return np.asarray(pd.factorize(self.profiles[self.entity].cells)[0])

    def _check_duplicates(self) -> None:
        """Name features that have the same values as an earlier one; they stay, so that a difference shows."""
        first: dict[bytes, str] = {}
        for name, column in list(self.columns.items()):
            if column.role not in ("number", "category"):
                continue
            key = "\x1f".join(self.profiles[name].cells).encode()
            if key in first:
                self.columns[name] = replace(
                    column,
                    role="duplicate",
                    why=f"the same as {first[key]!r} in every row so far",
                    otherwise="data.ignore",
                )
            else:
                first[key] = name

    def _is_category(self, column: ColumnReading) -> bool:
        profile = self.profiles[column.name]
        return not profile.is_number or column.role == "category"

    def _drop_unused(self, data: dict[str, Any]) -> None:
        """Drop settings of columns that no model reads."""
        used = {
            column.name
            for column in self.columns.values()
            if column.is_feature and self.profiles[column.name].is_number
        }
        for key in ("numbers", "magnitudes"):
            if key in data and not (names := [name for name in data[key] if name in used]):
                data.pop(key)
            elif key in data:
                data[key] = names
        if "missing_in" in data:
            data["missing_in"] = {name: marks for name, marks in data["missing_in"].items() if name in used}
            if not data["missing_in"]:
                data.pop("missing_in")

    def _describe_time(self) -> TimeReading | None:
        if self.moments is None:
            return None
        times = self.moments.times.dropna()
        zone = self.known.get("timezone") or self.moments.settings.get("timezone")
        return TimeReading(
            self.moments.columns, self.moments.format, zone, times.min().isoformat(), times.max().isoformat()
        )

    def _plan_blocks(self, data: dict[str, Any]) -> tuple[dict[str, dict[str, tuple[Any, str]]], list[str]]:
        """Return the settings of the other blocks, and why the draft could not train."""
        blocks: dict[str, dict[str, tuple[Any, str]]] = {}
        problems: list[str] = []
        rows = self.sample.rows
        if not any(column.is_feature for column in self.columns.values()):
            names = ", ".join(f"{c.name!r} ({c.why})" for c in list(self.left_out())[:4])
            problems.append(f"no column is left that a model could read: {names}; data.columns names some")
        plan: WindowPlan | None = None
        if self.moments is not None:
            times = self.moments.times.dropna()
            plan = plan_windows(self._moments_of_runs(), times.min(), times.max(), rows)
            rows = plan.reference_rows
            self._plan_seasons(blocks, plan)
        if rows < 100:
            low = max(10, rows // 2)
            blocks["quality"] = {
                "min_train_rows": (low, f"the reference has about {rows} rows, default is 100")
            }
            if rows < 30:
                problems.append(
                    f"the table has {rows} rows; a model of so few tells little (quality.min_train_rows)"
                )
        if plan is not None:
            self._write_windows(blocks, plan)
        if self.sample.rows < 1000 or rows < 1000:
            blocks["retraining"] = {
                "min_rows": (
                    max(10, min(rows, self.sample.rows) // 2),
                    f"the reference has about {rows} rows, default is 1000",
                )
            }
        return blocks, problems

    def left_out(self) -> list[ColumnReading]:
        """Return the columns that no model reads."""
        return [column for column in self.columns.values() if not column.is_feature]

    def _moments_of_runs(self) -> pd.Series[Any]:
        """Return the times of one entity: the one with the most rows, so that the step is that of a series."""
        assert self.moments is not None
        codes = self._entity_codes()
        top = np.bincount(codes[codes >= 0]).argmax() if len(codes) else 0
        return self.moments.times[codes == top] if self.entity is not None else self.moments.times

    def _write_windows(self, blocks: dict[str, dict[str, tuple[Any, str]]], plan: WindowPlan) -> None:
        from pynomaly.config.units import spell_duration

        blocks["windows"] = {
            "score": (spell_duration(plan.score), "one partition of scores"),
            "monitor": (
                spell_duration(plan.monitor),
                "what one verdict looks back on; a whole number of windows.score",
            ),
            "reference": (spell_duration(plan.reference), plan.why),
        }
        blocks["training"] = {"start": (plan.start.isoformat(), "first training starts here: the first row")}
        self.step = measure_step(self._moments_of_runs())

    def _plan_seasons(self, blocks: dict[str, dict[str, tuple[Any, str]]], plan: WindowPlan) -> None:
        assert self.moments is not None
        numbers = [c.name for c in self.columns.values() if c.role in ("number", "counter")]
        seasons = find_seasons(
            self.moments.times, {name: self.profiles[name].values for name in numbers}, plan.step, plan.span
        )
        if seasons:
            why = f"the values follow the {' and the '.join(seasons)}, so a model must know when a row is"
            blocks["features"] = {"calendar": (True, why)}
            self.notes.append(f"{why} (features.calendar)")
