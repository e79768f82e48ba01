"""The rate of false alerts over a stream: what windows may spend, what pays, and what people refuted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.data.frame import FrameContract
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.alert_stream import AlertStream, StreamShare, StreamWindow, find_period
from pynomaly.model.calibration.events import EventRates
from pynomaly.model.dependence.dependence import INDEPENDENT, Dependence
from pynomaly.model.row_times import RowKeys
from pynomaly.model.window_alerts import count_discoveries
from tests import naive

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = find_period(datetime(2026, 1, 15, tzinfo=UTC), 7 * DAY)
POLICY = AlertPolicy("fdr", 0.001, 96.0, 0.1, period=7 * DAY)
DAILY = Dependence(upper=1, block=DAY.total_seconds())


def window(number: int, spent: float, discoveries: int, **content: dict[str, int]) -> StreamWindow:
    start = START + number * DAY
    return StreamWindow(start, start + DAY, spent, discoveries, **content)


@given(
    st.lists(st.tuples(st.floats(0, 0.05), st.integers(0, 5)), max_size=7),
    st.sampled_from([(INDEPENDENT, 0), (DAILY, 1)]),
)
def test_windows_spend_what_the_oracle_says(
    days: list[tuple[float, int]], dependence: tuple[Dependence, int]
) -> None:
    stream, spent = AlertStream(0.1, 7 * DAY, DAY), []
    for number, (finest, discoveries) in enumerate(days):
        share = stream.share_level(START + number * DAY, finest, dependence[0])
        stream.add_window(window(number, share.allowed, discoveries))
        spent.append(share.allowed)
    finest, discoveries = ([item[place] for item in days] for place in (0, 1))
    assert spent == pytest.approx(naive.stream_allowances(0.1, 7, finest, discoveries, dependence[1]))
    assert sum(spent) <= 0.1 * max(1, sum(discoveries)) + 1e-9


def test_what_pays() -> None:
    stream = AlertStream(0.1, 7 * DAY, DAY)
    for number, count in enumerate((3, 2, 4)):
        stream.add_window(window(number, 0.0, count))
    at = START + 3 * DAY

    def pays(dependence: Dependence = INDEPENDENT, *refuted: datetime) -> float:
        return stream.share_level(at, 0.0, dependence, refuted).allowed * 7 / 0.1

    assert pays() == pytest.approx(9)
    assert pays(DAILY) == pytest.approx(5), "a block earlier"
    assert pays(Dependence(block=np.inf)) == pytest.approx(1), "no block is known to be over"
    assert pays(INDEPENDENT, START + HOUR, START + 25 * HOUR, START + 100 * DAY) == pytest.approx(7)
    assert stream.share_level(START + 7 * DAY, 0.0, INDEPENDENT).allowed == pytest.approx(0.1 / 7)
    stream.add_window(window(0, 0.0, 0))
    assert pays() == pytest.approx(6), "a window that is decided again counts once"
    stream.add_window(window(1, 0.7, 2))
    assert pays() == 0.0, "more was spent than earned"
    assert AlertStream.of(AlertPolicy("quantile", 0.01), DAY) is None


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.floats(0, 3))
def test_a_window_alerts_up_to_what_it_may_spend(ranks: list[int], allowed: float) -> None:
    p = np.array([(rank + 1) / 41 for rank in ranks])
    flags = POLICY.flag_window(p, 1 / 41, None, StreamShare(allowed))
    assert flags.tolist() == [len(p) * x <= allowed * (1 + 1e-9) and x <= 0.1 for x in p]
    keys = RowKeys(np.zeros(len(p), dtype=np.int64), np.arange(len(p)) * 3_600_000_000)
    rates = EventRates(HOUR, 100, (0.01, 0.1), (0.5, 0.4), True)
    counting = AlertPolicy("fdr", 0.001, 96.0, 0.1, events=rates, period=7 * DAY)
    flags = counting.flag_window(p, 1 / 41, keys, StreamShare(allowed))
    limits = [x for x in p if len(p) * x * rates.share(x)[0] <= allowed * (1 + 1e-9) and x <= 0.1]
    assert flags.tolist() == [x <= max(limits, default=-1) for x in p]


def test_an_event_that_goes_on_is_no_new_discovery() -> None:
    times = pd.to_datetime(["2026-01-05T00:00Z", "2026-01-05T00:30Z", "2026-01-05T00:30Z"], utc=True)
    frame = pd.DataFrame({"time": times, "machine": ["a", "a", "b"], "x": [1.0, 2.0, 3.0]})
    contract = FrameContract(id="machine", time="time", label=None, numeric=("x",), categorical=())
    rates = EventRates(HOUR, 100, (0.01, 0.1), (0.5, 0.4), True)
    counting = AlertPolicy("fdr", 0.001, 96.0, 0.1, events=rates, period=7 * DAY)
    alerted = np.array([True, True, True])
    number, going_on = count_discoveries(counting, contract, frame, alerted, {})
    assert number == 2
    assert set(going_on) == {"a", "b"}
    later = frame.assign(time=frame["time"] + pd.Timedelta(hours=1))
    assert count_discoveries(counting, contract, later, alerted, going_on)[0] == 0
    far = frame.assign(time=frame["time"] + pd.Timedelta(hours=3))
    assert count_discoveries(counting, contract, far, alerted, going_on)[0] == 2
    assert count_discoveries(POLICY, contract, frame, alerted, {}) == (3, {})
    stream = AlertStream(0.1, 7 * DAY, DAY, [window(1, 0.0, 1, open_events={"a": 1}), window(0, 0.0, 1)])
    assert stream.find_open_events(START + 2 * DAY) == {"a": 1}
    assert stream.find_open_events(START) == {}


def test_a_window_without_a_stream_is_judged_as_before() -> None:
    p = np.r_[np.full(3, 1 / 1001), np.linspace(0.1, 1, 17)]
    lone = AlertPolicy("fdr", 0.001, 96.0, 0.1)
    assert POLICY.flag_window(p, 1 / 1001).tolist() == lone.flag_window(p, 1 / 1001).tolist()


def test_it_reads_back_and_older_policies_have_none() -> None:
    assert AlertPolicy.from_dict(POLICY.to_dict()) == POLICY
    assert AlertPolicy.from_dict({"kind": "fdr", "threshold": 0.001, "rows_per_day": 1.0}).period is None


def test_streams_without_anomalies_alert_at_most_as_often_as_the_level() -> None:
    rng, alerts = np.random.default_rng(8), 0
    for _ in range(300):
        stream, alerted = AlertStream(0.1, 7 * DAY, DAY), False
        for number in range(7):
            share = stream.share_level(START + number * DAY, 50 * 0.001, INDEPENDENT)
            p = np.ceil(rng.random(50) * 1000) / 1000
            discoveries = int(POLICY.flag_window(p, 0.001, None, share).sum())
            stream.add_window(window(number, share.allowed, discoveries))
            alerted |= discoveries > 0
        alerts += alerted
    assert alerts <= 30 + 2 * np.sqrt(27)
