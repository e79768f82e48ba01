"""Detect drift of a window against the reference from two sketches; called for every monitored window.

A column has drifted only when the change is significant (corrected for the number of tests) *and* large:
with enough rows, p-values alone flag any difference. A reference with times is compared by season (the same
hours of the week, or a coarser calendar, which the report names), and the noise of a test is estimated from
how much the reference's own windows differ, since rows of a series depend on each other. Without times, rows
are assumed independent. Effect sizes are between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pynomaly import config
from pynomaly.errors import ColumnError, list_allowed
from pynomaly.judging.drift.columns.carried_shifts import SCORE, CarriedShift, find_shifts
from pynomaly.judging.drift.columns.describe_columns import describe_change, describe_shortness
from pynomaly.judging.drift.columns.seasonal_tests import (
    compare_in_season,
    joint_test,
    missing_test,
    values_test,
)
from pynomaly.judging.drift.columns.two_sample_tests import (
    kolmogorov_smirnov,
    share_difference,
    total_variation,
)
from pynomaly.judging.drift.drift_report import BY_SEVERITY, ColumnDrift, DriftReport, Kind, Status
from pynomaly.judging.multiplicity import benjamini_hochberg
from pynomaly.model.sketch.baseline import ColumnBaseline
from pynomaly.model.sketch.design_effect import MIN_WORTH
from pynomaly.model.sketch.grid import WindowDistance
from pynomaly.model.sketch.sketch import CategorySketch, NumericSketch, Sketch

__all__ = ["compare_sketches"]

Seasonal = tuple[ColumnBaseline, WindowDistance]
"""A column of the reference, and how far a window lies from the same cells of the week of it."""


def compare_sketches(
    reference: Sketch,
    current: Sketch,
    settings: config.Drift,
    earlier: Sequence[Mapping[str, float]] | None = (),
) -> DriftReport:
    """Test every column of `current` against `reference`.

    Parameters
    ----------
    reference, current : Sketch
        Sketches of the same columns.
    settings : Drift
    earlier : sequence of mapping of str to float, or None
        Levels of the windows before, oldest first; None where nothing may be added to them.

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
    compared = _compare_columns(reference, current)
    levels = _read_levels(compared, current, settings)
    shifts: Mapping[str, CarriedShift] = {}
    if reference.baseline is not None and earlier is not None:
        shifts = find_shifts(reference.baseline, [*earlier, levels], settings.alpha)
    score = _judge_score(reference, current, settings, compared.get(SCORE), shifts.get(SCORE))
    fewest = min(reference.rows, current.rows)
    if fewest < settings.min_rows:
        sizes = f"{current.rows} rows against {reference.rows} in the reference"
        reason = f"{sizes}: {settings.min_rows} a side are needed"
        return DriftReport("insufficient_data", (), score, 0.0, (reason,))
    tested = list(_run_tests(reference, current, settings, compared))
    joint = _test_joint(reference, current, settings)
    tested += [joint] if joint else []
    corrected = benjamini_hochberg([column.p_value for column in tested])
    weights = _weight_columns(reference)
    judged = [
        _judge_column(
            replace(column, importance=weights.get(column.name)),
            p,
            settings,
            len(weights),
            shifts.get(column.name) if column.kind in ("numeric", "category") else None,
        )
        for column, p in zip(tested, corrected, strict=True)
    ]
    columns = tuple(column for column in judged if column.kind != "joint")
    report = _build_report(columns, judged[-1] if joint else None, score, reference, settings)
    if not (reference.baseline and current.hours and reference.baseline.columns):
        return report
    first = next(iter(reference.baseline.columns.values()))
    worth = float(np.median([item.noise.worth for item in reference.baseline.columns.values()]))
    return replace(
        report,
        season=first.level,
        blocks=reference.baseline.blocks,
        worth=worth if math.isfinite(worth) else None,
        levels=levels,
    )


def _compare_columns(reference: Sketch, current: Sketch) -> dict[str, Seasonal]:
    """Return how far each column, and the score, lies from the same cells of the week of the reference.

    Empty for a reference or a window without times.
    """
    if reference.baseline is None or not current.hours:
        return {}
    known: dict[str, ColumnBaseline] = dict(reference.baseline.columns)
    now: dict[str, NumericSketch | CategorySketch] = {**current.numeric, **current.categorical}
    if reference.baseline.score is not None and current.score is not None:
        known[SCORE], now[SCORE] = reference.baseline.score, current.score
    return {
        name: (column, compare_in_season(column, now[name], current.hours)) for name, column in known.items()
    }


def _read_levels(
    compared: Mapping[str, Seasonal], current: Sketch, settings: config.Drift
) -> dict[str, float]:
    """Return the level of each column that has enough values to be tested."""
    sketches: dict[str, NumericSketch | CategorySketch] = {**current.numeric, **current.categorical}
    if current.score is not None:
        sketches[SCORE] = current.score
    return {
        name: float(f"{distance.level:.6g}")
        for name, (_, distance) in compared.items()
        if math.isfinite(distance.level) and sketches[name].n >= settings.min_rows
    }


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


def _run_tests(
    reference: Sketch, current: Sketch, settings: config.Drift, compared: Mapping[str, Seasonal]
) -> Iterator[ColumnDrift]:
    """Run every test of the report, uncorrected: values of each column, then its missing share."""
    pairs: list[tuple[str, Kind, NumericSketch | CategorySketch, NumericSketch | CategorySketch]] = [
        *((name, "numeric", column, current.numeric[name]) for name, column in reference.numeric.items()),
        *(
            (name, "category", column, current.categorical[name])
            for name, column in reference.categorical.items()
        ),
    ]
    for name, kind, first, second in pairs:
        yield _test_values(name, kind, first, second, compared.get(name), settings)
        if first.missing + second.missing:
            yield _test_missing(name, first, second, compared.get(name))


def _test_values(
    name: str,
    kind: Kind,
    first: NumericSketch | CategorySketch,
    second: NumericSketch | CategorySketch,
    seasonal: Seasonal | None,
    settings: config.Drift,
) -> ColumnDrift:
    reason = ""
    if min(first.n, second.n) < settings.min_rows:
        sizes = f"{second.n} values against {first.n} in the reference"
        reason = f"{sizes}, {settings.min_rows} a side are needed"
    elif seasonal is not None:
        reason = describe_shortness(seasonal[0].noise)
    if reason:
        return _withhold(name, kind, f"{name}: {reason}")
    if seasonal is not None:
        effect, p_value = values_test(*seasonal)
    elif isinstance(first, NumericSketch) and isinstance(second, NumericSketch):
        effect, p_value = kolmogorov_smirnov(first, second)
    else:
        assert isinstance(first, CategorySketch), "_require_same_columns has looked"
        assert isinstance(second, CategorySketch), "_require_same_columns has looked"
        effect, p_value = total_variation(first, second)
    message = describe_change(name, effect, first, second)
    return ColumnDrift(name, kind, "ok", effect, p_value, math.nan, message)


def _test_missing(
    name: str,
    first: NumericSketch | CategorySketch,
    second: NumericSketch | CategorySketch,
    seasonal: Seasonal | None,
) -> ColumnDrift:
    if seasonal is not None and (reason := describe_shortness(seasonal[0].missing_noise)):
        return _withhold(name, "missing", f"{name}: its missing share {reason}")
    rows, other = first.n + first.missing, second.n + second.missing
    before = first.missing / rows
    effect, p_value = share_difference(first.missing, rows, second.missing, other)
    if seasonal is not None:
        (effect, p_value), before = missing_test(*seasonal), seasonal[1].share
    message = f"{name}: missing {before:.1%} -> {second.missing / other:.1%}"
    return ColumnDrift(name, "missing", "ok", effect, p_value, math.nan, message)


def _withhold(name: str, kind: Kind, message: str) -> ColumnDrift:
    return ColumnDrift(name, kind, "insufficient_data", math.nan, math.nan, math.nan, message)


def _weight_columns(reference: Sketch) -> dict[str, float]:
    """Return the weight of each column; an equal share for a column whose importance is unknown."""
    names = [*reference.numeric, *reference.categorical]
    if not reference.importance:
        return {}
    return {name: reference.importance.get(name, 1 / len(names)) for name in names}


def _judge_column(
    column: ColumnDrift,
    corrected: float,
    settings: config.Drift,
    columns: int = 0,
    shift: CarriedShift | None = None,
) -> ColumnDrift:
    """Return the test with its status: by this window alone, or by what its windows say together."""
    if column.status == "insufficient_data":
        return column
    message, effect = f"{column.message}; p = {corrected:.2g}", column.effect
    moved = effect if corrected < settings.alpha else None  # the effect that is no chance
    if shift is not None and (moved is None or shift.effect > moved):
        moved, effect = shift.effect, max(effect, shift.effect)
        message += f"; {shift.describe(column.kind)}"
    status: Status = "ok"
    if moved is not None and moved >= settings.notice:
        status = "warning"
        if moved >= settings.strong_effect:
            status = "drift"
            if column.importance is not None and column.importance < settings.ignored / columns:
                status = "warning"
                message += (
                    f"; only a warning, as {column.importance:.1%} of the detector's ranking rests on it"
                )
    return replace(column, status=status, effect=effect, corrected=corrected, message=message)


def _judge_score(
    reference: Sketch,
    current: Sketch,
    settings: config.Drift,
    seasonal: Seasonal | None,
    shift: CarriedShift | None,
) -> ColumnDrift | None:
    if reference.score is None or current.score is None:
        return None
    if current.score.missing:
        message = (
            f"score: {current.score.missing} of {current.rows} scores are not finite, which counts as drift"
        )
        return ColumnDrift("score", "score", "drift", math.nan, math.nan, math.nan, message)
    tested = _test_values("score", "score", reference.score, current.score, seasonal, settings)
    return _judge_column(tested, tested.p_value, settings, shift=shift)


def _test_joint(reference: Sketch, current: Sketch, settings: config.Drift) -> ColumnDrift | None:
    principal = reference.baseline.joint if reference.baseline else None
    if principal is None or reference.moments is None or current.moments is None:
        return None
    if current.moments.n < max(settings.min_rows, 2 * len(current.moments.names)):
        message = f"together: {current.moments.n} rows are too few for {len(current.moments.names)} columns"
        return _withhold("(together)", "joint", message)
    if principal.worth < MIN_WORTH:
        message = f"together: the reference is worth {principal.worth:.1f} independent windows, too few"
        return _withhold("(together)", "joint", message)
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
    overall = max(status, joint.status, key=BY_SEVERITY.index) if joint and joint.drifted else status
    return DriftReport(overall, columns, score, share, tuple(reasons), joint, columns_status=status)
