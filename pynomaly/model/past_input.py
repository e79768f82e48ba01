"""Rows of a plain frame for a model that looks back: each row's past is what stands before it in the frame.

For programs that call the registered model itself, without the pipeline's source; called by
:mod:`pynomaly.model.serving` and when a model is registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Data
from pynomaly.data.frame import FrameContract, require_columns
from pynomaly.data.past import PAST, attach_past, drop_past, get_past
from pynomaly.model.row_times import read_row_times

__all__ = ["add_past", "describe_input"]


def add_past(frame: pd.DataFrame, contract: FrameContract, series: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows, in their order, with their past as one more column.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Rows of any number of entities, with the time and the entity of each. Rows that have a past keep it.
    contract : FrameContract
        Names of the time, the entity and the features.
    series : mapping
        ``data.series`` of the training.

    Raises
    ------
    ColumnError
        If the time or the entity is missing.
    DataError
        If a time cannot be read.
    """
    if PAST in frame.columns:
        return frame
    require_columns(frame, [name for name in (contract.time, contract.id) if name])
    assert contract.time is not None, "a model that looks back has times"
    settings = {
        "source": "csv",
        "path": "-",
        "time": contract.time,
        "id": contract.id,
        "categorical": contract.categorical,
        "series": {**series, "columns": ()},
    }
    rows = frame.assign(**{contract.time: read_row_times(frame, contract)})
    order = np.argsort(rows[contract.time].to_numpy(), kind="stable")
    with_past = attach_past(rows.iloc[order], Data.model_validate(settings))
    return with_past.iloc[np.argsort(order, kind="stable")]


def describe_input(golden: pd.DataFrame, contract: FrameContract) -> pd.DataFrame:
    """Return golden rows as a caller has them: with the time and the entity of each in place of the past."""
    past = get_past(golden)
    rows = drop_past(golden)
    if past is None:
        return rows
    stretches = past.stretches
    if contract.id is not None and contract.id not in rows:
        rows = rows.assign(**{contract.id: pd.Series(stretches.entities[past.places], dtype=object)})
    if contract.time is not None and contract.time not in rows:
        moments = pd.to_datetime(stretches.moments[past.places], unit="us", utc=True)
        rows.insert(0, contract.time, pd.Series([each.isoformat() for each in moments], dtype=object))
    return rows
