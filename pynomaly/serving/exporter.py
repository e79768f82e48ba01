"""Metrics of pipelines over HTTP, in the format of Prometheus.

Called by ``pynomaly metrics``, which defines what is measured and how it is read. Metrics are read at a
scrape and cached for some seconds, so that two Prometheus servers cost as much as one. A pipeline whose
records cannot be read has ``pynomaly_pipeline_up 0``; the other pipelines are still reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Protocol
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError, PynomalyError

__all__ = [
    "METRIC_PREFIX",
    "MetricCatalogue",
    "MetricReading",
    "PipelineCollector",
    "format_metrics",
    "serve_metrics",
]

METRIC_PREFIX = "pynomaly_pipeline_"
CACHE_SECONDS = 10.0
"""Seconds for which metrics are cached."""


class MetricReading(Protocol):
    """One metric value of one pipeline, as `steps.operations.pipeline_metrics` makes it."""

    @property
    def name(self) -> str:
        """Name of the metric; one of :attr:`MetricCatalogue.names`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Values of its labels, beside ``pipeline``."""

    @property
    def value(self) -> float:
        """Value of the metric."""


@dataclass(frozen=True)
class MetricCatalogue:
    """Which metrics there are, and how they are read.

    Attributes
    ----------
    names : mapping
        For each metric name, its labels beside ``pipeline``, and its help text.
    read : callable
        Reads the metrics of a pipeline at a given time; raises PynomalyError if it cannot read the records.
    """

    names: Mapping[str, tuple[tuple[str, ...], str]]
    read: Callable[[Pipeline, datetime], Sequence[MetricReading]]


class PipelineCollector(Collector):
    """Prometheus collector for the metrics of some pipelines.

    Parameters
    ----------
    pipelines : sequence of Pipeline
    numbers : MetricCatalogue
    kept_s : float
        Seconds for which metrics are cached.
    clock : callable
        Monotonic clock, in seconds.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        numbers: MetricCatalogue,
        kept_s: float = CACHE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pipelines, self._numbers = tuple(pipelines), numbers
        self._kept_s, self._clock = kept_s, clock
        self._lock = Lock()
        self._read: tuple[Metric, ...] = ()
        self._until = -float("inf")

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that no records are read before the first scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric; the records are read again if the cache is too old."""
        with self._lock:
            if self._clock() >= self._until:
                self._read = tuple(self._read_families())
                self._until = self._clock() + self._kept_s
            read = self._read
        yield from read

    def _read_families(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            f"{METRIC_PREFIX}up", "1: the records of a pipeline could be read", labels=["pipeline"]
        )
        seconds = GaugeMetricFamily(f"{METRIC_PREFIX}read_seconds", "Time that took", labels=["pipeline"])
        families = {
            name: _make_family(name, labels, text) for name, (labels, text) in self._numbers.names.items()
        }
        for pipeline in self._pipelines:
            start = time.perf_counter()
            readings: Sequence[MetricReading] = ()
            try:
                readings = self._numbers.read(pipeline, datetime.now(UTC))
                up_value = 1.0
            except (
                PynomalyError
            ):  # no message here, as an address may hold a password; `pynomaly doctor` shows why
                up_value = 0.0
            up.add_metric([pipeline.name], up_value)
            seconds.add_metric([pipeline.name], time.perf_counter() - start)
            for item in readings:
                families[item.name].add_metric([pipeline.name, *item.labels], item.value)
        yield from (up, seconds, *families.values())


def _make_family(name: str, labels: tuple[str, ...], text: str) -> Any:
    label_names = ["pipeline", *labels]
    if name.endswith("_total"):
        return CounterMetricFamily(METRIC_PREFIX + name.removesuffix("_total"), text, labels=label_names)
    return GaugeMetricFamily(METRIC_PREFIX + name, text, labels=label_names)


def format_metrics(pipelines: Sequence[Pipeline], numbers: MetricCatalogue) -> str:
    """Return what a scrape would return now, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(PipelineCollector(pipelines, numbers))
    return generate_latest(registry).decode()


def serve_metrics(
    pipelines: Sequence[Pipeline], numbers: MetricCatalogue, host: str, port: int
) -> WSGIServer:
    """Serve scrapes at ``/metrics`` in a new thread, until ``shutdown`` of the returned server.

    Raises
    ------
    ConfigError
        If the address cannot be used.
    """
    registry = CollectorRegistry()
    registry.register(PipelineCollector(pipelines, numbers))
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"metrics cannot listen on {host}:{port}: {reason}; choose another") from error
    return server
