"""A trained pipeline over a real Redis, its sender, web hook and children; for :mod:`benchmarks.stream`."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import yaml

from benchmarks.serving import find_free_port
from pynomaly.config import Pipeline, load_pipeline
from pynomaly.data.sources import read_source
from pynomaly.records.ledger import Ledger

MACHINES, COLUMNS = 100, 10
START = pd.Timestamp("2026-01-05T00:00:00Z")
NAMES = [f"sensor_{number}" for number in range(COLUMNS)]
STEP = pd.Timedelta(minutes=5)
ROWS_A_DAY = 24 * 12 * MACHINES
WINDOW_ROWS = ROWS_A_DAY // 4
READY_S = 180


def make_rows(first: int, count: int, seed: int = 0) -> pd.DataFrame:
    """Rows `first` to `first + count` of the fleet, a function of their numbers; one in a thousand is odd."""
    rng = np.random.default_rng([seed, first])
    numbers = np.arange(first, first + count)
    load = rng.normal(size=(count, 1))
    cells = 20 + 2 * load + rng.normal(size=(count, COLUMNS))
    cells[rng.random(count) < 0.001] += 12
    frame = pd.DataFrame(np.round(cells, 3), columns=NAMES)
    times = START + numbers // MACHINES * STEP
    frame.insert(0, "machine", np.char.mod("machine-%03d", numbers % MACHINES))
    frame.insert(0, "time", times)
    return frame


def make_bodies(first: int, count: int) -> list[bytes]:
    """The same rows as messages."""
    frame = make_rows(first, count).assign(
        time=lambda rows: rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        site="north-east plant, second hall",
        firmware="4.17.2-build.20260105",
    )
    return [orjson.dumps(record) for record in frame.to_dict("records")]


@dataclass
class Bench:
    """A trained pipeline, a broker, and what the web hook got."""

    config: Path
    port: int
    days: int  # of history; the first message follows them
    arrivals: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    sent: int = 0
    sent_at: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """Number of the first row that comes as a message."""
        return self.days * ROWS_A_DAY

    @property
    def pipeline(self) -> Pipeline:
        return load_pipeline(self.config)

    def send(self, count: int, rate: float | None = None) -> None:
        """Send rows, so many a second in slices of twenty milliseconds, or as fast as they go."""
        import redis

        bodies = make_bodies(self.first + self.sent, count)
        size = max(1, int(rate / 50)) if rate else 1000
        with redis.Redis(port=self.port) as client:
            began = time.monotonic()
            for first in range(0, count, size):
                if rate:
                    time.sleep(max(0.0, began + first / rate - time.monotonic()))
                pipe = client.pipeline(transaction=False)
                now = time.time()
                for place, body in enumerate(bodies[first : first + size], first):
                    pipe.xadd("rows", {"data": body})
                    number = self.first + self.sent + place
                    moment = START + number // MACHINES * STEP
                    self.sent_at[f"machine-{number % MACHINES:03d}", moment.isoformat()] = now
                pipe.execute()
        self.sent += count

    @contextmanager
    def run_worker(self, role: str = "product", core: int = 1) -> Iterator[Worker]:
        """A child in a role, on a core, until the block ends."""
        facts = self.config.parent / f"{role}-{time.monotonic_ns()}.jsonl"
        command = [sys.executable, "-m", "benchmarks.stream_roles", role, str(self.config)]
        command += ["--facts", str(facts), "--name", f"worker {core}"]
        process = subprocess.Popen(["taskset", "-c", str(core), *command], stderr=subprocess.PIPE, text=True)
        worker = Worker(process, facts)
        try:
            worker.wait_until(lambda lines: bool(lines))
            yield worker
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                _, problem = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            if process.returncode not in (0, -9, -15):  # what only scores knows no end
                raise SystemExit(f"{role}: {problem[-2000:]}")

    def time_batch(self, count: int, windows: int) -> float:
        """Processor time of `pynomaly backfill` over the first windows of the stream; trains first."""
        folder = self.config.parent / "batch"
        config = folder / "plant.yaml"
        if not config.exists():
            folder.mkdir()
            settings = yaml.safe_load(self.config.read_text())
            settings["data"] |= {"source": "parquet", "path": "rows.parquet"}
            del settings["stream"], settings["sinks"]
            rows = pd.concat([make_rows(0, self.first), make_rows(self.first, count)])
            rows.to_parquet(folder / "rows.parquet")
            config.write_text(yaml.safe_dump(settings))
            self._run_batch(config, "train", "--as-of", (START + pd.Timedelta(days=self.days)).isoformat())
        start = START + pd.Timedelta(days=self.days)
        end = start + windows * pd.Timedelta(hours=6)
        return self._run_batch(config, "backfill", f"{start.isoformat()}..{end.isoformat()}")

    def _run_batch(self, config: Path, command: str, *words: str) -> float:
        """Run a command on core 1 in a home of its own; return the processor time that it took."""
        program = str(Path(sys.executable).with_name("pynomaly"))
        environment = os.environ | {"PYNOMALY_HOME": str(config.parent / "home")}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["taskset", "-c", "1", program, command, str(config), *words],
            env=environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{command} failed: {done.stdout[-1000:]}{done.stderr[-2000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def count_rows(self) -> tuple[int, int]:
        """Rows that are recorded, of those sent, and how many of them are there twice or more."""
        pipeline = self.pipeline
        with Ledger.open(pipeline.ledger_url) as ledger:
            waiting = sum(item.rows for item in ledger.stream.list_open_windows(pipeline.name))
        frame = read_source(pipeline.data)
        fresh = frame[frame["time"] >= START + pd.Timedelta(days=self.days)]
        twice = int(fresh.duplicated(["machine", "time"]).sum())
        return len(fresh) + waiting, twice


@dataclass
class Worker:
    """A child and the lines that it wrote."""

    process: subprocess.Popen[str]
    facts: Path

    def lines(self) -> list[dict[str, Any]]:
        """What it wrote until now; a line that is not whole yet is left out."""
        text = self.facts.read_text() if self.facts.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def count(self) -> int:
        """Rows that it recorded."""
        return sum(line.get("rows", 0) for line in self.lines())

    def wait_until(self, is_done: Any, seconds: float = READY_S) -> None:
        """Wait until its lines say so."""
        until = time.monotonic() + seconds
        while not is_done(self.lines()):
            if time.monotonic() > until or self.process.poll() not in (None, 0):
                ended = self.process.poll()
                state = "runs" if ended is None else f"ended with {ended}"
                raise SystemExit(f"a worker did not get on; it {state}: {self.lines()[-3:]}")
            time.sleep(0.05)

    def wait_for_rows(self, count: int) -> None:
        """Wait until it recorded so many rows."""
        self.wait_until(lambda lines: sum(line.get("rows", 0) for line in lines) >= count)

    def wait_until_it_reads(self) -> None:
        """Wait until it is loaded and has nothing to do: half a second after its last import."""
        time.sleep(1.0)
        before = -1.0
        while before != (now := read_cpu_seconds(self.process.pid)):
            is_resting = now - before < 0.03
            before = now
            time.sleep(0.5)
            if is_resting:
                return


def read_cpu_seconds(pid: int) -> float:
    """Processor time of a process."""
    cells = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(cells[11]) + int(cells[12])) / os.sysconf("SC_CLK_TCK")


def read_rss_mib(pid: int) -> float:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def run_bench(folder: Path, detector: str, days: int = 4) -> Iterator[Bench]:
    """Start Redis and a web hook, and train a champion on some days of the fleet."""
    program = shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("this needs redis-server (Debian: apt install redis-server)")
    arrivals: list[tuple[float, dict[str, Any]]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            now = time.time()
            arrivals.extend((now, event) for event in json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Keep quiet."""

    port = find_free_port()
    command = ["taskset", "-c", "0", program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        os.environ["PYNOMALY_HOME"] = str(folder / "home")
        os.environ["BENCH_HOOK"] = f"http://127.0.0.1:{hook.server_port}"
        os.environ["BENCH_SECRET"] = "a secret of some length"
        server = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
        try:
            yield Bench(_train(folder, detector, days, port), port, days, arrivals)
        finally:
            server.terminate()
            server.wait(30)
            hook.shutdown()


def _train(folder: Path, detector: str, days: int, port: int) -> Path:
    settings: dict[str, Any] = {
        "name": "plant",
        "data": {"source": "stream", "path": "rows", "time": "time", "id": "machine"},
        "stream": {
            "broker": "redis",
            "address": f"redis://127.0.0.1:{port}",
            "topic": "rows",
            "correct": "3650d",
            "idle": "1h",
        },
        "windows": {"score": "6h", "monitor": "1d", "reference": f"{days}d"},
        "training": {"candidates": [detector]},
        "alerts": {"policy": "quantile", "quantile": 0.001},
        "comparison": {"resamples": 200},
        "sinks": [
            {
                "name": "hook",
                "kind": "webhook",
                "what": ["alerts"],
                "address_env": "BENCH_HOOK",
                "secret_env": "BENCH_SECRET",
            }
        ],
    }
    if detector.startswith("series"):
        settings["data"]["series"] = {"past": 128, "step": "5m"}
    config = folder / "plant.yaml"
    config.write_text(yaml.safe_dump(settings))
    make_rows(0, days * ROWS_A_DAY).to_csv(folder / "history.csv", index=False)
    command = str(Path(sys.executable).with_name("pynomaly"))
    history = ("stream", str(config), "--import", str(folder / "history.csv"))
    moment = (START + pd.Timedelta(days=days)).isoformat()
    for words in (history, ("train", str(config), "--as-of", moment)):
        done = subprocess.run([command, *words], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{words[0]} failed: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return config
