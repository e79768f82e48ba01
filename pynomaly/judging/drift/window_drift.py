"""Detect drift of a window against the reference from two sketches; called for every monitored window.

A column has drifted only when the change is significant (corrected for the number of tests) *and* large:
with enough rows, p-values alone flag any difference. A reference with times is compared by season (the same
hours of the week, or a coarser calendar, which the report names), and the noise of a test is estimated from
how much the reference's own windows differ, since rows of a series depend on each other. Without times, rows
are assumed independent. Effect sizes are between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from pynomaly import config
from pynomaly.errors import ColumnError, list_allowed
from pynomaly.judging.drift.seasonal_tests import compare_in_season, joint_test, missing_test, values_test
from pynomaly.judging.drift.two_sample_tests import kolmogorov_smirnov, share_difference, total_variation
from pynomaly.judging.jsonable import to_jsonable
from pynomaly.judging.multiplicity import benjamini_hochberg
from pynomaly.model.sketch.baseline import ColumnBaseline
from pynomaly.model.sketch.seasons import LEVEL_NAMES
from pynomaly.model.sketch.sketch import CategorySketch, NumericSketch, Sketch

__all__ = ["ColumnDrift", "DriftReport", "Status", "compare_sketches"]

Status = Literal["ok", "warning", "drift", "insufficient_data"]
_BY_SEVERITY: tuple[Status, ...] = ("insufficient_data", "ok", "warning", "drift")
Kind = Literal["numeric", "category", "missing", "score", "joint"]


@dataclass(frozen=True)
class ColumnDrift:
    """One test of one column.

    Attributes
    ----------
    name : str
        The column, ``score``, or ``(together)``.
    kind : {"numeric", "category", "missing", "score", "joint"}
        Kind of test: Kolmogorov-Smirnov distance of numbers or scores, total variation of categories,
        difference of missing shares, or reconstruction error along principal directions.
    status : {"ok", "warning", "drift", "insufficient_data"}
        ``drift`` where the effect is strong and the detector uses the column.
    effect, p_value, corrected : float
        NaN without a test; `corrected` after Benjamini-Hochberg over the report.
    message : str
    importance : float or None
        Share of the detector's ranking that depends on the column; None where it is not known.
    """

    name: str
    kind: Kind
    status: Status
    effect: float
    p_value: float
    corrected: float
    message: str
    importance: float | None = None

    @property
    def drifted(self) -> bool:
        """Whether the change is both significant and large enough."""
        return self.status in ("warning", "drift")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


@dataclass(frozen=True)
class DriftReport:
    """Drift of every column of a window against the reference.

    Attributes
    ----------
    status, columns_status : {"ok", "warning", "drift", "insufficient_data"}
        Status of the columns, with the joint test and without it. The score is judged separately: it can
        drift when no column does, and the reverse.
    columns : tuple of ColumnDrift
    score : ColumnDrift or None
        None when one of the sketches has no scores.
    share : float
        Share of columns that drifted by ``drift.effect`` or more, weighted by their importance.
    reasons : tuple of str
    joint : ColumnDrift or None
        Test of the joint distribution of number columns; None where the reference does not allow it.
    season : str
        Seasons of the reference that were compared: a level of :data:`pynomaly.model.sketch.seasons.LEVELS`.
    blocks : int
        Number of reference windows from which the noise was estimated; 0: rows were assumed independent.
    """

    status: Status
    columns: tuple[ColumnDrift, ...]
    score: ColumnDrift | None
    share: float
    reasons: tuple[str, ...]
    joint: ColumnDrift | None = None
    season: str = "none"
    blocks: int = 0
    columns_status: Status = "insufficient_data"

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the drifted columns, without repetition."""
        return tuple(dict.fromkeys(column.name for column in self.columns if column.drifted))

    @property
    def basis(self) -> str:
        """Description of what the window was compared with."""
        if not self.blocks:
            return "compared with the whole reference, its rows taken for independent"
        width = f"tests as wide as {self.blocks} windows of the reference"
        return f"compared with {LEVEL_NAMES[self.season]}; {width}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self)) | {"basis": self.basis}


def compare_sketches(reference: Sketch, current: Sketch, settings: config.Drift) -> DriftReport:
    """Test every column of `current` against `reference`.

    Parameters
    ----------
    reference, current : Sketch
        Sketches of the same columns.
    settings : Drift

    Returns
    -------
    DriftReport
        ``drift`` when a column that the detector uses has a strong effect or the weighted share of drifted
        columns reaches the limit, ``warning`` when anything else drifted, ``insufficient_data`` with fewer
        than ``min_rows`` rows on either side.

    Raises
    ------
    ColumnError
        If the sketches are not of the same columns.
    """
    _require_same_columns(reference, current)
    score = _judge_score(reference, current, settings)
    fewest = min(reference.rows, current.rows)
    if fewest < settings.min_rows:
        sizes = f"{current.rows} rows against {reference.rows} in the reference"
        reason = f"{sizes}: {settings.min_rows} a side are needed"
        return DriftReport("insufficient_data", (), score, 0.0, (reason,))
    tested = list(_run_tests(reference, current, settings))
    joint = _test_joint(reference, current, settings)
    tested += [joint] if joint else []
    corrected = benjamini_hochberg([column.p_value for column in tested])
    weights = _weight_columns(reference)
    judged = [
        _judge_column(replace(column, importance=weights.get(column.name)), p, settings, len(weights))
        for column, p in zip(tested, corrected, strict=True)
    ]
    columns = tuple(column for column in judged if column.kind != "joint")
    report = _build_report(columns, judged[-1] if joint else None, score, reference, settings)
    if not (reference.baseline and current.hours and reference.baseline.columns):
        return report
    level = next(iter(reference.baseline.columns.values())).level
    return replace(report, season=level, blocks=reference.baseline.blocks)


def _require_same_columns(reference: Sketch, current: Sketch) -> None:
    for kind in ("numeric", "categorical"):
        known, present = getattr(reference, kind), getattr(current, kind)
        for name in known:
            if name not in present:
                raise ColumnError(
                    f"{kind} column {name!r} is not in the current sketch; {list_allowed(name, present)}"
                )
        for name in present:
            if name not in known:
                raise ColumnError(
                    f"{kind} column {name!r} is not in the reference; {list_allowed(name, known)}"
                )


def _run_tests(reference: Sketch, current: Sketch, settings: config.Drift) -> Iterator[ColumnDrift]:
    """Run every test of the report, uncorrected: values of each column, then its missing share."""
    seasonal = reference.baseline.columns if reference.baseline and current.hours else {}
    for name, column in reference.numeric.items():
        yield from _test_column(
            name, "numeric", column, current.numeric[name], seasonal.get(name), current, settings
        )
    for name, category in reference.categorical.items():
        now = current.categorical[name]
        yield from _test_column(name, "category", category, now, seasonal.get(name), current, settings)


def _test_column(
    name: str,
    kind: Kind,
    first: NumericSketch | CategorySketch,
    second: NumericSketch | CategorySketch,
    seasonal: ColumnBaseline | None,
    current: Sketch,
    settings: config.Drift,
) -> Iterator[ColumnDrift]:
    if min(first.n, second.n) < settings.min_rows:
        sizes = f"{second.n} values against {first.n} in the reference"
        message = f"{name}: {sizes}, {settings.min_rows} a side are needed"
        yield ColumnDrift(name, kind, "insufficient_data", math.nan, math.nan, math.nan, message)
    else:
        effect, p_value = _test_values(first, second, seasonal, current)
        yield ColumnDrift(
            name, kind, "ok", effect, p_value, math.nan, _describe_change(name, effect, first, second)
        )
    if kind != "score" and first.missing + second.missing:
        rows, other = first.n + first.missing, second.n + second.missing
        before = first.missing / rows
        effect, p_value = share_difference(first.missing, rows, second.missing, other)
        if seasonal is not None:
            observed = compare_in_season(seasonal, second, current.hours)
            (effect, p_value), before = missing_test(seasonal, observed), observed.share
        message = f"{name}: missing {before:.1%} -> {second.missing / other:.1%}"
        yield ColumnDrift(name, "missing", "ok", effect, p_value, math.nan, message)


def _test_values(
    first: NumericSketch | CategorySketch,
    second: NumericSketch | CategorySketch,
    seasonal: ColumnBaseline | None,
    current: Sketch,
) -> tuple[float, float]:
    if seasonal is not None:
        return values_test(seasonal, compare_in_season(seasonal, second, current.hours))
    if isinstance(first, NumericSketch) and isinstance(second, NumericSketch):
        return kolmogorov_smirnov(first, second)
    assert isinstance(first, CategorySketch), "_same_columns has looked"
    assert isinstance(second, CategorySketch), "_same_columns has looked"
    return total_variation(first, second)


def _describe_change(
    name: str,
    effect: float,
    first: NumericSketch | CategorySketch,
    second: NumericSketch | CategorySketch,
) -> str:
    if isinstance(first, NumericSketch) and isinstance(second, NumericSketch):
        medians = f"median {first.quantile(0.5):.4g} -> {second.quantile(0.5):.4g}"
        return f"{name}: distance {effect:.3f}; {medians}, deviation {first.std:.4g} -> {second.std:.4g}"
    assert isinstance(first, CategorySketch), "_same_columns has looked"
    assert isinstance(second, CategorySketch), "_same_columns has looked"
    return f"{name}: distance {effect:.3f}{_describe_largest_change(first, second)}"


def _weight_columns(reference: Sketch) -> dict[str, float]:
    """Return the weight of each column; an equal share for a column whose importance is unknown."""
    names = [*reference.numeric, *reference.categorical]
    if not reference.importance:
        return {}
    return {name: reference.importance.get(name, 1 / len(names)) for name in names}


def _judge_column(
    column: ColumnDrift, corrected: float, settings: config.Drift, columns: int = 0
) -> ColumnDrift:
    if column.status == "insufficient_data":
        return column
    status: Status = "ok"
    message = f"{column.message}; p = {corrected:.2g}"
    if corrected < settings.alpha and column.effect >= settings.notice:
        status = "warning"
        if column.effect >= settings.strong_effect:
            status = "drift"
            if column.importance is not None and column.importance < settings.ignored / columns:
                status = "warning"
                message += (
                    f"; only a warning, as {column.importance:.1%} of the detector's ranking rests on it"
                )
    return replace(column, status=status, corrected=corrected, message=message)


def _judge_score(reference: Sketch, current: Sketch, settings: config.Drift) -> ColumnDrift | None:
    if reference.score is None or current.score is None:
        return None
    if current.score.missing:
        message = (
            f"score: {current.score.missing} of {current.rows} scores are not finite, which counts as drift"
        )
        return ColumnDrift("score", "score", "drift", math.nan, math.nan, math.nan, message)
    seasonal = reference.baseline.score if reference.baseline and current.hours else None
    tested = next(_test_column("score", "score", reference.score, current.score, seasonal, current, settings))
    return _judge_column(tested, tested.p_value, settings)


def _test_joint(reference: Sketch, current: Sketch, settings: config.Drift) -> ColumnDrift | None:
    principal = reference.baseline.joint if reference.baseline else None
    if principal is None or reference.moments is None or current.moments is None:
        return None
    if current.moments.n < max(settings.min_rows, 2 * len(current.moments.names)):
        message = f"together: {current.moments.n} rows are too few for {len(current.moments.names)} columns"
        return ColumnDrift("(together)", "joint", "insufficient_data", math.nan, math.nan, math.nan, message)
    effect, p_value, ratio = joint_test(reference.moments, principal, current.moments)
    message = f"together: reconstruction error {ratio:.2f} times the usual one"
    return ColumnDrift("(together)", "joint", "ok", effect, p_value, math.nan, message)


def _build_report(
    columns: tuple[ColumnDrift, ...],
    joint: ColumnDrift | None,
    score: ColumnDrift | None,
    reference: Sketch,
    settings: config.Drift,
) -> DriftReport:
    names = [*reference.numeric, *reference.categorical]
    weights = _weight_columns(reference) or dict.fromkeys(names, 1 / max(1, len(names)))
    drifted = dict.fromkeys(c.name for c in columns if c.drifted and c.effect >= settings.effect)
    share = min(1.0, sum(weights[name] for name in drifted) / (sum(weights.values()) or 1.0))
    everything = (*columns, joint) if joint else columns
    reasons = [column.message for column in everything if column.drifted]
    reasons += [column.message for column in everything if column.status == "insufficient_data"]
    status: Status = "warning" if any(column.drifted for column in columns) else "ok"
    if any(column.status == "drift" for column in columns):
        status = "drift"
    elif drifted and share >= settings.share:
        status = "drift"
        summary = f"{len(drifted)} of {len(names)} columns drifted"
        if reference.importance:
            summary += f", on which {share:.0%} of the detector's ranking rests"
        reasons.insert(0, f"{summary}, at or above the share of {settings.share:g}")
    elif status == "ok" and not any(column.status == "ok" and column.kind != "missing" for column in columns):
        status = "insufficient_data"
        reasons.insert(0, "no column has enough values on both sides")
    overall = max(status, joint.status, key=_BY_SEVERITY.index) if joint and joint.drifted else status
    return DriftReport(overall, columns, score, share, tuple(reasons), joint, columns_status=status)


def _describe_largest_change(first: CategorySketch, second: CategorySketch) -> str:
    """Describe the category whose share changed most; "" without categories."""
    shares = {
        name: (first.counts.get(name, 0) / first.n, second.counts.get(name, 0) / second.n)
        for name in sorted(set(first.counts) | set(second.counts))
    }
    if not shares:
        return ""
    name = max(shares, key=lambda item: abs(shares[item][1] - shares[item][0]))
    return f"; {name!r} {shares[name][0]:.1%} -> {shares[name][1]:.1%}"
