"""Keeps results of costly reads for a moment, so that fifty readers cost as much as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["BriefCache"]

T = TypeVar("T")
_MOST = 500


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Any = None
    until: float = float("-inf")


class BriefCache:
    """Results by key; who asks for one that is being computed waits for it.

    Parameters
    ----------
    keep_s : float
        Seconds for which a result is kept, unless it is asked otherwise.
    clock : callable
        Returns seconds that never go back.
    """

    def __init__(self, keep_s: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep, self._clock = keep_s, clock
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = threading.Lock()

    def read(self, key: Hashable, compute: Callable[[], T], keep_s: float | None = None) -> T:
        """Return the kept result of this key, or compute it; an error is not kept."""
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry()
            self._entries[key] = entry
            while len(self._entries) > _MOST:
                self._entries.pop(next(iter(self._entries)))
        with entry.lock:
            if self._clock() >= entry.until:
                entry.value = compute()
                entry.until = self._clock() + (self._keep if keep_s is None else keep_s)
            value: T = entry.value
            return value

    def forget(self) -> None:
        """Forget all: something was changed here, and is to be seen at once."""
        with self._lock:
            self._entries.clear()
