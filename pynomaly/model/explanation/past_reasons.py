"""What a detector that looks back expects in the cells of a row, and what it compares: for its explanation.

Called by :mod:`pynomaly.model.explanation.explain`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.detectors.attributions import MemberReading
from pynomaly.detectors.base import Detector
from pynomaly.detectors.past_rows import PastRows
from pynomaly.model.columns import NumberEncoder
from pynomaly.model.entities.scales import Names
from pynomaly.model.explanation.reasons import PastReason
from pynomaly.model.features import FeatureEncoder

__all__ = ["expect_from_past"]


def expect_from_past(
    usual: pd.DataFrame,
    encoded: NDArray[np.float64] | PastRows,
    detector: Detector,
    features: FeatureEncoder,
    entities: Names | None,
) -> tuple[pd.DataFrame, list[dict[int, PastReason]]]:
    """Return the expected cells, those of the past in place of the row's rest, and what the past says.

    Parameters
    ----------
    usual : DataFrame of shape (n, d)
        Expected cells, given the rest of the row.
    encoded : ndarray of shape (n, e) or PastRows
        The rows as the detector takes them; without a past nothing changes.
    detector : Detector
    features : FeatureEncoder
    entities : ndarray of shape (n,), object, or None

    Returns
    -------
    usual : DataFrame of shape (n, d)
    past_reasons : list of dict
        For each row, by place of the column in ``features.columns`` (the calendar comes after them).
    """
    if not isinstance(encoded, PastRows):
        return usual, [{} for _ in range(len(usual))]
    owners = [at for at, column in enumerate(features.columns) for _ in column.names]
    owners += [len(features.columns)] * (len(features.names) - len(owners))
    usual, past_reasons = usual.copy(), []
    for place in range(len(usual)):
        readings = detector.read_members(encoded.take(np.array([place])))
        row_reasons: dict[int, PastReason] = {}
        for reading in readings:
            at = owners[reading.column]
            row_reasons.setdefault(at, _spell_reading(reading))
            encoder = features.columns[at] if at < len(features.columns) else None
            if reading.expected is not None and isinstance(encoder, NumberEncoder):
                entity = None if entities is None else entities[[place]]
                (cell,) = features.decode_numbers(encoder, np.array([reading.expected]), entity)
                usual.iloc[place, list(usual.columns).index(encoder.name)] = cell
        past_reasons.append(row_reasons)
    return usual, past_reasons


def _spell_reading(reading: MemberReading) -> PastReason:
    nearest = None if reading.nearest is None else _spell_moment(reading.nearest)
    return PastReason(reading.member, reading.ratio, _spell_moment(reading.until), nearest)


def _spell_moment(moment: int) -> str:
    return str(pd.Timestamp(moment, unit="us", tz="UTC").isoformat())
