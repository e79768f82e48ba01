"""Which rows of a reference fit, calibrate, teach and judge: no row does two of these.

Called by :mod:`pynomaly.steps.prepare` and by replays; reads what people answered through its caller, and
writes nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.errors import DataError
from pynomaly.records.registry import ModelRef
from pynomaly.steps.excluded import Excluded, excluded, held_rows
from pynomaly.steps.feedback import NO_FEEDBACK, Feedback

__all__ = ["BLOCK", "dependent_rows", "split_reference"]

BLOCK = "pynomaly.block"
"""Column of the incident a known anomaly belongs to."""


def split_reference(
    pipeline: Pipeline,
    contract: FrameContract,
    clean: pd.DataFrame,
    by: ModelRef | None = None,
    feedback: Feedback = NO_FEEDBACK,
) -> tuple[dict[str, pd.DataFrame], Excluded]:
    """Fit, calibration and held-out rows: by time where there is time, else stratified by seed.

    Answers to alerts are no random sample: they teach, and never judge. Held-out rows that people confirmed,
    and that the source has no label for, are left out of the judged rows.
    """
    rng = np.random.default_rng(pipeline.training.seed)
    held = held_rows(pipeline, clean, rng)
    out = excluded(pipeline, clean, held, by, feedback)
    blocks = dependent_rows(contract, clean)
    # An incident that reaches into the held-out rows would be both taught and judged.
    known = clean.assign(**{BLOCK: blocks})[out.labelled & ~np.isin(blocks, blocks[held])]
    left, needed = len(clean) - int(out.declared.sum()), pipeline.quality.min_train_rows
    if out.declared.any() and left < needed:
        raise DataError(
            f"{pipeline.name}: declared incidents (data.incidents) leave {left} rows; "
            f"quality.min_train_rows is {needed}"
        )
    rest = clean[~held & ~out.any]
    calibrating = np.zeros(len(rest), dtype=bool)
    size = round(len(rest) * pipeline.training.calibration)
    calibrating[rng.choice(len(rest), size=size, replace=False)] = True
    kept = {"fit": rest[~calibrating], "calibration": rest[calibrating], "known": known}
    confirmed = feedback.truth(pipeline, clean) == 1
    if contract.label:
        confirmed &= clean[contract.label].isna().to_numpy()
    return kept | {"holdout": clean[held & ~confirmed]}, out


def dependent_rows(contract: FrameContract, frame: pd.DataFrame) -> np.ndarray:
    """Rows that belong together in a bootstrap: an entity's day, or a hundredth of a short series."""
    if contract.time is None:
        return np.arange(len(frame), dtype=np.int64)
    times = frame[contract.time]
    length = min(pd.Timedelta(days=1), max((times.max() - times.min()) / 100, pd.Timedelta(seconds=1)))
    day = ((times - times.min()) // length).astype("int64").to_numpy()
    if contract.id is None:
        return np.unique(day, return_inverse=True)[1].astype(np.int64)
    entity = pd.factorize(frame[contract.id])[0].astype(np.int64)
    return np.unique(day * (entity.max() + 1) + entity, return_inverse=True)[1].astype(np.int64)
