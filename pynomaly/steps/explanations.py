"""Logs which columns a model relies on to MLflow: at training, and combined with drift at monitoring.

Writes ``explanation/importance.json`` and its picture to the winner's run, ``explanation/drift.json`` and its
picture to a judged window's run. Called by ``register`` and ``monitor``. Cost: :data:`MOST_ROWS`
explanations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pynomaly.judging.drift import DriftReport
from pynomaly.judging.weighing import Weighed, carried, weighed
from pynomaly.model.bundle import Bundle
from pynomaly.records import figures
from pynomaly.records.registry import Registry

__all__ = ["MOST_ROWS", "keep_importance", "keep_weighed_drift", "what_carries"]

MOST_ROWS = 50
"""Number of highest-scoring rows that are explained."""


def what_carries(bundle: Bundle, rows: pd.DataFrame) -> tuple[dict[str, float], int]:
    """Return each column's mean share in the highest-scoring of `rows`, shape (n, >= d), and their number."""
    if not len(rows):
        return {}, 0
    scores = bundle.raw_scores(rows)
    places = np.sort(np.argsort(-scores, kind="stable")[:MOST_ROWS])
    reasons = bundle.explain(rows.iloc[places], top=len(bundle.contract.features) + 1)
    return carried(reasons), len(places)


def keep_importance(registry: Registry, run: str, bundle: Bundle, held_out: pd.DataFrame) -> None:
    """Log to a winner's run: the columns' importance, and their share in its rarest held-out rows."""
    column_shares, rows = what_carries(bundle, held_out)
    weights = weighed(bundle.contract.features, bundle.sketch.importance, column_shares)
    _keep(registry, run, "importance", weights, rows)


def keep_weighed_drift(
    registry: Registry, run: str, bundle: Bundle, frame: pd.DataFrame, drift: DriftReport
) -> None:
    """Log to a judged window's run: drift weighted by importance, and column shares in its rarest rows."""
    column_shares, rows = what_carries(bundle, frame)
    weights = weighed(bundle.contract.features, bundle.sketch.importance, column_shares, drift.columns)
    _keep(registry, run, "drift", weights, rows)


def _keep(registry: Registry, run: str, name: str, weights: Sequence[Weighed], rows: int) -> None:
    content = {"rows_explained": rows, "columns": [one.to_dict() for one in weights]}
    registry.log(
        run,
        figures={
            f"explanation/{name}.json": json.dumps(content, indent=1, allow_nan=False).encode(),
            f"explanation/{name}.png": figures.importance(weights),
        },
    )
