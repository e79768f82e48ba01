"""Split a reference into rows to fit, calibrate, learn known anomalies from, and judge; no row is in two.

Rows that depend on the rows before are split by stretches of time with gaps between them: a row drawn between
two fitted ones would be scored by a model that has all but seen it. Called by
:mod:`pynomaly.steps.training.training_rows`. Gets people's answers from its caller; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.past import get_past
from pynomaly.errors import DataError
from pynomaly.model.dependence.dependence import Dependence, place_incidents, to_seconds
from pynomaly.model.dependence.measure import measure_reference
from pynomaly.model.fitting.row_use import BETWEEN, ORDINARY, RANKED, RANKED_OUT_OF_FOLD, USE
from pynomaly.steps.alerting.feedback import NO_FEEDBACK, RowFeedback
from pynomaly.steps.training.exclusions import AlertingModel, ExcludedRows, exclude_rows, hold_out_rows

__all__ = ["BLOCK", "SplitReference", "number_rows", "set_rows_apart", "split_reference"]

BLOCK = "pynomaly.block"
"""Column of the incident a known anomaly belongs to."""

_STRETCHES = 10  # of rows to calibrate on, at most
_LOST_SHARE = 0.2  # of the rows that gaps between stretches may take

Mask = np.ndarray


@dataclass(frozen=True, eq=False)
class SplitReference:
    """The parts of a reference, and what decided them.

    Attributes
    ----------
    fit, calibration, known, held_out : DataFrame
        `calibration` has rows that are ranked and not fitted, `fit` has rows in gaps; both are marked in the
        column :data:`~pynomaly.model.fitting.row_use.USE`, which is there where such rows are.
    exclusions : ExcludedRows
    dependence : Dependence
    between : int
        Rows in gaps between the parts; those before the held-out rows are in none.
    """

    fit: pd.DataFrame
    calibration: pd.DataFrame
    known: pd.DataFrame
    held_out: pd.DataFrame
    exclusions: ExcludedRows
    dependence: Dependence
    between: int


def split_reference(
    pipeline: Pipeline,
    contract: FrameContract,
    clean: pd.DataFrame,
    by: AlertingModel | None = None,
    feedback: RowFeedback = NO_FEEDBACK,
) -> SplitReference:
    """Returns fit, calibration, known and held-out rows: by time, or stratified by seed.

    Answers to alerts are no random sample, so they are used to learn, never to judge. Held-out rows that
    people confirmed, and that have no label in the source, are left out.
    """
    rng = np.random.default_rng(pipeline.training.seed)
    held_out = hold_out_rows(pipeline, clean, rng)
    exclusions = exclude_rows(pipeline, clean, held_out, by, feedback)
    dependence = measure_reference(clean, contract)
    near = _find_rows_before(contract, clean, held_out, dependence.gap)
    blocks = number_rows(contract, clean, dependence, exclusions.labelled | _read_labels(contract, clean))
    # An incident that reaches into the held-out rows would be both learned and judged.
    known_anomalies = clean.assign(**{BLOCK: blocks})[
        exclusions.labelled & ~near & (dependence.is_short | ~np.isin(blocks, blocks[held_out]))
    ]
    remaining, needed = len(clean) - int(exclusions.declared.sum()), pipeline.quality.min_train_rows
    if exclusions.declared.any() and remaining < needed:
        raise DataError(
            f"{pipeline.name}: declared incidents (data.incidents) leave {remaining} rows; "
            f"quality.min_train_rows is {needed}"
        )
    usable = ~held_out & ~exclusions.any & ~near
    ranked = exclusions.ranked & ~near
    size = round(int(usable.sum()) * pipeline.training.calibration)
    stretches = _place_stretches(contract, clean[usable], size, dependence.gap, rng)
    if stretches is None:
        calibrating, between = np.zeros(len(clean), dtype=bool), np.zeros(len(clean), dtype=bool)
        calibrating[rng.choice(np.flatnonzero(usable), size=size, replace=False)] = True
        ranks_now = rng.random(len(clean)) < pipeline.training.calibration
    else:
        calibrating, between = _mark_stretches(contract, clean, stretches, dependence.gap)
        ranks_now = calibrating
    fit, calibration = clean[usable & ~calibrating], clean[usable & calibrating]
    if between.any():
        fit = fit.assign(**{USE: np.where(between, BETWEEN, ORDINARY)[usable & ~calibrating]})
    if ranked.any():  # rows that a fit on all rows ranks, too, come with those that a split ranks
        marks = np.where(ranked, np.where(ranks_now, RANKED, RANKED_OUT_OF_FOLD), ORDINARY)
        calibration = clean.assign(**{USE: marks})[(usable & calibrating) | ranked]
    confirmed = feedback.read_truth(pipeline, clean) == 1
    if contract.label:
        confirmed &= clean[contract.label].isna().to_numpy()
    return SplitReference(
        fit,
        calibration,
        known_anomalies,
        clean[held_out & ~confirmed],
        exclusions,
        dependence,
        int((near & ~exclusions.any).sum() + (usable & between).sum()),
    )


def number_rows(
    contract: FrameContract, frame: pd.DataFrame, dependence: Dependence, truth: Mask | None = None
) -> np.ndarray:
    """Returns the block of dependent rows that each row is of, int array of shape (n,).

    Each row is its own block without times. Blocks with rows of one incident, a run of `truth`, are one.
    """
    if contract.time is None:
        return np.arange(len(frame), dtype=np.int64)
    times, entities = frame[contract.time], frame[contract.id] if contract.id else None
    blocks = dependence.number_blocks(times, entities)
    if truth is None or not dependence.is_dependent:
        return blocks
    return place_incidents(blocks, times, entities, truth)


def set_rows_apart(
    contract: FrameContract, rows: pd.DataFrame, size: int, dependence: Dependence, rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """Returns masks of `size` of the rows, and of the rows in gaps around them: at random, or in stretches.

    Dependent rows are taken in stretches of time; about `size` of them, as rows of one moment stay together.
    """
    stretches = _place_stretches(contract, rows, size, dependence.gap, rng)
    if stretches is not None:
        return _mark_stretches(contract, rows, stretches, dependence.gap)
    chosen = np.zeros(len(rows), dtype=bool)
    chosen[rng.choice(len(rows), size=size, replace=False)] = True
    return chosen, np.zeros(len(rows), dtype=bool)


def _read_labels(contract: FrameContract, frame: pd.DataFrame) -> Mask:
    return (frame[contract.label] == 1).to_numpy() if contract.label else np.zeros(len(frame), dtype=bool)


def _find_rows_before(contract: FrameContract, clean: pd.DataFrame, held_out: Mask, gap: float) -> Mask:
    """Returns a mask of the rows that lie within `gap` seconds before the first held-out row."""
    if contract.time is None or not gap:
        return np.zeros(len(clean), dtype=bool)
    moments = to_seconds(clean[contract.time])
    return np.asarray(~held_out & (moments >= moments[held_out].min() - gap))


def _place_stretches(
    contract: FrameContract, usable: pd.DataFrame, size: int, gap: float, rng: np.random.Generator
) -> list[tuple[float, float]] | None:
    """Returns first and last moment of each stretch of time kept for p-values; None for independent rows.

    Stretches are spread over the history, as many as gaps leave four fifths of the rows; of rows that carry
    their past there is one, the newest.
    """
    has_past = get_past(usable) is not None
    if contract.time is None or not (has_past or gap) or not 0 < size < len(usable):
        return None
    ordered = np.sort(to_seconds(usable[contract.time]))
    count = 1
    if not has_past:
        count = int(np.clip(_LOST_SHARE * (ordered[-1] - ordered[0]) / (2 * gap), 1, _STRETCHES))
    part, length = len(usable) / count, size / count
    stretches = []
    for number in range(count):
        offset = 1.0 if count == 1 else rng.random()
        start = round(number * part + offset * (part - length))
        stretches.append((ordered[start], ordered[min(round(start + length), len(ordered)) - 1]))
    return stretches


def _mark_stretches(
    contract: FrameContract, frame: pd.DataFrame, stretches: list[tuple[float, float]], gap: float
) -> tuple[Mask, Mask]:
    """Returns masks of the rows in the stretches, and of the other rows closer to one than `gap` seconds."""
    moments = to_seconds(frame[contract.time])
    inside, close = (np.zeros(len(frame), dtype=bool) for _ in range(2))
    for first, last in stretches:
        inside |= (moments >= first) & (moments <= last)
        close |= (moments >= first - gap) & (moments <= last + gap)
    return inside, close & ~inside
