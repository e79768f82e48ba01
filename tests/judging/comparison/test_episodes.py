"""Episodes are drawn where the past tells the present; their values are usual, their order is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pynomaly.data.frame import FrameContract
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.injected.anomalies import InjectedAnomalies
from pynomaly.judging.comparison.injected.episodes import EPISODE_KINDS, Episode, draw_episodes
from pynomaly.judging.comparison.injected.rhythm import Rhythm, list_runs, measure_rhythm
from pynomaly.judging.comparison.ranking_metrics import Ranking

CONTRACT = FrameContract(numeric=("load", "state"), categorical=(), time="time", id="meter", label=None)
START = pd.Timestamp("2026-01-05", tz="UTC")


def meters(shape: str = "cycle", rows: int = 900, names: str = "ab", seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for name in names:
        place = np.arange(rows)
        value = {
            "cycle": np.sin(2 * np.pi * place / 40) * 5 + rng.normal(size=rows),
            "walk": np.cumsum(rng.normal(size=rows)),
            "noise": rng.normal(size=rows),
        }[shape]
        state = ((place // 30) % 2 if shape != "noise" else rng.integers(0, 2, rows)).astype(float)
        time = START + pd.to_timedelta(place * 5, unit="min")
        parts.append(pd.DataFrame({"time": time, "meter": name, "load": value, "state": state}))
    return pd.concat(parts, ignore_index=True)


def draw(frame: pd.DataFrame, rhythm: Rhythm, count: int = 60, seed: int = 0) -> list[Episode]:
    values = {item.name: frame[item.name].to_numpy() for item in rhythm.columns}
    runs = list_runs(frame, CONTRACT, rhythm.step)
    return draw_episodes(values, runs, rhythm, count, (0.5, 1.0, 2.0), np.random.default_rng(seed))


def measure(frame: pd.DataFrame) -> Rhythm | None:
    return measure_rhythm(frame.sample(frac=1.0, random_state=1), CONTRACT, CONTRACT.numeric)


def test_period_step_and_columns_are_measured_in_any_order_of_rows() -> None:
    rhythm = measure(meters())
    assert rhythm is not None
    assert rhythm.repeats
    assert abs(rhythm.period - 40) <= 1 or rhythm.period % 40 in (0, 1, 39)
    assert rhythm.step == 300_000_000
    assert [(item.name, item.is_smooth) for item in rhythm.columns] == [("load", True), ("state", False)]


@pytest.mark.parametrize("seed", range(6))
def test_rows_that_follow_nothing_have_no_rhythm(seed: int) -> None:
    assert measure(meters("noise", seed=seed)) is None


def test_many_short_entities_show_their_rhythm_together() -> None:
    assert measure(meters("walk", rows=24, names="abcdefghijkl")) is not None
    assert measure(meters("noise", rows=24, names="abcdefghijkl")) is None


def test_no_times_and_few_rows_have_no_rhythm() -> None:
    bare = FrameContract(numeric=("load",), categorical=(), time=None, id=None, label=None)
    assert measure_rhythm(meters(), bare, ("load",)) is None
    assert measure(meters(rows=20)) is None


def test_runs_stay_within_an_entity_and_end_at_gaps() -> None:
    frame = meters().drop(index=range(100, 110)).sample(frac=1.0, random_state=2)
    runs = list_runs(frame, CONTRACT, 300_000_000)
    assert sorted(len(run) for run in runs) == [100, 790, 900]
    for run in runs:
        part = frame.iloc[run]
        assert len(set(part["meter"])) == 1
        assert (part["time"].diff().dropna() == pd.Timedelta(minutes=5)).all()


def test_every_kind_and_size_is_drawn_and_changes_most_of_its_rows() -> None:
    frame = meters()
    rhythm = measure(frame)
    assert rhythm is not None
    episodes = draw(frame, rhythm)
    assert {episode.kind for episode in episodes} == set(EPISODE_KINDS)
    assert {episode.size for episode in episodes} == {0.5, 1.0, 2.0}
    for episode in episodes:
        assert len(set(frame["meter"].iloc[np.concatenate([episode.rows, episode.after])])) == 1
        assert (np.diff(np.concatenate([episode.rows, episode.after])) == 1).all()
        assert len(episode.after) <= rhythm.period // 2
        for name, cells in episode.cells.items():
            before = frame[name].to_numpy()[episode.rows]
            assert (cells != before).mean() >= 0.5
            known = frame[name]
            is_inside = (cells >= known.min()) & (cells <= known.max())
            assert np.isin(cells[is_inside], known).all(), "each value inside the range occurs in the column"
        if episode.kind == "stuck":
            assert all(np.unique(cells).size == 1 for cells in episode.cells.values())
        if episode.kind == "inner spike":
            assert len(episode.rows) <= 3
    again = draw(frame, rhythm)
    assert [(item.kind, item.rows[0]) for item in again] == [(item.kind, item.rows[0]) for item in episodes]


def test_larger_sizes_move_values_further() -> None:
    frame = meters("walk", rows=3000)
    rhythm = measure(frame)
    assert rhythm is not None
    moved: dict[float, list[float]] = {0.5: [], 1.0: [], 2.0: []}
    for episode in draw(frame, rhythm, 300):
        if episode.kind == "level shift" and "load" in episode.cells:
            before = frame["load"].to_numpy()[episode.rows]
            moved[episode.size].append(float(np.median(np.abs(episode.cells["load"] - before))))
    small, usual, large = (np.median(moved[size]) for size in (0.5, 1.0, 2.0))
    assert small < usual < large


def test_states_alone_get_stuck_or_flip() -> None:
    frame = meters().assign(load=0.0)
    rhythm = measure(frame)
    assert rhythm is not None
    assert [item.name for item in rhythm.columns] == ["state"]
    assert {episode.kind for episode in draw(frame, rhythm)} == {"stuck", "inner spike"}


def test_missing_cells_stay_missing() -> None:
    frame = meters()
    frame.loc[::7, "load"] = np.nan
    rhythm = measure(frame)
    assert rhythm is not None
    for episode in draw(frame, rhythm):
        for name, cells in episode.cells.items():
            np.testing.assert_array_equal(np.isnan(cells), frame[name].isna().to_numpy()[episode.rows])


def test_an_episode_is_one_anomaly_whatever_its_length() -> None:
    truth = np.array([0] * 96 + [1] * 4)
    episodes = np.array([-1] * 97 + [0] * 3)
    kinds = np.array([""] * 96 + ["global"] + ["stuck"] * 3, dtype=object)
    weights = np.array([0.0] * 96 + [1.0] + [1 / 3] * 3)
    injected = InjectedAnomalies(kinds, kinds, episodes, weights, 0.02)
    evidence = Evidence(truth, np.arange(100), Rung.INJECTED, injected)
    assert evidence.positives == 2
    scores = np.arange(100.0)
    shares = injected.weigh_rows(truth)
    assert shares is not None
    assert shares[truth == 1].sum() / shares.sum() == pytest.approx(0.02)
    # The same as a table in which every row stands as often as it counts.
    counts = np.round(shares * 147).astype(int)
    repeated = Ranking(np.repeat(truth, counts), np.repeat(scores, counts))
    for metric in ("average_precision", "roc_auc"):
        assert evidence.rank(scores).value(metric) == pytest.approx(repeated.value(metric), abs=1e-9)
    part = evidence.select((truth == 0) | (kinds == "stuck"))
    assert part.positives == 1
    assert part.injected is not None
    own = part.injected.weigh_rows(part.truth)
    assert own is not None
    assert own[part.truth == 1].sum() / own.sum() == pytest.approx(0.02), (
        "each kind is judged at the same share"
    )


def test_arrays_restore_everything_and_older_ones_still_load() -> None:
    kinds = np.array(["", "stuck"], dtype=object)
    one = InjectedAnomalies(kinds, kinds, np.array([-1, 0]), np.array([0.0, 1.0]), 0.01, "no hour")
    again = InjectedAnomalies.from_arrays(one.to_arrays())
    assert (again.prevalence, again.note) == (0.01, "no hour")
    for name, values in one.arrays.items():
        np.testing.assert_array_equal(values, again.arrays[name])
    old = InjectedAnomalies.from_arrays({"kinds": np.array(["global"]), "sizes": np.array(["1"])})
    assert old.weigh_rows(np.array([1])) is None
