"""Contexts are measured, not assumed; anomalies of a context are usual values that are not usual there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pynomaly.data.frame import FrameContract
from pynomaly.judging.comparison.injected.context import measure_context, measure_explained
from pynomaly.judging.comparison.injected.displaced import find_donors
from pynomaly.judging.comparison.injection import ANOMALY_KINDS, inject_anomalies

CONTRACT = FrameContract(numeric=("load", "other"), categorical=(), time="time", id="meter", label=None)
START = pd.Timestamp("2026-01-05", tz="UTC")


def meters(
    days: int = 20,
    season: float = 0.0,
    level: float = 0.0,
    weekend: float = 0.0,
    walk: float = 0.0,
    names: str = "abc",
    seed: int = 0,
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for place, name in enumerate(names):
        time = START + pd.to_timedelta(np.arange(days * 48) * 30, unit="min")
        value = rng.normal(size=len(time)) + level * place
        value += season * np.sin(2 * np.pi * time.hour / 24) + weekend * (time.dayofweek >= 5)
        value += walk * np.cumsum(rng.normal(size=len(time)))
        parts.append(
            pd.DataFrame({"time": time, "meter": name, "load": value, "other": rng.normal(size=len(time))})
        )
    return pd.concat(parts, ignore_index=True).sort_values(["time", "meter"], ignore_index=True)


def split(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    cut = round(0.7 * len(frame))
    return frame.iloc[:cut].sample(frac=1.0, random_state=0), frame.iloc[cut:]


@pytest.mark.parametrize(
    ("shape", "season", "entities"),
    [
        ({"season": 2.0}, True, False),
        ({"level": 3.0}, False, True),
        ({"season": 2.0, "level": 3.0}, True, True),
        ({"weekend": 3.0, "days": 45}, True, False),
    ],
)
def test_a_context_that_counts_is_measured(shape: dict[str, float], season: bool, entities: bool) -> None:
    context = measure_context(*split(meters(**shape)), CONTRACT)
    assert context is not None
    assert (context.has_season, context.has_entities) == (season, entities)
    assert not context.seasonal[1], "the column of noise follows nothing"
    assert not context.levelled[1]


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_depend_on_nothing_have_no_context_and_get_the_same_anomalies(seed: int) -> None:
    learned, judged = split(meters(seed=seed))
    context = measure_context(learned, judged, CONTRACT)
    assert context is None
    rows = CONTRACT.conform(judged)
    with_context, without = (
        inject_anomalies(rows, CONTRACT, 0.1, seed, (0.5, 1.0), *more) for more in ((context,), ())
    )
    pd.testing.assert_frame_equal(with_context[0], without[0])
    np.testing.assert_array_equal(with_context[2].kinds, without[2].kinds)


@pytest.mark.parametrize("timed", [True, False])
def test_levels_of_entities_are_measured_in_any_order_and_within_a_day(timed: bool) -> None:
    frame = meters(days=1, level=3.0, names="abcd")
    contract = FrameContract(("load",), (), "time" if timed else None, "meter", None)
    for rows in (frame, frame.sample(frac=1.0, random_state=3)):
        context = measure_context(rows, rows, contract)
        assert context is not None
        assert context.has_entities
        assert not context.has_season


@pytest.mark.parametrize("seed", range(8))
def test_a_wandering_series_has_no_season(seed: int) -> None:
    context = measure_context(*split(meters(days=12, walk=0.5, names="a", seed=seed)), CONTRACT)
    assert context is None or not context.has_season


def test_what_is_explained_is_explained_on_the_other_half() -> None:
    rng = np.random.default_rng(0)
    groups, halves = np.arange(4000) % 24, np.arange(4000) // 24 % 2
    assert measure_explained(rng.normal(size=4000), groups, halves) < 0.02
    assert measure_explained(groups * 1.0, groups, halves) == pytest.approx(1.0)
    assert measure_explained(np.ones(4000), groups, halves) == 0.0
    assert measure_explained(np.full(4000, np.nan), groups, halves) == 0.0
    only_here = np.where(halves == 0, groups, 0) * 1.0
    assert measure_explained(only_here, groups, halves) < 0.3


def test_a_donor_is_usual_elsewhere_and_far_from_usual_here() -> None:
    learned, judged = split(meters(season=3.0, level=8.0))
    context = measure_context(learned, judged, CONTRACT)
    assert context is not None
    values = judged[list(context.columns)].to_numpy()
    rows = np.arange(0, len(judged), 5)
    rng = np.random.default_rng(1)
    for foreign in (False, True):
        donors = find_donors(context, values, rows, np.ones(rows.size), rng, foreign=foreign)
        chosen, donor = rows[donors >= 0], donors[donors >= 0]
        assert chosen.size > rows.size // 3
        assert ((context.entities[chosen] == context.entities[donor]) != foreign).all()
        if not foreign:
            assert (context.phases[chosen] != context.phases[donor]).all()
        apart = np.abs(values[donor, 0] - context.centre[chosen, 0]) / context.spread[chosen, 0]
        assert (apart >= 1.5).all()


def test_context_anomalies_stand_beside_the_others_in_equal_parts() -> None:
    learned, judged = split(meters(season=3.0, level=3.0))
    context = measure_context(learned, judged, CONTRACT)
    rows = CONTRACT.conform(judged)
    changed, truth, injected = inject_anomalies(rows, CONTRACT, 0.2, 3, (0.5, 1.0, 2.0), context)
    counts = pd.Series(injected.kinds[truth == 1]).value_counts()
    points = counts[list(ANOMALY_KINDS)].sum()
    assert abs(points - 0.2 * len(rows) / 3) <= 2
    assert min(counts["wrong hour"], counts["wrong entity"]) > points / 2
    is_context = np.isin(injected.kinds, ["wrong hour", "wrong entity"])
    assert changed["load"][is_context].isin(rows["load"]).all(), "every value occurs in the data"
    is_changed = (changed != rows).any(axis=1).to_numpy()
    np.testing.assert_array_equal(is_changed, truth == 1)
    again = inject_anomalies(rows, CONTRACT, 0.2, 3, (0.5, 1.0, 2.0), context)
    pd.testing.assert_frame_equal(changed, again[0])


def test_missing_cells_new_entities_and_short_tables() -> None:
    learned, judged = split(meters(season=3.0, level=3.0))
    judged = judged.copy()
    judged.loc[judged.index[::3], "load"] = np.nan
    judged.loc[judged.index[::4], "meter"] = "new"
    context = measure_context(learned, judged, CONTRACT)
    assert context is not None
    assert np.isfinite(context.centre).all()
    assert (context.spread > 0).all()
    changed, _, _ = inject_anomalies(CONTRACT.conform(judged), CONTRACT, 0.2, 3, (1.0,), context)
    pd.testing.assert_frame_equal(changed.isna(), CONTRACT.conform(judged).isna())
    assert measure_context(learned.iloc[:20], judged, CONTRACT) is None
    bare = FrameContract(numeric=("load",), categorical=(), time=None, id=None, label=None)
    assert measure_context(learned, judged, bare) is None
