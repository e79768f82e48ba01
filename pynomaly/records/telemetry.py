"""Switch off the telemetry of the libraries that Pynomaly uses.

Each entry point (command line, flows) calls it once before it imports such a library; importing this module
changes nothing. A variable that the user set otherwise is overwritten: nothing leaves the machine by default.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

__all__ = ["TELEMETRY_OFF", "disable_telemetry"]

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",  # Evidently, MLflow and others
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # not telemetry, but it prints on every terminal
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # likewise; standard output is for results
}


def disable_telemetry(environment: MutableMapping[str, str] | None = None) -> None:
    """Set every variable of :data:`TELEMETRY_OFF` in `environment`; default: of this process."""
    (os.environ if environment is None else environment).update(TELEMETRY_OFF)
