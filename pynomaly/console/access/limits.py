"""Limits of requests by actor, and of wrong tokens by address. In memory: each process counts its own."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FailureLimit", "RequestLimit"]

_MAX_KEYS = 10_000
"""Keys that are remembered; when there are more, the oldest are forgotten."""


@dataclass
class _Bucket:
    left: float
    at: float


class RequestLimit:
    """A token bucket for each key: `per_second` on average, `burst` at once."""

    def __init__(
        self, per_second: float = 50.0, burst: float = 200.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = per_second, burst, clock
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, key: str) -> int:
        """Take one request; returns 0, or the whole seconds after which another may come."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.pop(key, None) or _Bucket(self._burst, now)
            bucket.left = min(self._burst, bucket.left + (now - bucket.at) * self._rate)
            bucket.at = now
            self._buckets[key] = bucket
            _forget_oldest(self._buckets)
            if bucket.left < 1:
                return max(1, math.ceil((1 - bucket.left) / self._rate))
            bucket.left -= 1
            return 0


@dataclass
class _Failures:
    count: int
    free_at: float
    at: float


class FailureLimit:
    """Locks an address out after `most` wrong answers, twice as long after each further one."""

    def __init__(
        self,
        most: int = 5,
        first_s: float = 2.0,
        longest_s: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._first, self._longest, self._clock = most, first_s, longest_s, clock
        self._failures: dict[str, _Failures] = {}
        self._lock = threading.Lock()

    def wait_for(self, key: str) -> int:
        """Return the whole seconds for which the key is locked out; 0 where it is not."""
        with self._lock:
            failures = self._failures.get(key)
            return max(0, math.ceil(failures.free_at - self._clock())) if failures else 0

    def record_failure(self, key: str) -> None:
        """Count a wrong answer; old ones are forgotten after the longest lock."""
        now = self._clock()
        with self._lock:
            failures = self._failures.pop(key, None)
            if failures is None or now - failures.at > self._longest:
                failures = _Failures(0, 0.0, now)
            failures.count, failures.at = failures.count + 1, now
            if failures.count >= self._most:
                span = min(self._longest, self._first * 2.0 ** min(30, failures.count - self._most))
                failures.free_at = now + span
            self._failures[key] = failures
            _forget_oldest(self._failures)

    def record_success(self, key: str) -> None:
        """Forget the failures of a key."""
        with self._lock:
            self._failures.pop(key, None)


def _forget_oldest(kept: dict[str, _Bucket] | dict[str, _Failures]) -> None:
    while len(kept) > _MAX_KEYS:
        kept.pop(next(iter(kept)))
