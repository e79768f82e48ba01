"""Environment variables of Prefect: where its state lies, and no telemetry. Set before Prefect is imported.

The command line and the server processes call it first. All state lies under the home folder, and nothing is
sent to another machine.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pynomaly.records.databases import make_new_database
from pynomaly.records.telemetry import disable_telemetry

__all__ = ["RunningServers", "configure_environment", "find_running_servers", "make_prefect_database"]


@dataclass(frozen=True)
class RunningServers:
    """The servers that `pynomaly up` started for a home folder."""

    pid: int
    prefect: str
    mlflow: str

    @staticmethod
    def file(home: Path) -> Path:
        """Returns the path of the file in which a running `up` stores its addresses."""
        return home / "up.json"

    def write(self, home: Path) -> None:
        """Write the addresses to the file, for other processes."""
        self.file(home).write_text(json.dumps(asdict(self)))


def find_running_servers(home: Path) -> RunningServers | None:
    """Returns the running servers of `home`, or None; a file left by a dead process is ignored."""
    try:
        servers = RunningServers(**json.loads(RunningServers.file(home).read_text()))
        os.kill(servers.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return servers


def configure_environment(home: Path, *, api_url: str = "", quiet: bool = True) -> None:
    """Point Prefect at `home` (or at the servers running for it) and switch off all telemetry.

    Parameters
    ----------
    home : Path
        Created if it is not there.
    api_url : str
        Address of a Prefect API; empty means the running server of `home`, else one that the command starts.
    quiet : bool
        Keep Prefect's log lines off the terminal; they are stored with the run anyway.
    """
    home.mkdir(parents=True, exist_ok=True)
    disable_telemetry()
    servers = find_running_servers(home)
    address = (
        api_url or os.environ.get("PREFECT_API_URL", "") or (servers.prefect + "/api" if servers else "")
    )
    if address:
        os.environ["PREFECT_API_URL"] = address
    if servers:
        os.environ.setdefault("PYNOMALY_MLFLOW_PAGES", servers.mlflow)
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


def make_prefect_database(home: Path) -> None:
    """Make Prefect's database of a new home, before a server does so by its migrations.

    Nothing is made where settings of Prefect name a database.
    """
    if any(name.startswith("PREFECT_") and "DATABASE" in name for name in os.environ):
        return
    folder = Path(os.environ.get("PREFECT_HOME", home / "prefect"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_new_database("prefect", folder / "prefect.db")
