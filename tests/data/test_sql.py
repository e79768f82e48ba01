"""Rows of a query, from sqlite and from a real PostgreSQL."""

from __future__ import annotations

import pandas as pd
import pytest
from sqlalchemy import create_engine

from pynomaly.config import Data
from pynomaly.data.sources import read_source, read_span
from pynomaly.data.sources.sample import SamplingPass, bound_row_count
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, ConfigError, SourceError, WindowError
from tests.databases import create_database
from tests.machines import make_machines

QUERY = 'select * from readings where "time" >= :start and "time" < :end'


@pytest.fixture
def table():
    return make_machines(6)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def plant(request, tmp_path, monkeypatch, table):
    """A database with the table of machines; its address is in the environment alone."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path / 'plant.db'}"
        stored = table.assign(time=[moment.isoformat() for moment in table["time"]])
    else:
        address = create_database(request.getfixturevalue("postgres"))
        stored = table
    engine = create_engine(address)
    stored.to_sql("readings", engine, index=False)
    engine.dispose()
    monkeypatch.setenv("PLANT_DB", address)
    return address


def data(**changes) -> Data:
    content = {"connection": "PLANT_DB", "query": QUERY, "time": "time", "id": "machine", "label": "anomaly"}
    return Data(source="sql", **{**content, **changes})


def test_a_query_reads_as_its_table_in_a_file_does(plant, table, tmp_path):
    table.to_csv(tmp_path / "t.csv", index=False)
    same = Data(source="csv", path=str(tmp_path / "t.csv"), time="time", id="machine", label="anomaly")
    pd.testing.assert_frame_equal(read_source(data()), read_source(same), check_dtype=False)
    assert read_span(data()) == read_span(same)
    first = read_span(same).start
    window = Window(first + pd.Timedelta(days=2), first + pd.Timedelta(days=3))
    pd.testing.assert_frame_equal(read_source(data(), window), read_source(same, window), check_dtype=False)


def test_chunks_make_one_table(plant, table, monkeypatch):
    monkeypatch.setattr("pynomaly.data.sources.sql._CHUNK", 7)
    assert len(read_source(data())) == len(table)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["reservoir", "time"])
def test_a_sample_of_a_query_is_the_same_in_any_chunks_and_order(plant, table, monkeypatch, how):
    first = read_span(data()).start
    window = Window(first + pd.Timedelta(days=1), first + pd.Timedelta(days=4))
    whole = read_source(data(), window)
    assert bound_row_count(data(), window) == len(whole)

    def drawn(size, **changes):
        sampling = SamplingPass(data(**changes), window, size=size, seed=3, how=how, batch_rows=1000)
        assert sum(len(part) for part in sampling.read_batches()) == sampling.seen == len(whole)
        return sampling.frame()

    pd.testing.assert_frame_equal(drawn(10_000), whole, check_dtype=False)
    part = drawn(64)
    assert len(part) == 64
    monkeypatch.setattr("pynomaly.data.sources.sql._CHUNK", 7)
    pd.testing.assert_frame_equal(drawn(64), part)
    backwards = QUERY + ' order by "time" desc, machine desc;'
    pd.testing.assert_frame_equal(drawn(64, query=backwards), part)


def test_cells_of_several_types_in_one_column_are_text(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANT_DB", f"sqlite:///{tmp_path / 'plant.db'}")
    mixed = "select 1 as a, 2 as b union all select 'x', null union all select 2.5, 3"
    sampling = SamplingPass(
        data(query=mixed, time=None, id=None, label=None), None, size=9, seed=0, how="time", batch_rows=9
    )
    list(sampling.read_batches())
    assert sampling.frame()["a"].tolist() == ["1", "x", "2.5"]
    assert sampling.frame()["b"].dropna().tolist() == [2, 3]


def test_a_window_without_rows_is_said_so(plant):
    late = pd.Timestamp("2030-01-01", tz="UTC").to_pydatetime()
    with pytest.raises(WindowError, match=r"data\.query gives none"):
        read_source(data(), Window(late, late + pd.Timedelta(days=1)))


def test_a_query_may_not_write(plant, table):
    with pytest.raises(SourceError, match="cannot answer"):
        read_source(data(query="delete from readings where :start < :end returning *"))
    assert len(read_source(data())) == len(table)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"query": "select * from nowhere where :start < :end"}, SourceError, "nowhere"),
        ({"query": f"{QUERY} and 1 = 0"}, SourceError, "no rows"),
        ({"time": "tme"}, ColumnError, "did you mean 'time'"),
    ],
)
def test_what_is_wrong_is_said(plant, changes, error, message):
    with pytest.raises(error, match=message):
        read_source(data(**changes))
    with pytest.raises(error, match=message):
        read_span(data(**changes))


def test_a_column_twice_in_the_result_is_refused(plant):
    with pytest.raises(ColumnError, match="'a' occurs more than once"):
        read_source(data(query="select 1 as a, 2 as a where :start < :end"))


def test_an_address_is_taken_from_the_environment_and_never_shown(monkeypatch):
    monkeypatch.delenv("PLANT_DB", raising=False)
    with pytest.raises(ConfigError, match="environment has no PLANT_DB"):
        read_source(data())
    monkeypatch.setenv("PLANT_DB", "nonsense")
    with pytest.raises(ConfigError, match="no usable database URL"):
        read_source(data())
    monkeypatch.setenv("PLANT_DB", "postgresql+psycopg://me:a-planted-secret@127.0.0.1:1/none")
    with pytest.raises(SourceError) as caught:
        read_source(data())
    assert "a-planted-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query": None}, "needs data.connection and data.query"),
        ({"connection": "postgresql://me:secret@host/db"}, "environment variable"),
        ({"query": "select * from readings"}, ":start and :end"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        data(**changes)
