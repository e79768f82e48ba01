"""The benchmark of unchanged streams draws what it says, and its quick form stays within its bound."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.stationary import COLUMNS, QUICK_BOUND, ROWS_PER_DAY, Machine, check_quickly


def test_a_machine_wanders_as_long_as_it_says_and_shifts_after_its_reference() -> None:
    machine = Machine(correlation=6.0, reference=56, days=56, shift=1.0)
    frame = machine.draw()
    assert len(frame) == 112 * ROWS_PER_DAY
    values = frame[list(COLUMNS)].to_numpy()
    size = machine.reference * ROWS_PER_DAY
    lag = 6 * ROWS_PER_DAY // 24
    both = np.corrcoef(values[: size - lag, 0], values[lag:size, 0])[0, 1]
    assert both == pytest.approx(np.exp(-1), abs=0.12)
    assert values[size:].mean() - values[:size].mean() == pytest.approx(1.0, abs=0.25)
    assert machine.draw().equals(frame)


@pytest.mark.slow
def test_unchanged_streams_are_hardly_ever_called_drift_and_a_shift_is_found() -> None:
    false, found = check_quickly()
    assert false <= QUICK_BOUND
    assert found == 1
