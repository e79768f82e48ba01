"""Every detector of the catalogue against every check; a failure reads ``iforest:one_row_alone``."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from pynomaly.detectors import DETECTORS, TABULAR
from pynomaly.detectors.contract.checks import CHECKS, DetectorUnderTest
from pynomaly.detectors.contract.series_checks import SERIES_CHECKS, SeriesUnderTest

# One of each large family: what a change to the base or to the checks breaks, it breaks here too.
REPRESENTATIVE = {"iforest", "hbos", "knn", "pca", "ocsvm"}
PAIRS = [
    pytest.param(
        name,
        check,
        id=f"{name}:{check}",
        marks=() if name in REPRESENTATIVE else pytest.mark.slow,
    )
    for name in TABULAR
    for check in CHECKS
]
DELAYS = (0, 40)
LOOKING_BACK = [*(name for name in DETECTORS if name not in TABULAR), "series narrow"]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def subjects(elsewhere: ProcessPoolExecutor) -> dict[str, DetectorUnderTest]:
    return {name: DetectorUnderTest(name, elsewhere) for name in TABULAR}


@pytest.fixture(scope="module")
def series(elsewhere: ProcessPoolExecutor) -> dict[tuple[str, int], SeriesUnderTest]:
    subjects = {}
    for name in LOOKING_BACK:
        detector, *smoothing = name.split()
        params = {"smoothing": smoothing[0]} if smoothing else {}
        for delay in DELAYS:
            subjects[name, delay] = SeriesUnderTest(detector, elsewhere, delay, params)
    return subjects


@pytest.mark.parametrize(("name", "check"), PAIRS)
def test_contract(subjects: dict[str, DetectorUnderTest], name: str, check: str) -> None:
    CHECKS[check](subjects[name])


@pytest.mark.parametrize("check", list(SERIES_CHECKS))
@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("name", LOOKING_BACK)
def test_contract_of_those_that_look_back(
    series: dict[tuple[str, int], SeriesUnderTest], name: str, delay: int, check: str
) -> None:
    SERIES_CHECKS[check](series[name, delay])
