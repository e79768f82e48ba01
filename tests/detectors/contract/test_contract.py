"""Every detector of the catalogue against every check; a failure reads ``iforest:one_row_alone``."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from pynomaly.detectors import DETECTORS
from pynomaly.detectors.contract.checks import CHECKS, DetectorUnderTest

# One of each large family: what a change to the base or to the checks breaks, it breaks here too.
REPRESENTATIVE = {"iforest", "hbos", "knn", "pca", "ocsvm"}
PAIRS = [
    pytest.param(
        name,
        check,
        id=f"{name}:{check}",
        marks=() if name in REPRESENTATIVE else pytest.mark.slow,
    )
    for name in DETECTORS
    for check in CHECKS
]


@pytest.fixture(scope="module")
def subjects() -> Iterator[dict[str, DetectorUnderTest]]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as elsewhere:
        yield {name: DetectorUnderTest(name, elsewhere) for name in DETECTORS}


@pytest.mark.parametrize(("name", "check"), PAIRS)
def test_contract(subjects: dict[str, DetectorUnderTest], name: str, check: str) -> None:
    CHECKS[check](subjects[name])
