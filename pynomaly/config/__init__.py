"""One YAML a pipeline, read into frozen pydantic models; unknown keys are refused by name.

Called by every other room. Durations are written ``15m``, ``6h``, ``7d``, ``8w``; times are aware.
"""

from pynomaly.config.load import home_for, load, parse
from pynomaly.config.pipeline import (
    Alerts,
    Candidate,
    Comparison,
    Data,
    Degradation,
    Drift,
    Expectation,
    Features,
    Pipeline,
    Promotion,
    Quality,
    Records,
    Retraining,
    Schedule,
    Training,
    Windows,
)

__all__ = [
    "Alerts",
    "Candidate",
    "Comparison",
    "Data",
    "Degradation",
    "Drift",
    "Expectation",
    "Features",
    "Pipeline",
    "Promotion",
    "Quality",
    "Records",
    "Retraining",
    "Schedule",
    "Training",
    "Windows",
    "home_for",
    "load",
    "parse",
]
