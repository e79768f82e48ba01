"""The cost of one row: the fastest batch counts, and waiting for other processes adds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from pynomaly.model.latency import ROWS_A_BATCH, measure_latency_ms


def tick(steps: Iterable[float]) -> Callable[[], float]:
    """Returns a clock that moves on by the next of `steps` between the start and the end of a batch."""
    moments, now = [], 0.0
    for step in steps:
        moments += [now, now + step]
        now += step
    return iter(moments).__next__


@pytest.mark.parametrize(
    ("processor", "wall", "seconds"),
    [
        ([0.02, 0.02, 0.02], [0.9, 0.5, 0.8], 0.02),  # a loaded machine: the row waits
        ([0.09, 0.02, 0.05], [0.09, 0.02, 0.05], 0.02),  # one batch in peace is enough
        ([0.08, 0.08, 0.08], [0.02, 0.02, 0.02], 0.02),  # threads that spin beside the one that works
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], 0.5),  # slow, and not by load
    ],
)
def test_load_does_not_decide(processor: list[float], wall: list[float], seconds: float) -> None:
    measured = measure_latency_ms(lambda: None, 3, tick(processor), tick(wall))
    assert measured == pytest.approx(seconds / ROWS_A_BATCH * 1000)


def test_the_first_call_is_not_counted() -> None:
    calls: list[int] = []
    measure_latency_ms(lambda: calls.append(1), 2)
    assert len(calls) == 1 + 2 * ROWS_A_BATCH
