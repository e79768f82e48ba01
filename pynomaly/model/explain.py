"""Why a row scores as it does: what each column of the frame carries of its score.

Each detector says how its score divides among the numbers it was given (`Detector.explains`); here those
numbers go back to the columns they came from: indicators of a category, of a missing cell and of a calendar
are part of their column. For one row the parts and `base` sum to the score where `additive` says so, and the
same row has the same parts in any batch. Dear beside scoring, so for rows that alert:
:func:`explain_alerts` keeps to a stated number of them and says how many it left out.

Columns are named by the larger of two numbers: their part, and the fall of the score when the column holds
what would be expected of it. Parts alone spread over columns that are not to blame where a model has many
ways to see a row (clusters, neighbours, networks); falls alone name nobody where columns go wrong together,
for then each is what the others have one expect. ``benchmarks/explain.py`` measures it.

Called by :mod:`pynomaly.model.bundle`, and by whoever has to show reasons.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config.data import PAST
from pynomaly.detectors.base import Detector
from pynomaly.detectors.parts import How, Parts, occluded
from pynomaly.detectors.reranking import Reranking
from pynomaly.errors import DataError, allowed
from pynomaly.model.expected import expected
from pynomaly.model.features import Features
from pynomaly.model.sketch import Sketch

if TYPE_CHECKING:
    from pynomaly.model.bundle import Bundle

__all__ = ["METHODS", "Explanation", "Method", "Reason", "explain_alerts", "explained"]

Floats = NDArray[np.float64]

Method = Literal["own", "occlusion", "shap", "lime"]
METHODS: tuple[Method, ...] = ("own", "occlusion", "shap", "lime")

_NOTHING = 1e-9  # of the score: a part that small is rounding


@dataclass(frozen=True)
class Reason:
    """One column's part of one row's score.

    Attributes
    ----------
    column : str
    source : str
        The measured column behind it: ``temp`` of ``temp:change``, else the column itself.
    value, usual : float, str or None
        What the row holds, and what would be expected given the rest of the row; None is missing.
    part : float
        What the column adds to the score, in the detector's own unit; may be below 0.
    fall : float
        Score of the row less its score with the expected value in the column.
    share : float
        Its weight, the larger of the two, among all that are above 0; from 0 to 1.
    """

    column: str
    source: str
    value: float | str | None
    usual: float | str | None
    part: float
    fall: float
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Explanation:
    """Why one row scores as it does.

    Attributes
    ----------
    method : str
        How the score was divided: the detector's own paths, terms or members; occlusion, shap or lime.
    score, base : float
        The row's score, and what is left of it without the columns' parts.
    parts : dict of str to float
        Part of every column, named or not; below 0 where a column speaks for the row.
    reasons : tuple of Reason
        The columns that raise the score most, the strongest first.
    additive : bool
        Whether the parts divide the score: base is then that of a row with nothing odd about it.
    left_out : int
        Columns that were not tried.
    """

    method: How
    score: float
    base: float
    parts: dict[str, float]
    reasons: tuple[Reason, ...]
    additive: bool
    left_out: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"reasons": [reason.to_dict() for reason in self.reasons]}


def explained(
    features: Features,
    detector: Detector,
    sketch: Sketch,
    reranking: Reranking | None,
    rows: tuple[pd.DataFrame, pd.Series[Any] | None],
    top: int,
    method: Method = "own",
) -> tuple[Explanation, ...]:
    """Explain conformed rows (n, d) and their times; see :meth:`Bundle.explain`."""
    if top < 0:
        raise DataError(f"top is {top}; at least 0 columns can be named")
    if method not in METHODS:
        raise DataError(f"no method {method!r} to explain by; {allowed(str(method), METHODS)}")
    frame, times = rows
    usual = expected(frame, sketch)
    names, groups = _columns(features, str(times.name) if times is not None else "")
    numbers, wanted = features.transform(frame, times), features.transform(_filled(usual, features), times)
    score = _scorer(detector, reranking)
    found = []
    for place in range(len(frame)):
        x, instead = numbers[[place]], wanted[[place]]
        parts, how = _parts(detector, score, reranking, x, instead, groups, method)
        amounts = parts.amounts[0]
        falls = amounts if how == "occlusion" else occluded(score, x, instead, groups).amounts[0]
        weights = amounts if method in ("shap", "lime") else np.maximum(amounts, falls)
        apart = np.zeros(len(names))
        np.maximum.at(apart, groups, np.abs(x - instead)[0])
        total = float(parts.base[0] + sum(amounts.tolist()))
        held = {str(name): frame[name].iloc[place] for name in frame}
        if features.calendar and times is not None:
            held[str(times.name)] = times.iloc[place].isoformat()
        cells = {str(name): usual[name].iloc[place] for name in frame}
        reasons = tuple(
            Reason(
                names[at],
                _source(names[at], names),
                _plain(held[names[at]]),
                _plain(cells.get(names[at])),
                float(amounts[at]),
                float(falls[at]),
                share,
            )
            for at, share in _named(weights, apart, total, top)
        )
        divided = dict(zip(names, amounts.tolist(), strict=True))
        found.append(
            Explanation(how, total, float(parts.base[0]), divided, reasons, parts.additive, parts.left_out)
        )
    return tuple(found)


def explain_alerts(
    bundle: Bundle, frame: pd.DataFrame, scored: pd.DataFrame, top: int = 3, most: int = 100
) -> tuple[dict[int, Explanation], int]:
    """Explain the alerts among scored rows, the highest scores first, until `most` are explained.

    Parameters
    ----------
    bundle : Bundle
    frame : DataFrame of shape (n, >= d)
        The rows.
    scored : DataFrame of shape (n, >= 2)
        ``score`` and ``is_anomaly`` of the same rows, in their order.
    top : int
        Columns to name.
    most : int
        Rows to explain: the budget.

    Returns
    -------
    explanations : dict of int to Explanation
        By place in `frame`, rising.
    left_out : int
        Alerts that are not explained.
    """
    alerts = np.flatnonzero(scored["is_anomaly"].to_numpy(dtype=bool))
    order = np.argsort(-scored["score"].to_numpy(dtype=np.float64)[alerts], kind="stable")
    chosen = np.sort(alerts[order][:most])
    if not len(chosen):
        return {}, len(alerts)
    found = bundle.explain(frame.iloc[chosen], top)
    return dict(zip(chosen.tolist(), found, strict=True)), len(alerts) - len(chosen)


def _columns(features: Features, time: str) -> tuple[list[str], NDArray[np.int64]]:
    """Columns that explain, and which of them each number belongs to."""
    names = [column.name for column in features.columns]
    groups = [place for place, column in enumerate(features.columns) for _ in column.names]
    if features.calendar:
        groups += [len(names)] * (len(features.names) - len(groups))
        names.append(time)
    return names, np.array(groups, dtype=np.int64)


def _filled(frame: pd.DataFrame, features: Features) -> pd.DataFrame:
    """Expected cells that are missing as the features fill them: `missing: reject` refuses no expectation."""
    fills = {column.name: getattr(column, "fill", None) for column in features.columns}
    return frame.fillna({name: fill for name, fill in fills.items() if fill is not None})


def _scorer(detector: Detector, reranking: Reranking | None) -> Callable[[Floats], Floats]:
    def score(numbers: Floats) -> Floats:
        found = detector.score(numbers, threads=1)
        return found if reranking is None else reranking.score(numbers, found)

    return score


def _parts(
    detector: Detector,
    score: Callable[[Floats], Floats],
    reranking: Reranking | None,
    x: Floats,
    usual: Floats,
    groups: NDArray[np.int64],
    method: Method,
) -> tuple[Parts, How]:
    """Parts of one row; what known anomalies taught is no sum of columns, so those scores are occluded."""
    if method == "shap":
        from pynomaly.model.shap_door import shapley

        return shapley(score, x, usual, groups), "shap"
    if method == "lime":
        from pynomaly.model.lime_door import local

        return local(score, x, usual, groups), "lime"
    if method == "occlusion" or (reranking is not None and reranking.used):
        return occluded(score, x, usual, groups), "occlusion"
    return detector.explain(x, usual, groups), detector.explains


def _named(weights: Floats, apart: Floats, score: float, top: int) -> list[tuple[int, float]]:
    """Places of the heaviest columns and their shares; of equal ones, the furthest from expected first.

    Equal they are where nothing is rarer than what was never seen.
    """
    raising = np.flatnonzero(weights > _NOTHING * max(1.0, abs(score)))
    total = float(weights[raising].sum())
    order = sorted(raising.tolist(), key=lambda at: (-float(f"{weights[at]:.9e}"), -apart[at]))
    return [(at, float(weights[at]) / total) for at in order[:top]]


def _source(name: str, columns: Collection[str]) -> str:
    """The column whose past a series feature tells; all of them come together."""
    column, _, feature = name.rpartition(":")
    return column if feature in PAST and all(f"{column}:{each}" in columns for each in PAST) else name


def _plain(value: Any) -> float | str | None:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, str) else float(value)
