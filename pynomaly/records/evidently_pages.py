"""Put a drift report where a team reads them: a project a pipeline in Evidently's own pages.

By address (``evidently ui`` of a team, with the secret in ``$EVIDENTLY_SECRET``) or by folder (a workspace
that ``evidently ui --workspace FOLDER`` shows). The pages are for people; nothing reads them back.
Judged again, a window has another report of the same name: the server's interface cannot list its reports.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from pynomaly.errors import RecordError

__all__ = ["publish"]


def publish(report: Any, address: str, pipeline: str, name: str) -> None:
    """Add `report`, as ``drift_page`` made it, to the pipeline's project.

    Raises
    ------
    RecordError
        If the pages cannot be reached, or do not take it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Evidently's own: it is built on deprecated calls
            from evidently.ui.workspace import RemoteWorkspace, Workspace

            if address.startswith(("http://", "https://")):
                place: Any = RemoteWorkspace(address, secret=os.environ.get("EVIDENTLY_SECRET"))
            else:
                place = Workspace.create(str(Path(address).expanduser()))
            found = [item for item in place.search_project(pipeline) if item.name == pipeline]
            project = found[0] if found else place.create_project(pipeline)
            place.add_run(project.id, report, name=name)
    except Exception as error:  # whatever its client raises: requests', ours, a bare AssertionError
        raise RecordError(
            f"Evidently's pages at {address} did not take {name!r}: {type(error).__name__}: {error}"
        ) from error
