"""The rate of false alerts over a stream: parts of a level, discoveries that pay, and what people refuted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.alert_stream import AlertStream, StreamShare, find_period
from pynomaly.model.calibration.events import EventRates
from pynomaly.model.calibration.false_discoveries import find_event_limit
from pynomaly.model.dependence.dependence import INDEPENDENT, Dependence
from pynomaly.model.row_times import RowKeys
from tests import naive

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
POLICY = AlertPolicy("fdr", 0.001, 96.0, 0.1, period=7 * DAY)


def stream(*discoveries: int) -> AlertStream:
    windows = AlertStream.of(POLICY, DAY)
    assert windows is not None
    for number, count in enumerate(discoveries):
        windows.add_window(START + number * DAY, START + (number + 1) * DAY, count)
    return windows


def test_a_period_has_its_level_once() -> None:
    windows = stream(3, 0, 4)
    assert find_period(START + 6.5 * DAY, 7 * DAY) == find_period(START, 7 * DAY)
    first = find_period(START, 7 * DAY)
    shares = [windows.share_level(first + number * DAY, INDEPENDENT).level for number in range(7)]
    assert sum(shares) == pytest.approx(0.1)
    assert AlertStream(0.1, 30 * DAY, 7 * DAY).share_level(START, INDEPENDENT).level == pytest.approx(0.02)
    assert AlertStream.of(AlertPolicy("quantile", 0.01), DAY) is None


def test_discoveries_of_the_period_pay_once_they_are_a_block_away() -> None:
    first = find_period(START, 7 * DAY)
    windows = stream()
    for number, count in enumerate((3, 2, 4)):
        windows.add_window(first + number * DAY, first + (number + 1) * DAY, count)
    at = first + 3 * DAY
    assert windows.share_level(at, INDEPENDENT).earlier == 9
    assert windows.share_level(at, Dependence(upper=1, block=DAY.total_seconds())).earlier == 5
    assert windows.share_level(at, Dependence(block=np.inf)).earlier == 0
    assert windows.share_level(first + 7 * DAY, INDEPENDENT).earlier == 0, "another period"
    assert windows.share_level(first + DAY, INDEPENDENT).earlier == 3, "a window that is scored late"
    refuted = [first + HOUR, first + 25 * HOUR, first + 100 * DAY]
    assert windows.share_level(at, INDEPENDENT, refuted).earlier == 7
    windows.add_window(first, first + DAY, 0)
    assert windows.share_level(at, INDEPENDENT).earlier == 6


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.floats(0.001, 0.3), st.integers(0, 30))
def test_rows_alert_as_the_oracle_says(ranks: list[int], part: float, earlier: int) -> None:
    p = [(rank + 1) / 41 for rank in ranks]
    flags = POLICY.flag_window(p, 1 / 41, None, StreamShare(part, earlier))
    assert flags.tolist() == naive.stream_discoveries(p, part, earlier, 0.1)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=20), st.floats(0.001, 0.3), st.integers(0, 9))
def test_events_alert_as_the_oracle_says(ranks: list[int], part: float, earlier: int) -> None:
    p = np.array([(rank + 1) / 40 for rank in ranks])
    keys = RowKeys(np.zeros(len(p), dtype=np.int64), np.arange(len(p)) * 3_600_000_000)
    rates = EventRates(HOUR, 100, (0.05, 0.1), (0.5, 0.4), True)
    limit = find_event_limit(p, keys, rates, part, earlier=earlier, most=0.25)
    assert limit == naive.stream_event_limit(p.tolist(), rates, part, earlier, 0.25)


def test_a_window_without_a_stream_is_judged_as_before() -> None:
    p = np.r_[np.full(3, 1 / 1001), np.linspace(0.1, 1, 17)]
    lone = AlertPolicy("fdr", 0.001, 96.0, 0.1)
    assert POLICY.flag_window(p, 1 / 1001).tolist() == lone.flag_window(p, 1 / 1001).tolist()
    assert POLICY.flag_window(p[:1], 1 / 1001, None, StreamShare(0.0005, 0)).tolist() == [False]
    assert POLICY.flag_window(p[:1], 1 / 1001, None, StreamShare(0.0005, 2)).tolist() == [True]


def test_it_reads_back_and_older_policies_have_none() -> None:
    assert AlertPolicy.from_dict(POLICY.to_dict()) == POLICY
    assert AlertPolicy.from_dict({"kind": "fdr", "threshold": 0.001, "rows_per_day": 1.0}).period is None


def test_all_null_streams_alert_at_most_as_often_as_the_level() -> None:
    rng, alerts = np.random.default_rng(8), 0
    for _ in range(300):
        windows, alerted = AlertStream(0.1, 10 * DAY, DAY), False
        begin = find_period(START, 10 * DAY)
        for number in range(10):
            share = windows.share_level(begin + number * DAY, INDEPENDENT)
            p = np.ceil(rng.random(50) * 1000) / 1000
            discoveries = int(AlertPolicy("fdr", 0.001, 50.0, 0.1).flag_window(p, 0.001, None, share).sum())
            windows.add_window(begin + number * DAY, begin + (number + 1) * DAY, discoveries)
            alerted |= discoveries > 0
        alerts += alerted
    assert alerts <= 30 + 2 * np.sqrt(27)
