"""What each member sees, against slow twins; compiled loops give the bits of numpy."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.detectors import make_detector
from pynomaly.detectors.attributions import MemberReading
from pynomaly.detectors.catalogue import make_detector_for
from pynomaly.detectors.numerics import compiled
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series import loops
from pynomaly.detectors.series.members import Kernel
from pynomaly.detectors.series.periods import find_period
from pynomaly.detectors.series.smoothing import average_spots
from pynomaly.errors import DetectorError
from tests import naive

VALUES = np.random.default_rng(3).normal(size=(260, 2))
SPOTS = np.array([40, 41, 57, 58, 59, 199, 259, 130, 60])


@pytest.fixture(params=[False, True], ids=["numpy", "compiled"])
def _twin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run one of the two forms of the loops."""
    monkeypatch.setattr(compiled, "_work_counted", [1e18 if request.param else -1e18])


@pytest.mark.usefixtures("_twin")
@pytest.mark.parametrize("centred", [True, False])
def test_the_nearest_window_is_that_of_the_slow_twin(centred: bool) -> None:
    weights = 0.9 ** np.arange(19, -1, -1)
    drawn = np.arange(30, 250, 7)
    reference = np.ascontiguousarray(loops.cut_windows(VALUES, 1, drawn, weights, centred).T)
    distances = loops.find_distances(VALUES, 1, SPOTS, weights, centred, reference)
    for spot, distance in zip(SPOTS, distances, strict=True):
        wanted = naive.nearest_window_distance(VALUES[:, 1], spot, weights, centred, reference.T)
        assert distance == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@pytest.mark.usefixtures("_twin")
def test_the_forecast_is_that_of_the_slow_twin() -> None:
    lags, weights = np.array([1, 2, 5, 24]), np.array([0.5, -0.25, 0.1, 0.3])
    predicted = loops.predict_values(VALUES, 0, SPOTS, lags, weights)
    for spot, value in zip(SPOTS, predicted, strict=True):
        error = naive.forecast_error(VALUES[:, 0], spot, lags, weights)
        assert abs(VALUES[spot, 0] - value) == pytest.approx(error)


@pytest.mark.usefixtures("_twin")
def test_rows_average_the_spots_that_they_may_read() -> None:
    rows = PastRows.of_series(VALUES, delay=6, starts=(0, 3, 9, 120, 258)).take(
        np.r_[0:15, 118:124, 200, 255:260]
    )
    kernel = Kernel.peaked(2, 9, 6, sharp=True)

    def measure(spots: np.ndarray) -> np.ndarray:
        return np.abs(VALUES[spots, 0]) + np.abs(VALUES[spots - 4, 1])

    means, readable = average_spots(rows, 4, kernel.offsets, kernel.shares, measure)
    for row in range(len(rows)):
        place, before, after = rows.places[row], rows.before[row], rows.after[row]
        wanted = naive.average_row_spots(
            place, before, after, 4, kernel.offsets, kernel.shares, lambda spot: float(measure(spot))
        )
        assert readable[row] == (wanted is not None)
        assert means[row] == pytest.approx(wanted or 0.0)


@pytest.mark.parametrize("name", ["series", "series_knn", "series_ar", "series_profile", "series_residual"])
def test_compiled_loops_change_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    time = np.arange(900)
    values = np.sin(time / 5)[:, None] + 0.2 * np.random.default_rng(1).normal(size=(900, 1))
    rows = PastRows.of_series(values[:600], delay=9)
    detector = make_detector_for(rows, name).fit(rows)
    rows = PastRows.of_series(values, delay=9)
    monkeypatch.setattr(compiled, "_work_counted", [-1e18])
    slow = detector.score(rows, threads=1)
    monkeypatch.setattr(compiled, "_work_counted", [1e18])
    assert (detector.score(rows, threads=1) == slow).all()


def test_a_thin_kernel_weighs_as_a_full_one() -> None:
    full, thin = (Kernel.peaked(0, 100, 0, sharp=False, thin=thin) for thin in (False, True))
    assert len(thin.offsets) < 30
    assert set(thin.offsets) <= set(full.offsets)
    assert thin.shares.sum() == pytest.approx(full.shares.sum(), rel=0.1)
    assert thin.offsets[-1] == 0
    assert thin.shares.argmax() >= 0


@pytest.mark.parametrize("period", [12, 24, 97])
def test_the_period_is_measured(period: int) -> None:
    time = np.arange(2000)
    wave = np.sin(2 * np.pi * time / period) + 0.3 * np.random.default_rng(0).normal(size=2000) + time / 300
    measured = find_period([wave])
    assert abs(measured - period * round(measured / period)) <= 1
    assert find_period([np.zeros(500)]) == 64
    assert find_period([]) == 64


def score_changed(
    values: np.ndarray, changed: np.ndarray, name: str = "series", smoothing: str = ""
) -> np.ndarray:
    """Fit on the first 2,000 rows and return the scores of all, changed ones included."""
    detector = make_detector(name, **({"smoothing": smoothing} if smoothing else {})).fit(
        PastRows.of_series(values[:2000])
    )
    return detector.score(PastRows.of_series(changed))


def make_season(rows: int = 3000) -> np.ndarray:
    time = np.arange(rows)
    return (np.sin(2 * np.pi * time / 96) + 0.1 * np.random.default_rng(0).normal(size=rows))[:, None]


@pytest.mark.slow
def test_a_stuck_sensor_is_seen() -> None:
    values = make_season()
    changed = values.copy()
    changed[2500:2644] = changed[2500]
    scores = score_changed(values, changed)
    assert (scores[2500:2644] > scores[2100:2500].max()).sum() >= 130


@pytest.mark.slow
def test_with_narrow_smoothing_an_incident_ends_where_it_ends() -> None:
    values = make_season()
    changed = values.copy()
    changed[2520:2529] = -changed[2520:2529]
    after = {}
    for smoothing in ("wide", "narrow"):
        scores = score_changed(values, changed, smoothing=smoothing)
        rare = np.sort(scores[2100:2500])[-4]  # one in a hundred
        assert (scores[2520:2529] > rare).all()
        after[smoothing] = int((scores[2531:2700] > rare).sum())
    assert after["narrow"] <= 5 < 40 < after["wide"]


@pytest.mark.slow
def test_a_stuck_sensor_is_seen_with_narrow_smoothing() -> None:
    values = make_season()
    changed = values.copy()
    changed[2500:2644] = changed[2500]
    scores = score_changed(values, changed, smoothing="narrow")
    assert (scores[2500:2644] > scores[2100:2500].max()).sum() >= 130


@pytest.mark.slow
def test_a_usual_value_at_the_wrong_phase_is_seen() -> None:
    values = make_season()
    changed = values.copy()
    changed[2520] = -changed[2520]  # from the crest to the trough, both seen a hundred times
    for name in ("series", "series_profile"):
        scores = score_changed(values, changed, name)
        assert scores[2520] > scores[2100:2520].max()


@pytest.mark.slow
def test_a_flag_counts_where_its_value_is_new_and_not_where_it_toggles() -> None:
    values = np.column_stack([make_season()[:, 0], np.arange(3000) % 500 < 3, np.zeros(3000)])
    changed = values.copy()
    changed[2250:2260, 1] = 1.0
    changed[2600, 2] = 1.0
    scores, usual = score_changed(values, changed), score_changed(values, values)
    assert (scores[2250:2260] == usual[2250:2260]).all()
    assert scores[2600] > usual.max()


@pytest.mark.slow
def test_columns_beside_the_series_count_where_their_value_is_rare() -> None:
    numbers = np.column_stack([make_season()[:, 0], np.arange(3000) % 2])
    rows = PastRows.of_series(numbers[:, :1])

    def with_numbers(table: np.ndarray) -> PastRows:
        return PastRows(table, rows.values, (0,), rows.moments, rows.places, rows.before, rows.after)

    detector = make_detector("series").fit(with_numbers(numbers))
    usual = detector.score(with_numbers(numbers))
    changed = numbers.copy()
    changed[1500, 1] = 40.0
    scores = detector.score(with_numbers(changed))
    assert scores[1500] > usual[1500]
    assert (np.delete(scores, 1500) == np.delete(usual, 1500)).all()
    parts = detector.explain(with_numbers(changed).take(np.array([1500])), numbers[[1500]])
    assert parts.amounts[0].argmax() == 1


def read_one(name: str, values: np.ndarray, place: int) -> MemberReading:
    """Fit on the first 2,000 rows, ten minutes apart, and return the reading of one row."""
    detector = make_detector(name).fit(PastRows.of_series(values[:2000], step=600_000_000))
    rows = PastRows.of_series(values, step=600_000_000)
    (reading,) = detector.read_members(rows.take(np.array([place])))
    return reading


@pytest.mark.parametrize("name", ["series_knn", "series_ar", "series_profile"])
def test_a_reading_says_what_was_expected_and_against_what(name: str) -> None:
    values = make_season()
    values[2500] += 4.0
    reading = read_one(name, values, 2500)
    assert reading.ratio > 3
    assert reading.until == 2500 * 600_000_000
    assert reading.expected == pytest.approx(np.sin(2 * np.pi * 2500 / 96), abs=0.6)
    assert (reading.nearest is not None) == (name == "series_knn")


def test_the_nearest_window_of_a_reading_is_one_of_the_same_phase() -> None:
    values = make_season()
    values[2500] += 4.0
    reading = read_one("series_knn", values, 2500)
    assert reading.nearest is not None
    apart = (2500 - reading.nearest // 600_000_000) % 96
    assert min(apart, 96 - apart) <= 8


def test_after_an_incident_the_earlier_value_that_still_counts_is_named() -> None:
    values = make_season()
    values[2480:2490] += 4.0
    reading = read_one("series_profile", values, 2495)
    assert 2480 * 600_000_000 <= reading.until < 2490 * 600_000_000
    assert reading.expected == pytest.approx(values[2495, 0], abs=0.6)


def test_a_row_without_a_past_is_read_by_its_value_alone() -> None:
    values = make_season()
    detector = make_detector("series_knn").fit(PastRows.of_series(values[:2000]))
    (reading,) = detector.read_members(PastRows.of_series(np.array([[9.0]])))
    assert reading.member == "the value against all others"
    assert reading.expected == pytest.approx(np.median(values[:2000]))
    assert make_detector("knn").fit(values).read_members(PastRows.of_series(values[:1])) == ()


def make_coupled_steps(seed: int) -> np.ndarray:
    """Four columns whose steps go together, but for rows 2500 to 2504; each by itself is as ever."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(3000, 1)) + 0.3 * rng.normal(size=(3000, 4))
    steps[2500:2505] = 1.04 * rng.normal(size=(5, 4))
    values = np.zeros((3000, 4))
    for row in range(1, 3000):
        values[row] = 0.9 * values[row - 1] + steps[row]
    return values


@pytest.mark.parametrize("over", ["mahalanobis", "knn"])
def test_columns_that_stop_going_together_are_seen_on_residuals(over: str) -> None:
    values = make_coupled_steps(4)
    detector = make_detector("series_residual", over=over).fit(PastRows.of_series(values[:2000]))
    scores = detector.score(PastRows.of_series(values))
    assert (scores[2500:2505] > np.quantile(scores[2100:2500], 0.98)).sum() >= 4
    alone = make_detector("series").fit(PastRows.of_series(values[:2000])).score(PastRows.of_series(values))
    assert (alone[2500:2505] > np.quantile(alone[2100:2500], 0.98)).sum() <= 2


def test_residuals_are_those_of_the_slow_twin() -> None:
    values = make_coupled_steps(5)[:600]
    detector = make_detector("series_residual").fit(PastRows.of_series(values[:500]))
    state = detector.state
    rows = PastRows.of_series(values).take(np.array([400, 599]))
    residuals = detector._find_residuals(rows)
    for at, row in enumerate((400, 599)):
        for column in range(4):
            lags, weights, usual = (
                state[f"{column}.1.forecast.{key}"] for key in ("lags", "weights", "usual")
            )
            error = naive.forecast_error(values[:, column], row, lags, weights)
            assert abs(residuals[at, column]) == pytest.approx(error / usual)


def test_what_is_read_of_a_row_is_what_its_residuals_were_taken_from() -> None:
    steps = make_coupled_steps(6)[:900]
    values = np.column_stack([steps, np.arange(900) % 7 == 0, np.sin(np.arange(900) / 24 * 2 * np.pi)])
    values[880] += 3.0
    detector = make_detector("series_residual").fit(PastRows.of_series(values[:800]))
    rows = PastRows.of_series(values)
    seen = set()
    for row in (0, 5, 30, 850, 880, 881, 899):
        one = rows.take(np.array([row]))
        (residuals,) = detector._find_residuals(one)
        readings = detector.read_members(one)
        assert [reading.column for reading in readings] == list(range(6))
        for reading, residual, value in zip(readings, residuals, values[row], strict=True):
            assert reading.ratio == abs(residual)
            assert reading.expected is not None
            assert np.sign(value - reading.expected) == np.sign(residual)
            assert reading.until == rows.moments[row]
            seen.add(reading.member.split()[1])
    assert seen == {"step", "value"}, "forecasts, and what stands in where the past is too short"


def test_a_detector_over_residuals_waits_for_no_later_rows() -> None:
    rows = PastRows.of_series(make_coupled_steps(7)[:400], delay=5)
    detector = make_detector_for(rows, "series_residual")
    assert "delay" not in detector.params
    assert make_detector_for(rows, "series").params["delay"] == 5
    with pytest.raises(DetectorError, match="delay"):
        make_detector("series_residual", delay=5)


def test_a_detector_over_residuals_must_be_a_tabular_one() -> None:
    with pytest.raises(DetectorError, match="over"):
        make_detector("series_residual", over="series")
