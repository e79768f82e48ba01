"""Messages per second that one process receives from each kind of broker, through the consumer that
`pynomaly stream` uses.

    python -m benchmarks.brokers            every kind whose server is installed, about a minute python -m
    benchmarks.brokers --quick    a tenth of it; fails if a message is missing, or a kind is not faster
                                            than 2,000 messages per second of processor time

Bodies have 300 bytes, batches at most 2,000 messages. Servers are started on this machine and share its
processors, so that the processor time of the reading process is the figure, and the time on the clock
stands beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pynomaly.config import BROKERS
from pynomaly.data.brokers import Message, Outgoing, open_consumer, open_publisher
from tests.brokers import BrokerServer, MissingBroker, run_broker

MESSAGES = 40_000  # the mock cluster of Kafka keeps 5 MB a partition
FLOOR = 2_000.0


async def measure_rates(server: BrokerServer, count: int) -> dict[str, float]:
    """Returns messages per second: published, and received, by the clock and by processor time."""
    topic = "rates"
    stream = server.make_stream(topic, max_rows=2000)
    consumer = open_consumer(stream, "rates", name="" if server.kind == "kafka" else "reader")
    await consumer.stop()
    await consumer.run(_ignore)  # MQTT keeps messages for those who have subscribed before
    publisher = open_publisher(stream)
    clock = time.perf_counter()
    for begin in range(0, count, 2000):
        await publisher.publish(
            topic, [Outgoing(b"x" * 300, key=f"m{n % 50}") for n in range(begin, min(begin + 2000, count))]
        )
    published = count / (time.perf_counter() - clock)
    await publisher.close()
    sizes: list[int] = []
    starts: list[float] = []

    async def count_messages(batch: Sequence[Message]) -> None:
        if (
            not sizes
        ):  # joining a group of Kafka takes seconds: the first batch starts the clocks, and does not count
            starts.extend((time.perf_counter(), time.process_time()))
        sizes.append(len(batch))
        if sum(sizes) >= count:
            await consumer.stop()

    await asyncio.wait_for(consumer.run(count_messages), 300)
    received = sum(sizes[1:])
    return {
        "published": published,
        "by the clock": received / (time.perf_counter() - starts[0]),
        "by processor": received / (time.process_time() - starts[1]),
    }


async def _ignore(batch: Sequence[Message]) -> None:
    """Handles nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kinds", nargs="+", default=[kind for kind in BROKERS if kind])
    options = parser.parse_args(arguments)
    count = MESSAGES // 10 if options.quick else MESSAGES
    slow = []
    print("| kind | published | received, clock | received, processor |\n|---|---|---|---|")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as folder:
            try:
                with run_broker(kind, Path(folder)) as server:
                    server.create_topic("rates")
                    rates = asyncio.run(measure_rates(server, count))
            except MissingBroker as error:
                print(f"| {kind} | {error} | | |")
                continue
        print(f"| {kind} | " + " | ".join(f"{rate:,.0f}" for rate in rates.values()) + " |", flush=True)
        slow += [kind] if rates["by processor"] < FLOOR else []
    if slow:
        print(f"slower than {FLOOR:,.0f} messages a second: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
