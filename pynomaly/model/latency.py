"""Measure what scoring one row costs, so that the load of the machine does not decide.

Each batch of rows, scored one at a time, is timed twice: processor time, to which waiting for other processes
adds nothing, and wall time, which does not count idle threads that spin. The smaller one of the fastest batch
is what the row costs. Called in the clean process of the gate and while a promotion bakes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["BATCHES", "ROWS_A_BATCH", "measure_latency_ms"]

BATCHES = 6
ROWS_A_BATCH = 5


def measure_latency_ms(
    score_row: Callable[[], object],
    batches: int = BATCHES,
    processor: Callable[[], float] = time.process_time,
    wall: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the milliseconds that one call of `score_row` takes, after one call that is not counted.

    Parameters
    ----------
    score_row : callable
        Scores one row.
    batches : int
        Number of batches of `ROWS_A_BATCH` calls.
    processor, wall : callable
        Clocks, in seconds.
    """
    score_row()
    costs = []
    for _ in range(batches):
        start = processor(), wall()
        for _ in range(ROWS_A_BATCH):
            score_row()
        costs.append(min(processor() - start[0], wall() - start[1]))
    return min(costs) / ROWS_A_BATCH * 1000
