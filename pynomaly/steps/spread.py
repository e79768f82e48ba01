"""Where work that falls into parts is done: in this process, in processes beside it, or on a Dask cluster.

``runner.kind`` decides, and nothing else changes: a part is a function of the library with its arguments,
what it leaves are files and a small result, and results come back in the order of the parts. So they are
equal to the bit wherever they were made. A worker that dies costs the parts it had not handed back; the
scheduler gives them to another (three times, then :class:`~pynomaly.errors.RecordError`). Door of
``distributed``.

Workers of another machine need this package, the same one, and home folder and data at the same addresses.
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
from pynomaly.detectors.base import THREADS
from pynomaly.errors import ConfigError, RecordError

__all__ = ["spread"]

R = TypeVar("R")

PATIENCE = 20
"""Seconds to wait for a scheduler to answer."""

_GUARD = threading.Lock()


def spread(
    pipeline: Pipeline, do: Callable[..., R], parts: Sequence[tuple[Any, ...]], *, processes: int = 1
) -> Iterator[R]:
    """Do every part, and give the results in the order of the parts.

    Parameters
    ----------
    pipeline : Pipeline
        Its ``runner`` says where.
    do : callable
        A function at the top of a module; it may be called twice for a part whose worker died.
    parts : sequence of tuple
        Its arguments; what a process can be sent.
    processes : int
        How many at once where ``runner.kind`` is ``local``; 1 stays in this process, where no more than
        ``runner.workers`` threads work at once.

    Raises
    ------
    ConfigError
        If Dask is asked for and not installed, or nobody answers at ``runner.address``.
    RecordError
        If workers died again and again over one part.
    PynomalyError
        What `do` raises.
    """
    if pipeline.runner.kind == "dask":
        yield from _on_dask(pipeline, do, parts)
    elif min(processes, len(parts)) <= 1:
        for part in parts:
            with _slots(pipeline.runner.workers):
                done = do(*part)
            yield done
    else:
        # Processes of their own: reading and laying out rows hold Python's lock half of the time.
        with ProcessPoolExecutor(processes, get_context("forkserver"), _one_thread) as pool:
            yield from pool.map(do, *zip(*parts, strict=True))


@lru_cache(maxsize=8)
def _slots(workers: int) -> threading.BoundedSemaphore:
    """What threads of this process share: no more than `workers` of them work at once."""
    return threading.BoundedSemaphore(workers)


def _one_thread() -> None:
    os.environ[THREADS] = "1"


def _on_dask(pipeline: Pipeline, do: Callable[..., R], parts: Sequence[tuple[Any, ...]]) -> Iterator[R]:
    with _GUARD:
        client = _client(pipeline.runner.address, 0 if pipeline.runner.address else pipeline.runner.workers)
    from distributed import KilledWorker, as_completed

    futures = [client.submit(do, *part, pure=False) for part in parts]
    found: dict[Any, R] = {}
    try:
        waited = as_completed(futures, with_results=True, raise_errors=True)
        for future in futures:
            # Results are fetched as they come, so that a worker which dies later takes none with it.
            while future.key not in found:
                done, result = next(waited)
                found[done.key] = result
            yield found.pop(future.key)
    except KilledWorker as error:
        raise RecordError(f"workers of the cluster died again and again: {error}") from error
    finally:
        client.cancel(futures)


@lru_cache(maxsize=4)
def _client(address: str, workers: int) -> Any:
    """One client a process for each cluster; a cluster of our own ends with this process."""
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
            env={THREADS: "1"},
        )
        client = Client(cluster)
        atexit.register(cluster.close)
        atexit.register(client.close)
        return client
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(f"no Dask scheduler answers at runner.address {address!r}: {error}") from error
    atexit.register(client.close)
    return client
