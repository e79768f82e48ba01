"""One YAML for each pipeline, read into frozen pydantic models; an unknown key is an error that names it.

Used by every other package. Durations are written ``15m``, ``6h``, ``7d``, ``8w``; times are aware.
"""

from pynomaly.config.data import Data, Expectation, Limits, Quality, Series, Windows
from pynomaly.config.governing import Comparison, Degradation, Drift, Promotion, Retraining
from pynomaly.config.load import find_home, list_settings, load_pipeline, parse_pipeline
from pynomaly.config.model import Alerts, Candidate, Features, Training
from pynomaly.config.operating import (
    EVENTS,
    Drill,
    Feedback,
    Grouping,
    Notify,
    Reports,
    Retention,
    Serving,
    Target,
)
from pynomaly.config.overlay import ADDRESSES
from pynomaly.config.overlay import VARIABLE as ENVIRONMENT
from pynomaly.config.pipeline import Pipeline, Records, Runner, Schedule
from pynomaly.config.settings import hide_password

__all__ = [
    "ADDRESSES",
    "ENVIRONMENT",
    "EVENTS",
    "Alerts",
    "Candidate",
    "Comparison",
    "Data",
    "Degradation",
    "Drift",
    "Drill",
    "Expectation",
    "Features",
    "Feedback",
    "Grouping",
    "Limits",
    "Notify",
    "Pipeline",
    "Promotion",
    "Quality",
    "Records",
    "Reports",
    "Retention",
    "Retraining",
    "Runner",
    "Schedule",
    "Series",
    "Serving",
    "Target",
    "Training",
    "Windows",
    "find_home",
    "hide_password",
    "list_settings",
    "load_pipeline",
    "parse_pipeline",
]
