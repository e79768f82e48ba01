"""The files of a saved bundle: written from its parts, and read back without running stored code.

A saved bundle::

    bundle.json         every file and its SHA-256; the SHA-256 of this list identifies the bundle
    model.json          contract, features, policy, calibration state, golden text, facts
    sketch.json         summary of the reference rows
    calibration.npz     held-out scores, also by entity if p-values are
    entities.npz        level and scale of each entity; only with ``features.entities: own``
    golden.npz          numbers and scores of the golden rows, exact to the bit
    reranking.npz       trees trained on known anomalies; only if they are used
    detector/           files of the detector

Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.frame import FrameContract
from pynomaly.data.past import drop_past, get_past, replace_past
from pynomaly.data.past_array import PastArray
from pynomaly.detectors import load_detector
from pynomaly.detectors.arrays import read_arrays
from pynomaly.detectors.base import Detector
from pynomaly.detectors.methods.reranking import Reranking
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.dependence.dependence import Dependence
from pynomaly.model.entities.scales import EntityScales
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.seal import read_json, write_json
from pynomaly.model.sketch.sketch import Sketch

__all__ = ["BundleParts", "pack_rows", "read_parts", "unpack_rows", "write_parts"]


class BundleParts(Protocol):
    """What is saved of a bundle; :class:`pynomaly.model.bundle.Bundle` says what each part is."""

    @property
    def contract(self) -> FrameContract:
        """Columns."""

    @property
    def features(self) -> FeatureEncoder:
        """Preprocessing."""

    @property
    def detector(self) -> Detector:
        """Fitted detector."""

    @property
    def calibration(self) -> Calibration:
        """Held-out scores."""

    @property
    def policy(self) -> AlertPolicy:
        """Alert policy."""

    @property
    def sketch(self) -> Sketch:
        """Summary of the reference."""

    @property
    def golden(self) -> pd.DataFrame:
        """Golden rows."""

    @property
    def golden_scores(self) -> NDArray[np.float64]:
        """Their scores."""

    @property
    def facts(self) -> dict[str, Any]:
        """Provenance."""

    @property
    def reranking(self) -> Reranking | None:
        """Learned from known anomalies."""

    @property
    def dependence(self) -> Dependence:
        """Dependence of held-out rows."""


def write_parts(parts: BundleParts, folder: Path) -> None:
    """Write every file of a bundle but its seal into an empty folder."""
    parts.detector.save(folder / "detector")
    np.savez(folder / "calibration.npz", allow_pickle=False, **parts.calibration.to_arrays())
    numbers, golden_text = pack_rows(parts.golden)
    np.savez(folder / "golden.npz", allow_pickle=False, scores=parts.golden_scores, **numbers)
    if parts.reranking is not None:
        np.savez(folder / "reranking.npz", allow_pickle=False, **parts.reranking.arrays)
    if parts.features.baselines is not None:
        np.savez(folder / "entities.npz", allow_pickle=False, **parts.features.baselines.to_arrays())
    content = {
        "reranking": parts.reranking.to_dict() if parts.reranking else None,
        "contract": parts.contract.to_dict(),
        "features": parts.features.to_dict(),
        "policy": parts.policy.to_dict(),
        "calibration": parts.calibration.to_dict(),
        "golden": golden_text,
        "facts": parts.facts,
        "dependence": parts.dependence.to_dict(),
    }
    write_json(folder / "model.json", content)
    write_json(folder / "sketch.json", parts.sketch.to_dict())


def read_parts(folder: Path) -> dict[str, Any]:
    """Return the parts of a bundle by the names of its fields; older bundles lack some files."""
    content = read_json(folder / "model.json")
    golden_arrays = _load_arrays(folder / "golden.npz")
    reranking = baselines = None
    if content.get("reranking"):
        reranking = Reranking.restore(content["reranking"], _load_arrays(folder / "reranking.npz"))
    if content["features"].get("entities"):
        baselines = EntityScales.from_arrays(_load_arrays(folder / "entities.npz"))
    held_out = _load_arrays(folder / "calibration.npz")
    return {
        "contract": FrameContract.from_dict(content["contract"]),
        "features": FeatureEncoder.from_dict(content["features"], baselines),
        "detector": load_detector(folder / "detector"),
        "calibration": Calibration.restore(held_out, content["calibration"]),
        "policy": AlertPolicy.from_dict(content["policy"]),
        "sketch": Sketch.from_dict(read_json(folder / "sketch.json")),
        "golden": unpack_rows(golden_arrays, content["golden"]),
        "golden_scores": golden_arrays["scores"],
        "facts": content["facts"],
        "reranking": reranking,
        "dependence": Dependence.from_dict(content.get("dependence")),
    }


def pack_rows(rows: pd.DataFrame) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Split `rows`, DataFrame of shape (n, d), into arrays and JSON-able text.

    Arrays are named by column position, because a column may have any name.
    """
    arrays: dict[str, NDArray[Any]] = {}
    columns: list[dict[str, Any]] = []
    if (past := get_past(rows)) is not None:
        arrays |= {f"past_{name}": array for name, array in past.to_arrays().items()}
    for position, name in enumerate(drop_past(rows).columns):
        values = rows[name]
        if values.dtype.kind == "f":
            arrays[f"column{position}"] = values.to_numpy(dtype=np.float64)
            columns.append({"name": name, "kind": "number"})
        else:
            text = [None if value is None else str(value) for value in values]
            columns.append({"name": name, "kind": "category", "values": text})
    return arrays, {"rows": len(rows), "columns": columns}


def unpack_rows(arrays: Mapping[str, NDArray[Any]], text: Mapping[str, Any]) -> pd.DataFrame:
    """Read what `pack_rows` wrote: the same values, types and column order, with a new index."""
    columns: dict[str, Any] = {}
    for position, item in enumerate(text["columns"]):
        if item["kind"] == "category":
            columns[item["name"]] = pd.Series(item["values"], dtype=object)
        else:
            columns[item["name"]] = pd.Series(arrays[f"column{position}"])
    rows = pd.DataFrame(columns, index=pd.RangeIndex(text["rows"]))
    past = {name.removeprefix("past_"): array for name, array in arrays.items() if name.startswith("past_")}
    return replace_past(rows, PastArray.from_arrays(past)) if past else rows


def _load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    return read_arrays(path.read_bytes(), path)
