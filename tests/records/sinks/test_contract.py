"""Every kind of sink: twice is once, a window is replaced, text stays text, and errors hold no secret."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pynomaly.config.delivery import SINK_KINDS
from pynomaly.errors import ConfigError, PynomalyError, ReceiverError, RefusedError
from pynomaly.records.sinks import SINKS, Part
from pynomaly.records.sinks.content.columns import COLUMNS, conform_rows
from tests.receivers import Reply
from tests.records.sinks.benches import BENCHES, Bench, bench_sql
from tests.written import ENTITIES

START = datetime(2026, 1, 5, tzinfo=UTC)
APPENDS = {"powerbi"}
"""Kinds whose service keeps what was replaced; see their modules."""
KEEPS = {"influx", "topic", "webhook", "powerbi"}
"""Kinds in which rows of a window that went stay: points, events, rows that are only appended."""

KINDS = [
    *(kind for kind in BENCHES),
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.server),
]


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param in BENCHES:
        manager = BENCHES[request.param](tmp_path)
    else:
        server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
        manager = bench_sql(tmp_path, server)
    with manager as made:
        yield made


def make_rows(what: str, numbers: range, value: float = 1.0) -> pd.DataFrame:
    """Rows with every kind of text, missing and infinite numbers, and a missing whole number."""
    names = COLUMNS[what]
    rows = []
    for number in numbers:
        row: dict[str, Any] = {}
        for name, kind in names.items():
            if kind == "text":
                row[name] = ENTITIES[number % len(ENTITIES)]
            elif kind == "integer":
                row[name] = number + 1
            elif kind == "number":
                row[name] = (value, math.nan, math.inf, 0.1)[number % 4]
            elif kind == "truth":
                row[name] = number % 2 == 0
            else:
                row[name] = START + timedelta(minutes=number)
        rows.append(row | {"key": f"{what}/{number}", "pipeline": "machines", "window": "w1"})
    return conform_rows(what, pd.DataFrame(rows))


def make_part(what: str, numbers: range = range(12), value: float = 1.0, revision: str = "a" * 64) -> Part:
    rows = make_rows(what, numbers, value)
    return Part(
        "machines",
        what,
        "w1" if what == "scores" else "1-12",
        revision if what == "scores" else "",
        rows,
        0,
        len(rows),
    )


def test_every_kind_has_settings_a_bench_and_a_module() -> None:
    assert set(SINK_KINDS) == set(SINKS) == {*BENCHES, "sql"}


@pytest.mark.parametrize("what", COLUMNS)
def test_handed_over_twice_is_handed_over_once(bench: Bench, what: str) -> None:
    part = make_part(what)
    with bench.open() as receiver:
        receiver.deliver(part)
        once = bench.read()
        receiver.deliver(part)
    with bench.open() as receiver:
        receiver.deliver(part)
    again = bench.read()
    assert set(once) == set(again) == set(part.rows["key"])
    if bench.settings["kind"] not in APPENDS:
        assert again == once or str(again) == str(once)  # NaN is no equal of itself


def test_cells_arrive_as_they_are(bench: Bench) -> None:
    part = make_part("alerts")
    with bench.open() as receiver:
        receiver.deliver(part)
    arrived = bench.read()
    for place, (key, row) in enumerate(zip(part.rows["key"], part.rows.to_dict("records"), strict=True)):
        entity = arrived[key]["entity"]
        if bench.settings["kind"] == "xlsx":
            entity = entity.removeprefix("'")  # no cell of a workbook is a formula
        if bench.settings["kind"] == "influx":
            entity = entity.replace("\\n", "\n").replace("\\t", "\t")
        assert entity == row["entity"]
        score = arrived[key].get("score")
        if place % 4 in (1, 2):
            assert score in (None, "") or math.isnan(score)
        else:
            assert score == pytest.approx(row["score"])


def test_a_window_scored_again_replaces_itself(bench: Bench) -> None:
    with bench.open() as receiver:
        receiver.deliver(make_part("scores"))
        receiver.deliver(make_part("scores", range(4, 10), value=7.0, revision="b" * 64))
    rows = bench.read()
    assert rows["scores/4"]["score"] == 7.0
    if bench.settings["kind"] not in KEEPS:
        assert set(rows) == {f"scores/{number}" for number in range(4, 10)}


def test_a_window_without_rows_empties_it(bench: Bench) -> None:
    with bench.open() as receiver:
        receiver.deliver(make_part("scores"))
        empty = make_part("scores", range(1), revision="c" * 64)
        receiver.deliver(replace(empty, rows=empty.rows.iloc[:0], total=0))
    if bench.settings["kind"] not in KEEPS:
        assert bench.read() == {}


def test_parts_of_a_window_add_up_in_any_number(bench: Bench) -> None:
    whole = make_part("scores")
    if SINKS[bench.settings["kind"]].takes_windows_whole:
        pytest.skip("it takes the scores of a window whole")
    with bench.open() as receiver:
        for first in range(0, 12, 5):
            rows = whole.rows.iloc[first : first + 5].reset_index(drop=True)
            receiver.deliver(replace(whole, rows=rows, first=first, total=12))
    assert set(bench.read()) == set(whole.rows["key"])


def test_two_windows_and_two_pipelines_leave_each_other_alone(bench: Bench) -> None:
    first = make_part("scores", range(3))
    second = make_part("scores", range(3, 6))
    second = replace(second, subject="w2", rows=second.rows.assign(window="w2"))
    other = make_part("scores", range(6, 9))
    other = replace(other, pipeline="others", rows=other.rows.assign(pipeline="others"))
    with bench.open() as receiver:
        for part in (first, second, other, replace(first, revision="d" * 64)):
            receiver.deliver(part)
    assert set(bench.read()) == {f"scores/{number}" for number in range(9)}


def test_it_says_that_it_answers_and_changes_nothing(bench: Bench) -> None:
    with bench.open() as receiver:
        assert receiver.check()
    assert bench.read() == {}


def test_a_server_that_is_down_is_a_failure_and_no_refusal(bench: Bench) -> None:
    if bench.server is None:
        pytest.skip("no server stands behind it")
    bench.server.answer = lambda asked: Reply(0)
    with bench.open() as receiver, pytest.raises(ReceiverError) as caught:
        receiver.deliver(make_part("alerts"))
    assert_no_secret(bench, str(caught.value))


def test_who_may_not_waits_or_is_refused_without_a_secret_in_the_text(bench: Bench) -> None:
    if bench.server is None:
        pytest.skip("no server stands behind it")
    if bench.settings["kind"] == "webhook":
        bench.server.answer = lambda asked: Reply(401)
        with bench.open() as receiver, pytest.raises(RefusedError):
            receiver.deliver(make_part("alerts"))
        return
    if bench.settings["kind"] == "sheets":
        bench.server.answer = lambda asked: Reply(403, {"error": "access_denied"})
    wrong = {name: "the-wrong-secret" for name in bench.secrets if name in ("token", "secret")}
    with pytest.raises(PynomalyError) as caught, bench.open(**wrong) as receiver:
        receiver.deliver(make_part("alerts"))
    assert not isinstance(caught.value, RefusedError)
    assert "the-wrong-secret" not in str(caught.value)
    assert_no_secret(bench, str(caught.value))


def assert_no_secret(bench: Bench, message: str) -> None:
    for secret in bench.secrets.values():
        assert secret not in message
    assert "topsecret" not in message
    assert "PRIVATE KEY" not in message


@pytest.mark.parametrize("kind", ["parquet", "xlsx", "delta"])
def test_a_place_that_cannot_be_written_is_a_failure(kind: str, tmp_path: Path) -> None:
    with BENCHES[kind](tmp_path) as bench:
        (tmp_path / ("tables" if kind == "delta" else "files")).write_text("a file where a folder should be")
        with pytest.raises(ReceiverError), bench.open() as receiver:
            receiver.deliver(make_part("alerts"))


@pytest.mark.parametrize(
    "address", ["", "nonsense", "mysql://u:topsecret@h/x", "postgresql://u:topsecret@h:port/x"]
)
def test_an_address_of_no_database_is_one_message(address: str) -> None:
    settings = {"name": "db", "kind": "sql", "address_env": "DB"}
    with pytest.raises(ConfigError) as caught:
        SINKS["sql"].open_receiver(SINK_KINDS["sql"].model_validate(settings), {"address": address})
    assert "topsecret" not in str(caught.value)


def test_a_table_with_other_columns_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "sink.db") as database:
        database.execute("CREATE TABLE pynomaly_alerts (key TEXT PRIMARY KEY, entity TEXT)")
    database.close()
    with bench_sql(tmp_path) as bench, bench.open() as receiver:
        with pytest.raises(ConfigError, match=r"pynomaly_alerts has no column 'pipeline'.*prefix"):
            receiver.deliver(make_part("alerts"))
        receiver.deliver(make_part("decisions"))


def test_a_file_with_other_columns_is_not_overwritten(tmp_path: Path) -> None:
    with BENCHES["xlsx"](tmp_path) as bench, bench.open() as receiver:
        receiver.deliver(make_part("alerts"))
        (file,) = (tmp_path / "files").rglob("*.xlsx")
        other = make_part("decisions")
        with bench.open() as second:
            second.deliver(other)
        (wrong,) = (tmp_path / "files" / "machines" / "decisions").glob("*.xlsx")
        file.write_bytes(wrong.read_bytes())
        with pytest.raises(RefusedError, match="other columns"):
            receiver.deliver(make_part("alerts", range(12, 14)))


def test_no_cell_of_a_workbook_is_a_formula(tmp_path: Path) -> None:
    from openpyxl import load_workbook

    with BENCHES["xlsx"](tmp_path) as bench, bench.open() as receiver:
        receiver.deliver(make_part("alerts"))
        receiver.deliver(make_part("alerts", range(10, 14)))
    (file,) = (tmp_path / "files").rglob("*.xlsx")
    cells = [cell for row in load_workbook(file).worksheets[0].iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "b", "inlineStr"}
    assert "'=1+1" in {cell.value for cell in cells}
    assert not any(str(cell.value).startswith("''") for cell in cells)
