"""What reading a request costs `pynomaly serve`: orjson and its own checks, or FastAPI and pydantic models.

    python -m benchmarks.serving_bodies [--detector iforest] [--rounds 5]

Three servers of the same champion take turns, each a process of its own with the same uvicorn, and one client
asks over one connection. Processor time is that of the server alone, so that other work counts little.
``orjson`` is the server as it is. ``envelope`` declares the body as a pydantic
model whose rows are objects, as they then go to the same checks. ``rows`` is FastAPI as FastAPI: a model with
a field for each column, and a response model. All of them answer the same scores.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.serving import find_free_port, train_pipeline

KINDS = ("orjson", "envelope", "rows")
SIZES = (1, 100, 1000)


def create_variant(kind: str, config: Path) -> Any:
    """The application of one kind of server."""
    from fastapi import FastAPI, Response
    from prometheus_client import CollectorRegistry, Counter, Histogram
    from pydantic import BaseModel, ConfigDict, Field, create_model

    from pynomaly.config import load_pipeline
    from pynomaly.records.registry.live_champion import LiveChampion
    from pynomaly.serving.rows import RowSchema, ScoreRequest, build_frame, format_rows
    from pynomaly.serving.web import create_app

    pipeline = load_pipeline(config)
    live = LiveChampion(pipeline)
    live.refresh()
    assert live.served is not None
    served = live.served
    if kind == "orjson":
        return create_app(pipeline, live=live)
    shape = RowSchema.of(served.bundle, pipeline.data)
    fields: dict[str, Any] = dict.fromkeys(shape.numeric, (float | None, ...))
    fields |= dict.fromkeys(shape.categorical, (str | float | bool | None, ...))
    for name in (shape.entity, *shape.time_columns):
        if name is not None:
            fields.setdefault(name, (str, ...))
    row: Any = create_model("Row", __config__=ConfigDict(extra="allow"), **fields)
    item: Any = row if kind == "rows" else dict[str, Any]
    most = pipeline.serving.max_rows
    wanted: Any = create_model(
        "ScoreBody",
        __config__=ConfigDict(extra="forbid"),
        rows=(list[item], Field(min_length=1, max_length=most)),
        history=(list[item], Field(default=[], max_length=most)),
        reasons=(int, Field(default=0, ge=0, le=20)),
    )

    class Scored(BaseModel):
        score: float
        p_value: float
        severity: str
        is_anomaly: bool
        extrapolated: bool
        rarity: str
        held_back: str = ""

    class Scores(BaseModel):
        model: str
        version: int
        rows: list[Scored]

    app = FastAPI()
    registry = CollectorRegistry()
    requests = Counter("requests_total", "Requests", ["path", "code"], registry=registry)
    seconds = Histogram("request_seconds", "Seconds", ["path"], registry=registry)

    @app.middleware("http")
    async def count_request(request: Any, call: Any) -> Any:
        """What the server does around each request, too."""
        start = time.perf_counter()
        response = await call(request)
        requests.labels(request.url.path, str(response.status_code)).inc()
        seconds.labels(request.url.path).observe(time.perf_counter() - start)
        return response

    def score_rows(body: Any) -> dict[str, Any]:
        rows = [part.model_dump() for part in body.rows] if kind == "rows" else body.rows
        frame = build_frame(ScoreRequest(rows, [], body.reasons), shape, pipeline.data)
        scored = format_rows(served.bundle.score(frame))
        return {"model": served.ref.name, "version": served.ref.version, "rows": scored}

    def answer(body):  # type: ignore[no-untyped-def]  # its annotation is made here
        content = score_rows(body)
        if kind == "rows":
            return content
        import orjson

        return Response(orjson.dumps(content), media_type="application/json")

    answer.__annotations__ = {"body": wanted}
    app.post("/score", response_model=Scores if kind == "rows" else None)(answer)
    app.get("/health")(lambda: {"status": "ok"})
    return app


def measure(port: int, body: bytes, seconds: float) -> list[float]:
    """Milliseconds of each request over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    times: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        begin = time.perf_counter()
        connection.request("POST", "/score", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {content[:300]!r}")
        times.append(1000 * (time.perf_counter() - begin))
    connection.close()
    return times


def read_processor_ms(pid: int) -> float:
    """Milliseconds of processor time that a server has taken; other work on the machine is not in it."""
    used = psutil.Process(pid).cpu_times()
    return 1000 * (used.user + used.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="iforest")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load, each time")
    parser.add_argument("--serve", nargs=3, metavar=("KIND", "CONFIG", "PORT"), help="run one of the servers")
    options = parser.parse_args()
    if options.serve:
        import uvicorn

        kind, config, port = options.serve
        uvicorn.run(create_variant(kind, Path(config)), port=int(port), log_level="warning", access_log=False)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["PYNOMALY_HOME"] = str(folder / "home")
        config = train_pipeline(folder, options.detector)
        ports = {kind: find_free_port() for kind in KINDS}
        command = [sys.executable, "-m", "benchmarks.serving_bodies", "--serve"]
        servers = [subprocess.Popen([*command, kind, str(config), str(ports[kind])]) for kind in KINDS]
        try:
            for port in ports.values():
                _wait_for(port)
            document = httpx.get(f"http://127.0.0.1:{ports['orjson']}/openapi.json").json()
            example = json.dumps(document["components"]["schemas"]["ScoreRequest"]["example"]["rows"][0])
            times: dict[tuple[str, int], list[float]] = {}
            spent: dict[tuple[str, int], list[float]] = {}
            for _ in range(options.rounds):
                for size in SIZES:
                    body = f'{{"rows": [{", ".join([example] * size)}]}}'.encode()
                    for kind, server in zip(KINDS, servers, strict=True):
                        measure(ports[kind], body, 0.2)  # warm
                        before = read_processor_ms(server.pid)
                        measured = measure(ports[kind], body, options.seconds)
                        after = read_processor_ms(server.pid)
                        times.setdefault((kind, size), []).extend(measured)
                        spent.setdefault((kind, size), []).append((after - before) / len(measured))
        finally:
            for server in servers:
                server.terminate()
            for server in servers:
                server.wait(30)
    print("| rows in a request | server | p50 ms | p99 ms | rows a second | processor ms | over orjson's |")
    print("|---|---|---|---|---|---|---|")
    for size in SIZES:
        for kind in KINDS:
            pairs = zip(spent[kind, size], spent["orjson", size], strict=True)
            ratio = statistics.median(own / base for own, base in pairs)
            busy = statistics.median(spent[kind, size])
            cuts = statistics.quantiles(times[kind, size], n=100)
            rate = 1000 * size / statistics.mean(times[kind, size])
            latency = f"{cuts[49]:.1f} | {cuts[98]:.1f}"
            print(f"| {size:,} | {kind} | {latency} | {rate:,.0f} | {busy:.2f} | {ratio:.2f} |")


def _wait_for(port: int) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit(f"no server at port {port}")


if __name__ == "__main__":
    main()
