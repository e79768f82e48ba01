"""What moved since the model was fitted, from two sketches; called for every monitored window.

A column has drifted only when the change is certain (after correction for the number of columns) *and*
large: p-values alone flag anything once there are enough rows. Effects are between 0 and 1. The tests take
rows for independent; in time series they are not, and the effect size is what protects.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from pynomaly import config
from pynomaly.errors import ColumnError, allowed
from pynomaly.judging.multiplicity import benjamini_hochberg
from pynomaly.judging.plain import plain
from pynomaly.judging.two_samples import kolmogorov_smirnov, share_difference, total_variation
from pynomaly.model.sketch import CategorySketch, NumericSketch, Sketch

__all__ = [
    "ColumnDrift",
    "DriftReport",
    "compare_sketches",
]

Status = Literal["ok", "warning", "drift", "insufficient_data"]


@dataclass(frozen=True)
class ColumnDrift:
    """One test of one column.

    Attributes
    ----------
    name : str
        The column, or ``score``.
    kind : {"numeric", "category", "missing", "score"}
        What was compared: Kolmogorov-Smirnov distance, total variation, difference of missing shares.
    status : {"ok", "warning", "drift", "insufficient_data"}
        ``drift`` where the effect is strong.
    effect, p_value, corrected : float
        NaN without a test; `corrected` after Benjamini-Hochberg over the report.
    message : str
    """

    name: str
    kind: Literal["numeric", "category", "missing", "score"]
    status: Status
    effect: float
    p_value: float
    corrected: float
    message: str

    @property
    def drifted(self) -> bool:
        """Whether the change is both certain and large enough."""
        return self.status in ("warning", "drift")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))


@dataclass(frozen=True)
class DriftReport:
    """Every column of a window against the reference.

    Attributes
    ----------
    status : {"ok", "warning", "drift", "insufficient_data"}
        Of the columns. The score is judged apart: it can move when no column does, and the reverse.
    columns : tuple of ColumnDrift
    score : ColumnDrift or None
        None when one of the sketches has no scores.
    share : float
        Drifted columns among the columns.
    """

    status: Status
    columns: tuple[ColumnDrift, ...]
    score: ColumnDrift | None
    share: float
    reasons: tuple[str, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the drifted columns, once each."""
        return tuple(dict.fromkeys(column.name for column in self.columns if column.drifted))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))


def compare_sketches(reference: Sketch, current: Sketch, settings: config.Drift) -> DriftReport:
    """Test every column of `current` against `reference`.

    Parameters
    ----------
    reference, current : Sketch
        Of the same columns.
    settings : Drift

    Returns
    -------
    DriftReport
        ``drift`` when one column has a strong effect or the share of drifted columns is reached,
        ``warning`` when any column drifted, ``insufficient_data`` below ``min_rows`` on either side.

    Raises
    ------
    ColumnError
        If the sketches are not of the same columns.
    """
    _same_columns(reference, current)
    score = _score(reference, current, settings)
    fewest = min(reference.rows, current.rows)
    if fewest < settings.min_rows:
        sizes = f"{current.rows} rows against {reference.rows} in the reference"
        reason = f"{sizes}: {settings.min_rows} a side are needed"
        return DriftReport("insufficient_data", (), score, 0.0, (reason,))
    tested = list(_tests(reference, current, settings))
    corrected = benjamini_hochberg([column.p_value for column in tested])
    columns = tuple(_judged(column, p, settings) for column, p in zip(tested, corrected, strict=True))
    return _report(columns, score, len(reference.numeric) + len(reference.categorical), settings)


def _same_columns(reference: Sketch, current: Sketch) -> None:
    for kind in ("numeric", "categorical"):
        known, given = getattr(reference, kind), getattr(current, kind)
        for name in known:
            if name not in given:
                raise ColumnError(
                    f"{kind} column {name!r} is not in the current sketch; {allowed(name, given)}"
                )
        for name in given:
            if name not in known:
                raise ColumnError(f"{kind} column {name!r} is not in the reference; {allowed(name, known)}")


def _tests(reference: Sketch, current: Sketch, settings: config.Drift) -> Iterator[ColumnDrift]:
    """Every test of the report, not yet corrected: values of a column, then its missing share."""
    for name, column in reference.numeric.items():
        other = current.numeric[name]
        yield _values(name, "numeric", column, other, settings)
        yield from _missing(name, column, other)
    for name, category in reference.categorical.items():
        now = current.categorical[name]
        yield _values(name, "category", category, now, settings)
        yield from _missing(name, category, now)


def _values(
    name: str,
    kind: Literal["numeric", "category", "score"],
    first: NumericSketch | CategorySketch,
    second: NumericSketch | CategorySketch,
    settings: config.Drift,
) -> ColumnDrift:
    if min(first.n, second.n) < settings.min_rows:
        sizes = f"{second.n} values against {first.n} in the reference"
        message = f"{name}: {sizes}, {settings.min_rows} a side are needed"
        return ColumnDrift(name, kind, "insufficient_data", math.nan, math.nan, math.nan, message)
    if isinstance(first, NumericSketch) and isinstance(second, NumericSketch):
        effect, p_value = kolmogorov_smirnov(first, second)
        message = (
            f"{name}: distance {effect:.3f}; median {first.quantile(0.5):.4g} -> {second.quantile(0.5):.4g}, "
            f"deviation {first.std:.4g} -> {second.std:.4g}"
        )
    elif isinstance(first, CategorySketch) and isinstance(second, CategorySketch):
        effect, p_value = total_variation(first, second)
        message = f"{name}: distance {effect:.3f}{_largest_change(first, second)}"
    else:
        raise ColumnError(f"column {name!r} is numeric in one sketch and a category in the other")
    return ColumnDrift(name, kind, "ok", effect, p_value, math.nan, message)


def _missing(
    name: str, first: NumericSketch | CategorySketch, second: NumericSketch | CategorySketch
) -> Iterator[ColumnDrift]:
    """The test of the missing share, where anything is missing at all."""
    if first.missing + second.missing:
        rows, other = first.n + first.missing, second.n + second.missing
        effect, p_value = share_difference(first.missing, rows, second.missing, other)
        message = f"{name}: missing {first.missing / rows:.1%} -> {second.missing / other:.1%}"
        yield ColumnDrift(name, "missing", "ok", effect, p_value, math.nan, message)


def _judged(column: ColumnDrift, corrected: float, settings: config.Drift) -> ColumnDrift:
    if column.status == "insufficient_data":
        return column
    status: Status = "ok"
    if corrected < settings.alpha and column.effect >= settings.effect:
        status = "drift" if column.effect >= settings.strong_effect else "warning"
    return replace(
        column, status=status, corrected=corrected, message=f"{column.message}; p = {corrected:.2g}"
    )


def _score(reference: Sketch, current: Sketch, settings: config.Drift) -> ColumnDrift | None:
    if reference.score is None or current.score is None:
        return None
    if current.score.missing:
        message = (
            f"score: {current.score.missing} of {current.rows} scores are not finite, which counts as drift"
        )
        return ColumnDrift("score", "score", "drift", math.nan, math.nan, math.nan, message)
    tested = _values("score", "score", reference.score, current.score, settings)
    return _judged(tested, tested.p_value, settings)


def _report(
    columns: tuple[ColumnDrift, ...], score: ColumnDrift | None, total: int, settings: config.Drift
) -> DriftReport:
    drifted = dict.fromkeys(column.name for column in columns if column.drifted)
    share = len(drifted) / total if total else 0.0
    reasons = [column.message for column in columns if column.drifted]
    reasons += [column.message for column in columns if column.status == "insufficient_data"]
    status: Status = "warning" if drifted else "ok"
    if any(column.status == "drift" for column in columns):
        status = "drift"
    elif drifted and share >= settings.share:
        status = "drift"
        reasons.insert(
            0, f"{len(drifted)} of {total} columns drifted, at or above the share of {settings.share:g}"
        )
    elif not drifted and not any(column.status == "ok" and column.kind != "missing" for column in columns):
        status = "insufficient_data"
        reasons.insert(0, "no column has enough values on both sides")
    return DriftReport(status, columns, score, share, tuple(reasons))


def _largest_change(first: CategorySketch, second: CategorySketch) -> str:
    """The category that moved most, in words; "" without categories."""
    moves = {
        name: (first.counts.get(name, 0) / first.n, second.counts.get(name, 0) / second.n)
        for name in sorted(set(first.counts) | set(second.counts))
    }
    if not moves:
        return ""
    name = max(moves, key=lambda item: abs(moves[item][1] - moves[item][0]))
    return f"; {name!r} {moves[name][0]:.1%} -> {moves[name][1]:.1%}"
