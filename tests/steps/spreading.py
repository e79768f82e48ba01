"""Parts of work for workers of a cluster, importable by them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from pynomaly.errors import DataError

__all__ = ["mark", "refuse"]


def mark(folder: str, number: int, kills: int) -> tuple[int, int]:
    """Leave a mark of being called; the first call for `kills` ends its worker as ``kill -9`` does."""
    calls = Path(folder) / f"{number}"
    with calls.open("a") as file:
        file.write("x")
    if number == kills and calls.stat().st_size == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number, os.getpid()


def refuse(number: int) -> int:
    """Bad input, wherever it is met."""
    if number == 2:
        raise DataError("row 2 cannot be used; allowed: the others")
    return number
