"""Calibrates by entity (``training.calibrate_by: entity``): groups come from the fitted rows alone.

Called by :mod:`pynomaly.model.fitting.fitting`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.errors import ConfigError
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.columns import NumberEncoder
from pynomaly.model.entities.scales import read_row_entities
from pynomaly.model.features import FeatureEncoder

__all__ = ["calibrate_by_entity", "measure_widths"]


def calibrate_by_entity(
    calibration: Calibration,
    scores: NDArray[np.float64],
    held_out: pd.DataFrame,
    widths: dict[str, float] | None,
    contract: FrameContract,
    least: int,
) -> Calibration:
    """Return the calibration with its held-out scores by entity.

    Parameters
    ----------
    calibration : Calibration
        Of all held-out rows.
    scores : ndarray of shape (n,)
    held_out : DataFrame of shape (n, >= d)
        The rows of these scores.
    widths : dict of str to float, or None
        What `measure_widths` returned.
    contract : FrameContract
    least : int
        Rows that a group needs.

    Raises
    ------
    ConfigError
        If no column says whose row it is.
    """
    entities = read_row_entities(held_out, contract)
    if entities is None:
        raise ConfigError(
            "training.calibrate_by: entity needs the column that says whose row it is; name it in data.id"
        )
    return calibration.by_entity(scores, entities, widths, least)


def measure_widths(
    rows: pd.DataFrame, features: FeatureEncoder, contract: FrameContract, settings: config.Features
) -> dict[str, float] | None:
    """Return the logarithm of each entity's scale over that of all rows, its mean over number columns.

    None where features are by entity, so that all are alike.

    Parameters
    ----------
    rows : DataFrame of shape (n, >= d)
        Rows that the model was fitted on; entities with few of them are missing in the result.
    features : FeatureEncoder
        Fitted on them.
    contract : FrameContract
    settings : config.Features
    """
    if features.by_entity:
        return None
    encoder = features.learn_entities(contract.conform(rows), read_row_entities(rows, contract), settings)
    baselines = encoder.baselines
    assert baselines is not None, "learned above"
    if not baselines.columns:
        return dict.fromkeys(baselines.names, 0.0)
    pool = [column.scale for column in features.columns if isinstance(column, NumberEncoder)]
    widths = np.log(baselines.scales) - np.log(pool)
    return dict(zip(baselines.names, widths.mean(axis=1).tolist(), strict=True))
