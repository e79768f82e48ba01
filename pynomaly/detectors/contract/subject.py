"""A detector under test and the rows it is tested with; used by `checks` and `explaining`."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pynomaly.detectors.base import Detector
from pynomaly.detectors.catalogue import load_detector, make_detector
from pynomaly.detectors.numerics.exact import Array

__all__ = [
    "COLUMNS",
    "DetectorUnderTest",
    "fit_and_score",
    "make_far_rows",
    "make_normal_rows",
    "require_that",
    "score_saved",
]

COLUMNS = ("load", "heat", "flow", "hum", "spin")


@dataclass(frozen=True)
class DetectorUnderTest:
    """One detector under test, fitted once on seeded rows.

    Parameters
    ----------
    name : str
        Name in the catalogue.
    elsewhere : Executor
        Runs functions in another process (a spawned pool of one).
    """

    name: str
    elsewhere: Executor

    @cached_property
    def fitted(self) -> Detector:
        """The detector, fitted on 400 normal rows."""
        return self.make_unfitted().fit(make_normal_rows(400))

    @cached_property
    def rows(self) -> pd.DataFrame:
        """60 normal rows and then 10 far rows; the detector was fitted on none of them."""
        return pd.concat([make_normal_rows(60, seed=1), make_far_rows(10)], ignore_index=True)

    @cached_property
    def scores(self) -> Array:
        """Scores of `rows`, in one batch."""
        return self.fitted.score(self.rows)

    def make_unfitted(self) -> Detector:
        """Return an unfitted detector with seed 7."""
        return make_detector(self.name, seed=7)


def make_normal_rows(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return seeded rows of five correlated, normally distributed columns."""
    rng = np.random.default_rng([5, seed])
    cause = rng.normal(size=(rows, 2))
    mixing = np.array([[1.0, 0.8, 0.0, 0.3, -0.5], [0.0, 0.4, 1.0, -0.6, 0.5]])
    return pd.DataFrame(cause @ mixing + 0.3 * rng.normal(size=(rows, 5)), columns=list(COLUMNS))


def make_far_rows(rows: int) -> pd.DataFrame:
    """Return rows 8 to 12 deviations out in every column, each cell up or down at random."""
    rng = np.random.default_rng(9)
    size = rng.uniform(8, 12, size=(rows, len(COLUMNS)))
    return pd.DataFrame(size * rng.choice([-1.0, 1.0], size=size.shape), columns=list(COLUMNS))


def score_saved(folder: str, rows: pd.DataFrame) -> Array:
    """Load a saved detector and score rows; runs in another process."""
    return load_detector(Path(folder)).score(rows)


def fit_and_score(name: str, rows: pd.DataFrame) -> Array:
    """Fit the detector on the same rows as the one under test, and score; runs in another process."""
    return make_detector(name, seed=7).fit(make_normal_rows(400)).score(rows)


def require_that(condition: bool, otherwise: str) -> None:
    """Raise an AssertionError with the message `otherwise`, unless `condition` holds."""
    if not condition:
        raise AssertionError(otherwise)
