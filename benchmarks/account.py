"""Does a champion's account keep its budget, and an `fdr` over a stream its level? What do they still find?

    python -m benchmarks.account --part lives       # or rates, incidents, stream; all without --part
    python -m benchmarks.account --quick            # the bounds that CI holds, on other seeds

*lives*: a version is fitted through the production path on four weeks of stationary rows, and judged weekly
for a year by the steps of production, on a ledger of its own: `withdrawn` counts lives in which any promise
was said to be broken. From week 14 on, a *shift* moves every column by so many deviations; `week` is the
median number of weeks until it was said. *rates*: the bets on alerts by themselves, for a year, where exactly
what was promised alerts, or more. *incidents*: as many labelled incidents judge a version, then come
200, caught as often or less often. *stream*: of the alerts of 30 days, hour by hour, the false ones on
average, and the share of anomalies (of single rows, or of incidents) that alerted; `window` is
Benjamini-Hochberg by window, as without a stream. Shares stand with exact binomial 95 % intervals (Clopper,
Pearson), means with two standard errors.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.signal import lfilter

from benchmarks.bake import COLUMNS, DAY, REFERENCE, ROWS, START, Rows, draw_rows, fit_version, make_pipeline
from benchmarks.gate import format_share
from pynomaly.data.frame import FrameContract
from pynomaly.judging.account.block_bets import UnitBets
from pynomaly.judging.account.incidents import bet_on_catches, bound_misses, judge_incidents
from pynomaly.judging.account.stake import Stake
from pynomaly.judging.drift.observation import Observation
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.alert_stream import AlertStream, StreamWindow, find_period
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.calibration.events import measure_event_rates, number_events
from pynomaly.model.dependence.dependence import Dependence
from pynomaly.model.dependence.measure import measure_dependence
from pynomaly.model.row_times import RowKeys
from pynomaly.model.window_alerts import count_discoveries
from pynomaly.records.ledger import Ledger
from pynomaly.steps.account import open_account
from pynomaly.steps.monitoring.carried_bets import bet_on_window, select_bets
from pynomaly.steps.monitoring.champion_account import enter_window

WEEKS, CHANGE = 52, 13
SHIFTS = (0.0, 0.25, 0.5, 1.0)
PROMISES = ("exchangeability", "alert_rate")
WORLDS = (*ROWS[:2], Rows("one machine, 2 d", 1, 0.5, 48.0), *ROWS[3:])

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def live_once(rows: Rows, shift: float, seed: int, weeks: int = WEEKS) -> dict[str, int]:
    """Return the week in which each promise was withdrawn; those that held are left out."""
    rng = np.random.default_rng([seed, 11])
    pipeline = make_pipeline("quantile")
    frame = draw_rows(rows, REFERENCE + 7 * weeks, rng)
    day = ((frame["time"] - START) // DAY).to_numpy()
    bundle, baseline = fit_version(pipeline, frame[day < REFERENCE].reset_index(drop=True), 1)
    frame.loc[day >= REFERENCE + 7 * CHANGE, list(COLUMNS)] += shift
    withdrawn: dict[str, int] = {}
    earlier: list[Observation] = []
    with tempfile.TemporaryDirectory() as folder, Ledger.open(f"sqlite:///{folder}/ledger.db") as ledger:
        account = open_account(pipeline, ledger, 1, START)
        for week in range(weeks):
            first = REFERENCE + 7 * week
            window = frame[(day >= first) & (day < first + 7)].reset_index(drop=True)
            scored = bundle.score(window)
            bets = select_bets(pipeline, bundle, window, scored["score"].to_numpy())
            alpha = account.shares["exchangeability"]
            test = bet_on_window(pipeline, bundle, bets, earlier, alpha)
            end = START + (first + 7) * DAY
            enter_window(pipeline, account, bundle, baseline, f"week {week}", (window, scored), test, end)
            earlier.append(_keep_bets(bets))
            for item in account.list_guarantees():
                if item["state"] == "withdrawn":
                    withdrawn.setdefault(item["name"], week + 1)
            if withdrawn.keys() >= set(PROMISES):
                break
    return withdrawn


def _keep_bets(bets: Floats) -> Observation:
    """Return an observation that says nothing but what was bet on."""
    nothing = dict.fromkeys(("alert_rate", "expected_rate", "performance", "baseline"))
    return Observation(
        window="",
        rows=0,
        data="ok",
        score="ok",
        alert_status="ok",
        performance_status="insufficient_data",
        reasons=(),
        positives=0,
        bets=tuple(bets.tolist()),
        **nothing,
    )


def exceed_rate(rows: Rows, times_as_many: float, seed: int, weeks: int = WEEKS) -> int | None:
    """Return the week in which bets on alerts alone withdraw a promise of exactly 1 %; None if it holds.

    From the first week on, `times_as_many` rows alert as were promised; 1 is the hardest case that must hold.
    """
    rng = np.random.default_rng([seed, 14])
    per_week = round(168 / rows.step)
    keep = np.exp(-rows.step / rows.hours) if rows.hours else 0.0
    noise = rng.normal(size=((8 + weeks) * per_week + 1000, rows.entities))
    if rows.shared:
        noise = np.sqrt(0.5) * noise + np.sqrt(0.5) * rng.normal(size=(len(noise), 1))
    scores = lfilter([np.sqrt(1 - keep**2)], [1.0, -keep], noise, axis=0)[1000:]
    keys = _make_keys(np.arange(len(scores)) * rows.step * 3600, rows.entities)
    held_out = 8 * per_week * rows.entities
    times = pd.Series(pd.to_datetime(keys.moments[:held_out], unit="us", utc=True))
    dependence = measure_dependence(scores.ravel()[:held_out], times, keys.entities[:held_out])
    promised = scores.ravel() > stats.norm.isf(0.01)
    runs = measure_event_rates(np.where(promised, 0.001, 0.5), keys, timedelta(hours=6))
    rows_per_event = 1.0 / float(runs.share(0.01)[0]) if runs.clustered else 1.0
    alerted, seconds = scores.ravel() > stats.norm.isf(0.01 * times_as_many), keys.moments / 1e6
    bets, alpha = UnitBets(), make_pipeline("quantile").account.find_alpha("alert_rate")
    for week in range(weeks):
        own = slice(
            held_out + week * per_week * rows.entities, held_out + (week + 1) * per_week * rows.entities
        )
        bets = bets.bet_on_rate(seconds[own], alerted[own], dependence, 0.01, 3.0, rows_per_event)
        if bets.stake.reaches(alpha / 2):
            return week + 1
    return None


def print_rates(draws: int, seed: int) -> None:
    print(
        "| rows | as many as promised, withdrawn, % | 1.5 times (weeks) | twice (weeks) | 3 times (weeks) |"
    )
    print("|---|---|---|---|---|")
    for rows in WORLDS:
        cells = []
        for factor in (1.0, 1.5, 2.0, 3.0):
            count = draws if factor == 1.0 else draws // 4
            at = [week for n in range(count) if (week := exceed_rate(rows, factor, seed + n)) is not None]
            weeks = f" ({np.median(at):.0f})" if at and factor > 1 else ""
            cells.append(format_share(len(at), count) if factor == 1.0 else f"{len(at)} of {count}{weeks}")
        print(f"| {rows.name} | {' | '.join(cells)} |", flush=True)


@dataclass(frozen=True)
class Catches:
    """Incidents that judged a version, and how many of hundred are caught before and after."""

    judged: int
    before: float
    after: float


CATCHES = tuple(
    Catches(judged, before, after)
    for judged in (10, 40)
    for before, after in ((0.9, 0.9), (0.6, 0.6), (0.9, 0.6), (0.9, 0.3))
)


def miss_incidents(case: Catches, seed: int, alpha: float, incidents: int = 200) -> int | None:
    """Return after how many incidents the promise is withdrawn; None if it holds."""
    rng = np.random.default_rng([seed, 12])
    promise = (rng.random(case.judged) < case.before).tolist()
    misses = bound_misses(sum(promise), len(promise), alpha / 2)
    stake = Stake()
    for number, is_caught in enumerate((rng.random(incidents) < case.after).tolist(), 1):
        stake = bet_on_catches(stake, [is_caught], misses)
        if judge_incidents(stake, alpha, promise, misses).state == "withdrawn":
            return number
    return None


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


def stream_once(world: StreamWorld, over: str, seed: int) -> tuple[float, float]:
    """Return the share of false discoveries of 30 days (0 without any), and that of the incidents caught."""
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
    for hour in range(PERIOD * 24):
        rows, begin = slice(hour * HOUR, (hour + 1) * HOUR), start + timedelta(hours=hour)
        keys, p = _make_keys(seconds[split:][rows], world.entities), p_values[rows].ravel()
        if stream is None:
            flags = policy.flag_window(p, calibration.resolution, keys)
        else:
            finest = float(policy.expect_discoveries(len(p), calibration.resolution)[0])
            share = stream.share_level(begin, finest, dependence)
            flags = policy.flag_window(p, calibration.resolution, keys, share)
            times = pd.to_datetime(keys.moments, unit="us", utc=True)
            frame = pd.DataFrame({"time": times, "machine": keys.entities})
            counted = count_discoveries(policy, contract, frame, flags, stream.find_open_events(begin))
            stream.add_window(StreamWindow(begin, begin + timedelta(hours=1), share.allowed, *counted))
        alerted[rows] = flags.reshape(-1, world.entities)
    return _measure_discoveries(policy, seconds[split:], truth[split:], alerted, world.incidents)


def make_contract() -> FrameContract:
    """Return the contract of rows with a time and a machine."""
    rows = draw_rows(ROWS[3], 2, np.random.default_rng(0))
    return FrameContract.infer(rows, make_pipeline("fdr").data)


def _calibrate(scores: Floats, seconds: Floats, over: str) -> tuple[AlertPolicy, Calibration, Dependence]:
    """Return what a training makes of held-out scores, of shape (n, entities)."""
    entities = scores.shape[1]
    keys = _make_keys(seconds, entities)
    times = pd.Series(pd.to_datetime(keys.moments, unit="us", utc=True))
    dependence = measure_dependence(scores.ravel(), times, keys.entities)
    calibration = Calibration.fit(scores.ravel(), tail="none")
    rates = measure_event_rates(calibration.p_values(scores.ravel()), keys, timedelta(hours=6))
    settings = make_pipeline("fdr").alerts.model_copy(update={"fdr": LEVEL, "fdr_over": over})
    policy = AlertPolicy.from_config(settings, 86_400 / STEP * entities, (), rates)
    return policy, calibration, dependence


def _make_keys(seconds: Floats, entities: int) -> RowKeys:
    moments = np.repeat((seconds * 1e6).astype(np.int64), entities)
    return RowKeys(np.tile(np.arange(entities, dtype=np.int64), len(seconds)), moments)


def _measure_discoveries(
    policy: AlertPolicy, seconds: Floats, truth: NDArray[np.int64], alerted: Flags, incidents: int
) -> tuple[float, float]:
    """Return the false share of discoveries as the policy counts them, and the share of incidents caught."""
    flags, numbers = alerted.ravel(), truth.ravel()
    units = np.flatnonzero(flags) if policy.events is None else None
    if policy.events is not None:
        units = number_events(_make_keys(seconds, alerted.shape[1]), flags, policy.events.gap)[flags]
    assert units is not None
    places = np.unique(units, return_inverse=True)[1]
    is_true = np.bincount(places, numbers[flags] > 0) > 0
    caught = len(np.unique(numbers[flags & (numbers > 0)]))
    return float((~is_true).mean()) if len(is_true) else 0.0, caught / max(1, incidents)


def print_lives(draws: int, seed: int, shifts: tuple[float, ...]) -> None:
    print("| rows | shift | any withdrawn, % | exchangeability | week | alert rate | week |")
    print("|---|---|---|---|---|---|---|")
    for rows in WORLDS:
        for shift in shifts:
            lives = [live_once(rows, shift, seed + number) for number in range(draws)]
            cells = [format_share(sum(bool(life) for life in lives), draws)]
            for name in PROMISES:
                at = [life[name] - CHANGE for life in lives if name in life]
                cells += [f"{len(at)} of {draws}", f"{np.median(at):.0f}" if at and shift else ""]
            print(f"| {rows.name} | {shift:g} | {' | '.join(cells)} |", flush=True)


def print_incidents(draws: int, seed: int) -> None:
    alpha = make_pipeline("quantile").account.find_alpha("incidents")
    print("| incidents that judged | caught before | after | withdrawn, % | after incidents |")
    print("|---|---|---|---|---|")
    for case in CATCHES:
        ends = [miss_incidents(case, seed + number, alpha) for number in range(draws)]
        late = [end for end in ends if end is not None]
        median = f"{np.median(late):.0f}" if late else ""
        share = format_share(len(late), draws)
        print(f"| {case.judged} | {case.before:g} | {case.after:g} | {share} | {median} |", flush=True)


def print_streams(draws: int, seed: int) -> None:
    print("| rows | false, % over 30 days: window | stream | caught, %: window | stream |")
    print("|---|---|---|---|---|")
    for world in STREAMS:
        results = [
            np.array([stream_once(world, over, seed + number) for number in range(draws)])
            for over in ("window", "stream")
        ]
        cells = [
            f"{100 * item[:, column].mean():.1f} ± {200 * item[:, column].std() / np.sqrt(draws):.1f}"
            for column in (0, 1)
            for item in results
        ]
        print(f"| {world.name} | {' | '.join(cells)} |", flush=True)


def check_bounds(seed: int) -> None:
    """Hold the bounds of the page; each can fail."""
    lives = [live_once(rows, 0.0, seed + number, 13) for rows in WORLDS[1:4:2] for number in range(4)]
    assert sum(map(bool, lives)) == 0, lives
    assert "alert_rate" in live_once(WORLDS[0], 1.0, seed, 20)
    early = [exceed_rate(rows, 1.0, seed + number) for rows in WORLDS for number in range(8)]
    assert sum(week is not None for week in early) <= 1, early
    assert all(exceed_rate(WORLDS[3], 3.0, seed + number) for number in range(3))
    alpha = make_pipeline("quantile").account.find_alpha("incidents")
    false = sum(miss_incidents(CATCHES[0], seed + number, alpha) is not None for number in range(400))
    assert false <= 6, false
    lost = [miss_incidents(CATCHES[7], seed + number, alpha) for number in range(20)]
    assert sum(end is not None for end in lost) >= 16, lost
    for world in (STREAMS[0], STREAMS[6]):
        shares = np.array([stream_once(world, "stream", seed + number) for number in range(6)])
        assert shares[:, 0].mean() <= 2 * LEVEL, (world, shares)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("lives", "rates", "incidents", "stream"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--shifts", type=float, nargs="+", default=SHIFTS)
    parser.add_argument("--seed", type=int, default=95_000)
    options = parser.parse_args()
    if options.quick:
        check_bounds(options.seed)
        print("the bounds hold")
        return
    if options.part in (None, "lives"):
        print_lives(options.draws, options.seed, tuple(options.shifts))
    if options.part in (None, "rates"):
        print_rates(3 * options.draws, options.seed)
    if options.part in (None, "incidents"):
        print_incidents(50 * options.draws, options.seed)
    if options.part in (None, "stream"):
        print_streams(options.draws, options.seed)


if __name__ == "__main__":
    main()
