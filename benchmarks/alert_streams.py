"""Of the alerts of an `fdr` policy over 30 days, how many are false, and how many anomalies alert?

Rows come hour by hour, a row every ten minutes an entity. Printed are the false ones of the alerts on
average, and the share of anomalies (of single rows, or of incidents) that alerted; `window` is
Benjamini-Hochberg by window, `stream` the rate over the windows of the period. Called by
:mod:`benchmarks.account` (``--part stream``; ``--part answers``).

*Answers.* The same stream where every alert is answered a day later, and what is made of it: `refuted` as
production does (discoveries called false pay for nothing); `rows` also gives back the part of a window's
spending that fell on rows that were confirmed; `windows` gives back all of it where each alert was confirmed.
The last two are refused (ADR 27).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.bake import ROWS, START, draw_rows, make_pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.alert_stream import AlertStream, StreamWindow, find_period
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.calibration.events import measure_event_rates, number_events
from pynomaly.model.dependence.dependence import Dependence
from pynomaly.model.dependence.measure import measure_dependence
from pynomaly.model.row_times import RowKeys
from pynomaly.model.window_alerts import count_discoveries

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class StreamWorld:
    """Rows of a stream, a row every ten minutes an entity.

    Attributes
    ----------
    held_out : int
        Days of held-out rows.
    hours : float
        Correlation time; 0 for independent rows.
    lasting : int
        Rows of an incident; 1 for single rows.
    incidents : int
        In the 30 days, over all entities.
    """

    name: str
    held_out: int
    hours: float = 0.0
    entities: int = 8
    lasting: int = 1
    incidents: int = 300


STREAMS = (
    StreamWorld("independent, 300 anomalies", 60),
    StreamWorld("independent, 300, few held-out rows", 7),
    StreamWorld("independent, 30", 60, incidents=30),
    StreamWorld("independent, none", 60, incidents=0),
    StreamWorld("6 h, 40 incidents of 8 h", 60, hours=6.0, lasting=48, incidents=40),
    StreamWorld("6 h, 10 incidents of 8 h", 60, hours=6.0, lasting=48, incidents=10),
    StreamWorld("6 h, none", 60, hours=6.0, incidents=0),
)
PERIOD, HOUR, STEP = 30, 6, 600.0  # days; rows of an hour; seconds
LEVEL = 0.1
ANSWERED_AFTER = timedelta(days=1)
ANSWERS = ("none", "refuted", "rows", "windows")


@dataclass(frozen=True)
class DecidedWindow:
    """A window with its rows, those of them that alerted and were anomalies, and its false discoveries."""

    window: StreamWindow
    rows: int
    confirmed: int
    refuted: int


def use_answers(
    decided: list[DecidedWindow], moment: datetime, answers: str
) -> tuple[list[StreamWindow], list[datetime]]:
    """Return the windows as they count at `moment`, and when each refuted discovery began."""
    windows, refuted = [], []
    for item in decided:
        window = item.window
        if answers != "none" and window.end <= moment - ANSWERED_AFTER:
            refuted += [window.start] * item.refuted
            if answers == "rows":
                window = replace(window, spent=window.spent * (1 - item.confirmed / item.rows))
            elif answers == "windows" and item.confirmed and not item.refuted:
                window = replace(window, spent=0.0)
        windows.append(window)
    return windows, refuted


def stream_once(world: StreamWorld, over: str, seed: int, answers: str = "none") -> tuple[float, float]:
    """Return the share of false discoveries of 30 days (0 without any), and that of the incidents caught.

    `answers` says what is made of them, one of :data:`ANSWERS`.
    """
    rng = np.random.default_rng([seed, 13])
    days, per_day = world.held_out + PERIOD, 24 * HOUR
    keep = np.exp(-STEP / 3600 / world.hours) if world.hours else 0.0
    noise = rng.normal(size=(days * per_day + 1000, world.entities))
    scores = lfilter([np.sqrt(1 - keep**2)], [1.0, -keep], noise, axis=0)[1000:]
    truth = np.zeros(scores.shape, dtype=np.int64)  # the number of the incident, from 1
    for number in range(1, world.incidents + 1):
        start = int(rng.integers(world.held_out * per_day, len(scores) - world.lasting))
        entity = int(rng.integers(world.entities))
        truth[start : start + world.lasting, entity] = number
    scores = scores + 5.0 * (truth > 0)
    seconds = np.arange(len(scores)) * STEP
    split = world.held_out * per_day
    policy, calibration, dependence = _calibrate(scores[:split], seconds[:split], over)
    stream, contract = AlertStream.of(policy, timedelta(hours=1)), make_contract()
    p_values = calibration.p_values(scores[split:].ravel()).reshape(-1, world.entities)
    start = find_period(START.to_pydatetime(), timedelta(days=PERIOD))
    alerted = np.zeros(p_values.shape, dtype=bool)
    decided: list[DecidedWindow] = []
    for hour in range(PERIOD * 24):
        rows, begin = slice(hour * HOUR, (hour + 1) * HOUR), start + timedelta(hours=hour)
        keys, p = make_keys(seconds[split:][rows], world.entities), p_values[rows].ravel()
        if stream is None:
            flags = policy.flag_window(p, calibration.resolution, keys)
        else:
            finest = float(policy.expect_discoveries(len(p), calibration.resolution)[0])
            stream.windows, refuted = use_answers(decided, begin, answers)
            share = stream.share_level(begin, finest, dependence, refuted)
            flags = policy.flag_window(p, calibration.resolution, keys, share)
            times = pd.to_datetime(keys.moments, unit="us", utc=True)
            frame = pd.DataFrame({"time": times, "machine": keys.entities})
            open_events, is_true = stream.find_open_events(begin), truth[split:][rows].ravel() > 0
            counted = count_discoveries(policy, contract, frame, flags, open_events)
            false = count_discoveries(policy, contract, frame, flags & ~is_true, open_events)[0]
            window = StreamWindow(begin, begin + timedelta(hours=1), share.allowed, *counted)
            confirmed = int((flags & is_true).sum())
            decided.append(DecidedWindow(window, len(p), confirmed, min(false, counted[0])))
        alerted[rows] = flags.reshape(-1, world.entities)
    return _measure_discoveries(policy, seconds[split:], truth[split:], alerted, world.incidents)


def make_contract() -> FrameContract:
    """Return the contract of rows with a time and a machine."""
    rows = draw_rows(ROWS[3], 2, np.random.default_rng(0))
    return FrameContract.infer(rows, make_pipeline("fdr").data)


def _calibrate(scores: Floats, seconds: Floats, over: str) -> tuple[AlertPolicy, Calibration, Dependence]:
    """Return what a training makes of held-out scores, of shape (n, entities)."""
    entities = scores.shape[1]
    keys = make_keys(seconds, entities)
    times = pd.Series(pd.to_datetime(keys.moments, unit="us", utc=True))
    dependence = measure_dependence(scores.ravel(), times, keys.entities)
    calibration = Calibration.fit(scores.ravel(), tail="none")
    rates = measure_event_rates(calibration.p_values(scores.ravel()), keys, timedelta(hours=6))
    settings = make_pipeline("fdr").alerts.model_copy(update={"fdr": LEVEL, "fdr_over": over})
    policy = AlertPolicy.from_config(settings, 86_400 / STEP * entities, (), rates)
    return policy, calibration, dependence


def make_keys(seconds: Floats, entities: int) -> RowKeys:
    moments = np.repeat((seconds * 1e6).astype(np.int64), entities)
    return RowKeys(np.tile(np.arange(entities, dtype=np.int64), len(seconds)), moments)


def _measure_discoveries(
    policy: AlertPolicy, seconds: Floats, truth: NDArray[np.int64], alerted: Flags, incidents: int
) -> tuple[float, float]:
    """Return the false share of discoveries as the policy counts them, and the share of incidents caught."""
    flags, numbers = alerted.ravel(), truth.ravel()
    units = np.flatnonzero(flags) if policy.events is None else None
    if policy.events is not None:
        units = number_events(make_keys(seconds, alerted.shape[1]), flags, policy.events.gap)[flags]
    assert units is not None
    places = np.unique(units, return_inverse=True)[1]
    is_true = np.bincount(places, numbers[flags] > 0) > 0
    caught = len(np.unique(numbers[flags & (numbers > 0)]))
    return float((~is_true).mean()) if len(is_true) else 0.0, caught / max(1, incidents)


def print_answers(draws: int, seed: int) -> None:
    print(f"| rows | false, %: {' | '.join(ANSWERS)} | caught, %: {' | '.join(ANSWERS)} |")
    print("|---" * (1 + 2 * len(ANSWERS)) + "|")
    for world in [item for item in STREAMS if item.incidents]:  # without, nothing is confirmed
        results = [
            np.array([stream_once(world, "stream", seed + number, answers) for number in range(draws)])
            for answers in ANSWERS
        ]
        cells = [_spell_mean(item[:, column]) for column in (0, 1) for item in results]
        print(f"| {world.name} | {' | '.join(cells)} |", flush=True)


def _spell_mean(shares: Floats) -> str:
    return f"{100 * shares.mean():.1f} ± {200 * shares.std() / np.sqrt(len(shares)):.1f}"


def print_streams(draws: int, seed: int) -> None:
    print("| rows | false, % over 30 days: window | stream | caught, %: window | stream |")
    print("|---|---|---|---|---|")
    for world in STREAMS:
        results = [
            np.array([stream_once(world, over, seed + number) for number in range(draws)])
            for over in ("window", "stream")
        ]
        cells = [_spell_mean(item[:, column]) for column in (0, 1) for item in results]
        print(f"| {world.name} | {' | '.join(cells)} |", flush=True)
