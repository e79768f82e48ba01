"""A file lock for work that the processes of one machine do one at a time, such as creating a database.

The operating system releases the lock when the process that holds it ends, so no stale lock remains. Work
that several machines share is guarded by :meth:`pynomaly.records.ledger.Ledger.hold_lease` instead.
POSIX only.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pynomaly.errors import RecordError

__all__ = ["hold_file_lock"]

_POLL_SECONDS = 0.02


@contextmanager
def hold_file_lock(path: Path, timeout: float = 120.0) -> Iterator[None]:
    """Hold the lock file `path`, waiting up to `timeout` seconds for it.

    Parameters
    ----------
    path : Path
        Lock file; created with its folder if missing, and not removed afterwards: if it were, two
        processes could lock two files of the same name.
    timeout : float
        Longest wait, in seconds.

    Raises
    ------
    RecordError
        If another process still holds the lock after `timeout`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _wait_for_lock(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, path: Path, timeout: float) -> None:
    limit = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= limit:
                raise RecordError(
                    f"another process has held {path} for more than {timeout:g} s; "
                    "wait for it to end, or end it, and run again"
                ) from error
            time.sleep(_POLL_SECONDS)
