"""Run parts of work in this process, in other local processes, or on a Dask cluster.

``runner.kind`` decides where; the results do not change: a part is a function of the library with its
arguments, it writes files and returns a small result, and results come in the order of the parts. So results
are bit-identical wherever they were made. If a worker dies, the scheduler gives its unfinished parts to
another one (three times, then :class:`~pynomaly.errors.RecordError`). No other module imports
``distributed``.

Workers on another machine need the same version of this package, and home folder and data at the same
addresses.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from typing import Any, TypeVar

from pynomaly.config import Pipeline
from pynomaly.detectors.base import THREADS_VARIABLE
from pynomaly.errors import ConfigError, RecordError

__all__ = ["run_parts"]

R = TypeVar("R")

SCHEDULER_TIMEOUT_S = 20
"""Seconds to wait for a scheduler to answer."""

_CLIENT_LOCK = threading.Lock()


def run_parts(
    pipeline: Pipeline, do: Callable[..., R], parts: Sequence[tuple[Any, ...]], *, processes: int = 1
) -> Iterator[R]:
    """Run every part; yields the results in the order of the parts.

    Parameters
    ----------
    pipeline : Pipeline
        Its ``runner`` settings decide where.
    do : callable
        A module-level function; it may be called twice for a part whose worker died.
    parts : sequence of tuple
        The arguments of each part; they must be picklable.
    processes : int
        Number of processes if ``runner.kind`` is ``local``; 1 stays in this process, where at most
        ``runner.workers`` threads run parts at the same time.

    Raises
    ------
    ConfigError
        If Dask is configured but not installed, or no scheduler answers at ``runner.address``.
    RecordError
        If workers died repeatedly on one part.
    PynomalyError
        Whatever `do` raises.
    """
    if pipeline.runner.kind == "dask":
        yield from _run_on_dask(pipeline, do, parts)
    elif min(processes, len(parts)) <= 1:
        for part in parts:
            with _get_thread_slots(pipeline.runner.workers):
                result = do(*part)
            yield result
    else:
        # Processes, not threads: reading and arranging rows hold Python's lock half of the time.
        with ProcessPoolExecutor(processes, get_context("forkserver"), _limit_threads) as pool:
            yield from pool.map(do, *zip(*parts, strict=True))


@lru_cache(maxsize=8)
def _get_thread_slots(workers: int) -> threading.BoundedSemaphore:
    """Returns a semaphore shared by the threads of this process: at most `workers` run at once."""
    return threading.BoundedSemaphore(workers)


def _limit_threads() -> None:
    os.environ[THREADS_VARIABLE] = "1"


def _run_on_dask(pipeline: Pipeline, do: Callable[..., R], parts: Sequence[tuple[Any, ...]]) -> Iterator[R]:
    with _CLIENT_LOCK:
        client = _get_client(
            pipeline.runner.address, 0 if pipeline.runner.address else pipeline.runner.workers
        )
    from distributed import KilledWorker, as_completed

    futures = [client.submit(do, *part, pure=False) for part in parts]
    results: dict[Any, R] = {}
    try:
        completions = as_completed(futures, with_results=True, raise_errors=True)
        for future in futures:
            # Results are fetched at once, so that a worker that dies later loses none of them.
            while future.key not in results:
                finished, result = next(completions)
                results[finished.key] = result
            yield results.pop(future.key)
    except KilledWorker as error:
        raise RecordError(f"workers of the cluster died again and again: {error}") from error
    finally:
        client.cancel(futures)


@lru_cache(maxsize=4)
def _get_client(address: str, workers: int) -> Any:
    """Returns one client per process and cluster; a cluster started here ends with this process."""
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ConfigError(
            "runner.kind: dask needs the extra `dask`: pip install 'pynomaly-mlops[dask]'"
        ) from error
    if not address:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            env={THREADS_VARIABLE: "1"},
        )
        client = Client(cluster)
        atexit.register(cluster.close)
        atexit.register(client.close)
        return client
    try:
        client = Client(address, timeout=SCHEDULER_TIMEOUT_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(f"no Dask scheduler answers at runner.address {address!r}: {error}") from error
    atexit.register(client.close)
    return client
