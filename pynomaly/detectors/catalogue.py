"""Every detector there is, one row each; the only place where a name becomes code.

A row states what a user has to know before choosing: family, cost, how many rows it takes, whether a
fitted model keeps rows of the data. `make` and `load` look names up here and nowhere else, so a saved
file can never name code of its own. Called by `model`, the tuner and the command line.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from pynomaly.detectors import saved
from pynomaly.detectors.base import Detector
from pynomaly.errors import IntegrityError, UnknownDetectorError, allowed

__all__ = ["DETECTORS", "Entry", "entry", "load", "make"]

Cost = Literal["linear", "n log n", "quadratic"]


@dataclass(frozen=True)
class Entry:
    """What is known of a detector without importing it.

    Parameters
    ----------
    name : str
        Its name in a pipeline.
    family : str
        How it works: trees, density, neighbours, tails, linear, boundary, neural.
    summary : str
        One sentence: what it finds.
    source : str
        Whose fit it is.
    cost : str
        How the fit grows with rows.
    max_rows : int or None
        More rows than this are sampled, by seed.
    deterministic : bool
        Whether the fit ignores the seed.
    keeps_rows : bool
        Whether a fitted model holds values of the rows it was fitted on.
    door : str
        ``module:class``.
    search_space : mapping
        Values worth trying, by parameter.
    """

    name: str
    family: str
    summary: str
    source: str
    cost: Cost
    max_rows: int | None
    deterministic: bool
    keeps_rows: bool
    door: str
    search_space: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def resolve(self) -> type[Detector]:
        """Import the class behind the row."""
        module, kind = self.door.split(":")
        return cast(type[Detector], getattr(importlib.import_module(f"pynomaly.detectors.{module}"), kind))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, the parameters' defaults among them."""
        space = {key: list(values) for key, values in self.search_space.items()}
        defaults = {key: parameter.default for key, parameter in self.resolve().parameters.items()}
        return {**asdict(self), "search_space": space, "defaults": defaults}


_ROWS = (
    Entry(
        "iforest", "trees", "rows that random cuts separate early", "PyOD",
        "linear", None, False, False, "forest:IsolationForest",
        {"n_estimators": (100, 200, 400), "max_samples": (128, 256, 1024), "max_features": (0.5, 1.0)},
    ),
    Entry(
        "hbos", "density", "values that are rare in their own column", "as PyOD",
        "linear", None, True, False, "histogram:HBOS",
        {"n_bins": (5, 10, 20, 50), "alpha": (0.05, 0.1, 0.3)},
    ),
    Entry(
        "gmm", "density", "rows that no elliptical cluster explains", "PyOD",
        "linear", None, False, False, "mixture:GaussianMixture",
        {"n_components": (1, 2, 3, 5, 8), "covariance_type": ("full", "diag")},
    ),
    Entry(
        "knn", "neighbours", "rows far from every row seen before", "as PyOD",
        "n log n", 100_000, True, True, "neighbours:KNN",
        {"n_neighbors": (3, 5, 10, 20, 50), "method": ("largest", "mean", "median")},
    ),
    Entry(
        "lof", "neighbours", "rows in thinner surroundings than their neighbours'", "scikit-learn",
        "n log n", 50_000, True, True, "neighbours:LOF",
        {"n_neighbors": (10, 20, 35, 50)},
    ),
    Entry(
        "ecod", "tails", "extreme values, the rarer tail of each column", "as PyOD",
        "n log n", None, True, True, "tails:ECOD",
    ),
    Entry(
        "copod", "tails", "extreme values, both tails of each column", "as PyOD",
        "n log n", None, True, True, "tails:COPOD",
    ),
    Entry(
        "pca", "linear", "rows off the plane that columns share, or far along it", "PyOD",
        "linear", None, True, False, "projection:PCA",
        {"variance": (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)},
    ),
    Entry(
        "mcd", "linear", "rows far from the ellipse of the tightest part of all rows", "PyOD",
        "linear", 20_000, False, False, "covariance:MCD",
        {"support_fraction": (0.5, 0.75, 0.9)},
    ),
    Entry(
        "elliptic", "linear", "rows far from one ellipse around all rows", "scikit-learn",
        "linear", None, True, False, "covariance:Elliptic",
    ),
    Entry(
        "ocsvm", "boundary", "rows outside a smooth boundary", "scikit-learn",
        "quadratic", 10_000, True, True, "boundary:OCSVM",
        {"nu": (0.05, 0.1, 0.5), "gamma": (0.1, 0.3, 1.0, 3.0)},
    ),
    Entry(
        "autoencoder", "neural", "rows that a small network cannot give back", "ours, on torch",
        "linear", None, False, False, "autoencoder:Autoencoder",
        {"hidden": ((16, 4), (32, 8), (64, 16)), "epochs": (30, 60, 120), "learning_rate": (0.001, 0.005)},
    ),
)  # fmt: skip

DETECTORS: Mapping[str, Entry] = MappingProxyType({row.name: row for row in _ROWS})


def entry(name: str) -> Entry:
    """Return the row of that name.

    Raises
    ------
    UnknownDetectorError
        There is none; the nearest is named.
    """
    if name not in DETECTORS:
        raise UnknownDetectorError(f"no detector {name!r}; {allowed(name, DETECTORS)}")
    return DETECTORS[name]


def make(name: str, seed: int = 0, **params: Any) -> Detector:
    """Make an unfitted detector.

    Parameters
    ----------
    name : str
        Name in the catalogue.
    seed : int
        Seed of everything random in its fit.
    **params
        Its parameters; those not given take their default.

    Raises
    ------
    UnknownDetectorError
        No such name.
    DetectorError
        A parameter is unknown or out of bounds.
    """
    row = entry(name)
    detector = row.resolve()(seed=seed, **params)
    detector.max_rows = row.max_rows
    return detector


def load(folder: Path) -> Detector:
    """Load a detector that `Detector.save` wrote; nothing in the files can run.

    Raises
    ------
    DetectorError
        No saved detector there, or of another format.
    UnknownDetectorError
        It names a detector that is not in the catalogue.
    IntegrityError
        The files are damaged or incomplete.
    """
    facts, state = saved.read(Path(folder))
    try:
        name, seed, params = str(facts["name"]), int(facts["seed"]), dict(facts["params"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"saved detector in {str(folder)!r} is incomplete: {error}") from error
    return make(name, seed, **params).restore(facts, state)
