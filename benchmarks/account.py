"""Does a champion's account keep its budget, and an `fdr` over a stream its level? What do they still find?

    python -m benchmarks.account --part lives       # or rates, incidents, stream; all without --part
    python -m benchmarks.account --quick            # the bounds that CI holds, on other seeds

*lives*: a version is fitted through the production path on four weeks of stationary rows, and judged weekly
for a year by the steps of production, on a ledger of its own: `withdrawn` counts lives in which any promise
was said to be broken. From week 14 on, a *shift* moves every column by so many deviations; `week` is the
median number of weeks until it was said. *rates*: the bets on alerts by themselves, for a year, where exactly
what was promised alerts, or more. *incidents*: as many labelled incidents judge a version, then come
200, caught as often or less often. *stream*, *answers*: see :mod:`benchmarks.alert_streams`. Shares stand
with exact binomial 95 % intervals (Clopper, Pearson), means with two standard errors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.signal import lfilter

from benchmarks.alert_streams import LEVEL, STREAMS, make_keys, print_answers, print_streams, stream_once
from benchmarks.bake import COLUMNS, DAY, REFERENCE, ROWS, START, Rows, draw_rows, fit_version, make_pipeline
from benchmarks.shares import format_share
from pynomaly.judging.account.block_bets import UnitBets
from pynomaly.judging.account.incidents import bet_on_catches, bound_misses, judge_incidents
from pynomaly.judging.account.stake import Stake
from pynomaly.judging.drift.observation import Observation
from pynomaly.model.calibration.events import measure_event_rates
from pynomaly.model.dependence.measure import measure_dependence
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
    keys = make_keys(np.arange(len(scores)) * rows.step * 3600, rows.entities)
    held_out = 8 * per_week * rows.entities
    times = pd.Series(pd.to_datetime(keys.moments[:held_out], unit="us", utc=True))
    dependence = measure_dependence(scores.ravel()[:held_out], times, keys.entities[:held_out])
    promised = scores.ravel() > stats.norm.isf(0.01)
    runs = measure_event_rates(np.where(promised, 0.001, 0.5), keys, timedelta(hours=6))
    rows_per_event = 1.0 / float(runs.share(0.01)[0]) if runs.clustered else 1.0
    alerted, seconds = scores.ravel() > stats.norm.isf(0.01 * times_as_many), keys.moments / 1e6
    bets, alpha = UnitBets(), make_pipeline("quantile").account.split_alpha()["alert_rate"]
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
    alpha = make_pipeline("quantile").account.split_alpha()["incidents"]
    print("| incidents that judged | caught before | after | withdrawn, % | after incidents |")
    print("|---|---|---|---|---|")
    for case in CATCHES:
        ends = [miss_incidents(case, seed + number, alpha) for number in range(draws)]
        late = [end for end in ends if end is not None]
        median = f"{np.median(late):.0f}" if late else ""
        share = format_share(len(late), draws)
        print(f"| {case.judged} | {case.before:g} | {case.after:g} | {share} | {median} |", flush=True)


def find_broken_bounds(seed: int) -> list[str]:
    """Return the bounds of the page that do not hold."""
    alpha = make_pipeline("quantile").account.split_alpha()["incidents"]
    lives = [live_once(rows, 0.0, seed + number, 13) for rows in WORLDS[1:4:2] for number in range(4)]
    moved = live_once(WORLDS[0], 1.0, seed, 20)
    early = [exceed_rate(rows, 1.0, seed + number) for rows in WORLDS for number in range(8)]
    often = [exceed_rate(WORLDS[3], 3.0, seed + number) for number in range(3)]
    false = sum(miss_incidents(CATCHES[0], seed + number, alpha) is not None for number in range(400))
    lost = sum(miss_incidents(CATCHES[7], seed + number, alpha) is not None for number in range(20))
    broken = {
        f"withdrawn where nothing changes: {lives}": any(lives),
        f"a shift of a deviation is not seen: {moved}": "alert_rate" not in moved,
        f"a rate as promised is withdrawn: {early}": sum(week is not None for week in early) > 1,
        f"three times as many alerts are not seen: {often}": None in often,
        f"{false} of 400 withdrawn though incidents are caught as before": false > 6,
        f"only {lost} of 20 withdrawn though incidents are missed": lost < 16,
    }
    chance = 2.0 * np.sqrt(LEVEL * (1 - LEVEL) / 6)  # where nothing is wrong, a period's share is 0 or 1
    for world in (STREAMS[0], STREAMS[6]):
        shares = np.array([stream_once(world, "stream", seed + number)[0] for number in range(6)])
        broken[f"{world.name}: {shares.mean():.0%} of the alerts are false"] = shares.mean() > LEVEL + chance
    return [line for line, is_broken in broken.items() if is_broken]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("lives", "rates", "incidents", "stream", "answers"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--shifts", type=float, nargs="+", default=SHIFTS)
    parser.add_argument("--seed", type=int, default=95_000)
    options = parser.parse_args()
    if options.quick:
        broken = find_broken_bounds(options.seed)
        print("\n".join(broken) or "the bounds hold")
        return int(bool(broken))
    if options.part in (None, "lives"):
        print_lives(options.draws, options.seed, tuple(options.shifts))
    if options.part in (None, "rates"):
        print_rates(3 * options.draws, options.seed)
    if options.part in (None, "incidents"):
        print_incidents(50 * options.draws, options.seed)
    if options.part in (None, "stream"):
        print_streams(options.draws, options.seed)
    if options.part == "answers":
        print_answers(options.draws, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
