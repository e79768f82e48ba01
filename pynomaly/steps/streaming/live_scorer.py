"""Scores rows as they come, with the champion of the moment and the checks of a whole window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.data.quality import validate
from pynomaly.errors import PynomalyError
from pynomaly.model.bundle import SCORE_COLUMNS
from pynomaly.records.registry.live_champion import LiveChampion, ServedModel

__all__ = ["AlertingRows", "LiveScores", "score_live_rows"]


@dataclass(frozen=True, eq=False)
class AlertingRows:
    """Rows that alert, with what they look back on and the model that scored them.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
    scored : DataFrame of shape (n, 6)
    served : ServedModel
    """

    frame: pd.DataFrame
    scored: pd.DataFrame
    served: ServedModel


@dataclass(frozen=True, eq=False)
class LiveScores:
    """Scores of rows.

    Attributes
    ----------
    scored : DataFrame of shape (n, 6)
        :data:`~pynomaly.model.bundle.SCORE_COLUMNS`, missing where `versions` is 0.
    versions : int array of shape (n,)
    refused : dict of int to (rule, reason)
        Rows, by position, that no model may use.
    problem : str
        Why no row could be scored; "" if they were.
    served : ServedModel or None
        What scored them.
    """

    scored: pd.DataFrame
    versions: NDArray[np.int64]
    refused: dict[int, tuple[str, str]]
    problem: str = ""
    served: ServedModel | None = None

    def find_alerting(self, frame: pd.DataFrame) -> AlertingRows | None:
        """Return those of the rows that alert; None if none does."""
        if self.served is None:
            return None
        places = np.flatnonzero(self.scored["is_anomaly"].fillna(False).to_numpy(dtype=bool))
        if not len(places):
            return None
        rows = frame.iloc[places].reset_index(drop=True)
        return AlertingRows(rows, self.scored.iloc[places].reset_index(drop=True), self.served)


def score_live_rows(pipeline: Pipeline, champion: LiveChampion, frame: pd.DataFrame) -> LiveScores:
    """Check and score rows, each alone; a row with a problem stops no other.

    Parameters
    ----------
    frame : DataFrame of shape (n, >= d)
        Rows with what they look back on; index 0 to n - 1.
    """
    nothing = pd.DataFrame(
        {
            name: pd.Series(np.nan if name in ("score", "p_value") else None, index=frame.index, dtype=kind)
            for name, kind in zip(SCORE_COLUMNS, _KINDS, strict=True)
        }
    )
    versions = np.zeros(len(frame), dtype=np.int64)
    served = champion.served
    if served is None or not len(frame):
        return LiveScores(nothing, versions, {}, champion.problem)
    try:
        quality = pipeline.quality.model_copy(update={"min_score_rows": 1})
        checked = validate(frame, served.bundle.contract, quality, "score")
        refused = {
            int(row): (str(rule), str(detail))
            for row, rule, detail in zip(
                checked.quarantine.index,
                checked.quarantine["rule"],
                checked.quarantine["detail"],
                strict=True,
            )
        }
        if not len(checked.clean):
            reasons = "; ".join(checked.report.reasons) if not refused else ""
            return LiveScores(nothing, versions, refused, reasons)
        good = np.ones(len(frame), dtype=bool)
        good[list(refused)] = False
        places = np.flatnonzero(good)
        scored = served.bundle.score(checked.clean)[list(SCORE_COLUMNS)]
    except PynomalyError as error:  # of one cell perhaps: the window's close says so for all its rows
        return LiveScores(nothing, versions, {}, str(error))
    versions[places] = served.ref.version
    return LiveScores(scored.set_axis(places).reindex(frame.index), versions, refused, "", served)


_KINDS = ("float64", "float64", "object", "object", "object", "object")
