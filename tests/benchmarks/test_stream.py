"""The measurement of the live path sends what it says, and its quick form counts every row after a kill."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pandas as pd
import pytest

from benchmarks import stream, stream_bench


def test_messages_are_the_rows_of_their_numbers() -> None:
    rows = stream_bench.make_rows(500, 300)
    records = [orjson.loads(body) for body in stream_bench.make_bodies(500, 300)]
    assert [record["machine"] for record in records] == rows["machine"].tolist()
    assert [pd.Timestamp(record["time"]) for record in records] == rows["time"].tolist()
    assert [record["sensor_3"] for record in records] == rows["sensor_3"].tolist()
    assert not rows.duplicated(["machine", "time"]).any()
    assert all(200 < len(orjson.dumps(record)) < 400 for record in records)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_quick_form_loses_and_doubles_no_row_over_a_kill(tmp_path: Path) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    holds, facts = stream.check_quickly(tmp_path)
    assert holds, facts
