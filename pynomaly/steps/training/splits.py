"""Split a reference into rows to fit, calibrate, learn known anomalies from, and judge; no row is in two.

Called by :mod:`pynomaly.steps.training.prepare` and by replays. Gets people's answers from its caller; writes
nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.past import get_past
from pynomaly.errors import DataError
from pynomaly.steps.alerting.feedback import NO_FEEDBACK, RowFeedback
from pynomaly.steps.training.exclusions import AlertingModel, ExcludedRows, exclude_rows, hold_out_rows

__all__ = ["BLOCK", "number_dependent_rows", "split_reference"]

BLOCK = "pynomaly.block"
"""Column of the incident a known anomaly belongs to."""


def split_reference(
    pipeline: Pipeline,
    contract: FrameContract,
    clean: pd.DataFrame,
    by: AlertingModel | None = None,
    feedback: RowFeedback = NO_FEEDBACK,
) -> tuple[dict[str, pd.DataFrame], ExcludedRows]:
    """Returns fit, calibration, known and held-out rows, and the exclusions: by time, or stratified by seed.

    Answers to alerts are no random sample, so they are used to learn, never to judge. Held-out rows that
    people confirmed, and that have no label in the source, are left out.
    """
    rng = np.random.default_rng(pipeline.training.seed)
    held_out = hold_out_rows(pipeline, clean, rng)
    exclusions = exclude_rows(pipeline, clean, held_out, by, feedback)
    blocks = number_dependent_rows(contract, clean)
    # An incident that reaches into the held-out rows would be both learned and judged.
    known_anomalies = clean.assign(**{BLOCK: blocks})[
        exclusions.labelled & ~np.isin(blocks, blocks[held_out])
    ]
    remaining, needed = len(clean) - int(exclusions.declared.sum()), pipeline.quality.min_train_rows
    if exclusions.declared.any() and remaining < needed:
        raise DataError(
            f"{pipeline.name}: declared incidents (data.incidents) leave {remaining} rows; "
            f"quality.min_train_rows is {needed}"
        )
    usable = clean[~held_out & ~exclusions.any]
    calibrating = _choose_calibration_rows(pipeline, usable, rng)
    parts = {"fit": usable[~calibrating], "calibration": usable[calibrating], "known": known_anomalies}
    confirmed = feedback.read_truth(pipeline, clean) == 1
    if contract.label:
        confirmed &= clean[contract.label].isna().to_numpy()
    return parts | {"holdout": clean[held_out & ~confirmed]}, exclusions


def _choose_calibration_rows(
    pipeline: Pipeline, usable: pd.DataFrame, rng: np.random.Generator
) -> np.ndarray:
    """Returns a mask of the rows kept for p-values: drawn at random, or the newest if rows carry their past.

    Rows of a series share what they look back on with their neighbours; drawn at random, they would be
    scored by a model that was fitted on their own windows.
    """
    size = round(len(usable) * pipeline.training.calibration)
    calibrating = np.zeros(len(usable), dtype=bool)
    if get_past(usable) is None or not 0 < size < len(usable):
        calibrating[rng.choice(len(usable), size=size, replace=False)] = True
        return calibrating
    times = usable[pipeline.data.time]
    return np.asarray(times >= np.sort(times.to_numpy())[-size], dtype=bool)


def number_dependent_rows(contract: FrameContract, frame: pd.DataFrame) -> np.ndarray:
    """Returns bootstrap blocks, int array of shape (n,): an entity's day, or 1/100 of a short series."""
    if contract.time is None:
        return np.arange(len(frame), dtype=np.int64)
    times = frame[contract.time]
    length = min(pd.Timedelta(days=1), max((times.max() - times.min()) / 100, pd.Timedelta(seconds=1)))
    day = ((times - times.min()) // length).astype("int64").to_numpy()
    if contract.id is None:
        return np.unique(day, return_inverse=True)[1].astype(np.int64)
    entity = pd.factorize(frame[contract.id])[0].astype(np.int64)
    return np.unique(day * (entity.max() + 1) + entity, return_inverse=True)[1].astype(np.int64)
