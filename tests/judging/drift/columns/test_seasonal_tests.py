"""Windows against the same season: a cycle is no drift, a change in it is; scipy is the oracle."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import chi2, chi2_contingency, ks_2samp, kstwobign, t

from pynomaly import config
from pynomaly.judging.drift.columns.seasonal_tests import (
    compare_in_season,
    joint_test,
    kolmogorov_tail,
    missing_test,
    values_test,
)
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.drift.window_drift import compare_sketches
from pynomaly.model.sketch.baseline import Baseline, ColumnBaseline
from pynomaly.model.sketch.design_effect import DesignEffect
from pynomaly.model.sketch.grid import BinGrid, compare_bins
from pynomaly.model.sketch.reference_windows import ReferenceWindows
from pynomaly.model.sketch.sketch import CategorySketch, NumericSketch, Sketch

SETTINGS = config.Drift()
ONE_CELL = tuple([0] * 167 + [1])


def week(seed: int, days: int, first: int = 0, a_day: int = 240, **changes: float) -> pd.DataFrame:
    """A daily and a weekly cycle, a pair that moves together, and a category of the weekend."""
    rng = np.random.default_rng([seed, first])
    n = days * a_day
    hours = first * 24 + np.arange(n) * 24 / a_day
    weekend = (hours // 24) % 7 >= 5
    load = 2 * np.sin(2 * np.pi * hours / 24) - 1.5 * weekend
    frame = pd.DataFrame({"load": load + rng.normal(size=n), "still": rng.normal(size=n)})
    frame["pair"] = frame["still"] + 0.3 * rng.normal(size=n)
    frame["load"] += changes.get("load", 0.0)
    if changes.get("broken"):
        frame["pair"] = rng.permutation(frame["pair"])
    kinds = np.where(rng.random(n) < np.where(weekend, 0.9, 0.1), "rest", "work")
    frame["kind"] = pd.Series(kinds.astype(object), dtype=object)
    frame["time"] = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(hours, unit="h")
    return frame


def reference(frame: pd.DataFrame, importance: dict[str, float] | None = None) -> Sketch:
    rows, times = frame.drop(columns="time"), frame["time"]
    sketch = Sketch.of(rows, times=times)
    baseline = Baseline.of(
        rows,
        times,
        sketch.numeric,
        sketch.categorical,
        sketch.moments,
        length=pd.Timedelta(days=1),
        seasons=2,
    )
    return sketch.with_reference(baseline, importance)


@pytest.fixture(scope="module")
def known() -> Sketch:
    return reference(week(0, 35))


def judge(known: Sketch, frame: pd.DataFrame) -> DriftReport:
    current = Sketch.of(frame.drop(columns="time"), times=frame["time"], like=known)
    return compare_sketches(known, current, SETTINGS)


def test_days_of_a_weekly_cycle_are_no_drift_and_the_report_says_why(known: Sketch) -> None:
    reports = [judge(known, week(1, 1, day)) for day in range(35, 49)]
    assert [report.status for report in reports] == ["ok"] * 14
    assert {report.season for report in reports} == {"hour_of_week"}
    assert "the same hours of the week; tests as wide as 35 windows" in reports[0].basis
    plain = known.with_reference(None)
    assert all(judge(plain, week(1, 1, day)).status != "ok" for day in range(35, 49))


def test_a_saturday_that_looks_like_a_tuesday_is_drift(known: Sketch) -> None:
    tuesday = week(1, 1, 36)
    tuesday["time"] += pd.Timedelta(days=4)
    report = judge(known, tuesday)
    assert report.status == "drift"
    assert set(report.drifted) == {"load", "kind"}


def test_a_change_within_the_season_is_seen(known: Sketch) -> None:
    report = judge(known, week(2, 1, 40, load=1.0))
    assert "load" in report.drifted
    assert "still" not in report.drifted


def test_a_relation_that_breaks_is_seen_though_no_column_moves(known: Sketch) -> None:
    report = judge(known, week(3, 1, 41, broken=1.0))
    assert report.drifted == ()
    assert report.joint is not None
    assert report.joint.status == "drift"
    assert report.status == "drift"
    assert "together: reconstruction error" in report.reasons[0]


def test_a_missing_share_that_wanders_for_most_of_the_reference_has_no_verdict() -> None:
    frame = week(0, 35)
    frame.loc[len(frame) // 2 :, "still"] = np.nan
    known = reference(frame)
    (share,) = (one for one in judge(known, week(1, 1, 35)).columns if one.kind == "missing")
    assert share.status == "insufficient_data"
    assert math.isnan(share.p_value)
    assert "its missing share has no verdict: the reference is too short" in share.message
    assert "windows.reference" in share.message


def test_a_column_that_the_detector_ignores_only_warns() -> None:
    frame, moved = week(0, 35), week(2, 1, 40, load=6.0)
    used = {"load": 0.4, "still": 0.2, "pair": 0.2, "kind": 0.2}
    ignored = {"load": 0.01, "still": 0.4, "pair": 0.3, "kind": 0.29}
    drifted = judge(reference(frame, used), moved)
    assert drifted.status == "drift"
    assert next(one.status for one in drifted.columns if one.name == "load") == "drift"
    report = judge(reference(frame, ignored), moved)
    assert report.status == "warning"
    assert "only a warning, as 1.0% of the detector's ranking rests on it" in report.reasons[0]
    assert report.share == pytest.approx(0.01)


@pytest.mark.parametrize("what", ["constant", "missing"])
def test_a_column_that_breaks_is_drift(known: Sketch, what: str) -> None:
    broken = week(4, 1, 42)
    broken["still"] = 0.3 if what == "constant" else np.nan
    report = judge(known, broken)
    assert report.status == "drift"
    assert "still" in report.drifted


def test_hours_that_the_reference_has_not_seen_are_held_against_all_of_it() -> None:
    frame = week(0, 35)
    frame = frame[frame["time"].dt.hour < 20]
    evening = week(5, 1, 43)
    evening = evening[evening["time"].dt.hour >= 20]
    report = judge(reference(frame), pd.concat([evening] * 3))
    assert report.season == "hour_of_week"
    assert "still" not in report.drifted


def column(values: pd.Series, noise: DesignEffect) -> ColumnBaseline:
    sketch = NumericSketch.of(values) if values.dtype == float else CategorySketch.of(values)
    grid = BinGrid.of(sketch)
    zeros = np.zeros(len(values), dtype=np.int64)
    windows = ReferenceWindows([], 1, 1, zeros)
    built = ColumnBaseline.of(grid, values, zeros, windows, "none")
    return ColumnBaseline(built.level, built.grid, built.counts, noise, DesignEffect())


def test_independent_numbers_give_scipys_kolmogorov_smirnov() -> None:
    rng = np.random.default_rng(6)
    first, second = (
        rng.integers(0, 12, 4000).astype(float),
        rng.integers(0, 12, 3000) + (rng.random(3000) < 0.1),
    )
    base, current = column(pd.Series(first), DesignEffect()), NumericSketch.of(second)
    distance = compare_in_season(base, current, ONE_CELL)
    effect, p_value = values_test(base, distance)
    expected = ks_2samp(first, second)
    assert effect == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(float(kstwobign.sf(effect * math.sqrt(4000 * 3000 / 7000))), rel=1e-6)


def test_independent_categories_give_scipys_chi_square() -> None:
    rng = np.random.default_rng(7)
    names = np.array(list("abcdef"), dtype=object)
    first, second = (pd.Series(rng.choice(names, size), dtype=object) for size in (5000, 800))
    base, current = column(first, DesignEffect()), CategorySketch.of(second)
    _, p_value = values_test(base, compare_in_season(base, current, ONE_CELL))
    table = [[int((side == name).sum()) for name in names] for side in (first, second)]
    assert p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue, rel=1e-6)


@settings(deadline=None)
@given(st.floats(0.05, 40), st.floats(4, 500))
def test_the_tail_is_kolmogorovs_and_wider_where_the_unit_is_less_known(square: float, dof: float) -> None:
    exact = float(kstwobign.sf(math.sqrt(square)))
    assert kolmogorov_tail(square, math.inf) == pytest.approx(exact, abs=1e-4)
    if exact < 0.05:
        assert kolmogorov_tail(square, dof) >= exact
        assert kolmogorov_tail(square, dof) >= kolmogorov_tail(square, 2 * dof)


def test_independent_rows_have_statistics_of_one_on_average() -> None:
    rng = np.random.default_rng(8)
    whole = column(pd.Series(rng.normal(size=20_000)), DesignEffect())
    distances = []
    for _ in range(200):
        window = whole.grid.counts(NumericSketch.of(rng.normal(size=1000)))
        distances.append(compare_bins(True, whole.counts, window, np.array([1000])).apart)
    assert np.mean(distances) == pytest.approx(0.9, abs=0.2)  # a little below 1: it looks at 33 points


def test_the_joint_test_is_the_weaker_of_students_and_chi_square(known: Sketch) -> None:
    assert known.baseline is not None
    assert known.moments is not None
    principal = known.baseline.joint
    assert principal is not None
    for rows, frame in ((60, week(5, 1, 43)[:60]), (240, week(3, 1, 41, broken=1.0))):
        moments = Sketch.of(frame.drop(columns="time"), times=frame["time"], like=known).moments
        assert moments is not None
        assert moments.n == rows
        effect, p_value, ratio = joint_test(known.moments, principal, moments)
        shift = math.log(ratio)
        error = principal.deviation * math.sqrt(max(principal.rows / rows, 0.25) + 1 / principal.worth)
        dof = brentq(lambda dof, square: polygamma(1, dof / 2) - square, 0.1, 1e6, args=(error**2,))
        square = math.exp(shift + digamma(dof / 2)) * 2
        tails = (
            t.sf(abs(shift) / error, principal.worth - 1),
            (chi2.sf if shift > 0 else chi2.cdf)(square, dof),
        )
        assert p_value == pytest.approx(2 * max(tails), rel=0.02)
        assert effect == pytest.approx(1 - math.exp(-abs(shift)))


def test_the_distance_of_categories_is_what_exceeds_their_noise() -> None:
    noise = DesignEffect(ratio=2.0)
    base = column(pd.Series(list("aabbcc"), dtype=object), noise)
    distance = replace(
        compare_in_season(base, CategorySketch.of(pd.Series(list("ab"))), ONE_CELL), effect=0.5
    )
    for spread in (0.1, 0.3, 0.9):
        effect, _ = values_test(base, replace(distance, noise=spread))
        assert effect == pytest.approx(math.sqrt(max(0.0, 0.5**2 - 2 * spread**2)))


def test_missing_cells_have_the_chi_square_of_their_noise() -> None:
    base = column(pd.Series(list("aabbcc"), dtype=object), DesignEffect())
    distance = compare_in_season(base, CategorySketch.of(pd.Series(list("ab"))), ONE_CELL)
    for ratio in (1.0, 2.0):
        noisy = replace(base, missing_noise=DesignEffect(ratio=ratio))
        effect, p_value = missing_test(noisy, replace(distance, missing=6.0, missing_effect=0.25))
        assert effect == 0.25
        assert p_value == pytest.approx(chi2.sf(6.0 / ratio, 1), rel=1e-6)
