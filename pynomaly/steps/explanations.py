"""What a model rests on, kept with its runs in MLflow: at training, and weighed by drift at monitoring.

``explanation/importance.json`` and its picture with the winner's run, ``explanation/drift.json`` and its
picture with a judged window's. Called by ``register`` and ``monitor``. Cost: :data:`MOST_ROWS` explanations.
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
"""Rarest rows that are explained."""


def what_carries(bundle: Bundle, rows: pd.DataFrame) -> tuple[dict[str, float], int]:
    """Mean share of each column in the rarest of `rows`, shape (n, >= d), and how many these are."""
    if not len(rows):
        return {}, 0
    scores = bundle.raw_scores(rows)
    places = np.sort(np.argsort(-scores, kind="stable")[:MOST_ROWS])
    found = bundle.explain(rows.iloc[places], top=len(bundle.contract.features) + 1)
    return carried(found), len(places)


def keep_importance(registry: Registry, run: str, bundle: Bundle, held_out: pd.DataFrame) -> None:
    """With a training's winner: what its ranking rests on, and who carries the rarest held-out rows."""
    carries, rows = what_carries(bundle, held_out)
    found = weighed(bundle.contract.features, bundle.sketch.importance, carries)
    _keep(registry, run, "importance", found, rows)


def keep_weighed_drift(
    registry: Registry, run: str, bundle: Bundle, frame: pd.DataFrame, drift: DriftReport
) -> None:
    """With a judged window: its drift weighed by what the model rests on, and who carries its rarest rows."""
    carries, rows = what_carries(bundle, frame)
    found = weighed(bundle.contract.features, bundle.sketch.importance, carries, drift.columns)
    _keep(registry, run, "drift", found, rows)


def _keep(registry: Registry, run: str, name: str, found: Sequence[Weighed], rows: int) -> None:
    content = {"rows_explained": rows, "columns": [one.to_dict() for one in found]}
    registry.log(
        run,
        figures={
            f"explanation/{name}.json": json.dumps(content, indent=1, allow_nan=False).encode(),
            f"explanation/{name}.png": figures.importance(found),
        },
    )
