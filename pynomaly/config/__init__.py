"""One YAML for each pipeline, read into frozen pydantic models; an unknown key is an error that names it.

Durations are written ``15m``, ``6h``, ``7d``, ``8w``; times are aware.

Called by `flows`, `console`, `tasks`, `serving`, `steps`, `records`, `judging`, `model`, `detectors` and
`data`. May import `errors`.
"""

from pynomaly.config.alerting import ALERT_POLICIES, Alerts, Feedback, Grouping, PolicyForm, read_deviation
from pynomaly.config.data import SOURCE_KINDS, Data, Expectation, Limits, Long, Quality, Windows
from pynomaly.config.delivery import RECORD_KINDS, SINK_KINDS, RecordKind, Sink, list_secret_keys
from pynomaly.config.load import (
    find_home,
    is_pipeline_file,
    list_pipeline_files,
    list_settings,
    load_pipeline,
    parse_pipeline,
)
from pynomaly.config.monitoring import Account, Degradation, Drift
from pynomaly.config.notices import (
    EVENTS,
    SEVERITIES,
    Console,
    Digest,
    Notify,
    Quiet,
    Route,
    Severity,
    Target,
)
from pynomaly.config.operations import Drill, Reports, Retention, Runner, Schedule
from pynomaly.config.overlay import ADDRESSES
from pynomaly.config.overlay import VARIABLE as ENVIRONMENT
from pynomaly.config.pipeline import Pipeline, Records
from pynomaly.config.promotion import Comparison, Promotion
from pynomaly.config.series import RELATION_KINDS, Graph, Series
from pynomaly.config.serving import Serving
from pynomaly.config.settings import hide_password
from pynomaly.config.spelling.environment import read_variable
from pynomaly.config.streaming import BROKERS, Stream
from pynomaly.config.training import Candidate, Features, Retraining, Search, Training

__all__ = [
    "ADDRESSES",
    "ALERT_POLICIES",
    "BROKERS",
    "ENVIRONMENT",
    "EVENTS",
    "RECORD_KINDS",
    "RELATION_KINDS",
    "SEVERITIES",
    "SINK_KINDS",
    "SOURCE_KINDS",
    "Account",
    "Alerts",
    "Candidate",
    "Comparison",
    "Console",
    "Data",
    "Degradation",
    "Digest",
    "Drift",
    "Drill",
    "Expectation",
    "Features",
    "Feedback",
    "Graph",
    "Grouping",
    "Limits",
    "Long",
    "Notify",
    "Pipeline",
    "PolicyForm",
    "Promotion",
    "Quality",
    "Quiet",
    "RecordKind",
    "Records",
    "Reports",
    "Retention",
    "Retraining",
    "Route",
    "Runner",
    "Schedule",
    "Search",
    "Series",
    "Serving",
    "Severity",
    "Sink",
    "Stream",
    "Target",
    "Training",
    "Windows",
    "find_home",
    "hide_password",
    "is_pipeline_file",
    "list_pipeline_files",
    "list_secret_keys",
    "list_settings",
    "load_pipeline",
    "parse_pipeline",
    "read_deviation",
    "read_variable",
]
