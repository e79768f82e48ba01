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


@dataclass(frozen=True)
class _Kept:
    value: Any
    at: float
    until: float


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: _Kept | None = None


class BriefCache:
    """Results by key; one computes, and who asks meanwhile gets the result before it, or waits.

    Parameters
    ----------
    keep_s : float
        Seconds for which a result is kept, unless it is asked otherwise.
    clock : callable
        Returns seconds that never go back.
    spare_s : float
        Seconds for which a result may still be had behind its time, while another computes it anew.
    """

    def __init__(
        self, keep_s: float = 2.0, clock: Callable[[], float] = time.monotonic, spare_s: float = 5.0
    ) -> None:
        self._keep, self._clock, self._spare = keep_s, clock, spare_s
        self._entries: dict[Hashable, _Entry] = {}
        self._changed: dict[str, float] = {}
        self._lock = threading.Lock()

    def read(
        self, key: Hashable, compute: Callable[[], T], keep_s: float | None = None, reader: str = ""
    ) -> T:
        """Return the kept result of this key, or compute it; an error is not kept.

        A `reader` gets none from before what :meth:`renew_for` was told of them.
        """
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry()
            self._entries[key] = entry
            while len(self._entries) > _MOST:
                self._entries.pop(next(iter(self._entries)))
        changed = self._changed.get(reader, float("-inf"))
        kept = entry.kept
        is_spare = kept is not None and kept.at > changed and self._clock() < kept.until + self._spare
        if not entry.lock.acquire(blocking=not is_spare):
            assert kept is not None
            return kept.value  # type: ignore[no-any-return]  # of the same key
        try:
            begun, kept = self._clock(), entry.kept
            if kept is None or begun >= kept.until or kept.at <= changed:
                value = compute()
                until = self._clock() + (self._keep if keep_s is None else keep_s)
                kept = entry.kept = _Kept(value, begun, until)
            return kept.value  # type: ignore[no-any-return]  # of the same key
        finally:
            entry.lock.release()

    def renew_for(self, reader: str) -> None:
        """Let a reader see at once what they changed; others see it when what is kept is old."""
        with self._lock:
            self._changed.pop(reader, None)
            self._changed[reader] = self._clock()
            while len(self._changed) > _MOST:
                self._changed.pop(next(iter(self._changed)))
