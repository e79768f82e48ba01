"""Why a row scores as it does: what each column of the frame carries of its score.

Each detector says how its score divides among the numbers it was given (`Detector.explains`); here those
numbers go back to the columns they came from: indicators of a category, of a missing cell and of a calendar
are part of their column. For one row the parts and `base` sum to the score where `additive` says so, and the
same row has the same parts in any batch. Dear beside scoring, so for rows that alert:
:func:`explain_alerts` keeps to a stated number of them and says how many it left out.

Called by :mod:`pynomaly.model.bundle`, and by whoever has to show reasons.
"""

from __future__ import annotations

import math
from collections.abc import Collection
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
        What the column adds to the score, in the detector's own unit; above 0.
    share : float
        Of all parts above 0, from 0 to 1.
    """

    column: str
    source: str
    value: float | str | None
    usual: float | str | None
    part: float
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
    if method not in METHODS:
        raise DataError(f"no method {method!r} to explain by; {allowed(str(method), METHODS)}")
    frame, times = rows
    usual = expected(frame, sketch)
    names, groups = _columns(features, str(times.name) if times is not None else "")
    numbers, wanted = features.transform(frame, times), features.transform(_filled(usual, features), times)
    found = []
    for place in range(len(frame)):
        one = (numbers[[place]], wanted[[place]])
        parts, how = _parts(detector, reranking, *one, groups, method)
        held = {str(name): frame[name].iloc[place] for name in frame}
        instead = {str(name): usual[name].iloc[place] for name in frame}
        if features.calendar and times is not None:
            held[str(times.name)] = times.iloc[place].isoformat()
        values = dict(zip(names, parts.amounts[0].tolist(), strict=True))
        score = float(parts.base[0] + sum(values.values()))
        apart = np.zeros(len(names))
        np.maximum.at(apart, groups, np.abs(one[0] - one[1])[0])
        found.append(
            Explanation(
                how,
                score,
                float(parts.base[0]),
                values,
                _reasons(values, dict(zip(names, apart.tolist(), strict=True)), held, instead, score, top),
                parts.additive,
                parts.left_out,
            )
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


def _parts(
    detector: Detector,
    reranking: Reranking | None,
    x: Floats,
    usual: Floats,
    groups: NDArray[np.int64],
    method: Method,
) -> tuple[Parts, How]:
    """Parts of one row; what known anomalies taught is no sum of columns, so those scores are occluded."""

    def score(numbers: Floats) -> Floats:
        found = detector.score(numbers, threads=1)
        return found if reranking is None else reranking.score(numbers, found)

    if method == "shap":
        from pynomaly.model.shap_door import shapley

        return shapley(score, x, usual, groups), "shap"
    if method == "lime":
        from pynomaly.model.lime_door import local

        return local(score, x, usual, groups), "lime"
    if method == "occlusion" or (reranking is not None and reranking.used):
        return occluded(score, x, usual, groups), "occlusion"
    return detector.explain(x, usual, groups), detector.explains


def _reasons(
    parts: dict[str, float],
    apart: dict[str, float],
    held: dict[str, Any],
    usual: dict[str, Any],
    score: float,
    top: int,
) -> tuple[Reason, ...]:
    """The largest parts; of equal ones, as where nothing is rarer than what was never seen, the furthest."""
    if top < 0:
        raise DataError(f"top is {top}; at least 0 columns can be named")
    raising = {name: part for name, part in parts.items() if part > _NOTHING * max(1.0, abs(score))}
    total = sum(raising.values())
    order = sorted(raising, key=lambda name: (-float(f"{raising[name]:.9e}"), -apart[name]))
    return tuple(
        Reason(
            name,
            _source(name, parts),
            _plain(held[name]),
            _plain(usual.get(name)),
            raising[name],
            raising[name] / total,
        )
        for name in order[:top]
    )


def _source(name: str, columns: Collection[str]) -> str:
    """The column whose past a series feature tells; all of them come together."""
    column, _, feature = name.rpartition(":")
    return column if feature in PAST and all(f"{column}:{each}" in columns for each in PAST) else name


def _plain(value: Any) -> float | str | None:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, str) else float(value)
