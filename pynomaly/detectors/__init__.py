"""Detectors: fit on a table of numbers, then give each row an anomaly score that depends on that row alone.

The package makes an unfitted detector by name, loads a fitted one from a folder, and lists all of them in
`DETECTORS`. The contract is written in `base`; `contract` tests every catalogue entry against it. Missing
values, categories, thresholds and alerts are not handled here: they belong to `model`.

Called by `flows`, `steps`, `records` and `model`. May import `config`, and the wings below it.
"""

from pynomaly.detectors.base import Detector
from pynomaly.detectors.catalogue import DETECTORS, TABULAR, DetectorEntry, load_detector, make_detector

__all__ = ["DETECTORS", "TABULAR", "Detector", "DetectorEntry", "load_detector", "make_detector"]
