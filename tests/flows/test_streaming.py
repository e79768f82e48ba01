"""A worker of a stream as a flow, and windows that the scheduled scoring closes without one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.scoring import score
from flows.serve import make_deployments
from flows.streaming import stream
from flows.training import train
from pynomaly.config import load_pipeline
from pynomaly.data.sources import read_source
from pynomaly.records.ledger import Ledger
from pynomaly.steps.streaming.past_rows import import_rows
from tests.flows.conftest import Answer, publish_rows
from tests.machines import make_machines

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300), pytest.mark.usefixtures("prefect_api")]

ROWS = make_machines(17)


def test_only_a_pipeline_with_a_broker_has_a_worker(live_file: Path) -> None:
    live = load_pipeline(live_file)
    names = [item.flow_name for item in make_deployments(live)]
    assert names.count("stream") == 1
    plain = live.model_copy(update={"stream": type(live.stream)()})
    assert "stream" not in [item.flow_name for item in make_deployments(plain)]


def test_scheduled_scoring_scores_what_a_worker_left(live_file: Path, command: Callable[..., Answer]) -> None:
    pipeline = load_pipeline(live_file)
    cut = datetime(2026, 1, 19, tzinfo=UTC)
    past, new = ROWS[ROWS["time"] < cut], ROWS[ROWS["time"] >= cut]
    past.to_csv(live_file.parent / "past.csv", index=False)
    assert import_rows(pipeline, live_file.parent / "past.csv").windows == 14
    publish_rows(live_file, new)
    worked = command("stream", live_file, "--until-idle", "1", "--json").json
    assert (worked["rows"], worked["scored"]) == (len(new), 0)
    train(str(live_file), as_of=cut.isoformat())
    result = score(str(live_file))
    assert [item["rows"] for item in result["windows"]] == [96, 96]
    with Ledger.open(pipeline.ledger_url) as ledger:  # more rows of the last day may come
        assert [item.rows for item in ledger.stream.list_open_windows(pipeline.name)] == [96]
    assert len(read_source(pipeline.data)) == len(ROWS) - 96


def test_a_worker_ends_after_its_time(live_file: Path) -> None:
    assert stream(str(live_file), minutes=0)["messages"] == 0
