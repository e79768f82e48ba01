"""Logs which columns a model relies on to MLflow: at training, and combined with drift at monitoring.

Writes ``explanation/importance.json`` and its picture to the winner's run, ``explanation/drift.json`` and its
picture to a judged window's run. Called by ``register`` and ``monitor``. Cost: :data:`MAX_EXPLAINED_ROWS`
explanations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pynomaly.judging.drift.drift_importance import ColumnWeight, average_contributions, weight_columns
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.model.bundle import Bundle
from pynomaly.records import figures
from pynomaly.records.registry import Registry

__all__ = ["MAX_EXPLAINED_ROWS", "average_column_shares", "log_importance", "log_weighted_drift"]

MAX_EXPLAINED_ROWS = 50
"""Number of highest-scoring rows that are explained."""


def average_column_shares(bundle: Bundle, rows: pd.DataFrame) -> tuple[dict[str, float], int]:
    """Return each column's mean share in the highest-scoring of `rows`, shape (n, >= d), and their number."""
    if not len(rows):
        return {}, 0
    scores = bundle.raw_scores(rows)
    places = np.sort(np.argsort(-scores, kind="stable")[:MAX_EXPLAINED_ROWS])
    reasons = bundle.explain(rows.iloc[places], top=len(bundle.contract.features) + 1)
    return average_contributions(reasons), len(places)


def log_importance(registry: Registry, run: str, bundle: Bundle, held_out: pd.DataFrame) -> None:
    """Log to a winner's run: the columns' importance, and their share in its rarest held-out rows."""
    column_shares, rows = average_column_shares(bundle, held_out)
    weights = weight_columns(bundle.contract.features, bundle.sketch.importance, column_shares)
    _log_explanation(registry, run, "importance", weights, rows)


def log_weighted_drift(
    registry: Registry, run: str, bundle: Bundle, frame: pd.DataFrame, drift: DriftReport
) -> None:
    """Log to a judged window's run: drift weighted by importance, and column shares in its rarest rows."""
    column_shares, rows = average_column_shares(bundle, frame)
    weights = weight_columns(bundle.contract.features, bundle.sketch.importance, column_shares, drift.columns)
    _log_explanation(registry, run, "drift", weights, rows)


def _log_explanation(
    registry: Registry, run: str, name: str, weights: Sequence[ColumnWeight], rows: int
) -> None:
    content = {"rows_explained": rows, "columns": [one.to_dict() for one in weights]}
    registry.log_to_run(
        run,
        figures={
            f"explanation/{name}.json": json.dumps(content, indent=1, allow_nan=False).encode(),
            f"explanation/{name}.png": figures.draw_importance(weights),
        },
    )
