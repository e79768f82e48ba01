"""Measure a new version without labels, for the windows that are compared with its training.

Called when a version is registered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.data.row_files import load_rows
from pynomaly.model.bundle import Bundle
from pynomaly.records.registry import Registry
from pynomaly.steps.champion import find_champion
from pynomaly.steps.training.fit_candidates import FittedCandidate
from pynomaly.steps.training.label_free_checks import probe_version
from pynomaly.steps.training.prepare import PreparedReference
from pynomaly.steps.training.recalibration.new_p_values import read_baseline

__all__ = ["probe_winner"]


def probe_winner(
    pipeline: Pipeline, prepared: PreparedReference, item: FittedCandidate, registry: Registry
) -> dict[str, Any]:
    """Returns the probe of the winner on the rows of its training, which hold no injected anomalies.

    New p-values change no ranking: a recalibrated version keeps its detector's probe, where there is one. The
    rows that set them are too few, as a rule, to measure another.
    """
    champion = find_champion(pipeline, registry) if item.recalibrated else None
    if champion is not None and (kept := read_baseline(pipeline, champion).probe):
        return dict(kept)
    bundle = Bundle.load(Path(item.folder), item.sha256)
    fitted, held_out = (load_rows(prepared.path, part) for part in ("fit", "calibration"))
    return probe_version(pipeline, bundle, fitted, held_out).to_dict()
