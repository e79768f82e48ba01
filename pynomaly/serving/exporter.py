"""The pipelines' own numbers over HTTP, as Prometheus reads them.

Called by ``pynomaly metrics``, which says what is measured and how it is read. Numbers are read when they
are asked for, and kept for some seconds, so that two Prometheus servers cost what one does. A pipeline whose
records cannot be read is ``pynomaly_pipeline_up 0``, and the others are told all the same.
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

__all__ = ["PREFIX", "Number", "Numbers", "Pipelines", "exposition", "listen"]

PREFIX = "pynomaly_pipeline_"
KEPT_S = 10.0
"""Seconds that numbers are kept."""


class Number(Protocol):
    """One number of one pipeline, as :class:`pynomaly.steps.gauges.Measured` is."""

    @property
    def name(self) -> str:
        """What it is; one of :attr:`Numbers.names`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Values of its labels."""

    @property
    def value(self) -> float:
        """The number."""


@dataclass(frozen=True)
class Numbers:
    """What is measured, and how.

    Attributes
    ----------
    names : mapping
        For each name its labels beside ``pipeline``, and what it says.
    read : callable
        Numbers of a pipeline at a moment; raises a PynomalyError where its records cannot be read.
    """

    names: Mapping[str, tuple[tuple[str, ...], str]]
    read: Callable[[Pipeline, datetime], Sequence[Number]]


class Pipelines(Collector):
    """What Prometheus collects of some pipelines.

    Parameters
    ----------
    pipelines : sequence of Pipeline
    numbers : Numbers
    kept_s : float
        Seconds for which numbers once read are told again.
    clock : callable
        Seconds that only go forward.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        numbers: Numbers,
        kept_s: float = KEPT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pipelines, self._numbers = tuple(pipelines), numbers
        self._kept_s, self._clock = kept_s, clock
        self._lock = Lock()
        self._read: tuple[Metric, ...] = ()
        self._until = -float("inf")

    def describe(self) -> Iterable[Metric]:
        """Nothing is read before the first scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every number, read anew where the last reading is too old."""
        with self._lock:
            if self._clock() >= self._until:
                self._read = tuple(self._families())
                self._until = self._clock() + self._kept_s
            read = self._read
        yield from read

    def _families(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            f"{PREFIX}up", "1: the records of a pipeline could be read", labels=["pipeline"]
        )
        seconds = GaugeMetricFamily(f"{PREFIX}read_seconds", "Time that took", labels=["pipeline"])
        families = {name: _family(name, labels, said) for name, (labels, said) in self._numbers.names.items()}
        for pipeline in self._pipelines:
            began = time.perf_counter()
            found: Sequence[Number] = ()
            try:
                found = self._numbers.read(pipeline, datetime.now(UTC))
                reached = 1.0
            except PynomalyError:  # `pynomaly doctor` says why; an address may hold a password
                reached = 0.0
            up.add_metric([pipeline.name], reached)
            seconds.add_metric([pipeline.name], time.perf_counter() - began)
            for item in found:
                families[item.name].add_metric([pipeline.name, *item.labels], item.value)
        yield from (up, seconds, *families.values())


def _family(name: str, labels: tuple[str, ...], said: str) -> Any:
    named = ["pipeline", *labels]
    if name.endswith("_total"):
        return CounterMetricFamily(PREFIX + name.removesuffix("_total"), said, labels=named)
    return GaugeMetricFamily(PREFIX + name, said, labels=named)


def exposition(pipelines: Sequence[Pipeline], numbers: Numbers) -> str:
    """What a scrape would answer now, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Pipelines(pipelines, numbers))
    return generate_latest(registry).decode()


def listen(pipelines: Sequence[Pipeline], numbers: Numbers, host: str, port: int) -> WSGIServer:
    """Answer scrapes from a thread of its own, at ``/metrics``, until its ``shutdown``.

    Raises
    ------
    ConfigError
        If nobody can listen there.
    """
    registry = CollectorRegistry()
    registry.register(Pipelines(pipelines, numbers))
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"metrics cannot listen on {host}:{port}: {reason}; choose another") from error
    return server
