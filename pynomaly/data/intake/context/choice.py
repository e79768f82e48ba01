"""Whether a table is a series: what was measured of it, what follows, and why. Called by ``reading``.

The rule: rows that come on a step, of entities with enough of them, are a series if the rows before a row
tell what it should be. Then detectors that look back come first. Rows that tell nothing of the next stay as
they are, each judged by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.config.spelling.units import spell_duration
from pynomaly.data.intake.context.foresight import Foresight, measure_foresight
from pynomaly.data.intake.context.steps import RowStep, mark_runs, measure_row_step
from pynomaly.data.intake.context.stretches import lay_stretches

__all__ = ["SERIES_CANDIDATES", "Context", "read_context"]

SERIES_CANDIDATES = ("series", "auto", "gmm", "knn")
"""Detectors that a draft for a series trains; the first is the baseline."""

_COLUMNS = 20
_LEAST_GAIN = 0.3
"""Share of the squared error, beyond chance, that the past of a column must take away."""

_LEAST_SERIAL = 0.3
"""Correlation of the ranks of near rows that counts as much: a far value or a moved level hides a gain.

Where cells are lost it does not count: straight lines over them correlate.
"""

_LEAST_OF_FEW = 0.1
"""Either, where at most three columns have more than two values: nothing but time relates so few."""

_FEW_COLUMNS = 3
_COMPLETE = 0.98

_LEAST_COLUMNS = 1 / 3
"""Share of the columns of numbers whose past must tell."""

_LEAST_ROWS = 400
"""Rows of the usual entity: 300 of them lie in the reference."""

_USUAL_PERIOD = 64
_BEFORE_PERIODS = 128
_MOST_PAST = 1000


@dataclass(frozen=True)
class Context:
    """What a table shows of time, and what is chosen from it.

    Attributes
    ----------
    why : str
        Why detectors look back, or why not.
    step : RowStep or None
    columns : mapping of str to Foresight
        What the past of each column tells; of more than twenty columns, twenty at even distances.
    past : int
        Rows to look back on; 0: none.
    """

    why: str = "nothing was measured"
    step: RowStep | None = None
    columns: Mapping[str, Foresight] = field(default_factory=dict)
    past: int = 0

    @property
    def period(self) -> int | None:
        """The longest period of a column, in rows; None if none has one."""
        return max((item.period for item in self.columns.values() if item.period), default=None)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings under ``data.series``; empty if no detector looks back."""
        if not self.past or self.step is None:
            return {}
        if self.step.step is not None:
            return {"past": self.past, "step": spell_duration(self.step.step)}
        history = timedelta(seconds=int(1.5 * self.past * self.step.longest.total_seconds()) + 1)
        return {"past": self.past, "history": spell_duration(history)}

    @property
    def reasons(self) -> dict[str, str]:
        """The comment of each of these settings."""
        about = (
            f"two periods of {self.period} rows and {_BEFORE_PERIODS}"
            if self.period and self.past < _MOST_PAST
            else f"no period was measured: two of {_USUAL_PERIOD} rows and {_BEFORE_PERIODS}"
        )
        return {
            "past": about,
            "step": self.step.why if self.step else "",
            "history": "rows are taken as they come; older ones do not count",
        }


def read_context(
    times: pd.Series[Any] | None, codes: npt.NDArray[Any], lines: npt.NDArray[Any],
    numbers: Mapping[str, npt.NDArray[Any]], table_rows: int, *, has_categories: bool = False,
) -> Context:  # fmt: skip
    """Return what a table shows of time.

    Parameters
    ----------
    times : Series of datetime64, shape (n,), or None
        Of the rows that were looked at.
    codes, lines : ndarray of shape (n,), int
        Number of the entity of each of these rows (-1: none), and its line in the file.
    numbers : mapping of name to ndarray of shape (n,)
        Numeric features as a model gets them: counters as their increase, columns that never varied, too.
    table_rows : int
        Rows of the whole table.
    has_categories : bool
        Whether categories relate the rows' values, too.

    Notes
    -----
    O(n) of the sample for each column: about a tenth of a second for 24,000 rows and 20 columns.
    """
    if times is None:
        return Context("no column reads as times, so no row has a row before it")
    usable = times.notna().to_numpy() & (codes >= 0)
    moments = times.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)[usable]
    owners, runs = codes[usable], mark_runs(np.asarray(lines, dtype=np.int64))[usable]
    if len(owners) == table_rows:
        runs = np.zeros_like(runs)
    step = measure_row_step(moments, owners, runs)
    if step is None:
        return Context("no entity has two rows at different times")
    if not step.is_regular:
        return Context(f"the rows are no series: {step.why}", step)
    rows = _count_usual_rows(owners) * table_rows / max(1, len(codes))
    if rows < _LEAST_ROWS:
        return Context(f"the usual entity has about {rows:.0f} rows; a series needs {_LEAST_ROWS}", step)
    values = _pick_columns({name: column[usable] for name, column in numbers.items()})
    if not values and (has_categories or not numbers):
        return Context("no column of numbers varies, so no past was measured", step)
    if not values:
        why = "no column of numbers varies, and only a change can be odd"
        return Context(why, step, past=_find_past(()))
    stretches = lay_stretches(list(values.values()), moments, owners, runs, step.step)
    if stretches is None:
        return Context("no rows could be laid on their step, so no past was measured", step)
    measured = {name: measure_foresight(stretches, place) for place, name in enumerate(values)}
    columns = {name: item for name, item in measured.items() if item is not None}
    if not columns:
        return Context("too few rows of an entity were looked at one after the other", step)
    is_complete = min(float(np.isfinite(column).mean()) for column in values.values()) >= _COMPLETE
    if not is_complete:
        return _decide(step, columns, _LEAST_GAIN, np.inf)
    if has_categories or len(columns) > _FEW_COLUMNS:
        return _decide(step, columns, _LEAST_GAIN, _LEAST_SERIAL)
    return _decide(step, columns, _LEAST_OF_FEW, _LEAST_OF_FEW)


def _decide(step: RowStep, columns: Mapping[str, Foresight], gain: float, serial: float) -> Context:
    telling = [
        name
        for name, item in columns.items()
        if item.past - max(0.0, item.chance) >= gain or item.serial >= serial
    ]
    best = max(columns, key=lambda name: columns[name].past)
    share = f"{max(0.0, columns[best].past):.0%} less squared error"
    if len(telling) < _LEAST_COLUMNS * len(columns):
        why = f"the past predicts {len(telling)} of {len(columns)} columns ({best!r} best: {share})"
        return Context(why, step, columns)
    if columns[best].past < gain:
        best = max(columns, key=lambda name: columns[name].serial)
        share = f"near rows correlate by {columns[best].serial:.2f} in rank"
    many = f"{len(telling)} of {len(columns)} columns ({best!r}: {share})"
    why = f"the past predicts {many if len(columns) > 1 else f'{best!r} ({share})'}"
    return Context(why, step, columns, _find_past([columns[name].period for name in telling]))


def _find_past(periods: Iterable[int | None]) -> int:
    """Return two of the longest period and some rows, at most a thousand."""
    period = max((item for item in periods if item is not None), default=_USUAL_PERIOD)
    return min(_MOST_PAST, 2 * period + _BEFORE_PERIODS)


def _count_usual_rows(codes: npt.NDArray[Any]) -> float:
    """Return how many rows the entity of the median row has."""
    counts = np.sort(np.bincount(codes))
    return float(counts[np.searchsorted(np.cumsum(counts), counts.sum() / 2)]) if len(counts) else 0.0


def _pick_columns(numbers: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.float64]]:
    """Return the columns with more than two values, or else the flags; of many, twenty at even distances."""
    counts = {name: len(np.unique(values[np.isfinite(values)])) for name, values in numbers.items()}
    names = [name for name, count in counts.items() if count > 2]
    names = names or [name for name, count in counts.items() if count == 2]
    chosen = names[:: -(-len(names) // _COLUMNS)] if names else []
    return {name: np.asarray(numbers[name], dtype=np.float64) for name in chosen}
