"""Saves a fitted detector as two files: ``detector.json`` (plain facts) and ``arrays.npz`` (plain numbers).

Neither can hold code: arrays are read with ``allow_pickle=False`` and object arrays are refused when
written. The facts include the SHA-256 of the arrays and of the facts; both are verified on reading, so a
changed byte is refused. Whoever can write both files can also write new hashes; the recorded hash of the
bundle protects against that. The same detector always gives the same bytes. Called by `Detector.save` and
by the catalogue.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.arrays import read_arrays
from pynomaly.errors import DetectorError, IntegrityError

__all__ = ["ARRAYS", "FACTS", "FORMAT", "read_detector_files", "write_detector_files"]

FACTS = "detector.json"
ARRAYS = "arrays.npz"
FORMAT = 2  # increased when older files could be misread


def write_detector_files(
    folder: Path, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
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
    archive = io.BytesIO()
    np.savez(archive, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
    content = {"format": FORMAT, **facts, "arrays_sha256": hashlib.sha256(archive.getvalue()).hexdigest()}
    try:
        text = _format_facts(content | {"sha256": _hash_facts(content)})
    except (TypeError, ValueError) as error:
        raise DetectorError(f"facts of the detector are not JSON: {error}") from error
    (folder / ARRAYS).write_bytes(archive.getvalue())
    (folder / FACTS).write_text(text, encoding="utf-8")


def read_detector_files(folder: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read and verify both files.

    Returns
    -------
    facts : dict
        The facts as written, without format and hashes.
    arrays : dict of ndarray
        The arrays as written, in memory.

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
    facts = _read_facts(folder / FACTS)
    content = (folder / ARRAYS).read_bytes()
    if hashlib.sha256(content).hexdigest() != facts.pop("arrays_sha256", None):
        raise IntegrityError(f"{folder / ARRAYS} is damaged: it does not match its recorded SHA-256")
    return facts, read_arrays(content, folder / ARRAYS)


def _read_facts(file: Path) -> dict[str, Any]:
    """Return the facts of a file that matches its own SHA-256 to the byte, else raise."""
    try:
        text = file.read_bytes().decode("utf-8")
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{file} is not JSON: {error}") from error
    version = facts.get("format") if isinstance(facts, dict) else None
    if version != FORMAT:
        raise DetectorError(f"{file} has format {version!r}; this version reads {FORMAT}")
    content = {key: value for key, value in facts.items() if key != "sha256"}
    if text != _format_facts(facts) or _hash_facts(content) != facts.get("sha256"):
        raise IntegrityError(f"{file} does not match its recorded SHA-256")
    del content["format"]
    return content


def _format_facts(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _hash_facts(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_format_facts(content).encode()).hexdigest()
