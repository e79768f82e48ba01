"""Explanations: how much each column of the frame contributes to the score of a row.

Each detector divides its score among its input numbers (`Detector.explains`). This module assigns those
numbers to the columns they come from: the indicators of a category, a missing cell or a calendar belong to
their column. For one row, the parts and `base` sum to the score if `additive` is true, and a row has the same
parts in any batch. Explaining is slow compared with scoring, so it is meant for rows that alert:
:func:`explain_alerts` explains a limited number of them and returns how many it left out.

Columns are ranked by the larger of two numbers: their part, and the fall of the score when the column takes
its expected value. Parts alone also blame innocent columns in models that compare whole rows (clusters,
neighbours, networks). Falls alone blame no column when several go wrong together, because each then matches
what the others predict. ``benchmarks/explain.py`` measures both.

Called by :mod:`pynomaly.model.bundle` and by code that shows reasons.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config.series import PAST_FEATURES
from pynomaly.detectors.attributions import ExplanationMethod, ScoreParts, explain_by_occlusion
from pynomaly.detectors.base import Detector
from pynomaly.detectors.methods.reranking import Reranking
from pynomaly.detectors.past_rows import PastRows
from pynomaly.errors import DataError, ModelError, list_allowed
from pynomaly.model.entities.scales import Names
from pynomaly.model.explanation.expected import predict_expected_cells
from pynomaly.model.explanation.past_reasons import expect_from_past
from pynomaly.model.explanation.reasons import Explanation, Reason
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.scoring import PreparedRows, encode_rows
from pynomaly.model.sketch.sketch import Sketch

__all__ = [
    "EXPLAIN_METHODS",
    "ExplainMethod",
    "check_method",
    "explain_alerts",
    "explain_rows",
]

Floats = NDArray[np.float64]

ExplainMethod = Literal["own", "occlusion", "shap", "lime"]
EXPLAIN_METHODS: tuple[ExplainMethod, ...] = ("own", "occlusion", "shap", "lime")

_USUAL_SCALES = 2.0  # on both sides of the level lie about 95 % of the rows of an entity
_ROUNDING_ERROR = 1e-9  # share of the score; a smaller part is rounding error


class RowExplainer(Protocol):
    """A model that explains rows of a frame, such as a fitted bundle."""

    def explain(self, frame: pd.DataFrame, top: int = 3) -> tuple[Explanation, ...]:
        """Return one explanation a row, with the `top` columns named."""
        ...


def explain_rows(
    features: FeatureEncoder,
    detector: Detector,
    sketch: Sketch,
    reranking: Reranking | None,
    rows: PreparedRows,
    top: int,
    method: ExplainMethod = "own",
) -> tuple[Explanation, ...]:
    """Explain `rows`; see :meth:`Bundle.explain`."""
    if top < 0:
        raise DataError(f"top is {top}; at least 0 columns can be named")
    method = check_method(method)
    frame, times = rows.frame, rows.times
    usual = predict_expected_cells(frame, sketch, features.baselines, rows.entities)
    names, groups = _group_columns(features, str(times.name) if times is not None else "")
    encoded = encode_rows(rows, features, looks_back=detector.looks_back)
    numbers = encoded.numbers if isinstance(encoded, PastRows) else encoded
    usual, past_reasons = expect_from_past(usual, encoded, detector, features, rows.entities)
    expected_numbers = features.transform(_fill_expected(usual, features), times, rows.entities)
    explanations = []
    for place in range(len(frame)):
        row_numbers, expected_row = numbers[[place]], expected_numbers[[place]]
        row = encoded.take(np.array([place])) if isinstance(encoded, PastRows) else row_numbers
        score = _make_score_function(detector, reranking, row)
        parts, how = _attribute_row(detector, score, reranking, row, expected_row, groups, method)
        amounts = parts.amounts[0]
        falls = (
            amounts
            if how == "occlusion"
            else explain_by_occlusion(score, row_numbers, expected_row, groups).amounts[0]
        )
        weights = amounts if method in ("shap", "lime") else np.maximum(amounts, falls)
        distances = np.zeros(len(names))
        np.maximum.at(distances, groups, np.abs(row_numbers - expected_row)[0])
        total = float(parts.base[0] + sum(amounts.tolist()))
        row_cells = {str(name): frame[name].iloc[place] for name in frame}
        if features.calendar and times is not None:
            row_cells[str(times.name)] = times.iloc[place].isoformat()
        expected_cells = {str(name): usual[name].iloc[place] for name in frame}
        reasons = tuple(
            Reason(
                names[at],
                _source_column(names[at], names),
                _plain_value(row_cells[names[at]]),
                _plain_value(expected_cells.get(names[at])),
                float(amounts[at]),
                float(falls[at]),
                share,
                *_find_own_range(features, names[at], rows.entities, place),
                past=past_reasons[place].get(at),
            )
            for at, share in _rank_columns(weights, distances, total, top)
        )
        column_parts = dict(zip(names, amounts.tolist(), strict=True))
        explanations.append(
            Explanation(
                how, total, float(parts.base[0]), column_parts, reasons, parts.additive, parts.left_out
            )
        )
    return tuple(explanations)


def check_method(method: str) -> ExplainMethod:
    """Return `method` if it can explain here.

    Raises
    ------
    DataError
        If there is no such method.
    ModelError
        If the package it needs is not installed; the message says how to install it.
    """
    if method not in EXPLAIN_METHODS:
        raise DataError(f"no method {method!r} to explain by; {list_allowed(method, EXPLAIN_METHODS)}")
    if method in ("shap", "lime") and find_spec(method) is None:
        raise ModelError(
            f"explaining by {method} needs {method.upper()}; "
            "install it by: pip install 'pynomaly-mlops[explain]'"
        )
    return method


def explain_alerts(
    bundle: RowExplainer, frame: pd.DataFrame, scored: pd.DataFrame, top: int = 3, most: int = 100
) -> tuple[dict[int, Explanation], int]:
    """Explain at most `most` alerts among scored rows, those with the highest scores.

    Parameters
    ----------
    bundle : RowExplainer
        A fitted bundle.
    frame : DataFrame of shape (n, >= d)
        The rows.
    scored : DataFrame of shape (n, >= 2)
        ``score`` and ``is_anomaly`` of the same rows, in their order.
    top : int
        Largest number of columns to name for a row.
    most : int
        Largest number of rows to explain.

    Returns
    -------
    explanations : dict of int to Explanation
        By row position in `frame`, ascending.
    left_out : int
        Number of alerts without an explanation.
    """
    alerts = np.flatnonzero(scored["is_anomaly"].to_numpy(dtype=bool))
    order = np.argsort(-scored["score"].to_numpy(dtype=np.float64)[alerts], kind="stable")
    positions = np.sort(alerts[order][:most])
    if not len(positions):
        return {}, len(alerts)
    explanations = bundle.explain(frame.iloc[positions], top)
    return dict(zip(positions.tolist(), explanations, strict=True)), len(alerts) - len(positions)


def _group_columns(features: FeatureEncoder, time: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the column names, and the column index of each input number."""
    names = [column.name for column in features.columns]
    groups = [place for place, column in enumerate(features.columns) for _ in column.names]
    if features.calendar:
        groups += [len(names)] * (len(features.names) - len(groups))
        names.append(time)
    return names, np.array(groups, dtype=np.int64)


def _find_own_range(
    features: FeatureEncoder, name: str, entities: Names | None, place: int
) -> tuple[float | None, float | None]:
    """Return what is usual in a number column for the entity of one row; two None without a baseline."""
    baselines = features.baselines
    if baselines is None or entities is None or name not in baselines.columns:
        return None, None
    (at,) = baselines.locate(entities[[place]])
    if at < 0:
        return None, None
    column = baselines.columns.index(name)
    level, scale = float(baselines.levels[at, column]), float(baselines.scales[at, column])
    return level - _USUAL_SCALES * scale, level + _USUAL_SCALES * scale


def _fill_expected(frame: pd.DataFrame, features: FeatureEncoder) -> pd.DataFrame:
    """Fill missing expected cells as the features do, so that `missing: reject` does not refuse them."""
    fills = {column.name: getattr(column, "fill", None) for column in features.columns}
    return frame.fillna({name: fill for name, fill in fills.items() if fill is not None})


def _make_score_function(
    detector: Detector, reranking: Reranking | None, row: Floats | PastRows
) -> Callable[[Floats], Floats]:
    """Return what scores changed copies of `row`; each looks back on the row's own past."""

    def score(numbers: Floats) -> Floats:
        changed: Floats | PastRows = numbers
        if isinstance(row, PastRows):
            changed = replace(row.take(np.zeros(len(numbers), dtype=np.intp)), numbers=numbers)
        scores = detector.score(changed, threads=1)
        return scores if reranking is None else reranking.score(numbers, scores)

    return score


def _attribute_row(
    detector: Detector,
    score: Callable[[Floats], Floats],
    reranking: Reranking | None,
    row: Floats | PastRows,
    usual: Floats,
    groups: NDArray[np.int64],
    method: ExplainMethod,
) -> tuple[ScoreParts, ExplanationMethod]:
    """Return the parts of one row; with a reranking by occlusion, as it is no sum over columns."""
    x = row.numbers if isinstance(row, PastRows) else row
    if method == "shap":
        from pynomaly.model.explanation.shap_door import explain_with_shap

        return explain_with_shap(score, x, usual, groups), "shap"
    if method == "lime":
        from pynomaly.model.explanation.lime_door import explain_with_lime

        return explain_with_lime(score, x, usual, groups), "lime"
    if method == "occlusion" or (reranking is not None and reranking.used):
        return explain_by_occlusion(score, x, usual, groups), "occlusion"
    return detector.explain(row, usual, groups), detector.explains


def _rank_columns(weights: Floats, apart: Floats, score: float, top: int) -> list[tuple[int, float]]:
    """Return the indices and shares of the `top` heaviest columns.

    Among equal weights, the column furthest from its expected value comes first. Weights are equal, for
    example, when several values never occurred before.
    """
    raising = np.flatnonzero(weights > _ROUNDING_ERROR * max(1.0, abs(score)))
    total = float(weights[raising].sum())
    order = sorted(raising.tolist(), key=lambda at: (-float(f"{weights[at]:.9e}"), -apart[at]))
    return [(at, float(weights[at]) / total) for at in order[:top]]


def _source_column(name: str, columns: Collection[str]) -> str:
    """Return the measured column behind a series feature, else `name`; series features come as a full set."""
    column, _, feature = name.rpartition(":")
    return (
        column
        if feature in PAST_FEATURES and all(f"{column}:{each}" in columns for each in PAST_FEATURES)
        else name
    )


def _plain_value(value: Any) -> float | str | None:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, str) else float(value)
