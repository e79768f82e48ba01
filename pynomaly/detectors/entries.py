"""The entries of the catalogue: what a user has to know of a detector before choosing it.

Facts only; no detector is imported. A test compares each entry with its class and its fit. Called by
`catalogue`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from pynomaly.detectors.base import Detector

__all__ = ["ENTRIES", "DetectorEntry"]

Cost = Literal["linear", "n log n", "quadratic"]


@dataclass(frozen=True)
class DetectorEntry:
    """Facts about a detector that are known without importing it.

    Parameters
    ----------
    name : str
        Its name in a pipeline.
    family : str
        How it works: trees, density, neighbours, clusters, tails, linear, boundary, neural, values, ensemble,
        series.
    summary : str
        What it finds, in a few words.
    source : str
        Whose implementation fits it.
    cost : str
        How the fit grows with rows.
    max_rows : int or None
        Row limit of a fit; more rows are sampled, by seed. None means no limit.
    deterministic : bool
        Whether the fit ignores the seed.
    keeps_rows : bool
        Whether a fitted model holds values of the rows it was fitted on.
    door : str
        ``module:class``, in `detectors.methods`, or in `detectors.series` for one that looks back.
    search_space : mapping
        Values worth trying, by parameter.
    limits : str
        Where it fails.
    looks_back : bool
        Whether it reads the rows before a row, so that it is fitted on rows with their past.
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
    limits: str = ""
    looks_back: bool = False

    def resolve(self) -> type[Detector]:
        """Import and return the detector class."""
        module, kind = self.door.split(":")
        room = "series" if self.looks_back else "methods"
        return cast(
            "type[Detector]", getattr(importlib.import_module(f"pynomaly.detectors.{room}.{module}"), kind)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as plain values, with the defaults of the parameters."""
        space = {key: list(values) for key, values in self.search_space.items()}
        defaults = {key: parameter.default for key, parameter in self.resolve().parameters.items()}
        return {**asdict(self), "search_space": space, "defaults": defaults}


ENTRIES: tuple[DetectorEntry, ...] = (
    DetectorEntry(
        "auto", "ensemble", "values that are odd by themselves and rows that are odd as a whole", "ours",
        "linear", 50_000, False, True, "auto:AutoEnsemble",
        {"cleaned": (0.0, 0.1, 0.25, 0.4)},
        limits="anomalies that are a dense group of ordinary values; tables where one member alone is right",
    ),
    DetectorEntry(
        "iforest", "trees", "rows that random cuts separate early", "PyOD",
        "linear", None, False, False, "forest:IsolationForest",
        {"n_estimators": (100, 200, 400), "max_samples": (128, 256, 1024), "max_features": (0.5, 1.0)},
        limits="anomalies in a dense cluster of their own; broken relations between columns",
    ),
    DetectorEntry(
        "hbos", "density", "values that are rare in their own column", "as PyOD",
        "linear", None, True, False, "histogram:HBOS",
        {"n_bins": (5, 10, 20, 50), "alpha": (0.05, 0.1, 0.3)},
        limits="odd combinations of usual values; far and very far outside look alike",
    ),
    DetectorEntry(
        "gmm", "density", "rows that no elliptical cluster explains", "PyOD",
        "linear", None, False, False, "mixture:GaussianMixture",
        {"n_components": (1, 2, 3, 5, 8), "covariance_type": ("full", "diag")},
        limits="columns with hard bounds or ties; many columns for few rows",
    ),
    DetectorEntry(
        "knn", "neighbours", "rows far from every row seen before", "as PyOD",
        "n log n", 100_000, True, True, "neighbours:KNN",
        {"n_neighbors": (3, 5, 10, 20, 50), "method": ("largest", "mean", "median")},
        limits="anomalies that are each other's neighbours; many columns; unlike units",
    ),
    DetectorEntry(
        "lof", "neighbours", "rows in thinner surroundings than their neighbours'", "scikit-learn",
        "n log n", 50_000, True, True, "neighbours:LOF",
        {"n_neighbors": (10, 20, 35, 50)},
        limits="as knn; more equal rows than n_neighbors",
    ),
    DetectorEntry(
        "ecod", "tails", "extreme values, the rarer tail of each column", "as PyOD",
        "n log n", None, True, True, "tails:ECOD",
        limits="values in the middle of a column; odd combinations of usual values",
    ),
    DetectorEntry(
        "copod", "tails", "extreme values, both tails of each column", "as PyOD",
        "n log n", None, True, True, "tails:COPOD",
        limits="as ecod",
    ),
    DetectorEntry(
        "pca", "linear", "rows off the plane that columns share, or far along it", "PyOD",
        "linear", None, True, False, "projection:PCA",
        {"variance": (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)},
        limits="curved relations; many anomalies among the fitted rows",
    ),
    DetectorEntry(
        "mcd", "linear", "rows far from the ellipse of the tightest part of all rows", "PyOD",
        "linear", 20_000, False, False, "covariance:MCD",
        {"support_fraction": (0.5, 0.75, 0.9)},
        limits="several clusters; fewer than a few rows a column",
    ),
    DetectorEntry(
        "mahalanobis", "linear", "rows far from one ellipse around all rows", "scikit-learn",
        "linear", None, True, False, "covariance:Mahalanobis",
        limits="several clusters; anomalies among the fitted rows bend it",
    ),
    DetectorEntry(
        "ocsvm", "boundary", "rows outside a smooth boundary", "scikit-learn",
        "quadratic", 10_000, True, True, "boundary:OCSVM",
        {"nu": (0.05, 0.1, 0.5), "gamma": (0.1, 0.3, 1.0, 3.0)},
        limits="unlike units; more than 10,000 rows are sampled",
    ),
    DetectorEntry(
        "autoencoder", "neural", "rows that a small network cannot give back", "ours, on torch",
        "linear", None, False, False, "autoencoder:Autoencoder",
        {"hidden": ((16, 4), (32, 8), (64, 16)), "epochs": (30, 60, 120), "learning_rate": (0.001, 0.005)},
        limits="few rows; anomalies that are many among the fitted rows",
    ),
    DetectorEntry(
        "loda", "density", "rows that are rare in many thin random projections", "ours, after the paper",
        "linear", None, False, False, "loda:LODA",
        {"n_cuts": (50, 100, 200), "n_bins": (10, 20, 50)},
        limits="anomalies inside the range of every projection",
    ),
    DetectorEntry(
        "kde", "density", "rows in thin air, by a smooth density", "as scikit-learn",
        "linear", 5_000, True, True, "kernels:KDE",
        {"bandwidth": (0.3, 0.5, 1.0, 2.0)},
        limits="many columns; more than 5,000 rows are sampled",
    ),
    DetectorEntry(
        "abod", "neighbours", "rows from which all others lie in one direction", "as PyOD",
        "n log n", 20_000, True, True, "angles:ABOD",
        {"n_neighbors": (5, 10, 15)},
        limits="rows between clusters; unlike units",
    ),
    DetectorEntry(
        "sampling", "neighbours", "rows far from a few sampled ones", "as PyOD",
        "linear", None, False, True, "subsample_methods:SampledDistance",
        {"subset_size": (20, 50, 200)},
        limits="a sampled anomaly hides its like; unlike units",
    ),
    DetectorEntry(
        "inne", "neighbours", "rows outside small spheres around sampled ones", "as PyOD",
        "linear", None, False, True, "subsample_methods:INNE",
        {"n_estimators": (100, 200), "max_samples": (4, 8, 16, 32)},
        limits="many columns, where few spheres hold any row; unlike units",
    ),
    DetectorEntry(
        "cblof", "clusters", "rows far from every large cluster", "scikit-learn",
        "linear", None, False, False, "clusters:CBLOF",
        {"n_clusters": (2, 4, 8, 16)},
        limits="stretched or nested clusters; unlike units",
    ),
    DetectorEntry(
        "kpca", "linear", "rows off a curved surface", "as PyOD",
        "quadratic", 1_000, True, True, "kernels:KPCA",
        {"n_components": (8, 16, 32, 64), "gamma": (0.3, 1.0, 3.0)},
        limits="many columns; more than 1,000 rows are sampled; far and very far look alike",
    ),
    DetectorEntry(
        "sgdocsvm", "boundary", "rows outside a smooth boundary, for many rows", "scikit-learn",
        "linear", None, False, True, "boundary:SGDOCSVM",
        {"nu": (0.05, 0.1, 0.5), "gamma": (0.1, 0.3, 1.0), "landmarks": (50, 100, 200)},
        limits="as ocsvm; far and very far look alike",
    ),
    DetectorEntry(
        "vae", "neural", "rows that a small network with a noisy middle cannot give back", "ours, on torch",
        "linear", None, False, False, "variational:VAE",
        {"hidden": ((16, 4), (32, 8), (64, 16)), "epochs": (60, 120), "beta": (0.01, 0.1, 1.0)},
        limits="few rows; anomalies that are many among the fitted rows",
    ),
    DetectorEntry(
        "deepsvdd", "neural", "rows that a network does not bring near one point", "ours, on torch",
        "linear", None, False, False, "sphere:DeepSVDD",
        {"hidden": ((32, 8), (64, 32)), "epochs": (30, 60, 120)},
        limits="few rows; collapse to a point; varies with the seed",
    ),
    DetectorEntry(
        "dagmm", "neural", "rows whose code and error together are unlikely", "ours, on torch",
        "linear", None, False, False, "dagmm:DAGMM",
        {"hidden": ((16, 4), (32, 8)), "n_components": (2, 3, 5)},
        limits="few rows; a mixture that shrinks to one component",
    ),
    DetectorEntry(
        "rare", "values", "rare and never-seen values, column by column", "ours",
        "n log n", None, True, True, "frequency:RareValues",
        {"n_bins": (10, 20, 50), "smoothing": (0.1, 0.5, 1.0)},
        limits="odd combinations of usual values",
    ),
    DetectorEntry(
        "ensemble_mean", "ensemble", "rows that members find anomalous on average", "ours",
        "n log n", None, False, True, "ensemble:EnsembleMean",
        limits="most members unsuited to the data",
    ),
    DetectorEntry(
        "ensemble_max", "ensemble", "rows that any one member finds anomalous", "ours",
        "n log n", None, False, True, "ensemble:EnsembleMax",
        limits="one member's false alarms are its own",
    ),
    DetectorEntry(
        "ensemble_trimmed", "ensemble", "rows that members agree on, the extreme ones left out", "ours",
        "n log n", None, False, True, "ensemble:EnsembleTrimmed",
        limits="anomalies that one kind of member alone can see",
    ),
    DetectorEntry(
        "series", "series", "windows and steps of a series that its past does not explain", "ours",
        "linear", None, False, True, "family:SeriesEnsemble",
        limits="rows without an order; relations between columns; changes slower than its windows",
        looks_back=True,
    ),
    DetectorEntry(
        "series_knn", "series", "windows unlike any window seen before", "ours",
        "linear", None, False, True, "family:SeriesKNN",
        limits="chaotic series; a shift of the level, which is removed first",
        looks_back=True,
    ),
    DetectorEntry(
        "series_ar", "series", "steps that the steps before did not announce", "ours",
        "linear", None, True, True, "family:SeriesAR",
        limits="changed shapes that are smooth; what lasts is expected after a few rows",
        looks_back=True,
    ),
    DetectorEntry(
        "series_profile", "series", "values that are odd at this time of the day, week or period", "ours",
        "linear", None, True, True, "family:SeriesProfile",
        limits="series without a season in step with the clock; a level that moves",
        looks_back=True,
    ),
    DetectorEntry(
        "series_residual", "series", "values that go together otherwise than their pasts announce", "ours",
        "linear", None, True, True, "residual:SeriesResidual",
        search_space={"over": ("mahalanobis", "knn", "gmm")},
        limits="a single column; what lasts is expected after a few rows",
        looks_back=True,
    ),
)  # fmt: skip
