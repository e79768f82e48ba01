"""The live path on a real Redis: latency, rows a second, memory, recovery; beside it consumers that score.

    python -m benchmarks.stream --out FILE              # some minutes; needs `redis-server`
    python -m benchmarks.stream --parts latency --rates 100,1000
    python -m benchmarks.stream --quick                 # a kill, and every row counted; no times

A hundred machines send ten numbers as JSON (about 250 bytes), each row five minutes after the machine's last,
so that windows of six hours (7,200 rows) close all along; one row in a thousand is anomalous. Redis and the
sender run on core 0, the one worker on core 1 (`taskset`). Latency is from the moment that Redis wrote on a
message until its row is in the ledger, as the product measures it; for alerts, from the moment before XADD
until a web hook on this machine has the event. Rows a second are those of a backlog, by the clock and by the
processor time of the worker: the second stays true on a machine that is busy with other things.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.stream_bench import WINDOW_ROWS, Bench, Worker, read_rss_mib, run_bench

_PATIENCE_S = 120.0
PARTS = ("latency", "backlog", "cores", "batch", "memory", "recovery")
OPENED = "org.pynomaly.alert.opened"


def measure_latency(bench: Bench, rates: tuple[int, ...], seconds: int) -> list[str]:
    """Send at each rate for so long; p50 and p99 from message to record, and from message to web hook."""
    lines = [
        "| rows/s | rows | to the record p50 ms | p99 ms | largest ms | alerts to the hook p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    with bench.run_worker() as worker:
        bench.send(2000)
        worker.wait_for_rows(2000)
        worker.wait_until_it_reads()  # their alerts are out: they waited for the start of the worker
        for rate in rates:
            before, first, alerts = worker.count(), len(worker.lines()), len(bench.arrivals)
            bench.send(rate * seconds, rate)
            worker.wait_for_rows(before + rate * seconds)
            time.sleep(2.5)
            waits = 1000 * np.concatenate([line.get("waits", []) for line in worker.lines()[first:]])
            delays = 1000 * np.array(_list_alert_delays(bench, alerts))
            cells = [f"{rate:,}", f"{len(waits):,}"]
            cells += [f"{value:,.0f}" for value in (*np.percentile(waits, [50, 99]), waits.max())]
            cells += (
                [f"{value:,.0f}" for value in np.percentile(delays, [50, 99])] if len(delays) else ["", ""]
            )
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _list_alert_delays(bench: Bench, first: int) -> list[float]:
    """Seconds from sending the row that opened an alert to its event at the web hook."""
    delays = []
    for at, event in bench.arrivals[first:]:
        if event["type"] == OPENED:
            data = event["data"]
            sent = bench.sent_at.get((data["entity"], pd.Timestamp(data["first"]).isoformat()))
            if sent is not None:
                delays.append(at - sent)
    return delays


def measure_backlog(bench: Bench, count: int) -> list[str]:
    """A worker takes a backlog; then consumers that only score take the same messages."""
    bench.send(count)
    lines = ["| consumer | rows | rows/s by the clock | rows/s of processor time |", "|---|---|---|---|"]
    looks_back = bench.pipeline.data.series.past > 0  # what only scores keeps no past of the machines
    roles = ["product", *([] if looks_back else ["plain"]), *(["river"] if find_spec("river") else [])]
    for role in roles:
        with bench.run_worker(role) as worker:
            worker.wait_for_rows(count)
            if role == "product":
                worker.wait_until_it_reads()
            lines.append(_describe_rate(role, worker, count))
            print(lines[-1], flush=True)
    if "river" not in roles:
        lines.append("| river | not installed: `pip install river` beside the project | | |")
    return lines


def _describe_rate(role: str, worker: Worker, count: int) -> str:
    batches = [line for line in worker.lines() if "rows" in line]
    rest = sum(line["rows"] for line in batches[1:])  # the first batch warms
    wall = batches[-1]["at"] - batches[0]["at"]
    cpu = batches[-1]["cpu"] - batches[0]["cpu"]
    return f"| {role} | {count:,} | {rest / wall:,.0f} | {rest / cpu:,.0f} |"


def measure_cores(bench: Bench, count: int) -> list[str]:
    """Two workers share a backlog; the second has the core of the broker."""
    bench.send(count)
    with bench.run_worker() as first, bench.run_worker(core=0) as second:
        while first.count() + second.count() < count:
            time.sleep(0.1)
        batches = [[line for line in each.lines() if "rows" in line] for each in (first, second)]
        _wait_until_recorded(bench)
    recorded, twice = bench.count_rows()
    shares = [sum(line["rows"] for line in own) for own in batches]
    begun = max(own[0]["at"] for own in batches)  # from then on both read
    ended = max(own[-1]["at"] for own in batches)
    rest = sum(line["rows"] for own in batches for line in own if line["at"] > begun)
    warm = sum(line["rows"] for own in batches for line in own[1:])
    spent = sum(own[-1]["cpu"] - own[0]["cpu"] for own in batches)
    return [
        f"two workers took {shares[0]:,} and {shares[1]:,} of {count:,} rows: while both read, "
        f"{rest / (ended - begun):,.0f} rows/s by the clock, {warm / spent:,.0f} of processor time of both; "
        f"{bench.sent - recorded} rows lost, {twice} doubled"
    ]


def measure_batch(bench: Bench, count: int) -> list[str]:
    """A worker catches up and closes its windows; the batch path scores the same rows in the same windows."""
    bench.send(count)
    with bench.run_worker() as worker:
        worker.wait_for_rows(count)
        worker.wait_until_it_reads()
        lines = worker.lines()
    first = next(line for line in lines if "rows" in line)
    closed = [window for line in lines for window in line.get("closed", ())]
    rest = sum(line.get("rows", 0) for line in lines) - first["rows"]
    live = rest / (lines[-1]["cpu"] - first["cpu"])
    seconds = bench.time_batch(count, 1), bench.time_batch(count, len(closed))
    batch = (len(closed) - 1) * WINDOW_ROWS / (seconds[1] - seconds[0])
    return [
        f"a worker took {count:,} rows and closed {len(closed)} windows: {live:,.0f} rows/s of processor "
        f"time; `pynomaly backfill` of these windows: {batch:,.0f}; the ratio is {live / batch:.2f}"
    ]


def measure_memory(bench: Bench, rate: int, seconds: int) -> list[str]:
    """Memory of a worker while rows come; its slope over the second half."""
    samples: list[tuple[float, float]] = []
    with bench.run_worker() as worker:
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            bench.send(rate, rate)
            samples.append((now, read_rss_mib(worker.process.pid)))
    late = np.array(samples[len(samples) // 2 :])
    slope = np.polyfit(late[:, 0], late[:, 1], 1)[0] * 60
    return [
        f"memory at {rate:,} rows/s: {samples[0][1]:,.0f} MiB at first, {late[-1, 1]:,.0f} MiB after "
        f"{seconds} s, {slope:+.1f} MiB a minute over the second half"
    ]


def measure_recovery(bench: Bench, rate: int) -> list[str]:
    """Seconds from kill -9, and a new start at once, to the first new record; rows lost and doubled."""
    with bench.run_worker() as worker:
        bench.send(3 * rate, rate)
        worker.wait_for_rows(rate)
        os.kill(worker.process.pid, signal.SIGKILL)
        killed = time.time()
    bench.send(rate)
    with bench.run_worker() as worker:
        worker.wait_until(lambda lines: sum(line.get("rows", 0) for line in lines) >= rate)
        lines = worker.lines()
        first = next(line["at"] for line in lines if line.get("rows"))
        started = lines[0]["at"]
        _wait_until_recorded(bench)
    recorded, twice = bench.count_rows()
    return [
        f"kill -9 at {rate:,} rows/s: first new record {first - killed:.1f} s later, {first - started:.1f} s "
        f"after the new worker was loaded; {bench.sent - recorded} rows lost, {twice} doubled"
    ]


def _wait_until_recorded(bench: Bench) -> None:
    until = time.monotonic() + 60
    while bench.count_rows()[0] < bench.sent and time.monotonic() < until:
        time.sleep(0.5)


def check_quickly(folder: Path) -> tuple[bool, str]:
    """Kill a worker in the middle, start it again: every row is recorded and scored once, alerts arrive."""
    with run_bench(folder, "hbos", days=1) as bench:
        with bench.run_worker() as worker:
            bench.send(3000)
            worker.wait_for_rows(1)
            os.kill(worker.process.pid, signal.SIGKILL)
        bench.send(6000)
        with bench.run_worker() as worker:
            _wait_until_recorded(bench)
            worker.wait_until(lambda lines: any("closed" in line for line in lines), _PATIENCE_S)
            unscored = sum(line["rows"] - line["scored"] for line in worker.lines() if "rows" in line)
            opened = _wait_for_alerts(bench)
        recorded, twice = bench.count_rows()
    facts = f"{bench.sent} sent, {recorded} recorded, {twice} twice, {unscored} not scored, {opened} alerts"
    return (recorded, twice, unscored) == (bench.sent, 0, 0) and opened > 0, facts


def _wait_for_alerts(bench: Bench) -> int:
    until = time.monotonic() + _PATIENCE_S
    while not (opened := [event for _, event in bench.arrivals if event["type"] == OPENED]):
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    return len(opened)


def measure(options: argparse.Namespace) -> list[str]:
    """The parts that were asked for, each on a pipeline and a Redis of its own."""
    rates = tuple(int(rate) for rate in options.rates.split(","))
    measures: dict[str, Callable[[Bench], list[str]]] = {
        "latency": lambda bench: measure_latency(bench, rates, options.seconds),
        "backlog": lambda bench: measure_backlog(bench, options.rows),
        "cores": lambda bench: measure_cores(bench, options.rows),
        "batch": lambda bench: measure_batch(bench, options.rows),
        "memory": lambda bench: measure_memory(bench, options.memory_rate, options.memory_seconds),
        "recovery": lambda bench: measure_recovery(bench, 1000),
    }
    lines: list[str] = []
    for part in options.parts.split(","):
        with tempfile.TemporaryDirectory() as scratch, run_bench(Path(scratch), options.detector) as bench:
            lines += [
                f"\n### {part}, {options.detector}, load average {os.getloadavg()[0]:.1f} before",
                "",
                *measures[part](bench),
            ]
            print("\n".join(lines[-12:]), flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--detector", default="iforest")
    parser.add_argument("--rates", default="100,1000,5000")
    parser.add_argument("--seconds", type=int, default=15, help="at each rate")
    parser.add_argument("--rows", type=int, default=300_000, help="of the backlog")
    parser.add_argument("--memory-rate", type=int, default=2000)
    parser.add_argument("--memory-seconds", type=int, default=60)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.quick:
        with tempfile.TemporaryDirectory() as scratch:
            holds, facts = check_quickly(Path(scratch))
        print(facts)
        raise SystemExit(0 if holds else 1)
    lines = measure(options)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
