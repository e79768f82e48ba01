"""A fitted detector as two files: ``detector.json`` (plain facts) and ``arrays.npz`` (plain numbers).

Neither can hold code: arrays are read with ``allow_pickle=False`` and object arrays are refused when
written. The same detector gives the same bytes. Called by `Detector.save` and `catalogue.load`.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.errors import DetectorError, IntegrityError

__all__ = ["ARRAYS", "FACTS", "FORMAT", "read", "write"]

FACTS = "detector.json"
ARRAYS = "arrays.npz"
FORMAT = 1  # raised when old files could be misread


def write(folder: Path, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write both files into `folder`, which is created if missing.

    Raises
    ------
    DetectorError
        An array holds objects, or a fact is not JSON (NaN and infinity are not).
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise DetectorError(f"array {name!r} holds Python objects; only plain numbers are saved")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        text = json.dumps({"format": FORMAT, **facts}, indent=1, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DetectorError(f"facts of the detector are not JSON: {error}") from error
    with (folder / ARRAYS).open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
    (folder / FACTS).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read both files.

    Returns
    -------
    facts : dict
        What `write` was given.
    arrays : dict of ndarray
        Likewise, in memory.

    Raises
    ------
    DetectorError
        A file is missing, or of a format this version does not know.
    IntegrityError
        A file is damaged, or holds objects.
    """
    for name in (FACTS, ARRAYS):
        if not (folder / name).is_file():
            raise DetectorError(f"no saved detector in {str(folder)!r}: {name} is missing")
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except ValueError as error:
        raise IntegrityError(f"{folder / FACTS} is not JSON: {error}") from error
    found = facts.pop("format", None) if isinstance(facts, dict) else None
    if found != FORMAT:
        raise DetectorError(f"{folder / FACTS} has format {found!r}; this version reads {FORMAT}")
    try:
        # opened here, because np.load leaves a damaged file open
        with (folder / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (AttributeError, TypeError, ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise IntegrityError(f"{folder / ARRAYS} is damaged or holds objects: {error}") from error
    return facts, arrays
