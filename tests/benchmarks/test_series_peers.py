"""Peers are joined as `series` joins its members, and judged on files that did not choose their settings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import series_peers
from benchmarks.peers import PEERS, PeerReading, compare_embeddings, find_usual, measure_patches, scale_by
from benchmarks.series import SeriesFile
from benchmarks.series_peers import (
    LIKE,
    OURS,
    Figures,
    PeerMember,
    find_missing,
    measure_series,
    split_thirds,
    summarise,
)
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.members import Forecast
from pynomaly.detectors.series.window_members import NearestWindows


def make_file(rows: int = 700, fitted: int = 500) -> SeriesFile:
    rng = np.random.default_rng(3)
    values = np.sin(np.arange(rows) / 6) + rng.normal(0, 0.1, rows)
    truth = np.zeros(rows, dtype=np.int64)
    truth[600:610] = 1
    return SeriesFile(Path("made_tr_500_.csv"), pd.DataFrame({"v0": values}), truth, fitted)


def make_figures(*rows: tuple[type[object], list[float]]) -> Figures:
    figures = np.array([figure for _, figure in rows])
    kinds = tuple(kind for kind, _ in rows)
    return Figures(figures, np.isfinite(figures), np.full(figures.shape[1], 7.0), kinds)  # type: ignore[arg-type]


def test_a_score_is_the_power_mean_of_those_that_can_read_the_row() -> None:
    figures = Figures(
        np.array([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]]),
        np.array([[True, True, False], [True, False, False]]),
        np.array([9.0, 9.0, 5.0]),
        (Forecast, NearestWindows),
    )
    expected = np.log1p([np.cbrt((1 + 27) / 2), 2.0, 5.0])
    assert figures.join() == pytest.approx(expected)


def test_a_peer_takes_the_place_of_one_kind_and_of_no_other() -> None:
    ours = make_figures((Forecast, [1.0]), (NearestWindows, [2.0]), (NearestWindows, [3.0]))
    peer = make_figures((PeerMember, [4.0]))
    assert ours.replace(peer, None).figures.ravel().tolist() == [1.0, 2.0, 3.0, 4.0]
    assert ours.replace(peer, NearestWindows).figures.ravel().tolist() == [1.0, 4.0]
    assert ours.replace(peer, Forecast).kinds == (NearestWindows, NearestWindows, PeerMember)
    assert ours.only(NearestWindows).figures.ravel().tolist() == [2.0, 3.0]


def test_a_peer_is_read_at_the_row_and_before_it_and_after_it_only_with_a_delay() -> None:
    rows = PastRows.of_series(np.zeros((300, 1)), delay=10)
    reading = PeerReading(np.zeros(300), 2.0, 4, 0.0, 0.0)
    reading.amounts[200] = 6.0
    at_once, readable = PeerMember.of_reading(reading, 32, 0).measure_rows(rows, 0)
    later, _ = PeerMember.of_reading(reading, 32, 10).measure_rows(rows, 0)
    assert np.flatnonzero(at_once).min() == 200
    assert np.flatnonzero(later).min() == 190
    assert readable.tolist() == [False] * 4 + [True] * 296
    single = PeerMember.of_reading(reading, 0, 0).measure_rows(rows, 0)[0]
    assert single[200] == pytest.approx(3.0)


@pytest.mark.slow
def test_every_way_is_measured_and_ours_is_what_the_product_scores() -> None:
    file = make_file()
    amounts = np.zeros(700)
    amounts[600:610] = 50.0
    readings = dict.fromkeys(PEERS, PeerReading(amounts, 1.0, 1, 0.0, 0.0))
    measured = {(name, way): scores for name, way, scores, _, _ in measure_series(file, 0, readings)}
    assert {name for name, _ in measured} == {OURS, "our windows", "our forecast", *PEERS}
    assert LIKE.keys() == PEERS.keys()
    ours, added = measured[OURS, "alone"], measured["ETS", "added"]
    assert (added[100:500] < ours[100:500]).all()
    assert (added[600:610] > ours[600:610]).all()
    assert measured["ETS", "alone"][605] > measured["ETS", "alone"][500]
    waiting = next(iter(measure_series(file, 30, {})))[2]
    assert np.isnan(waiting).sum() == 30


def test_the_table_has_the_gain_over_series_and_the_time_in_its_multiples() -> None:
    rows = [
        {"file": file, "delay": 0, "name": name, "way": way, "rows": 100, "vus_pr": value,
         "fit_seconds": 1.0, "score_seconds": 1.0 if name == OURS else 4.0}
        for file, shift in (("a", 0.0), ("b", 0.2))
        for name, way, value in ((OURS, "alone", 0.5 + shift), ("ETS", "alone", 0.3), ("ETS", "added", 0.6))
    ]  # fmt: skip
    table = summarise(pd.DataFrame(rows)).set_index("name")
    assert table.loc["ETS", "gain"] == pytest.approx(0.6 - 0.6)
    assert table.loc["ETS", "error"] == pytest.approx(0.1)
    assert table.loc["ETS", "time"] == pytest.approx(2.5)
    assert table.loc["ETS", "rows/s"] == pytest.approx(25.0)
    assert table.loc[OURS, "alone"] == pytest.approx(0.6)
    assert np.isnan(table.loc[OURS, "added"])


def test_settings_are_chosen_on_the_first_third_by_name() -> None:
    assert split_thirds(["d", "a", "c", "b", "f", "e", "g"]) == (["a", "b"], ["c", "d", "e", "f", "g"])


def test_a_missing_package_ends_the_run_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = {"ETS": ("no_such_package", PEERS["ETS"][1])}
    monkeypatch.setattr(series_peers, "PEERS", missing)
    assert "no_such_package" in find_missing(["ETS"])
    monkeypatch.setattr(sys, "argv", ["series_peers", "--data", str(tmp_path), "--peers", "ETS"])
    with pytest.raises(SystemExit, match=r"pip install .*no_such_package"):
        series_peers.main()
    monkeypatch.setattr(sys, "argv", ["series_peers", "--data", str(tmp_path), "--peers", "prophet"])
    with pytest.raises(SystemExit, match="no peer is called prophet; there are ETS"):
        series_peers.main()


def test_an_embedding_is_compared_with_the_nearest_that_do_not_overlap_it() -> None:
    bank = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [1.0, 0.0]])
    assert compare_embeddings(bank[:1], bank)[0] == pytest.approx(1 - 2 / 3)
    near = np.array([[True, False, False, False]])
    assert compare_embeddings(bank[:1], bank, near)[0] == pytest.approx(1 - 1 / 3)


def test_amounts_are_in_units_of_the_fitted_rows() -> None:
    assert find_usual(np.arange(11.0), 0.1) == pytest.approx(9.0)
    assert find_usual(np.zeros(11), 0.1) == 0.1
    assert scale_by(np.array([5.0, 7.0]), np.array([4.0, 6.0])).tolist() == [0.0, 2.0]
    assert scale_by(np.array([5.0, 7.0]), np.array([5.0, 5.0])).tolist() == [0.0, 2.0]


@pytest.mark.slow
def test_a_network_finds_patches_that_were_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr("benchmarks.peers.STEPS", 30)
    monkeypatch.setattr("benchmarks.peers.BATCH", 32)
    values = np.sin(np.arange(900) / 5)
    values[800:830] = 3.0
    reading = measure_patches(values, 600)
    assert len(reading.amounts) == 900
    assert not reading.amounts[: reading.back].any()
    assert reading.amounts[815:830].min() > np.quantile(reading.amounts[600:790], 0.9)
    unchanged = measure_patches(values[:700], 600).amounts
    assert reading.amounts[:700] == pytest.approx(unchanged, abs=1e-5)
