"""Read the rows that a training learns from: all rows of the window, or a sample if there are too many.

A Parquet table with more rows in the window than ``training.read_rows`` is read once, batch by batch: a
sample is drawn by seed, and every row goes into a sketch, which shows how the sample differs from all rows.
Other sources are read whole. Called by the steps that decide on a training and lay out its rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract, hash_frame, read_categories, read_numbers
from pynomaly.data.incidents import mark_incident_rows, read_incidents, warn_unmatched
from pynomaly.data.origin import Origin
from pynomaly.data.sources import read_span, trace_rows
from pynomaly.data.sources.sample import SamplingPass, bound_row_count
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, WindowError
from pynomaly.judging.drift.columns.two_sample_tests import total_variation
from pynomaly.model.sketch.sketch import CategorySketch, Sketch

__all__ = [
    "HeldReference",
    "Reference",
    "ReferenceRows",
    "ReferenceSample",
    "find_reference_window",
    "holds_change",
    "read_reference",
    "read_reference_rows",
]

_CHANCE_LEVEL = 0.01
"""Probability that a fair sample exceeds :attr:`ReferenceSample.chance` in any number column."""


@dataclass(frozen=True, eq=False)
class ReferenceSample:
    """How rows were sampled, and how the sample differs from all rows of the window.

    Attributes
    ----------
    how : str
        ``reservoir`` or ``time``.
    seed, total_rows, sample_rows : int
        Seed, number of rows read, and number of rows kept.
    whole : Sketch
        Of all rows.
    differs : dict of str to float
        For each column, how far the sample is from `whole`: of numbers the Kolmogorov-Smirnov distance at the
        sketch's values, or the difference of the missing shares; of categories the total variation beyond
        chance. 0 to 1.
    chance : float
        Distance that a fair sample of independent rows exceeds in any number column once in a hundred
        (Dvoretzky-Kiefer-Wolfowitz with Massart's constant, shared out over the columns).
    """

    how: str
    seed: int
    total_rows: int
    sample_rows: int
    whole: Sketch
    differs: dict[str, float]
    chance: float

    @property
    def summary(self) -> str:
        """Summary in one sentence, for reports and records."""
        name, most = max(self.differs.items(), key=lambda item: item[1])
        how = "equally from equal spans of time" if self.how == "time" else "every row equally likely"
        return (
            f"{self.sample_rows} of {self.total_rows} rows, {how} "
            f"(training.sampling: {self.how}, seed {self.seed}); "
            f"{name!r} differs most from all rows, by {most:.4f} (a fair sample: under {self.chance:.4f})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the sketch of all rows."""
        return {
            "how": self.how,
            "seed": self.seed,
            "seen": self.total_rows,
            "kept": self.sample_rows,
            "differs": self.differs,
            "chance": self.chance,
            "said": self.summary,
            "whole": self.whole.to_dict(),
        }


@dataclass(frozen=True, eq=False)
class Reference:
    """Rows to learn from, DataFrame of shape (n, d); `sample` is None if they are all rows.

    `origin` says where they stand in the source; None for a sample.
    """

    frame: pd.DataFrame
    sample: ReferenceSample | None = None
    origin: Origin | None = None

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the rows, computed once."""
        return hash_frame(self.frame)


class HeldReference:
    """The rows that were read to decide on a training, held in memory until it has laid them out.

    A process that has no rows, or has released them, reads them again. Not a dataclass: an orchestrator that
    looks into the arguments of its tasks finds nothing to visit here.
    """

    def __init__(self, reference: Reference | None = None) -> None:
        self.reference = reference

    def release(self) -> None:
        """Free the rows; called before candidates are fitted."""
        self.reference = None


def find_reference_window(
    pipeline: Pipeline, as_of: datetime, *, first: bool, since: datetime | None = None
) -> Window | None:
    """Returns the window a training at `as_of` learns from; None for a table without time.

    Parameters
    ----------
    pipeline : Pipeline
    as_of : datetime
        Time of the training; the window ends at the newest complete scoring window before it.
    first : bool
        Whether no champion exists: then the reference begins at ``training.start``, if that is set.
    since : datetime, optional
        Earliest start: a retraining after a change learns from the changed data alone.
    """
    if pipeline.data.time is None:
        return None
    if first and pipeline.training.start is not None:
        start, available = pipeline.training.start, read_span(pipeline.data)
        end = start + pipeline.windows.reference
        return Window(start, min(end, available.end) if available else end)
    end = Window.last(as_of, pipeline.windows.score).end
    start = pipeline.reference_start(end)
    return Window(max(start, since) if since else start, end)


def holds_change(
    pipeline: Pipeline, window: Window, frame: pd.DataFrame, left_out: int, recalibrates: bool
) -> bool:
    """Returns whether the rows since a change are enough to learn from them alone.

    An incident of some weeks looks like a change: rows without labels are fitted once it has lasted
    ``retraining.settled``. To know that it is none takes fewer labels than to learn rows: where a third of
    ``retraining.min_rows`` are labelled normal, half of that time is enough. Rows may set p-values before, as
    far as the gate lets them.

    Parameters
    ----------
    pipeline : Pipeline
    window : Window
        Since the change.
    frame : DataFrame of shape (n, d)
        Its rows, with the labels known by now.
    left_out : int
        How many of them lie in declared incidents.
    recalibrates : bool
        Whether they set p-values alone.
    """
    label, settings = pipeline.data.label, pipeline.retraining
    if len(frame) - left_out < settings.min_rows:
        return False
    labelled = int(frame[label].notna().sum()) if label else 0
    normal = int((frame[label] == 0).sum()) if label else 0
    known = 3 * normal >= settings.min_rows and 2 * window.length >= settings.settled
    return recalibrates or known or labelled >= settings.min_rows or window.length >= settings.settled


def read_reference(pipeline: Pipeline, window: Window | None, as_of: datetime) -> Reference:
    """Returns the rows of `window` as known at `as_of`, or a sample of ``training.read_rows`` of them.

    Memory is bounded by about three times the sample, one batch (``runner.batch_rows``) and the sketches;
    time is one pass over the window.

    Raises
    ------
    SourceError, ColumnError, WindowError, DataError
        As :func:`pynomaly.data.sources.read_source`.
    """
    settings = pipeline.training
    rows = bound_row_count(pipeline.data, window)
    if rows is None or rows <= settings.read_rows:
        traced = trace_rows(pipeline.data, window, as_of)
        return Reference(traced.frame, origin=traced.origin)
    sampling = SamplingPass(
        pipeline.data,
        window,
        size=settings.read_rows,
        seed=settings.seed,
        how=settings.sampling,
        batch_rows=pipeline.runner.batch_rows,
    )
    conformer = _BatchConformer(pipeline)
    whole = Sketch.from_batches(
        (frame, None, None) for frame in conformer.conform_all(sampling.read_batches())
    )
    frame = sampling.frame(as_of)
    if len(frame) == sampling.seen:  # the footers counted rows beyond the window
        return Reference(frame)
    differences = _measure_differences(whole, conformer.conform(frame))
    chance = math.sqrt(math.log(2 * max(1, len(whole.numeric)) / _CHANCE_LEVEL) / (2 * len(frame)))
    how = "time" if sampling.stratified else "reservoir"
    sample = ReferenceSample(how, settings.seed, sampling.seen, len(frame), whole, differences, chance)
    return Reference(frame, sample)


@dataclass(frozen=True)
class ReferenceRows:
    """Rows that a training would read, incidents among them (`left_out`); or why it cannot (`broken`)."""

    window: Window | None
    reference: Reference | None = None
    left_out: int = 0
    broken: str = ""
    unmatched: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame | None:
        """The rows, or None where they cannot be read."""
        return None if self.reference is None else self.reference.frame

    @property
    def data_hash(self) -> str:
        """SHA-256 of the rows, or ""."""
        return "" if self.reference is None else self.reference.data_hash

    @property
    def rows(self) -> int:
        """Number of rows to learn from."""
        return 0 if self.frame is None else len(self.frame) - self.left_out


def read_reference_rows(
    pipeline: Pipeline,
    as_of: datetime,
    first: bool,
    since: datetime | None,
    earliest: datetime | None = None,
    recalibrates: bool = False,
) -> ReferenceRows:
    """Read the reference of a training at `as_of`: the changed data alone, if these are enough rows.

    No row before `earliest` is read. See :func:`holds_change` for `recalibrates`.
    """
    since = max(filter(None, (since, earliest)), default=None)
    incidents = read_incidents(pipeline.data)
    window: Window | None = None
    try:
        window = find_reference_window(pipeline, as_of, first=first, since=since)
        reference = read_reference(pipeline, window, as_of)
        frame = reference.frame
        left_out = int(mark_incident_rows(pipeline.data, frame, incidents).sum())
        if since != earliest and window and not holds_change(pipeline, window, frame, left_out, recalibrates):
            window = find_reference_window(pipeline, as_of, first=first, since=earliest)
            reference = read_reference(pipeline, window, as_of)
            frame = reference.frame
            left_out = int(mark_incident_rows(pipeline.data, frame, incidents).sum())
    except WindowError:
        if first:
            raise
        return ReferenceRows(window)
    except ColumnError as error:
        if first:
            raise
        return ReferenceRows(window, broken=str(error))
    notes = warn_unmatched(pipeline.data, frame, incidents)
    if reference.sample is not None:
        notes = (*notes, f"The reference is a sample: {reference.sample.summary}.")
    return ReferenceRows(window, reference, left_out, "", notes)


class _BatchConformer:
    """Converts batches for a sketch: the first batch sets the columns, invalid cells become missing."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._data = pipeline.data
        self._contract: FrameContract | None = None

    def conform_all(self, batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in batches:
            yield self.conform(frame)

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        self._contract = contract = self._contract or FrameContract.infer(frame, self._data)
        columns: dict[str, Any] = {name: read_numbers(frame[name])[0] for name in contract.numeric}
        columns |= {name: read_categories(frame[name]) for name in contract.categorical}
        return pd.DataFrame(columns, index=frame.index)


def _measure_differences(whole: Sketch, frame: pd.DataFrame) -> dict[str, float]:
    """Returns the distance of each column between all rows and the sample; see :class:`ReferenceSample`."""
    differences: dict[str, float] = {}
    for name, column in whole.numeric.items():
        cells = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        finite = np.sort(cells[np.isfinite(cells)])
        gaps = [np.array([column.missing / whole.rows - (1 - finite.size / cells.size)])]
        if column.n and finite.size:
            below, through = (np.asarray(ranks) / column.n for ranks in (column.below, column.through))
            gaps.append(np.searchsorted(finite, column.values, "left") / finite.size - below)
            gaps.append(np.searchsorted(finite, column.values, "right") / finite.size - through)
        differences[name] = float(np.abs(np.concatenate(gaps)).max())
    for name, counts in whole.categorical.items():
        differences[name] = float(total_variation(counts, CategorySketch.of(frame[name]))[0])
    return differences
