"""Kept results: how old they may be, for whom, and once for many who ask at the same time."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from pynomaly.console.brief_cache import BriefCache


def test_a_result_is_kept_for_a_while_and_renewed_for_who_changed_something() -> None:
    now, numbers = [0.0], count()
    cache = BriefCache(2.0, lambda: now[0])

    def read(reader: str = "") -> int:
        return cache.read("a", lambda: next(numbers), reader=reader)

    assert [read(), read(), read("ann")] == [0, 0, 0]
    cache.renew_for("ann")
    assert read("ben") == 0
    now[0] = 0.5
    assert [read("ann"), read("ann"), read("ben")] == [1, 1, 1]
    now[0] = 2.6
    assert read() == 2
    assert cache.read("b", lambda: next(numbers)) == 3


def test_an_error_is_not_kept() -> None:
    cache = BriefCache()
    with pytest.raises(ZeroDivisionError):
        cache.read("a", lambda: 1 // 0)
    assert cache.read("a", lambda: 1) == 1


def test_many_who_ask_at_once_cost_one() -> None:
    cache, numbers, started = BriefCache(), count(), threading.Event()
    results: list[int] = []

    def compute() -> int:
        started.wait(10)
        return next(numbers)

    threads = [threading.Thread(target=lambda: results.append(cache.read("a", compute))) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.set()
    for thread in threads:
        thread.join()
    assert results == [0] * 8


def test_who_asks_while_another_computes_anew_gets_the_result_before() -> None:
    now, numbers, inside, go_on = [0.0], count(), threading.Event(), threading.Event()
    cache = BriefCache(2.0, lambda: now[0], spare_s=5.0)
    assert cache.read("a", lambda: next(numbers)) == 0
    now[0] = 3.0

    def compute_slowly() -> int:
        inside.set()
        go_on.wait(10)
        return next(numbers)

    renewing = threading.Thread(target=cache.read, args=("a", compute_slowly))
    renewing.start()
    assert inside.wait(10)
    assert cache.read("a", lambda: 99) == 0
    go_on.set()
    renewing.join()
    assert cache.read("a", lambda: 99) == 1


def test_a_result_far_behind_its_time_is_waited_for() -> None:
    now, numbers, inside, go_on = [0.0], count(), threading.Event(), threading.Event()
    cache = BriefCache(2.0, lambda: now[0], spare_s=5.0)
    cache.read("a", lambda: next(numbers))
    now[0] = 8.0

    def compute_slowly() -> int:
        inside.set()
        go_on.wait(10)
        return next(numbers)

    results: list[int] = []
    renewing = threading.Thread(target=cache.read, args=("a", compute_slowly))
    renewing.start()
    assert inside.wait(10)
    asking = threading.Thread(target=lambda: results.append(cache.read("a", lambda: 99)))
    asking.start()
    go_on.set()
    renewing.join()
    asking.join()
    assert results == [1]
