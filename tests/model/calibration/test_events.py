"""Events: counted like alerts are grouped, promised by budgets, kept apart in rates of false alerts."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.errors import ConfigError
from pynomaly.judging.alerts.grouping import AlertRow, group_rows
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.calibration.events import (
    MAX_EVENT_THRESHOLD,
    EventRates,
    count_events,
    measure_event_rates,
    number_events,
)
from pynomaly.model.calibration.false_discoveries import (
    LASTING_ROWS,
    benjamini_hochberg,
    find_event_limit,
    flag_events,
)
from pynomaly.model.row_times import RowKeys
from tests import naive

Floats = NDArray[np.float64]
HOUR = timedelta(hours=1)
START = datetime(2026, 1, 5, tzinfo=UTC)

rows_in_time = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 400), st.booleans(), st.floats(0.0, 1.0)), max_size=40
)


def make_keys(entities: int, rows: int, minutes: float) -> RowKeys:
    step = int(minutes * 60_000_000)
    return RowKeys(np.repeat(np.arange(entities), rows), np.tile(np.arange(rows) * step, entities))


def draw_scores(kind: str, entities: int, rows: int, rng: np.random.Generator) -> Floats:
    """Draw scores of one process: independent, autoregressive, or with a level that a season moves."""
    noise = rng.standard_normal((entities, rows))
    if kind == "seasonal":  # every five days of 96 rows, scores are higher for three hours
        return np.asarray(np.abs(noise) + 3.0 * (np.arange(rows) % 480 < 12) * rng.random((entities, rows)))
    persistence = 0.0 if kind == "independent" else 0.95
    levels = noise.copy()
    for place in range(1, rows):
        levels[:, place] = persistence * levels[:, place - 1] + noise[:, place]
    return np.asarray(np.abs(levels) * np.sqrt(1.0 - persistence**2))


def learn_rates(
    scores: Floats, keys: RowKeys, rng: np.random.Generator, share: float = 1 / 3
) -> tuple[Calibration, EventRates]:
    """Calibrate on a share of the rows, and rank the others among themselves, as a fit does."""
    held_out = rng.random(len(scores)) < share
    calibration = Calibration.fit(scores[held_out])
    p_values = np.empty(len(scores))
    p_values[held_out] = calibration.p_values(scores[held_out])
    p_values[~held_out] = Calibration.fit(scores[~held_out]).p_values(scores[~held_out])
    return calibration, measure_event_rates(p_values, keys, HOUR)


@settings(max_examples=100, deadline=None)
@given(rows=rows_in_time)
def test_events_are_the_alerts_by_entity_and_time_alone(rows: list[tuple[int, int, bool, float]]) -> None:
    minutes = [minute for _, minute, _, _ in rows]
    keys = RowKeys(
        np.array([entity for entity, *_ in rows], dtype=np.int64),
        np.array([minute * 60_000_000 for minute in minutes], dtype=np.int64),
    )
    alerted = np.array([alert for _, _, alert, _ in rows], dtype=bool)
    flags = [
        AlertRow(str(entity), START + timedelta(minutes=minute), place, p)
        for place, (entity, minute, alert, p) in enumerate(rows)
        if alert
    ]
    groups = group_rows("p", flags, HOUR, by_cause=False)
    numbers = number_events(keys, alerted, HOUR)
    assert count_events(keys, alerted, HOUR) == len(groups)
    assert {frozenset(np.flatnonzero(numbers == at)) for at in range(numbers.max(initial=-1) + 1)} == {
        frozenset(flag.place for flag in group.flags) for group in groups
    }


def test_a_row_without_a_time_is_an_event_of_its_own() -> None:
    keys = RowKeys(np.zeros(4, dtype=np.int64), np.array([RowKeys.UNKNOWN, 0, RowKeys.UNKNOWN, 1]))
    assert count_events(keys, np.ones(4, dtype=bool), HOUR) == 3
    assert measure_event_rates(np.full(4, 0.5), keys, HOUR) == EventRates(HOUR, 4)


@settings(max_examples=100, deadline=None)
@given(
    rows=rows_in_time,
    level=st.floats(0.05, 0.4),
    share=st.floats(0.05, 1.0),
    least=st.sampled_from([1, 2, 4]),
)
def test_the_limit_on_events_is_the_naive_one(
    rows: list[tuple[int, int, bool, float]], level: float, share: float, least: int
) -> None:
    keys = RowKeys(
        np.array([entity for entity, *_ in rows], dtype=np.int64),
        np.array([minute * 60_000_000 for _, minute, *_ in rows], dtype=np.int64),
    )
    p = np.round([p for *_, p in rows], 2) / 4
    rates = EventRates(HOUR, 1000, (0.01, 0.1), (share, share / 2))
    limit = find_event_limit(p, keys, rates, level, least=least)
    assert limit == naive.find_event_limit(p, keys.entities, keys.moments, rates, level, least)
    near = p <= level
    assert find_event_limit(p[near], keys.take(near), rates, level, len(p), least) == limit
    flags = flag_events(p, keys, rates, level)
    assert flag_events(p[near], keys.take(near), rates, level, len(p)).tolist() == flags[near].tolist()
    assert not flags[~near].any()


@given(p=st.lists(st.floats(0.0, 1.0), max_size=30), level=st.floats(0.01, 0.4))
@settings(max_examples=50, deadline=None)
def test_with_one_row_an_event_the_limit_is_that_of_benjamini_hochberg(p: list[float], level: float) -> None:
    far = RowKeys(np.zeros(len(p), dtype=np.int64), np.arange(len(p)) * 10 * 3_600_000_000)
    limit = find_event_limit(p, far, EventRates(HOUR, 0), level)
    assert (np.array(p) <= limit).tolist() == benjamini_hochberg(p, level).tolist()


def test_what_lasts_is_found_where_a_single_row_cannot_be_told_from_chance() -> None:
    day, rates = make_keys(1, 288, 5), EventRates(HOUR, 0)
    p = np.full(288, 0.5)
    p[100 : 100 + LASTING_ROWS] = 1 / 1801
    p[200] = 1 / 1801
    assert np.flatnonzero(flag_events(p, day, rates, 0.1)).tolist() == list(range(100, 100 + LASTING_ROWS))
    p[100] = 0.5  # a row shorter
    assert not flag_events(p, day, rates, 0.1).any()


@pytest.mark.parametrize("entities", [1, 4])
def test_independent_rows_are_counted_as_before(entities: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        keys = make_keys(entities, 6000 // entities, 15)
        _, rates = learn_rates(
            draw_scores("independent", entities, len(keys) // entities, rng).ravel(), keys, rng
        )
        assert not rates.clustered
        for alerts in (config.Alerts(policy="budget", per_day=3), config.Alerts(policy="fdr")):
            assert AlertPolicy.from_config(alerts, 96.0, (), rates) == AlertPolicy.from_config(alerts, 96.0)


def test_entities_that_alert_more_than_others_are_not_taken_for_events() -> None:
    rng = np.random.default_rng(0)
    scores = draw_scores("independent", 8, 1000, rng)
    scores[0] *= 3.0  # one wide machine
    assert not measure_event_rates(
        Calibration.fit(scores).p_values(scores), make_keys(8, 1000, 30), HOUR
    ).clustered


@pytest.mark.parametrize("kind", ["autoregressive", "seasonal"])
@pytest.mark.parametrize(("entities", "per_day"), [(1, 1.0), (4, 3.0)])
def test_a_budget_of_events_is_held_on_new_rows(kind: str, entities: int, per_day: float) -> None:
    held, by_row = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        keys = make_keys(entities, 5000, 15)
        calibration, rates = learn_rates(draw_scores(kind, entities, 5000, rng).ravel(), keys, rng)
        assert rates.clustered
        alerts = config.Alerts(policy="budget", per_day=per_day)
        policy = AlertPolicy.from_config(alerts, 96.0 * entities, (), rates)
        new_keys = make_keys(entities, 40_000, 15)
        p_values = calibration.p_values(draw_scores(kind, entities, 40_000, rng).ravel())
        days = 40_000 / 96
        held.append(count_events(new_keys, policy.alerts(p_values), HOUR) / days / per_day)
        rows = AlertPolicy.from_config(alerts, 96.0 * entities)
        by_row.append(count_events(new_keys, rows.alerts(p_values), HOUR) / days / per_day)
    assert 0.75 < np.mean(held) < 1.25  # on average as promised
    assert max(held) < 1.6  # each model as well as its reference tells
    assert min(held) > 0.5
    assert np.mean(held) > np.mean(by_row)
    if kind == "autoregressive":
        assert np.mean(by_row) < 0.6  # counted by row, most of the budget is not used


def test_the_threshold_never_goes_below_that_of_rows_nor_above_what_is_an_alert() -> None:
    rates = EventRates(HOUR, 9999, (0.01, 0.02, 0.1), (0.5, 0.4, 0.02), clustered=True)
    assert rates.find_threshold(0.003) == 0.003  # too few events there to tell
    assert 0.01 < rates.find_threshold(0.006) < 0.02
    assert rates.find_threshold(0.05) == MAX_EVENT_THRESHOLD
    assert rates.find_threshold(0.3) == 0.3
    thresholds = [rates.find_threshold(share) for share in np.geomspace(1e-4, 0.4, 200)]
    assert thresholds == sorted(thresholds)


def test_the_share_of_events_is_bounded_below_what_was_counted() -> None:
    rates = EventRates(HOUR, 9999, (0.01, 0.1), (0.5, 0.25), clustered=True)
    assert rates.share([0.0, 0.005, 0.0075, 0.01, 0.1, 0.9]) == pytest.approx([1, 1, 2 / 3, 0.5, 0.25, 0.25])


def test_the_setting_decides_what_is_counted() -> None:
    rates = EventRates(HOUR, 9999, (0.001, 0.1), (0.5, 0.25), clustered=False)
    policies = {
        count: AlertPolicy.from_config(
            config.Alerts(policy="budget", per_day=1, count=count), 100.0, (), rates
        )
        for count in ("auto", "rows", "events")
    }
    assert policies["auto"] == policies["rows"]
    assert policies["auto"].threshold == 0.01
    assert policies["events"].threshold > 0.02
    assert AlertPolicy.from_dict(policies["events"].to_dict()) == policies["events"]
    assert "events" not in policies["rows"].to_dict()  # written as before
    with pytest.raises(ConfigError, match=r"alerts\.count 'events' needs times"):
        AlertPolicy.from_config(config.Alerts(count="events"), None)


@pytest.mark.parametrize("kind", ["independent", "autoregressive"])
def test_false_events_keep_to_their_level_beside_an_anomaly_that_lasts(kind: str) -> None:
    day, false, caught = make_keys(1, 288, 5), {"rows": [0.0], "events": [0.0]}, 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        keys = make_keys(1, 10_000, 5)
        calibration, rates = learn_rates(draw_scores(kind, 1, 10_000, rng).ravel(), keys, rng, share=0.5)
        for _ in range(30):
            scores, truth = draw_scores(kind, 1, 288, rng).ravel(), np.zeros(288, dtype=bool)
            start = rng.integers(0, 288 - 40)
            truth[start : start + 40] = True
            scores[truth] += rng.uniform(3, 6, 40)
            p_values = calibration.p_values(scores)
            for count, shares in false.items():
                alerts = config.Alerts.model_validate({"policy": "fdr", "fdr": 0.1, "count": count})
                policy = AlertPolicy.from_config(alerts, 288.0, (), rates)
                alerted = policy.flag_window(p_values, calibration.resolution, day)
                numbers = number_events(day, alerted, HOUR)
                events = int(numbers.max(initial=-1)) + 1
                shares.append((events - len(set(numbers[alerted & truth]))) / max(events, 1))
            caught += bool((alerted & truth).any())
    assert np.mean(false["events"]) < 0.1
    assert np.mean(false["rows"]) > 0.2  # rows of what lasts make room for false events
    assert caught > 330
