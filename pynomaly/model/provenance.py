"""What a bundle says of itself: library versions, and what a person should know before trusting it.

Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from pynomaly.model.alerts import AlertPolicy
from pynomaly.model.calibration import GUARANTEES, Calibration

__all__ = ["notes", "versions"]

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "pyod", "torch")


def notes(given: int, fitted: int, policy: AlertPolicy, calibration: Calibration) -> list[str]:
    """What a person should know before trusting the model."""
    sampled = f"fitted on {fitted} of {given} rows, sampled by seed" if fitted < given else ""
    crossed = f"p-values from out-of-fold scores: {GUARANTEES['cross']}"
    return [
        note
        for note in (
            sampled,
            policy.resolution_note(calibration),
            crossed if calibration.method == "cross" and calibration.computable else "",
        )
        if note
    ]


def versions() -> dict[str, str]:
    """Python and library versions; scores may differ between them (mlflow#12638)."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
