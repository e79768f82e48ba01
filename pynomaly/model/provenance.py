"""Facts that a bundle stores about itself: library versions and notes for people who use it.

Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import GUARANTEES, Calibration
from pynomaly.model.features import FeatureEncoder

__all__ = ["collect_notes", "read_versions"]

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "pyod", "torch")


def collect_notes(
    rows: int, fitted: int, policy: AlertPolicy, calibration: Calibration, features: FeatureEncoder
) -> list[str]:
    """Return notes that people should read before using the model."""
    sampling_note = f"fitted on {fitted} of {rows} rows, sampled by seed" if fitted < rows else ""
    cross_note = f"p-values from out-of-fold scores: {GUARANTEES['cross']}"
    return [
        note
        for note in (
            sampling_note,
            policy.describe_resolution(calibration),
            cross_note if calibration.method == "cross" and calibration.computable else "",
            features.baselines.describe() if features.baselines is not None else "",
            calibration.groups.describe() if calibration.groups is not None else "",
        )
        if note
    ]


def read_versions() -> dict[str, str]:
    """Return Python and library versions; scores may differ between versions (mlflow#12638)."""
    version_of = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            version_of[name] = version(name)
        except PackageNotFoundError:
            continue
    return version_of
