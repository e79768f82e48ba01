"""Add a drift report to Evidently's own user interface, in one project per pipeline.

The target is an address (``evidently ui`` of a team, with the secret in ``$EVIDENTLY_SECRET``) or a folder (a
workspace that ``evidently ui --workspace FOLDER`` shows). The pages are for people; nothing reads them back.
A window that is judged again gets a second report of the same name, because the server cannot list its
reports.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from pynomaly.config import read_variable
from pynomaly.errors import RecordError

__all__ = ["publish_report"]


def publish_report(report: Any, address: str, pipeline: str, name: str) -> None:
    """Add `report`, which ``drift_page`` made, to the pipeline's project.

    Raises
    ------
    RecordError
        If Evidently cannot be reached, or refuses the report.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Evidently itself uses deprecated calls
            from evidently.ui.workspace import RemoteWorkspace, Workspace

            if address.startswith(("http://", "https://")):
                workspace: Any = RemoteWorkspace(address, secret=read_variable("EVIDENTLY_SECRET") or None)
            else:
                workspace = Workspace.create(str(Path(address).expanduser()))
            projects = [item for item in workspace.search_project(pipeline) if item.name == pipeline]
            project = projects[0] if projects else workspace.create_project(pipeline)
            workspace.add_run(project.id, report, name=name)
    except Exception as error:  # its client raises many kinds: requests', ours, a bare AssertionError
        raise RecordError(
            f"Evidently's pages at {address} did not take {name!r}: {type(error).__name__}: {error}"
        ) from error
