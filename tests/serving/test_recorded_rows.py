"""Rows of requests are kept and watched like those of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError, RecordError
from pynomaly.records.ledger import Ledger
from pynomaly.serving.web import create_app
from pynomaly.steps.streaming.served_rows import ServedRows
from tests.servers import answering
from tests.steps.conftest import pipeline  # noqa: F401 the fixture that live_table takes
from tests.steps.streaming.conftest import LiveTable, live_table  # noqa: F401 as a fixture
from tests.steps.streaming.test_closing import DAY, close, read_live_scores, rows_of, score_by_batch


def make_rows(table: LiveTable) -> list[dict[str, Any]]:
    rows = rows_of(table, DAY)
    return rows.assign(time=rows["time"].map(str)).to_dict("records")


def serve_only(settings: Pipeline) -> Pipeline:
    return settings.model_copy(
        update={
            "stream": type(settings.stream)(),
            "serving": settings.serving.model_copy(update={"record": True}),
        }
    )


def test_what_is_served_is_recorded_and_closes_as_batch(live_table: Callable[..., LiveTable]) -> None:  # noqa: F811
    table = live_table()
    table.live = serve_only(table.live)
    rows = make_rows(table)
    problems: list[str] = []
    with ServedRows(table.live, problems.append) as served:
        app = create_app(table.live, record=served.record)
        with answering(app) as client:
            answers = [
                client.post("/score", json={"rows": rows[first : first + 16]}) for first in range(0, 96, 16)
            ]
            again = client.post("/score", json={"rows": rows[:16]})
        assert {item.status_code for item in [*answers, again]} == {200}
        scores = [row["score"] for item in answers for row in item.json()["rows"]]
        with Ledger.open(table.live.ledger_url) as ledger:
            [window] = ledger.stream.list_open_windows(table.live.name)
        assert (window.window, window.rows) == (DAY.key, 96)
    assert problems == []
    assert close(table) == [DAY.key]
    live = read_live_scores(table, DAY)
    assert_frame_equal(live, score_by_batch(table, DAY), check_exact=True)
    assert sorted(scores) == pytest.approx(sorted(live["score"]), abs=0)


def test_a_server_that_ends_records_no_more(live_table: Callable[..., LiveTable]) -> None:  # noqa: F811
    table = live_table()
    settings = serve_only(table.live)
    with ServedRows(settings) as served:
        served.record(make_rows(table)[:2])
    app = create_app(settings, record=served.record)
    with answering(app) as client:
        refused = client.post("/score", json={"rows": make_rows(table)[:2]})
    assert refused.status_code == 503
    assert "not recorded" in refused.json()["detail"][0]["msg"]
    with pytest.raises(RecordError, match="not recorded"):
        served.record([{"time": "2026-01-20T00:00:00Z"}])


def test_a_source_of_another_kind_keeps_no_served_rows(live_table: Callable[..., LiveTable]) -> None:  # noqa: F811
    table = live_table()
    with pytest.raises(ConfigError, match=r"data\.source: stream"):
        ServedRows(table.batch)
