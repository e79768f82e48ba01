"""What a model rests on, column by column, and which drift matters to it.

Pure; asked by :mod:`pynomaly.steps.explanations`. Three shares that need not agree: of the ranking of
ordinary rows (what changes when the column is shuffled, measured at the fit), of the rarest rows (who carries
them, row by row), and of the drift that is weighed by the first. A drift of a column that nothing rests on
weighs nothing; which is why it only warns (:mod:`pynomaly.judging.drift`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pynomaly.judging.drift import ColumnDrift
from pynomaly.judging.plain import plain
from pynomaly.model.explain import Explanation

__all__ = ["Weighed", "carried", "weighed"]


@dataclass(frozen=True)
class Weighed:
    """One column of a model.

    Attributes
    ----------
    column : str
    ranking : float or None
        Share of the detector's ranking of ordinary rows; None where it was not measured.
    carries : float or None
        Mean share in the rows that were explained; None where none was.
    effect : float or None
        Its strongest drift; None where there is none to look at.
    drifted : bool
        Whether that is certain and large.
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
        """Plain values."""
        return dict(plain(self))


def carried(explanations: Sequence[Explanation]) -> dict[str, float]:
    """Mean share of each column in `explanations`, each of which names all; empty where none names any."""
    named = [one for one in explanations if one.reasons]
    shares: dict[str, float] = {}
    for one in named:
        for name in one.parts:
            shares.setdefault(name, 0.0)
        for reason in one.reasons:
            shares[reason.column] += reason.share / len(named)
    return shares


def weighed(
    columns: Sequence[str],
    importance: Mapping[str, float],
    carries: Mapping[str, float],
    drift: Sequence[ColumnDrift] = (),
) -> tuple[Weighed, ...]:
    """Columns by weight where there is drift to weigh, else by what they carry; the heaviest first.

    Parameters
    ----------
    columns : sequence of str
        Of the model; `carries` may hold the time besides, under ``features.calendar``.
    importance : mapping
        Shares of the ranking; a column that is missing was constant, and weighs nothing. Empty: not known.
    carries : mapping
        As :func:`carried` gives it.
    drift : sequence of ColumnDrift
        Of a window.
    """
    effects: dict[str, float] = {}
    for test in drift:
        if test.name in columns and math.isfinite(test.effect):
            effects[test.name] = max(effects.get(test.name, 0.0), test.effect)
    moved = {test.name for test in drift if test.drifted}
    products = {name: importance.get(name, 0.0) * effect for name, effect in effects.items()}
    total = sum(products.values())
    found = [
        Weighed(
            name,
            importance.get(name, 0.0) if importance else None,
            carries.get(name, 0.0) if carries else None,
            effects.get(name),
            name in moved,
            products[name] / total if importance and name in products and total > 0 else None,
        )
        for name in [*columns, *(name for name in carries if name not in columns)]
    ]
    return tuple(
        sorted(found, key=lambda one: (-(one.weight or 0.0), -(one.carries or 0.0), -(one.ranking or 0.0)))
    )
