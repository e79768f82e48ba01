"""The base of the detectors that look back: rows with their past in, one score a row out.

A score is a function of the fitted detector, the row, at most `history` values before it and at most `delay`
values after it. Every detector here is a set of members for each followed column. A column's figure is the
logarithm of one plus a power mean (exponent 3) of its members, so that a member that is sure can carry it; a
row's score is the largest of its columns' figures. A row whose past is too short for some members has the
mean of those that can read it; a row that no member can read is judged by its value alone. A followed column
of at most two values has states and no course, so it counts where a value is new, unless no column has more;
columns that are not followed count where their values are rare.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, NoReturn, Self

import numpy as np

from pynomaly.detectors.arrays import freeze_arrays
from pynomaly.detectors.attributions import ColumnGroups, ExplanationMethod, MemberReading, ScoreParts
from pynomaly.detectors.base import Detector, State, Table
from pynomaly.detectors.input_validation import require_finite
from pynomaly.detectors.methods.histogram import HBOS
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.parameters import IntegerParameter, Parameter
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.beside import fit_beside, measure_beside, restore_beside
from pynomaly.detectors.series.members import FittedColumn, Forecast, Level, Member
from pynomaly.detectors.series.readings import read_column
from pynomaly.detectors.series.steady_members import FEW_VALUES, SeasonalProfile, SeenValues
from pynomaly.detectors.series.still_member import Stillness
from pynomaly.detectors.series.window_members import LevelWindows, NearestWindows
from pynomaly.errors import ColumnError, DetectorError

__all__ = ["LookingBack", "settle"]

_KINDS: Mapping[str, type[Member]] = {
    kind.kind: kind
    for kind in (Level, LevelWindows, NearestWindows, Forecast, SeasonalProfile, SeenValues, Stillness)
}


class LookingBack(Detector):
    """Base of every detector that looks back.

    Its `fit` and `score` take :class:`~pynomaly.detectors.past_rows.PastRows`. A subclass writes
    `make_members`, which fits the members of one column.
    """

    looks_back: ClassVar[bool] = True
    explains: ClassVar[ExplanationMethod] = "members"
    parameters: ClassVar[Mapping[str, Parameter]] = {"delay": IntegerParameter(0, 0, 1000)}

    _members: tuple[tuple[Member, ...], ...] = ()
    _alone: tuple[Member, ...] = ()
    _beside: HBOS | None = None

    @property
    def delay(self) -> int:
        """How many values after a row its score reads; 0 where the detector has no such parameter."""
        return int(self.params.get("delay", 0))

    @property
    def holds_past(self) -> bool:
        """Whether members that compare courses read values held within what is usual at their time."""
        return False

    @property
    def history(self) -> int:
        """How many values before a row its score reads at most.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        _ = self.state
        return max((member.history for members in self._members for member in members), default=0)

    def fit(self, X: Table | PastRows) -> Self:
        """Fit on rows with their past, which are assumed normal; replaces an earlier fit.

        Parameters
        ----------
        X : PastRows
            Rows in any order. Their windows may read all values before them that a row may read.

        Raises
        ------
        ColumnError
            No column is followed.
        DetectorError
            Not rows with their past, fewer than two rows, or a cell that is not finite.
        """
        rows = self._check_rows(X)
        if len(rows) < 2:
            raise DetectorError(f"{self.name} was given {len(rows)} row(s) to fit on; at least 2 are needed")
        settled = settle(rows, 1000, 0)
        order = np.argsort(settled.places, kind="stable")
        ends, before = settled.places[order], settled.before[order]
        fitted = [
            FittedColumn(settled.values, column, ends, before, settled.moments)
            for column in range(len(rows.columns))
        ]
        counts = [len(np.unique(column.cells)) for column in fitted]
        has_course = [count > FEW_VALUES or count == max(counts) for count in counts]
        state: State = {"followed": np.array(rows.columns, dtype=np.int64)}
        for place, column in enumerate(fitted):
            members: list[Member] = [Level.fit(column)]
            if has_course[place]:
                rng = np.random.default_rng([self.seed, place])
                members += self.make_members(column, rng, sum(has_course))
            else:
                members.append(SeenValues.fit(column))
            for number, member in enumerate(members):
                prefix = f"{place}.{number}.{member.kind}"
                state |= {f"{prefix}.{key}": value for key, value in member.state.items()}
        state |= fit_beside(rows.numbers, rows.columns, np.random.default_rng(self.seed))
        self.columns, self._width = None, rows.numbers.shape[1]
        self.rows_offered = self.rows_used = len(rows)
        self._state = freeze_arrays(state)
        self._prepare()
        return self

    def score(self, X: Table | PastRows, *, threads: int | None = None) -> Array:
        """Score rows, each from its own past; `threads` as for `Detector.score`.

        Parameters
        ----------
        X : PastRows
            Rows in any order. Memory is O(block): rows are scored in blocks by their place.

        Returns
        -------
        ndarray of shape (n,), float64

        Raises
        ------
        NotFittedError
            Before `fit`.
        ColumnError
            Another number of columns, or other columns are followed.
        DetectorError
            Not rows with their past, no rows, or a cell that is not finite.
        """
        rows = self._check_fitted_rows(X)
        order = np.argsort(rows.places, kind="stable")
        scores = np.empty(len(rows))

        def score_block(start: int) -> None:
            block = order[start : start + self.block_rows]
            scores[block] = self._score_rows(rows.take(block))

        self._run_blocks(len(rows), score_block, threads)
        return scores

    def explain(self, X: Array | PastRows, usual: Array, groups: ColumnGroups | None = None) -> ScoreParts:
        """Say which columns carry each row's score: the figure of each followed column, 0 for the others.

        Parameters
        ----------
        X : PastRows
        usual : ndarray of shape (n, d)
            Not read: what is usual here comes from the past.
        groups : int array of shape (d,), optional
            As for `Detector.explain`.

        Raises
        ------
        NotFittedError, ColumnError, DetectorError
            As `score`.
        """
        rows = self._check_fitted_rows(X)
        group_of = np.arange(self._width) if groups is None else np.asarray(groups, dtype=np.int64)
        figures = self._score_columns(rows)
        amounts = np.zeros((len(rows), int(group_of.max()) + 1))
        for place, column in enumerate(rows.columns):
            group = group_of[column]
            amounts[:, group] = np.maximum(amounts[:, group], figures[:, place])
        if self._beside is not None:
            figure, rarest = measure_beside(self._beside, self.state, rows.numbers)
            where = np.arange(len(rows)), group_of[rarest]
            amounts[where] = np.maximum(amounts[where], figure)
        score = np.zeros(len(rows)) if not amounts.size else amounts.max(axis=1)
        return ScoreParts(amounts, score - row_sum(amounts), additive=False, left_out=0)

    def read_members(self, X: PastRows) -> tuple[MemberReading, ...]:
        """Return, for the one row of `X`, what the strongest member sees in each followed column.

        Of the other columns the rarest has a reading, if it is rare. Cost: that of one score.

        Raises
        ------
        NotFittedError, ColumnError, DetectorError
            As `score`.
        """
        rows = self._settle(self._check_fitted_rows(X))
        held = self._hold(rows)
        readings = [
            read_column(self._members[place], self._alone[place], rows, held, place)
            for place in range(len(rows.columns))
        ]
        if self._beside is not None:
            (figure,), (rarest,) = measure_beside(self._beside, self.state, rows.numbers)
            if figure > 0:
                until = int(rows.moments[rows.places[0]])
                readings.append(
                    MemberReading(int(rarest), "how rare the value is", float(np.expm1(figure)), until)
                )
        return tuple(readings)

    @abstractmethod
    def make_members(self, fitted: FittedColumn, rng: np.random.Generator, columns: int) -> list[Member]:
        """Return the fitted members of one of `columns` columns; none where its past is too short."""

    def _fit(self, X: Array) -> NoReturn:
        raise DetectorError(self._describe_refusal(X))

    def _score(self, X: Array) -> NoReturn:
        raise DetectorError(self._describe_refusal(X))

    def _describe_refusal(self, given: object) -> str:
        return f"{self.name} looks back and takes rows with their past (PastRows), not {type(given).__name__}"

    def _check_rows(self, X: object) -> PastRows:
        if not isinstance(X, PastRows):
            raise DetectorError(self._describe_refusal(X))
        if not len(X):
            raise DetectorError(f"{self.name}: no rows; at least one is needed")
        if not X.columns:
            raise ColumnError(f"{self.name}: no column is followed; at least one is needed")
        return PastRows(
            require_finite(X.numbers, [], self.name),
            require_finite(X.values, [], self.name),
            X.columns,
            X.moments,
            X.places,
            X.before,
            X.after,
        )

    def _check_fitted_rows(self, X: object) -> PastRows:
        followed = tuple(int(column) for column in self.state["followed"])
        rows = self._check_rows(X)
        if rows.numbers.shape[1] != self._width or rows.columns != followed:
            raise ColumnError(
                f"{self.name} was fitted on {self._width} columns and follows {followed}; it is given "
                f"{rows.numbers.shape[1]} columns, of which {rows.columns} are followed"
            )
        return rows

    def _check_restored(self) -> None:
        width = len(self.state["followed"])
        rows = PastRows.of_series(np.zeros((self.history + 2, self._width)))
        followed = tuple(int(column) for column in self.state["followed"])
        table = np.zeros((self.history + 2, width))
        self.score(
            PastRows(rows.numbers, table, followed, rows.moments, rows.places, rows.before, rows.after)
        )

    def _prepare(self) -> None:
        self._beside = restore_beside(self.state)
        arrays: dict[tuple[int, int, str], State] = {}
        for key, array in self.state.items():
            where, *rest = key.split(".")
            if where.isdigit():
                order, kind, name = rest
                arrays.setdefault((int(where), int(order), kind), {})[name] = array
        members: list[list[Member]] = [[] for _ in self.state["followed"]]
        for column, place, kind in sorted(arrays):
            members[column].append(_KINDS[kind](arrays[column, place, kind]))
        self._alone = tuple(column_members[0] for column_members in members)
        self._members = tuple(tuple(column_members[1:]) for column_members in members)

    def _score_rows(self, rows: PastRows) -> Array:
        """Return the largest figure of each row, shape (n,)."""
        scores: Array = self._score_columns(rows).max(axis=1)
        if self._beside is not None:
            scores = np.maximum(scores, measure_beside(self._beside, self.state, rows.numbers)[0])
        return scores

    def _settle(self, rows: PastRows) -> PastRows:
        settled = settle(rows, self.history, self.delay)
        return replace(settled, after=np.minimum(settled.after, self.delay))

    def _hold(self, settled: PastRows) -> PastRows:
        """Return rows, in order of place, whose values each column's profile holds; only those they read."""
        profiles = [
            next((member for member in members if isinstance(member, SeasonalProfile)), None)
            for members in self._members
        ]
        if not self.holds_past or not any(profiles):
            return settled
        start = max(0, int(settled.places[0]) - self.history)
        end = int(settled.places[-1]) + self.delay + 1
        moments, values = settled.moments[start:end], settled.values[start:end].copy()
        for column, profile in enumerate(profiles):
            if profile is not None:
                values[:, column] = profile.hold(values[:, column], moments)
        before = np.minimum(settled.before, self.history)
        return replace(settled, values=values, moments=moments, places=settled.places - start, before=before)

    def _score_columns(self, rows: PastRows) -> Array:
        """Return the figure of each followed column, shape (n, k), in the order of the rows."""
        settled = self._settle(rows)
        order = np.argsort(settled.places, kind="stable")
        settled = settled.take(order)
        held = self._hold(settled)
        figures = np.empty((len(rows), len(rows.columns)))
        for column, members in enumerate(self._members):
            total, count = np.zeros(len(rows)), np.zeros(len(rows))
            for member in members:
                figure, readable = member.measure_rows(held if member.reads_held else settled, column)
                total += figure * figure * figure
                count += readable
            alone, _ = self._alone[column].measure_rows(settled, column)
            joined = np.cbrt(total / np.maximum(count, 1.0))
            figures[order, column] = np.log1p(np.where(count > 0, joined, alone))
        return figures


def settle(rows: PastRows, history: int, delay: int) -> PastRows:
    """Return rows whose own cells stand in `values`.

    Rows whose cells of `numbers` differ from `values` at their place, because somebody changed them, get a
    stretch of their own: up to `history` values before them, their own, up to `delay` after them.
    """
    own = rows.numbers[:, rows.columns]
    changed = np.flatnonzero((own != rows.values[rows.places]).any(axis=1))
    if not len(changed):
        return rows
    before, after = rows.before.copy(), rows.after.copy()
    before[changed] = np.minimum(before[changed], history)
    after[changed] = np.minimum(after[changed], delay)
    sizes = before[changed] + after[changed] + 1
    starts = len(rows.values) + np.cumsum(sizes) - sizes
    source = np.repeat(rows.places[changed] - before[changed] - starts, sizes) + np.arange(
        len(rows.values), len(rows.values) + sizes.sum()
    )
    values = np.concatenate([rows.values, rows.values[source]])
    places = rows.places.copy()
    places[changed] = starts + before[changed]
    values[places[changed]] = own[changed]
    moments = np.concatenate([rows.moments, rows.moments[source]])
    return PastRows(rows.numbers, values, rows.columns, moments, places, before, after)
