"""The quick form of the measurement of accounts and streams holds its bounds, and can fail."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import account


@pytest.mark.slow
def test_the_bounds_of_the_page_hold() -> None:
    assert account.find_broken_bounds(97_000) == []


def test_a_bound_that_is_broken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "live_once", lambda *_: {"alert_rate": 1})
    monkeypatch.setattr(account, "exceed_rate", lambda *_: 3)
    monkeypatch.setattr(account, "miss_incidents", lambda *_: None)
    monkeypatch.setattr(account, "stream_once", lambda *_: (0.5, 1.0))
    assert len(account.find_broken_bounds(0)) == 5


def test_by_window_the_stream_is_not_kept() -> None:
    """What the stream is for: hour by hour, most of a quiet period's alerts are false."""
    shares = np.array([account.stream_once(account.STREAMS[2], "window", 97_000 + seed) for seed in range(3)])
    assert shares[:, 0].mean() > 5 * account.LEVEL


def test_catches_are_withdrawn_sooner_the_more_is_lost() -> None:
    ends = {
        case.after: [account.miss_incidents(case, 97_000 + seed, 0.005) or 999 for seed in range(30)]
        for case in account.CATCHES
        if case.judged == 40 and case.before == 0.9
    }
    assert np.median(ends[0.3]) < 100
    assert np.mean(ends[0.6]) < np.mean(ends[0.9])
