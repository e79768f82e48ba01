"""Sketch: a small summary of a frame, so that drift is measured without the old rows.

A sketch holds the distribution function of each number column and of the scores at 257 values or fewer, the
counts of each category column, the co-moments of the number columns, and the rows by hour of the week. It
takes a few kilobytes a column for any number of rows. It is made in one pass, from record batches if needed.
Sketches of parts merge into the sketch of the whole, with an error that the result states. The sketch of a
model's reference also keeps a :class:`Baseline` (how its own windows differ) and how much the detector uses
each column. Read by :mod:`pynomaly.judging.drift.window_drift`. Values are in the column's own unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.errors import ColumnError
from pynomaly.model.sketch.baseline import Baseline
from pynomaly.model.sketch.category_sketch import MAX_CATEGORIES, MERGE_CATEGORIES, CategorySketch
from pynomaly.model.sketch.comoments import Comoments
from pynomaly.model.sketch.quantiles import MAX_POINTS, MERGE_POINTS, NumericSketch
from pynomaly.model.sketch.seasons import HOURS_PER_WEEK, hours_of_week

__all__ = ["CategorySketch", "NumericSketch", "Sketch"]

_MERGE_WIDTH = 16
"""Parts of a stream merged at once; it bounds memory, and errors add up over levels of merging."""

Batch = tuple[pd.DataFrame, npt.ArrayLike | None, "pd.Series[Any] | None"]


@dataclass(frozen=True)
class Sketch:
    """Summary of a frame and of the scores of its rows.

    Attributes
    ----------
    rows : int
    numeric : mapping of str to NumericSketch
    categorical : mapping of str to CategorySketch
    score : NumericSketch or None
    hours : tuple of int
        Rows in each of the 168 hours of the week, UTC; empty without times.
    moments : Comoments or None
        Moments of the number columns; None without any.
    baseline : Baseline or None
        Only for the reference of a model, if it has times.
    importance : mapping of str to float
        How much the detector's ranking depends on each column; sums to at most 1. Empty if not known.
    """

    rows: int
    numeric: Mapping[str, NumericSketch]
    categorical: Mapping[str, CategorySketch]
    score: NumericSketch | None = None
    hours: tuple[int, ...] = ()
    moments: Comoments | None = field(default=None, compare=False)
    baseline: Baseline | None = field(default=None, compare=False)
    importance: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        scores: npt.ArrayLike | None = None,
        times: pd.Series[Any] | None = None,
        like: Sketch | None = None,
        *,
        fine: bool = False,
    ) -> Sketch:
        """Sketch a conformed frame.

        Parameters
        ----------
        frame : DataFrame of shape (n, d)
            As :meth:`FrameContract.conform` returns it: numeric columns are numbers, all others categories.
        scores : array of shape (n,), optional
            Scores of the same rows.
        times : Series of shape (n,), optional
            Aware times of the same rows.
        like : Sketch, optional
            Scale number columns as in this sketch; needed to compare their co-moments.
        fine : bool
            Keep four times as many quantiles and more categories, for parts that will be merged.
        """
        numeric, categorical = {}, {}
        points, most = (MERGE_POINTS, MERGE_CATEGORIES) if fine else (MAX_POINTS, MAX_CATEGORIES)
        for name in frame.columns:
            if pd.api.types.is_numeric_dtype(frame[name].dtype):
                cells = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
                numeric[str(name)] = NumericSketch.of(cells, points)
            else:
                categorical[str(name)] = CategorySketch.of(frame[name], most)
        hours: tuple[int, ...] = ()
        if times is not None and len(times):
            hours = tuple(np.bincount(hours_of_week(times), minlength=HOURS_PER_WEEK).tolist())
        reference_moments = like.moments if like is not None else None
        moments = Comoments.of(frame, tuple(numeric), reference_moments) if numeric and len(frame) else None
        score = None if scores is None else NumericSketch.of(scores, points)
        return cls(len(frame), numeric, categorical, score, hours, moments)

    @classmethod
    def merge(cls, parts: Sequence[Sketch], *, fine: bool = False) -> Sketch:
        """Return one sketch of all rows of `parts`; their order and grouping do not matter.

        Counts, missing cells and extremes are exact; ranks are off by at most each column's ``error``.
        Baseline and importance belong to a model and not to rows, so they are left out.

        Raises
        ------
        ColumnError
            If the parts do not have the same columns, or only some have scores.
        """
        first = parts[0]
        for part in parts[1:]:
            if set(part.numeric) != set(first.numeric) or set(part.categorical) != set(first.categorical):
                odd_columns = {*part.numeric, *part.categorical} ^ {*first.numeric, *first.categorical}
                problem = (
                    f"column {sorted(odd_columns)[0]!r} is in one"
                    if odd_columns
                    else "a column changes its kind"
                )
                raise ColumnError(f"sketches of other columns cannot be merged: {problem}")
            if (part.score is None) != (first.score is None):
                raise ColumnError("sketches cannot be merged: some have scores and some have none")
        points, most = (MERGE_POINTS, MERGE_CATEGORIES) if fine else (MAX_POINTS, MAX_CATEGORIES)
        scores = [part.score for part in parts if part.score is not None]
        part_moments = [part.moments for part in parts if part.moments is not None]
        hours = [part.hours for part in parts if part.rows]
        return cls(
            sum(part.rows for part in parts),
            {n: NumericSketch.merge([part.numeric[n] for part in parts], points) for n in first.numeric},
            {
                n: CategorySketch.merge([part.categorical[n] for part in parts], most)
                for n in first.categorical
            },
            NumericSketch.merge(scores, points) if scores else None,
            tuple(np.sum(hours, axis=0).tolist()) if hours and all(hours) else (),
            Comoments.merge(part_moments) if part_moments else None,
        )

    @classmethod
    def from_batches(cls, batches: Iterable[Batch], like: Sketch | None = None) -> Sketch:
        """Sketch a stream of (frame, scores or None, times or None) in one pass and bounded memory.

        Batches of about 100,000 rows are fast. Sixteen batches are merged at a time, so that ranks are off by
        at most n / 2048 for each level of merging; 10 million rows take two levels.

        Raises
        ------
        ColumnError
            If there is no batch, or if :meth:`merge` raises it.
        """
        levels: list[list[Sketch]] = []
        for frame, scores, times in batches:
            part = cls.of(frame, scores, times, like, fine=True)
            like = like or part
            for level in range(len(levels) + 1):
                if level == len(levels):
                    levels.append([])
                levels[level].append(part)
                if len(levels[level]) < _MERGE_WIDTH:
                    break
                part = cls.merge(levels[level], fine=True)
                levels[level] = []
        remaining = [part for level in levels for part in level]
        if not remaining:
            raise ColumnError("no batch to sketch; at least one is needed")
        return cls.merge(remaining)

    def with_reference(
        self, baseline: Baseline | None, importance: Mapping[str, float] | None = None
    ) -> Sketch:
        """Return the sketch of a model's reference, with its baseline and column importance."""
        return replace(self, baseline=baseline, importance=dict(importance or {}))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; about 6 kB of JSON a number column, plus the baseline."""
        return {
            "rows": self.rows,
            "numeric": {name: column.to_dict() for name, column in self.numeric.items()},
            "categorical": {name: column.to_dict() for name, column in self.categorical.items()},
            "score": self.score.to_dict() if self.score else None,
            "hours": list(self.hours),
            "moments": self.moments.to_dict() if self.moments else None,
            "baseline": self.baseline.to_dict() if self.baseline else None,
            "importance": dict(self.importance),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Sketch:
        """Read what :meth:`to_dict` wrote, also in versions before hours, moments and baselines."""
        moments, baseline = content.get("moments"), content.get("baseline")
        return cls(
            rows=int(content["rows"]),
            numeric={name: NumericSketch.from_dict(item) for name, item in content["numeric"].items()},
            categorical={
                name: CategorySketch.from_dict(item) for name, item in content["categorical"].items()
            },
            score=NumericSketch.from_dict(content["score"]) if content["score"] else None,
            hours=tuple(int(count) for count in content.get("hours", ())),
            moments=Comoments.from_dict(moments) if moments else None,
            baseline=Baseline.from_dict(baseline) if baseline else None,
            importance={name: float(share) for name, share in content.get("importance", {}).items()},
        )
