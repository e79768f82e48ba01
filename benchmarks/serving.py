"""Latency and rows a second of `pynomaly serve`, beside `mlflow models serve` on the same model and bodies.

    python -m benchmarks.serving --out FILE        # some minutes; needs `wrk` (Debian: apt install wrk)

The bundled fleet with one detector is trained once. Each server is one process on core 0, the public load
tool `wrk` with one connection on core 1; the servers take turns, round after round, and figures are medians
over rounds. One row: latency of a request. A thousand rows: rows a second. MLflow's server takes the same
rows in its own words (`dataframe_records`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
LUA = """wrk.method = "POST"
wrk.body = io.open("{file}"):read("*a")
wrk.headers["Content-Type"] = "application/json"
"""


def train_pipeline(folder: Path, detector: str) -> Path:
    settings = {
        "name": "fleet",
        "data": {
            "source": "bundled",
            "dataset": "fleet",
            "time": "timestamp",
            "id": "machine",
            "label": "anomaly",
        },
        "training": {"candidates": [detector]},
        "comparison": {"resamples": 200},
    }
    config = folder / "fleet.yaml"
    config.write_text(yaml.safe_dump(settings))
    subprocess.run([_find_command("pynomaly"), "train", str(config)], check=True, capture_output=True)
    return config


def _find_command(name: str) -> str:
    """A command of this environment."""
    return str(Path(sys.executable).with_name(name))


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def run_server(command: list[str], ready: str) -> Iterator[None]:
    """A server on core 0 until the block ends, with all of its children."""
    process = subprocess.Popen(
        ["taskset", "-c", "0", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 180
        while not _is_ready(ready):
            if time.monotonic() > until or process.poll() is not None:
                raise SystemExit(f"no answer at {ready}: {' '.join(command)}")
            time.sleep(0.1)
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def measure_load(url: str, body: Path, seconds: int) -> tuple[float, float, float]:
    """p50 and p99 in milliseconds, requests a second."""
    script = body.with_suffix(".lua")
    script.write_text(LUA.format(file=body))
    command = ["wrk", "-t1", "-c1", f"-d{seconds}s", "--latency", "-s", str(script), url]
    output = subprocess.run(
        ["taskset", "-c", "1", *command], check=True, capture_output=True, text=True
    ).stdout
    if "Non-2xx" in output:
        raise SystemExit(f"{url} refused: {output}")
    latencies = {
        share: float(value) * UNITS[unit]
        for share, value, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", output)
    }
    return latencies["50"], latencies["99"], float(re.findall(r"Requests/sec:\s+([\d.]+)", output)[0])


def write_bodies(folder: Path, url: str) -> dict[str, dict[int, Path]]:
    """The same rows in each server's words: one row, and a thousand that differ."""
    document = httpx.get(f"{url}/openapi.json").json()
    examples = document["components"]["schemas"]["ScoreRequest"]["example"]["rows"]
    numeric = [name for name, cell in examples[0].items() if isinstance(cell, float)]
    rows = [{**examples[k % 2], numeric[0]: examples[k % 2][numeric[0]] + k / 1000} for k in range(1000)]
    files: dict[str, dict[int, Path]] = {}
    for tool, key in (("ours", "rows"), ("mlflow", "dataframe_records")):
        files[tool] = {}
        for size in (1, 1000):
            files[tool][size] = folder / f"{tool}-{size}.json"
            files[tool][size].write_text(json.dumps({key: rows[:size]}))
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="iforest")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of load, each time")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("this needs the load tool wrk (Debian: apt install wrk)")
    measurements: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        os.environ["PYNOMALY_HOME"] = str(folder / "home")
        config = train_pipeline(folder, options.detector)
        tracking = f"sqlite:///{folder / 'home' / 'mlflow' / 'mlflow.db'}"
        os.environ["MLFLOW_TRACKING_URI"] = tracking
        request_bodies: dict[str, dict[int, Path]] = {}
        for _ in range(options.rounds):
            for tool in ("ours", "mlflow"):
                port = find_free_port()
                url = f"http://127.0.0.1:{port}"
                if tool == "ours":
                    command = [_find_command("pynomaly"), "serve", str(config), "--port", str(port)]
                    ready, path = f"{url}/health", "/score"
                else:
                    command = [_find_command("mlflow"), "models", "serve", "-m", "models:/fleet@champion"]
                    command += ["--env-manager", "local", "-p", str(port)]
                    ready, path = f"{url}/ping", "/invocations"
                with run_server(command, ready):
                    request_bodies = request_bodies or write_bodies(folder, url)
                    for size, body in request_bodies[tool].items():
                        measure_load(url + path, body, 2)  # warm
                        measurements.setdefault((tool, size), []).append(
                            measure_load(url + path, body, options.seconds)
                        )
    lines = ["| rows in a request | server | p50 ms | p99 ms | rows a second |", "|---|---|---|---|---|"]
    middle = {
        key: [statistics.median(column) for column in zip(*rounds, strict=True)]
        for key, rounds in measurements.items()
    }
    for (tool, size), (p50, p99, rate) in sorted(middle.items(), key=lambda item: (item[0][1], item[0][0])):
        lines.append(f"| {size:,} | {tool} | {p50:.1f} | {p99:.1f} | {rate * size:,.0f} |")
    ratio = middle["ours", 1000][2] / middle["mlflow", 1000][2]
    lines.append(f"\nRows a second in batches of 1,000, ours over MLflow's server: {ratio:.1f}x")
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
