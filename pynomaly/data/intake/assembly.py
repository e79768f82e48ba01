"""The choices on a table put together: what is known of each column, and what is decided from it.

The order: cells, time, truth, entity, then what is left. Called by ``reading``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.context import Context, read_context
from pynomaly.data.intake.findings import Choice, ColumnReading, Reading, TimeReading, Unreadable
from pynomaly.data.intake.plan import plan_blocks
from pynomaly.data.intake.roles.columns import ONLY_RISES, decide_role, is_counter, mark_duplicates
from pynomaly.data.intake.roles.ends import find_ends, find_weight
from pynomaly.data.intake.roles.entities import find_entity, find_long_table
from pynomaly.data.intake.roles.truth import find_truths
from pynomaly.data.intake.roles.truth_kinds import Truth
from pynomaly.data.intake.sample import Sample
from pynomaly.data.intake.times.moments import Moments
from pynomaly.data.intake.times.years import list_clocks

__all__ = ["Assembly"]

_MARKS_SHOWN = 3


class Assembly:
    """Puts the choices together: what is known of the columns, and what is decided from it."""

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
        lists = ("columns", "categorical", "ignore", "counters")
        self.assigned = {name for key in lists for name in known.get(key) or ()}

    def assemble(self, choices: list[Choice], settings: dict[str, Any]) -> Reading:
        """Return the reading."""
        decided = [*self.sample.choices, *choices]
        data = {**self.sample.settings, **settings}
        self._read_time(data)
        self._read_truths(data)
        self._read_entity(data)
        self._read_ends(data)
        self._note_repeated_times(data)
        for name in self.profiles:
            if name not in self.columns:
                if name in self.known.get("ignore", ()):
                    self._add(name, "text", "left out, as asked", otherwise="data.ignore")
                    continue
                if name in self.known.get("categorical", ()):
                    self._add(name, "category", "a category, as asked", otherwise="data.categorical")
                    continue
                role = decide_role(self.profiles[name], self.sample.lines, self.moments is not None)
                self._add(name, *role)
        self._keep_a_feature()
        self._read_counters(data)
        if "graph" in data and (weight := find_weight(self.columns.values())):
            data["graph"]["weight"] = weight
        self.columns = mark_duplicates(self.columns, self.profiles)
        categorical = [c.name for c in self.columns.values() if c.is_feature and self._is_category(c)]
        if categorical:
            data["categorical"] = categorical
        ignored = [
            c.name
            for c in self.columns.values()
            if not c.is_feature and c.role not in ("time", "entity", "label", "end")
        ]
        if ignored:
            data["ignore"] = ignored
        self._apply_known(data)
        self._drop_unused(data)
        context = self._read_context(data)
        blocks, notes, problems = self._plan_blocks(context, data.get("graph"))
        self.notes += notes
        return Reading(
            file=self.path,
            kind=self.kind,
            rows=self.sample.rows,
            sampled=len(self.sample.cells),
            header_line=self.sample.header_line,
            choices=tuple(decided),
            time=self._describe_time(),
            label=self.label.name if self.label else None,
            id=self.entity,
            columns=tuple(self.columns[name] for name in self.profiles),
            notes=tuple(self.notes),
            problems=tuple(problems),
            data=data,
            blocks=blocks,
            context=context,
        )

    def _apply_known(self, data: dict[str, Any]) -> None:
        """Let the settings that are given count; what is left out beside them stays left out."""
        wanted = {*self.known.get("columns", ()), *self.known.get("categorical", ())}
        ignored = [name for name in data.get("ignore", ()) if name not in wanted]
        ignored += self.known.get("ignore", ())
        data.update({key: value for key, value in self.known.items() if key != "source"})
        pivoted = set((self.known.get("long") or {}).values())
        data["ignore"] = [name for name in dict.fromkeys(ignored) if name not in pivoted]
        data["categorical"] = [name for name in data.get("categorical", ()) if name not in pivoted]
        for key in ("ignore", "categorical"):
            if not data[key]:
                data.pop(key)

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
        second = next(iter(self.moments.otherwise), None)
        otherwise = f"--time-format '{second}'" if second else "--time"
        for name in columns:
            self._add(name, "time", why, self.moments.sure, otherwise)
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
        for name in list_clocks(self.profiles, self.columns):
            self._add(name, "identifier", "a time of day; the time of the rows has one", "likely", "--time")

    def _note_unread_times(self, columns: Sequence[str]) -> None:
        assert self.moments is not None
        wrong = np.flatnonzero(self.moments.times.isna().to_numpy())
        first = self.profiles[columns[0]].cells
        shown = [f"line {self.sample.lines[place]}: {first.iloc[place]!r}" for place in wrong[:_MARKS_SHOWN]]
        self.notes.append(
            f"rows without a readable time, which go to quarantine: {len(wrong):,} of {len(first):,} "
            f"({'; '.join(shown)})"
        )

    def _read_truths(self, data: dict[str, Any]) -> None:
        label, truths = find_truths(
            self.profiles,
            set(self.columns) | self.assigned - {self.known.get("label")},
            self.known.get("label"),
            self.sample.settings.get("header", True) or "names" in self.sample.settings,
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
                if truth.meanings:
                    data["label_values"] = dict(truth.meanings)
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
        pivoted = set((self.known.get("long") or {}).values())
        taken = set(self.columns) | pivoted | self.assigned
        name, why, others = find_entity(self.profiles, self.moments.times, taken)
        if self.known.get("id"):
            name, why = str(self.known["id"]), "as asked"
        if name is None:
            return
        self.entity = name
        data["id"] = name
        otherwise = f"or {', '.join(map(repr, others))} (--id)" if others else "--id"
        self._add(name, "entity", why, "likely" if others else "sure", otherwise)
        if (long := find_long_table(self.profiles, name, set(self.columns) - {name})) is not None:
            quantity, value = long
            self.notes.append(
                f"a long table: {quantity!r} names what {value!r} is of; to have a row for each moment and a "
                f"column for each of its {self.profiles[quantity].distinct} names set "
                f"data.long: {{name: {quantity}, value: {value}}}"
                + (" and leave data.id out" if quantity == name else "")
            )

    def _read_ends(self, data: dict[str, Any]) -> None:
        """Find two columns with names of one kind: the rows are edges, which ``data.graph`` describes."""
        given = self.known.get("graph") or {}
        ends = (given["source"], given["target"], "as asked") if given else None
        if self.moments is not None and "graph" not in self.known and not self.known.get("long"):
            ends = find_ends(self.profiles, set(self.columns) - {self.entity} | self.assigned)
        if ends is None:
            return
        data["graph"] = dict(zip(("source", "target"), ends, strict=False))
        for name in {*ends[:2]} & (set(self.profiles) - set(self.columns)):
            self._add(name, "end", ends[2], "likely", "data.graph")

    def _note_repeated_times(self, data: Mapping[str, Any]) -> None:
        if self.moments is None or self.entity is not None or "graph" in data:
            return  # edges are told apart by their place: one entity may have several at a time
        share = float(self.moments.times.duplicated(keep=False).mean())
        if share > 0.02:
            self.notes.append(
                f"{share:.0%} of the rows share their time with another row, and no column tells them apart; "
                "--id names one"
            )

    def _keep_a_feature(self) -> None:
        """Keep numbers that were left out as clocks if no other feature is there."""
        if any(column.is_feature for column in self.columns.values()):
            return
        for name, column in list(self.columns.items()):
            if column.role == "identifier" and column.why.startswith(ONLY_RISES):
                self._add(name, "number", f"{column.why}; kept, as no other feature is there", "doubtful")

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
        moments = self.moments.times.dt.tz_localize(None).to_numpy().astype(np.int64)  # NaT is the least
        return np.lexsort((self.sample.lines, moments, self._entity_codes()))

    def _entity_codes(self) -> np.ndarray[Any, Any]:
        if self.entity is None:
            return np.zeros(len(self.sample.cells), dtype=np.int64)
        return np.asarray(pd.factorize(self.profiles[self.entity].cells)[0])

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
        first, last = times.min().isoformat(), times.max().isoformat()
        moments = self.moments
        return TimeReading(moments.columns, moments.format, zone, first, last, moments.otherwise)

    def _read_context(self, data: dict[str, Any]) -> Context:
        """Measure what the rows show of time; what is given under ``data.series`` counts as it is."""
        if "series" in self.known:
            return Context("as asked", past=int((self.known["series"] or {}).get("past", 0)))
        times = self.moments.times if self.moments else None
        lines = self.sample.lines
        constants = {
            column.name: self.profiles[column.name].numbers
            for column in self.columns.values()
            if column.role == "constant" and self.profiles[column.name].is_number
        }
        codes, numbers = self._entity_codes(), self._list_numbers() | constants
        has_categories = "categorical" in data
        context = read_context(times, codes, lines, numbers, self.sample.rows, has_categories=has_categories)
        if context.settings:
            data["series"] = context.settings
        return context

    def _list_numbers(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns of numbers; counters as their increase."""
        numbers = {
            column.name: self.profiles[column.name].numbers
            for column in self.columns.values()
            if column.role in ("number", "counter")
        }
        if self.moments is None:
            return numbers
        order, codes = self._order_rows(), self._entity_codes()
        for name in set(self.counters) & set(numbers):
            rise = np.diff(numbers[name][order], prepend=np.nan)
            rise[np.diff(codes[order], prepend=-1) != 0] = np.nan
            numbers[name] = np.empty_like(rise)
            numbers[name][order] = np.where(rise >= 0, rise, np.nan)
        return numbers

    def _plan_blocks(self, context: Context, graph: Any) -> tuple[dict[str, Any], list[str], list[str]]:
        codes, rows, numbers = self._entity_codes(), self.sample.rows, self._list_numbers()
        return plan_blocks(self.moments, codes, numbers, rows, self.counters, context, graph)
