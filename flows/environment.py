"""Where Prefect keeps its state and what it must not do, set before it is imported.

Called first by the command line and by the server processes. Everything lies under the home folder, and
nothing is sent anywhere.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pynomaly.records.telemetry import switch_off

__all__ = ["Running", "enter", "running"]


@dataclass(frozen=True)
class Running:
    """The servers that `pynomaly up` started for a home folder."""

    pid: int
    prefect: str
    mlflow: str

    @staticmethod
    def file(home: Path) -> Path:
        """Where a running `up` leaves its addresses."""
        return home / "up.json"

    def write(self, home: Path) -> None:
        """Leave the addresses for other processes."""
        self.file(home).write_text(json.dumps(asdict(self)))


def running(home: Path) -> Running | None:
    """The live servers of `home`, or None; a file left by a dead process counts for nothing."""
    try:
        found = Running(**json.loads(Running.file(home).read_text()))
        os.kill(found.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return found


def enter(home: Path, *, api_url: str = "", quiet: bool = True) -> None:
    """Point Prefect at `home` (or at the servers running for it) and switch every telemetry off.

    Parameters
    ----------
    home : Path
        Created if it is not there.
    api_url : str
        Address of a Prefect API; empty means the running one of `home`, else a server of this process's own.
    quiet : bool
        Keep Prefect's log lines off the terminal; they are kept with the run all the same.
    """
    home.mkdir(parents=True, exist_ok=True)
    switch_off()
    live = running(home)
    address = api_url or os.environ.get("PREFECT_API_URL", "") or (live.prefect + "/api" if live else "")
    if address:
        os.environ["PREFECT_API_URL"] = address
    if live:
        os.environ.setdefault("PYNOMALY_MLFLOW_PAGES", live.mlflow)
    os.environ.update(
        {
            "PYNOMALY_HOME": str(home),
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
            "PREFECT_SERVER_UI_V2_ENABLED": "false",
            # A fresh database takes half a minute of migrations; the default wait is 20 s.
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
            "PREFECT_CLI_PROMPT": "false",
        }
    )
    if quiet:
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
        os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
