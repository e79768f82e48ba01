"""The console with many pipelines and alerts: how long its pages take, and whether an answer is ever lost.

    python -m benchmarks.console [--pipelines 500] [--alerts 100000] [--seconds 30] [--quick]

Writes that many alerts into a ledger by the functions that grouping uses, serves the console as
``pynomaly console`` does, and asks its pages one after the other. Then 50 readers ask pages while 10 writers
answer alerts, each alert once, and a process goes on writing alerts, as scoring does. Each of the sixty is a
person with a token of their own. Each answer that was accepted must be on record.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml

from flows.machine.servers import find_free_port
from pynomaly.config import load_pipeline
from pynomaly.records.ledger import AlertFilter, Decision, Ledger, Partition
from tests.alerts import START, build_events, build_sighting
from tests.machines import make_small_settings

RARITIES = ("one a year", "one a month", "one a week", "one a day")
PAGES = (
    "/",
    "/alerts",
    "/alerts?severity=high&words=heat",
    "/alerts?pipeline=p001&order=newest",
    "/decisions",
    "/api/v1/alerts?limit=50",
    "/api/v1/alerts/counts",
)
BATCH = 500


def fill(folder: Path, pipelines: int, alerts: int) -> tuple[Path, str]:
    """Write settings, alerts, decisions and windows; returns where the settings and the ledger are."""
    configs = folder / "configs"
    configs.mkdir(parents=True)
    for number in range(pipelines):
        settings = make_small_settings(name=f"p{number:03d}", description=f"Pumps of hall {number}")
        (configs / f"p{number:03d}.yaml").write_text(yaml.safe_dump(settings))
    address = load_pipeline(configs / "p000.yaml").ledger_url
    with Ledger.open(address) as ledger:
        for start in range(0, alerts, BATCH):
            write_alerts(ledger, pipelines, range(start, min(alerts, start + BATCH)))
        for number in range(pipelines):
            name = f"p{number:03d}"
            for kind, outcome in (
                ("promote", "first"),
                ("degradation", "normal"),
                ("degradation", "warning"),
            ):
                key = f"{kind}:{outcome}:{name}"
                reasons = ("because",)
                decision = Decision(key, name, kind, f"{name} v1", outcome, reasons, {"version": 1}, START)
                ledger.record_decision(decision)
            window = "20260105T000000Z--20260106T000000Z"
            ledger.put_partition(Partition(name, window, 1, "x", "a" * 64, "b" * 64, 96, 3, 0, START))
    return configs, address


def write_alerts(ledger: Ledger, pipelines: int, places: range) -> None:
    events = []
    for place in places:
        content = build_sighting(
            f"m{place % 97:02d}",
            place // 40 % 8000,
            RARITIES[place % 4],
            ("heat", "noise", "load")[place % 3],
        )
        events += build_events(f"{place:08x}", f"p{place % pipelines:03d}", place, content)
    ledger.answers.add_facts(*events)


@contextlib.contextmanager
def serve(configs: Path) -> Iterator[str]:
    """Run ``pynomaly console``; yields its address."""
    port = find_free_port()
    command = [sys.executable, "-m", "flows.cli", "console", str(configs), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{address}/healthz", timeout=5).status_code == 200:
                    break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def measure_pages(address: str, times: int) -> dict[str, float]:
    """Return the median of each page's time in milliseconds, asked alone."""
    medians = {}
    with httpx.Client(base_url=address, timeout=60) as client:
        for page in PAGES:
            spans = []
            for _ in range(times):
                start = time.perf_counter()
                client.get(page).raise_for_status()
                spans.append(time.perf_counter() - start)
            medians[page] = sorted(spans)[len(spans) // 2] * 1e3
    return medians


def make_people(ledger_address: str, count: int) -> list[dict[str, str]]:
    """Return the headers by which each of some people is known."""
    expires = datetime.now(UTC) + timedelta(days=1)
    with Ledger.open(ledger_address) as ledger:
        make = partial(ledger.access.create_token, role="analyst", pipelines=("*",), expires=expires)
        secrets = [make(f"benchmark {number}", f"person {number}")[1] for number in range(count)]
    return [{"authorization": f"Bearer {secret}"} for secret in secrets]


async def load(
    address: str, seconds: float, readers: list[dict[str, str]], writers: list[dict[str, str]]
) -> tuple[list[float], list[float], set[str]]:
    """Return the times of reads and of answers in seconds, and the alerts whose answer was accepted."""
    reads: list[float] = []
    writes: list[float] = []
    accepted: set[str] = set()
    until = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=len(readers) + len(writers))
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        wish = {"limit": 500, "order": "newest"}
        page = (await client.get("/api/v1/alerts", params=wish, headers=readers[0])).json()
        waiting = list(page["items"])

        async def read(person: dict[str, str]) -> None:
            while time.monotonic() < until:
                start = time.perf_counter()
                try:
                    answer = await client.get(random.choice(PAGES), headers=person)
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    continue
                if answer.status_code == 429:
                    await asyncio.sleep(float(answer.headers["retry-after"]))
                    continue
                answer.raise_for_status()
                reads.append(time.perf_counter() - start)
                await asyncio.sleep(random.uniform(1, 3))  # a person reads

        async def write(person: dict[str, str]) -> None:
            while time.monotonic() < until and waiting:
                item = waiting.pop()
                place = f"/api/v1/pipelines/{item['pipeline']}/alerts/{item['alert']}/resolve"
                start = time.perf_counter()
                answer = await send_answer(client, place, person)
                if answer.status_code == 200:
                    writes.append(time.perf_counter() - start)
                    accepted.add(item["alert"])
                await asyncio.sleep(random.uniform(1, 3))

        await asyncio.gather(*map(read, readers), *map(write, writers))
    return reads, writes, accepted


async def send_answer(client: httpx.AsyncClient, place: str, person: dict[str, str]) -> httpx.Response:
    """Send an answer, and again where the server closed the connection meanwhile: it is recorded once."""
    key = {"idempotency-key": place, **person}
    while True:
        with contextlib.suppress(httpx.ReadError, httpx.RemoteProtocolError):
            return await client.post(place, json={"ending": "confirmed"}, headers=key)


def go_on_scoring(address: str, pipelines: int, first: int) -> subprocess.Popen[bytes]:
    """Start a process that writes ten new alerts every tenth of a second."""
    code = (
        "import sys, time; from benchmarks.console import write_alerts; "
        "from pynomaly.records.ledger import Ledger\n"
        f"with Ledger.open({address!r}) as ledger:\n"
        f"    place = {first}\n"
        "    while True:\n"
        f"        write_alerts(ledger, {pipelines}, range(place, place + 10)); place += 10; time.sleep(.1)\n"
    )
    return subprocess.Popen([sys.executable, "-c", code])


def pick(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1e3 if times else float("nan")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pipelines", type=int, default=500)
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--quick", action="store_true", help="few of everything, for a test")
    wish = parser.parse_args(arguments)
    if wish.quick:
        wish.pipelines, wish.alerts, wish.seconds = 20, 1000, 4
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        configs, ledger_address = fill(Path(folder), wish.pipelines, wish.alerts)
        filled = time.perf_counter() - start
        with serve(configs) as address:
            pages = measure_pages(address, 5)
            people = make_people(ledger_address, 60)
            scorer = go_on_scoring(ledger_address, wish.pipelines, wish.alerts)
            try:
                reads, writes, accepted = asyncio.run(load(address, wish.seconds, people[:50], people[50:]))
            finally:
                scorer.terminate()
                scorer.wait()
        with Ledger.open(ledger_address) as ledger:
            resolved = ledger.alert_states.list_alerts(AlertFilter(states=("resolved",)))
            lost = accepted - {item.alert for _, item in resolved}
    result = {
        "pipelines": wish.pipelines,
        "alerts": wish.alerts,
        "alerts_written_per_s": wish.alerts / filled,
        "pages_ms": {page: round(value, 1) for page, value in pages.items()},
        "reads": len(reads),
        "read_p50_ms": pick(reads, 0.5),
        "read_p95_ms": pick(reads, 0.95),
        "answers": len(writes),
        "answer_p50_ms": pick(writes, 0.5),
        "answer_p95_ms": pick(writes, 0.95),
        "lost_answers": len(lost),
    }
    print(json.dumps(result, indent=2))
    return result


if __name__ == "__main__":
    main()
