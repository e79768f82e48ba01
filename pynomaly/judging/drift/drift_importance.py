"""Importance of each column for a model, and drift weighted by importance.

Pure; called by :mod:`pynomaly.steps.explanations`. Three shares that need not agree: a column's share of the
ranking of ordinary rows (permutation importance, measured at the fit), its mean contribution to the most
anomalous rows, and its share of the drift, weighted by the first. Drift of a column that the ranking does not
depend on has weight 0; therefore it only warns (:mod:`pynomaly.judging.drift.window_drift`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pynomaly.judging.drift.drift_report import ColumnDrift
from pynomaly.judging.jsonable import to_jsonable
from pynomaly.model.explanation.reasons import Explanation

__all__ = ["ColumnWeight", "average_contributions", "weight_columns"]


@dataclass(frozen=True)
class ColumnWeight:
    """Importance and drift of one column of a model.

    Attributes
    ----------
    column : str
    ranking : float or None
        Share of the detector's ranking of ordinary rows; None where it was not measured.
    carries : float or None
        Mean share of the contributions in the explained rows; None where no row was explained.
    effect : float or None
        Largest drift effect of the column; None without a drift test.
    drifted : bool
        Whether that drift is significant and large.
    weight : float or None
        ``ranking * effect`` among all columns, summing to 1; None without both.
    """

    column: str
    ranking: float | None
    carries: float | None
    effect: float | None = None
    drifted: bool = False
    weight: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def average_contributions(explanations: Sequence[Explanation]) -> dict[str, float]:
    """Return the mean share of each column over the explanations with reasons; empty if none has any."""
    explained = [explanation for explanation in explanations if explanation.reasons]
    shares: dict[str, float] = {}
    for explanation in explained:
        for name in explanation.parts:
            shares.setdefault(name, 0.0)
        for reason in explanation.reasons:
            shares[reason.column] += reason.share / len(explained)
    return shares


def weight_columns(
    columns: Sequence[str],
    importance: Mapping[str, float],
    carries: Mapping[str, float],
    drift: Sequence[ColumnDrift] = (),
) -> tuple[ColumnWeight, ...]:
    """Return the columns, sorted by drift weight, then by contribution, then by importance, largest first.

    Parameters
    ----------
    columns : sequence of str
        Columns of the model; with ``features.calendar``, `carries` may also have the time column.
    importance : mapping
        Shares of the ranking; a missing column was constant and has importance 0. Empty: not known.
    carries : mapping
        Result of :func:`average_contributions`.
    drift : sequence of ColumnDrift
        Drift tests of a window.
    """
    effects: dict[str, float] = {}
    for test in drift:
        if test.name in columns and math.isfinite(test.effect):
            effects[test.name] = max(effects.get(test.name, 0.0), test.effect)
    drifted_names = {test.name for test in drift if test.drifted}
    products = {name: importance.get(name, 0.0) * effect for name, effect in effects.items()}
    total = sum(products.values())
    weights = [
        ColumnWeight(
            name,
            importance.get(name, 0.0) if importance else None,
            carries.get(name, 0.0) if carries else None,
            effects.get(name),
            name in drifted_names,
            products[name] / total if importance and name in products and total > 0 else None,
        )
        for name in [*columns, *(name for name in carries if name not in columns)]
    ]
    return tuple(
        sorted(
            weights,
            key=lambda item: (-(item.weight or 0.0), -(item.carries or 0.0), -(item.ranking or 0.0)),
        )
    )
