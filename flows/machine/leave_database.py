"""Lets the connections of a temporary server end in order before its services are cancelled."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["leave_database"]


def leave_database(engines: Sequence[Any], seconds: float) -> None:
    """Wait until no connection is in use, and let none report that its end was a cancellation.

    The end of the server cancels its services. One that begins to ask in the meantime is cancelled in the
    rollback of what it read: nothing is lost, the connection is thrown away, but its pool logs a traceback.
    """
    pools = [engine.sync_engine.pool for engine in engines]
    for pool in pools:
        pool.logger.addFilter(_is_no_cancellation)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(pool.checkedout() for pool in pools):
        time.sleep(0.02)


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
