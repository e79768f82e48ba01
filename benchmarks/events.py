"""Measures whether a budget is held in events, and how many events are false beside an anomaly that lasts.

    python benchmarks/events.py [--detectors iforest knn gmm lof hbos ecod] [--seeds 3] [--windows 100]

Generated tables of three machines, a row each in 15 minutes: *independent* rows, *autoregressive* ones (0.95
from one to the next) and *seasonal* ones, whose spread follows the hour. Models are fitted on 31 days with a
random quarter held out, and score 200 days of the same process. Printed are, as Markdown:

- events a day on the new rows at a budget of 3 a day, counted by row and counted as ``auto`` does: the lowest
  and the highest of all seeds, and the rows of one event;
- under ``fdr: 0.1``, in windows of a day in which one machine is off for ten hours: the mean share of events
  without any row of that anomaly, and the share of windows that caught it, counted by row and by event.

An event is a run of alerting rows of one machine, none more than an hour after the one before. Everything is
seeded; the same command prints the same figures.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pandas as pd

from benchmarks.calibration import render_table
from pynomaly.config import Alerts, Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.events import count_events, number_events
from pynomaly.model.provenance import read_events
from pynomaly.model.row_times import read_row_keys

GAP, PER_DAY, LEVEL = timedelta(hours=1), 3.0, 0.1
MACHINES, STEPS, DAYS, NEW_DAYS, LASTING = 3, 96, 31, 200, 40
KINDS = ("independent", "autoregressive", "seasonal")
DETECTORS = ("iforest", "knn", "gmm", "lof", "hbos", "ecod")


@dataclass
class EventSums:
    """What was measured of one detector on one kind of rows, a figure a seed."""

    kind: str
    detector: str
    by_row: list[float] = field(default_factory=list)
    by_auto: list[float] = field(default_factory=list)
    size: list[float] = field(default_factory=list)
    false: dict[str, list[float]] = field(default_factory=lambda: {"rows": [], "events": []})
    caught: dict[str, list[bool]] = field(default_factory=lambda: {"rows": [], "events": []})


def generate_rows(kind: str, days: int, start: str, rng: np.random.Generator) -> pd.DataFrame:
    """Generate rows of three machines in order of time."""
    from scipy.signal import lfilter

    persistence, count = 0.95 if kind == "autoregressive" else 0.0, days * STEPS
    times = pd.date_range(start, periods=count, freq="15min", tz="UTC")
    machines = []
    for name in "abc"[:MACHINES]:
        noise = rng.standard_normal((count + 300, 3))
        values = lfilter([1.0], [1.0, -persistence], noise, axis=0)[300:] * np.sqrt(1.0 - persistence**2)
        if kind == "seasonal":
            values *= np.exp(0.7 * np.sin(2 * np.pi * np.arange(count) / STEPS))[:, None]
        columns = dict(zip(("heat", "load", "noise"), values.T, strict=True))
        machines.append(pd.DataFrame({"time": times, "machine": name, **columns}))
    return pd.concat(machines).sort_values(["time", "machine"], ignore_index=True)


def fit_model(detector: str, rows: pd.DataFrame, rng: np.random.Generator) -> Bundle:
    """Fit with a random quarter held out and a budget counted as ``auto`` does."""
    pipeline = Pipeline.model_validate(
        {
            "name": "events",
            "data": {"source": "csv", "path": "rows.csv", "time": "time", "id": "machine"},
            "training": {"candidates": [detector]},
            "alerts": {"policy": "budget", "per_day": PER_DAY},
            "grouping": {"gap": GAP},
        }
    )
    held_out = rng.random(len(rows)) < 0.25
    contract = FrameContract.infer(rows, pipeline.data)
    return Bundle.fit(
        rows[~held_out], rows[held_out], pipeline, pipeline.training.candidates[0], contract, {}
    )


def measure_budget(sums: EventSums, bundle: Bundle, new: pd.DataFrame) -> None:
    """Count the events of new rows under both ways to count."""
    keys, p_values = read_row_keys(new, bundle.contract), bundle.score(new)["p_value"].to_numpy()
    assert keys is not None, "the rows have times"
    by_row = AlertPolicy.from_config(Alerts(policy="budget", per_day=PER_DAY), bundle.policy.rows_per_day)
    alerted = bundle.policy.alerts(p_values)
    events = count_events(keys, alerted, GAP)
    sums.by_row.append(count_events(keys, by_row.alerts(p_values), GAP) / NEW_DAYS)
    sums.by_auto.append(events / NEW_DAYS)
    sums.size.append(float(alerted.sum()) / max(events, 1))


def measure_false_events(
    sums: EventSums, bundle: Bundle, new: pd.DataFrame, windows: int, rng: np.random.Generator
) -> None:
    """Move one machine away for some hours of each day, and see which events hold nothing of it."""
    for day in range(windows):
        window = new.iloc[day * STEPS * MACHINES : (day + 1) * STEPS * MACHINES].reset_index(drop=True)
        rows = np.flatnonzero(window["machine"] == "a")
        rows = rows[int(rng.integers(0, STEPS - LASTING)) :][:LASTING]
        truth = np.isin(np.arange(len(window)), rows)
        for name in ("heat", "load"):
            window.loc[truth, name] += rng.uniform(4, 8, LASTING) * float(window[name].std())
        keys, p_values = read_row_keys(window, bundle.contract), bundle.score(window)["p_value"].to_numpy()
        assert keys is not None, "the rows have times"
        for count in sums.false:
            alerts = Alerts.model_validate({"policy": "fdr", "fdr": LEVEL, "count": count})
            policy = AlertPolicy.from_config(
                alerts, bundle.policy.rows_per_day, (), read_events(bundle.facts)
            )
            alerted = policy.flag_window(p_values, bundle.calibration.resolution, keys)
            numbers = number_events(keys, alerted, GAP)
            events, true = int(numbers.max(initial=-1)) + 1, len(set(numbers[alerted & truth]))
            sums.false[count].append((events - true) / max(events, 1))
            sums.caught[count].append(bool(true))


def render_results(results: list[EventSums], command: str) -> str:
    """Return both tables as Markdown."""

    def span(values: list[float]) -> str:
        return f"{min(values):.1f} to {max(values):.1f}"

    budget = [
        [item.kind, item.detector, span(item.by_row), span(item.by_auto), f"{np.mean(item.size):.1f}"]
        for item in results
    ]
    false = [
        [
            item.kind,
            item.detector,
            *(
                f"{np.mean(item.false[count]):.2f} ({np.mean(item.caught[count]):.0%})"
                for count in item.false
            ),
        ]
        for item in results
    ]
    parts = [
        f"`{command}`",
        f"Events a day at a budget of {PER_DAY:g}:",
        render_table(["rows", "detector", "counted by row", "counted as measured", "rows an event"], budget),
        f"Share of false events at `fdr: {LEVEL:g}` (windows in which the anomaly was caught):",
        render_table(["rows", "detector", "counted by row", "counted by event"], false),
    ]
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--windows", type=int, default=100, help="windows of a day, a seed; at most 200")
    options = parser.parse_args(arguments)
    results = []
    for kind in KINDS:
        for detector in options.detectors:
            sums = EventSums(kind, detector)
            for seed in range(options.seeds):
                rng = np.random.default_rng(seed)
                bundle = fit_model(detector, generate_rows(kind, DAYS, "2026-01-05", rng), rng)
                new: pd.DataFrame = generate_rows(kind, NEW_DAYS, "2027-01-04", rng)
                measure_budget(sums, bundle, new)
                measure_false_events(sums, bundle, new, min(options.windows, NEW_DAYS), rng)
            results.append(sums)
    chosen = f" --detectors {' '.join(options.detectors)}" if options.detectors != list(DETECTORS) else ""
    print(
        render_results(
            results,
            f"python benchmarks/events.py --seeds {options.seeds} --windows {options.windows}{chosen}",
        )
    )


if __name__ == "__main__":
    main()
