"""Drift reports in Evidently's own pages: one project a pipeline, and no verdict that waits for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows.machine.servers import find_free_port
from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.errors import RecordError
from pynomaly.records.evidently_pages import publish_report
from pynomaly.records.evidently_report import render_drift_page


@pytest.fixture(scope="module")
def report() -> Any:
    frame = pd.DataFrame({"a": np.random.default_rng(0).normal(size=200)})
    contract = FrameContract(numeric=("a",), categorical=(), time=None, id=None, label=None)
    return render_drift_page(frame, frame + 1, contract, config.Drift(), seed=1)[1]


@pytest.mark.slow
def test_reports_of_a_pipeline_are_in_one_project(report: Any, tmp_path: Path) -> None:
    from evidently.ui.workspace import Workspace

    for pipeline, window in (("machines", "monday"), ("machines", "tuesday"), ("machines-2", "monday")):
        publish_report(report, str(tmp_path / "pages"), pipeline, window)
    pages = Workspace.create(str(tmp_path / "pages"))
    held = {project.name: len(pages.list_runs(project.id)) for project in pages.list_projects()}
    assert held == {"machines": 2, "machines-2": 1}


def test_pages_that_are_not_there_are_named(report: Any, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{find_free_port()}"
    with pytest.raises(RecordError, match=f"{address} did not take 'monday'"):
        publish_report(report, address, "machines", "monday")
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="did not take"):
        publish_report(report, str(tmp_path / "file" / "pages"), "machines", "monday")
