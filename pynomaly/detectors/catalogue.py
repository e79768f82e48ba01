"""The catalogue of all detectors, one entry each; the only place that turns a name into a class.

An entry states what a user has to know before choosing: family, cost, how many rows it takes, whether a
fitted model keeps rows of the data. Making and loading look names up here and nowhere else, so a saved
file can never name code of its own. Called by `model`, the tuner and the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pynomaly.detectors import saved
from pynomaly.detectors.base import Detector, Table
from pynomaly.detectors.entries import ENTRIES, DetectorEntry
from pynomaly.detectors.past_rows import PastRows
from pynomaly.errors import IntegrityError, UnknownDetectorError, list_allowed

__all__ = [
    "DETECTORS",
    "TABULAR",
    "DetectorEntry",
    "find_entry",
    "load_detector",
    "make_detector",
    "make_detector_for",
]

DETECTORS: Mapping[str, DetectorEntry] = MappingProxyType({row.name: row for row in ENTRIES})

TABULAR: Mapping[str, DetectorEntry] = MappingProxyType(
    {name: row for name, row in DETECTORS.items() if not row.looks_back}
)
"""The detectors that read a row alone."""


def find_entry(name: str) -> DetectorEntry:
    """Return the catalogue entry of that name.

    Raises
    ------
    UnknownDetectorError
        No such entry; the message suggests the nearest name.
    """
    if name not in DETECTORS:
        raise UnknownDetectorError(f"no detector {name!r}; {list_allowed(name, DETECTORS)}")
    return DETECTORS[name]


def make_detector(name: str, seed: int = 0, **params: Any) -> Detector:
    """Make an unfitted detector.

    Parameters
    ----------
    name : str
        Name in the catalogue.
    seed : int
        Seed of everything random in the fit.
    **params
        Parameters of the detector; those not given take their default.

    Raises
    ------
    UnknownDetectorError
        No such name.
    DetectorError
        A parameter is unknown or out of bounds.
    """
    row = find_entry(name)
    detector = row.resolve()(seed=seed, **params)
    detector.max_rows = row.max_rows
    return detector


def make_detector_for(
    X: Table | PastRows, name: str, seed: int = 0, params: Mapping[str, Any] = MappingProxyType({})
) -> Detector:
    """Make an unfitted detector for these rows: one that can wait for later rows waits for all they may read.

    Parameters, unless they name a ``delay`` of their own, and errors are those of :func:`make_detector`.
    """
    if isinstance(X, PastRows) and "delay" in find_entry(name).resolve().parameters:
        params = {"delay": X.usual_delay, **params}
    return make_detector(name, seed, **params)


def load_detector(folder: Path) -> Detector:
    """Load a detector that `Detector.save` wrote; no code in the files is ever run.

    Raises
    ------
    DetectorError
        The folder holds no saved detector, or one of another format.
    UnknownDetectorError
        The files name a detector that is not in the catalogue.
    IntegrityError
        The files are damaged or incomplete.
    """
    facts, state = saved.read_detector_files(Path(folder))
    try:
        name, seed, params = str(facts["name"]), int(facts["seed"]), dict(facts["params"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"saved detector in {str(folder)!r} is incomplete: {error}") from error
    return make_detector(name, seed, **params).restore(facts, state)
