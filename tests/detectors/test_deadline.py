"""A fit in a process of its own: the same detector, the same refusals, and a limit that holds."""

from __future__ import annotations

import os
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from pynomaly.detectors import deadline, make_detector
from pynomaly.detectors.deadline import fit_within
from pynomaly.detectors.past_rows import PastRows
from pynomaly.errors import ColumnError, DetectorError, FitTimeoutError

FRAME = pd.DataFrame(np.random.default_rng(3).normal(size=(150, 3)), columns=["a", "b", "c"])


@pytest.mark.slow
def test_it_gives_what_a_fit_here_gives() -> None:
    asked = make_detector("gmm", seed=4, n_components=2)
    fitted = fit_within(asked, FRAME, 60)
    np.testing.assert_allclose(fitted.score(FRAME), asked.fit(FRAME).score(FRAME), rtol=1e-9)
    assert fitted.columns == ("a", "b", "c")
    assert (fitted.seed, fitted.params, fitted.rows_used) == (4, asked.params, 150)


def test_the_detector_asked_for_stays_unfitted_and_arrays_have_no_names() -> None:
    asked = make_detector("hbos")
    fitted = fit_within(asked, FRAME.to_numpy(), 60)
    assert not asked.fitted
    assert fitted.columns is None


def test_a_fit_past_its_limit_is_stopped_with_all_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def noted(*args: object, **kwargs: object) -> subprocess.Popen[bytes]:
        started.append(popen(*args, **kwargs))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(deadline.subprocess, "Popen", noted)
    begun = time.monotonic()
    with pytest.raises(FitTimeoutError, match=r"mcd on 150 rows of 3 columns did not end within 0\.1 s"):
        fit_within(make_detector("mcd"), FRAME, 0.1)
    assert time.monotonic() - begun < 5
    with pytest.raises(ProcessLookupError):
        os.kill(started[0].pid, 0)


def test_a_refusal_in_the_child_is_raised_here() -> None:
    with pytest.raises(DetectorError, match="knn: n_neighbors 999 needs at least 999 rows"):
        fit_within(make_detector("knn", n_neighbors=999), FRAME, 60)


def test_rows_that_cannot_be_used_are_refused_before_anything_starts() -> None:
    with pytest.raises(DetectorError, match="column 'b', row 7 is nan"):
        fit_within(make_detector("hbos"), FRAME.assign(b=FRAME["b"].where(FRAME.index != 7)), 60)
    with pytest.raises(ColumnError, match="'b' is str"):
        fit_within(make_detector("hbos"), FRAME.assign(b="x"), 60)


def test_without_a_limit_the_fit_is_the_same_and_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = fit_within(make_detector("hbos"), FRAME, 60)
    monkeypatch.setattr(deadline.subprocess, "Popen", None)
    here = fit_within(make_detector("hbos"), FRAME, None)
    np.testing.assert_array_equal(here.score(FRAME), limited.score(FRAME))


def test_a_child_that_dies_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline.sys, "executable", "/bin/false")
    with pytest.raises(DetectorError, match="ended with status 1"):
        fit_within(make_detector("hbos"), FRAME, 60)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(DetectorError, match="limit of a fit"):
        fit_within(make_detector("hbos"), FRAME, seconds)


def test_rows_with_their_past_reach_the_child() -> None:
    values = np.random.default_rng(0).normal(size=(200, 2))
    rows = PastRows.of_series(values, delay=3, starts=(0, 90))
    fitted = fit_within(make_detector("series_ar", delay=3), rows, 60)
    wanted = make_detector("series_ar", delay=3).fit(rows)
    assert fitted.state.keys() == wanted.state.keys()
    assert np.allclose(fitted.score(rows), wanted.score(rows))
