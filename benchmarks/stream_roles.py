"""What runs in a child of :mod:`benchmarks.stream`: a worker of the product, or a consumer that only scores.

    python -m benchmarks.stream_roles product CONFIG --facts FILE       # until it is stopped
    python -m benchmarks.stream_roles plain CONFIG --facts FILE         # JSON to numbers to the bare detector
    python -m benchmarks.stream_roles river CONFIG --facts FILE         # JSON to half-space trees, row by row

Each writes a line of JSON for what it did, the seconds of processor time that it took included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from pynomaly.config import Pipeline, load_pipeline

IDLE_S = 2.0


def work_as_product(pipeline: Pipeline, facts: IO[str], name: str) -> None:
    """Run a worker of the stream, a line a batch: when it was recorded, rows, waits of its messages."""
    from pynomaly.steps.streaming.run_stream import StreamRun
    from pynomaly.steps.streaming.worker import BatchOutcome

    def write_batch(outcome: BatchOutcome) -> None:
        waits = np.round(outcome.waits, 4).tolist()
        scored = 0 if outcome.scored is None else len(outcome.scored.frame)
        _write(facts, rows=outcome.rows, again=outcome.again, scored=scored, waits=waits)

    async def work() -> None:
        run = StreamRun(
            pipeline,
            name,
            on_problem=lambda text: _write(facts, problem=text),
            on_closed=lambda items: _write(facts, closed=[item.window for item in items]),
            on_batch=write_batch,
        )
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(run.stop()))
        await run.run()

    asyncio.run(work())


def work_plainly(
    pipeline: Pipeline, facts: IO[str], group: str, score: Callable[[list[dict[str, Any]]], Any]
) -> None:
    """Read batches by the bare client of Redis, decode, score and acknowledge; nothing is recorded."""
    import redis

    stream = pipeline.stream
    with redis.Redis.from_url(stream.address) as client:
        client.xgroup_create(stream.topic, group, "0", mkstream=True)
        while True:
            options = {"count": stream.max_rows, "block": int(IDLE_S * 1000)}
            answer = client.xreadgroup(group, "one", {stream.topic: ">"}, **options)
            if not answer:
                return
            entries = answer[0][1]
            score([orjson.loads(fields[b"data"]) for _, fields in entries])
            client.xack(stream.topic, group, *(identity for identity, _ in entries))
            _write(facts, rows=len(entries))


def make_bare_scorer(pipeline: Pipeline) -> Callable[[list[dict[str, Any]]], Any]:
    """Return what scores records by the champion's detector alone: no contract, no p-values, no records."""
    import pandas as pd

    from pynomaly.records.registry import Registry

    registry = Registry.open_for(pipeline)
    bundle = registry.load_bundle(registry.resolve_alias(pipeline.name, "champion"))
    names = list(bundle.contract.numeric)

    def score(records: list[dict[str, Any]]) -> Any:
        matrix = np.array([[record[name] for name in names] for record in records], dtype=np.float64)
        return bundle.raw_scores(pd.DataFrame(matrix, columns=names))

    return score


def make_river_scorer(pipeline: Pipeline) -> Callable[[list[dict[str, Any]]], Any]:
    """Return river's half-space trees behind its scaler, as its documentation has them."""
    from river import anomaly, compose, preprocessing

    keys = {pipeline.data.time, pipeline.data.id}
    model = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=0))

    def score(records: list[dict[str, Any]]) -> Any:
        scores = []
        for record in records:
            row = {
                name: cell for name, cell in record.items() if isinstance(cell, float) and name not in keys
            }
            scores.append(model.score_one(row))
            model.learn_one(row)
        return scores

    return score


def _write(facts: IO[str], **values: Any) -> None:
    line = {"at": time.time(), "cpu": time.process_time(), **values}
    facts.write(json.dumps(line) + "\n")
    facts.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("role", choices=("product", "plain", "river"))
    parser.add_argument("config", type=Path)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--name", default="worker")
    options = parser.parse_args()
    pipeline = load_pipeline(options.config)
    with options.facts.open("a") as facts:
        _write(facts, started=options.role)
        if options.role == "product":
            work_as_product(pipeline, facts, options.name)
        else:
            make = make_river_scorer if options.role == "river" else make_bare_scorer
            work_plainly(pipeline, facts, options.role, make(pipeline))


if __name__ == "__main__":
    main()
