"""Scores rows as they come, with the champion of the moment and the checks of a whole window."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.data.quality import validate
from pynomaly.errors import PynomalyError
from pynomaly.model.bundle import SCORE_COLUMNS
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.steps.alerting.carriers import choose_explained_rows, find_carriers

__all__ = ["LiveScores", "score_live_rows"]


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
    carriers : dict of int to str
        JSON of the columns that carry an alert, by position, of those that were explained.
    problem : str
        Why no row could be scored; "" if they were.
    """

    scored: pd.DataFrame
    versions: NDArray[np.int64]
    refused: dict[int, tuple[str, str]]
    problem: str = ""
    carriers: dict[int, str] = field(default_factory=dict)


def score_live_rows(
    pipeline: Pipeline, champion: LiveChampion, frame: pd.DataFrame, explained: int = 0
) -> LiveScores:
    """Check and score rows, each alone; a row with a problem stops no other.

    Parameters
    ----------
    frame : DataFrame of shape (n, >= d)
        Rows with what they look back on; index 0 to n - 1.
    explained : int
        Most alerts whose columns are named, the rarest first.
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
        chosen = choose_explained_rows(scored, explained)
        carriers = {
            int(places[row]): orjson.dumps(
                [asdict(item) for item in find_carriers(served.bundle, checked.clean.iloc[[row]])]
            ).decode()
            for row in chosen.tolist()
        }
    except (
        PynomalyError
    ) as error:  # a cell that the model refuses: the window's close says so for all its rows
        return LiveScores(nothing, versions, {}, str(error))
    versions[places] = served.ref.version
    return LiveScores(scored.set_axis(places).reindex(frame.index), versions, refused, "", carriers)


_KINDS = ("float64", "float64", "object", "object", "object", "object")
