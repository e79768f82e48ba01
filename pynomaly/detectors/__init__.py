"""Detectors: fit on numbers, score numbers; a score belongs to its row.

`make` gives an unfitted detector by name, `load` a fitted one from a folder; `DETECTORS` lists what there
is. The contract stands in `base`, and `checks` tests every row of the catalogue against it. Nothing here
knows of missing values, categories, thresholds or alerts: those belong to `model`.
"""

from pynomaly.detectors.base import Detector
from pynomaly.detectors.catalogue import DETECTORS, Entry, load, make

__all__ = ["DETECTORS", "Detector", "Entry", "load", "make"]
