"""How fast sinks take rows, and how soon an alert is where it should be.

    python -m benchmarks.sinks            # 100,000 rows, 200 alerts
    python -m benchmarks.sinks --quick    # fewer, and fails above the bounds

Rows are written into a store and a ledger as scoring writes them, and handed over by the production path:
read, keyed, converted, sent, marked. Receivers are on this machine: a web server that reads and drops,
sqlite, folders, and a PostgreSQL with `--postgres`. The alerts are written one by one, each by another
connection, while a second web hook hangs; the time is that from the commit of an alert to its arrival.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.steps.delivery.deliverer import Deliverer
from pynomaly.steps.delivery.live import LiveDelivery
from tests.written import write_alert, write_window

ROWS_PER_SECOND, SECONDS = 2000.0, 2.0
"""The bounds of `--quick`: rows a second of the slowest sink, and the 99th percentile of an alert's way."""


@contextmanager
def run_server(hang: threading.Event | None = None, arrivals: list[float] | None = None) -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if hang is not None:
                hang.wait(60)
            if arrivals is not None:
                arrivals.append(time.perf_counter())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        if hang is not None:
            hang.set()
        server.shutdown()
        thread.join()


def make_pipeline(folder: Path, sinks: list[dict[str, Any]]) -> Pipeline:
    settings = {
        "name": "machines",
        "data": {"source": "csv", "path": "x.csv", "time": "time", "id": "machine"},
        "training": {"candidates": ["hbos"]},
        "sinks": sinks,
    }
    folder.mkdir(parents=True)
    file = folder / "machines.yaml"
    file.write_text(yaml.safe_dump(settings))
    return load_pipeline(file)


def measure_rates(folder: Path, rows: int, postgres: str) -> dict[str, float]:
    os.environ["BENCH_SQLITE"] = f"sqlite:///{folder / 'sink.db'}"
    secret = {"secret_env": "BENCH_SECRET"}
    kinds: dict[str, dict[str, Any]] = {
        "webhook": {"kind": "webhook", "address_env": "BENCH_HOOK", **secret},
        "sqlite": {"kind": "sql", "address_env": "BENCH_SQLITE"},
        "parquet": {"kind": "parquet", "folder": "lake"},
        "delta": {"kind": "delta", "folder": "delta"},
        "influx": {
            "kind": "influx",
            "address": os.environ["BENCH_HOOK"],
            "token_env": "BENCH_SECRET",
            "org": "o",
            "bucket": "b",
        },
        "topic in the process": {"kind": "topic", "broker": "memory"},
        "xlsx": {"kind": "xlsx", "folder": "books"},
    }
    if postgres:
        os.environ["BENCH_POSTGRES"] = postgres
        kinds["postgresql"] = {"kind": "sql", "address_env": "BENCH_POSTGRES"}
    rates = {}
    for name, sink in kinds.items():
        pipeline = make_pipeline(folder / name.replace(" ", "-"), [{"name": "x", "what": ["scores"], **sink}])
        with Deliverer(pipeline) as deliverer:
            deliverer.open_channels()
            write_window(pipeline, 0, rows=rows)
            start = time.perf_counter()
            (result,) = deliverer.deliver_due()
            assert (result.rows, result.error) == (rows, ""), result
            rates[name] = rows / (time.perf_counter() - start)
    return rates


def measure_alerts(folder: Path, alerts: int) -> np.ndarray:
    arrivals: list[float] = []
    hang = threading.Event()
    with run_server(hang) as stuck, run_server(arrivals=arrivals) as hook:
        os.environ |= {"BENCH_STUCK": stuck, "BENCH_FREE": hook}
        secret = {"kind": "webhook", "secret_env": "BENCH_SECRET"}
        sinks = [
            {"name": "stuck", "address_env": "BENCH_STUCK", **secret},
            {"name": "free", "address_env": "BENCH_FREE", **secret},
        ]
        pipeline = make_pipeline(folder / "alerts", sinks)
        written = []
        with LiveDelivery(pipeline) as live:
            for number in range(alerts):
                write_alert(pipeline, f"alert{number}")
                written.append(time.perf_counter())
                live.wake()
                while len(arrivals) < number + 1:
                    time.sleep(0.001)
            hang.set()
    return np.asarray(arrivals[:alerts]) - np.asarray(written)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--alerts", type=int, default=200)
    parser.add_argument("--postgres", action="store_true", help="also a PostgreSQL that is started")
    parser.add_argument("--quick", action="store_true", help="fewer, and fail above the bounds")
    options = parser.parse_args()
    rows, alerts = (5000, 20) if options.quick else (options.rows, options.alerts)
    os.environ["BENCH_SECRET"] = "a secret of some length"
    with tempfile.TemporaryDirectory() as name, run_server() as hook, ExitStack() as stack:
        os.environ["BENCH_HOOK"] = hook
        postgres = ""
        if options.postgres:
            from tests.databases import create_database, run_postgres

            postgres = create_database(stack.enter_context(run_postgres(Path(name) / "postgres")))
        rates = measure_rates(Path(name), rows, postgres)
        delays = measure_alerts(Path(name), alerts)
    print("| sink | rows/s |\n|---|---|")
    for kind, rate in sorted(rates.items(), key=lambda item: -item[1]):
        print(f"| {kind} | {rate:,.0f} |")
    p50, p99 = np.quantile(delays, (0.5, 0.99))
    print(f"\nalerts, one sink hanging: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, of {alerts}")
    slowest = min(rate for kind, rate in rates.items() if kind != "xlsx")  # for people, not for speed
    if options.quick and (slowest < ROWS_PER_SECOND or p99 > SECONDS):
        raise SystemExit(f"slower than {ROWS_PER_SECOND:,.0f} rows/s or {SECONDS:g} s")


if __name__ == "__main__":
    main()
