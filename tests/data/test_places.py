"""Bytes wherever they lie: a folder, a real S3 server, and fsspec's memory as any other cloud."""

from __future__ import annotations

import hashlib
import os
import uuid

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Data
from pynomaly.data.places import resolve_place
from pynomaly.data.sources import read_source, read_span
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, ConfigError, SourceError
from tests.buckets import run_s3_server
from tests.machines import make_machines


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.server), "memory"])
def root(request, tmp_path):
    if request.param == "folder":
        return resolve_place(tmp_path / "root")
    if request.param == "bucket":
        return resolve_place(request.getfixturevalue("bucket"))
    return resolve_place(f"memory://{uuid.uuid4().hex}")


def test_what_is_written_is_read_back_and_found(root):
    assert not (root / "a" / "b.txt").exists()
    (root / "a" / "b.txt").write(b"one")
    (root / "a" / "b.txt").write(b"two")
    (root / "c.txt").write(b"")
    assert (root / "a" / "b.txt").read() == b"two"
    assert (root / "c.txt").read() == b""
    assert (root / "a" / "b.txt").sha256() == hashlib.sha256(b"two").hexdigest()
    assert list(root.list_addresses()) == [str(root / "a" / "b.txt"), str(root / "c.txt")]
    assert list(root.list_names()) == ["c.txt"]
    assert list((root / "a").list_names("b")) == ["b.txt"]
    assert list((root / "a").list_names("c")) == list((root / "none").list_names()) == []
    with (root / "a" / "b.txt").open_local() as file:
        assert file.read_bytes() == b"two"
    (root / "c.txt").delete()
    (root / "c.txt").delete()
    assert not (root / "c.txt").exists()


def test_what_is_not_there_is_said_so(root):
    with pytest.raises(FileNotFoundError):
        (root / "none").read()
    with pytest.raises(FileNotFoundError), (root / "none").open_local():
        pytest.fail("there is nothing to open")


def test_a_new_file_never_replaces_another(root):
    (root / "once").write(b"first", new=True)
    with pytest.raises(FileExistsError):
        (root / "once").write(b"second", new=True)
    assert (root / "once").read() == b"first"


def test_large_objects_go_up_in_parts(bucket, monkeypatch):
    monkeypatch.setattr("pynomaly.data.places.bucket._MULTIPART", 6 << 20)
    content = os.urandom(17 << 20)
    big = resolve_place(bucket) / "big"
    big.write(content)
    assert big.sha256() == hashlib.sha256(content).hexdigest()


@pytest.mark.slow
def test_a_listing_goes_past_a_thousand_keys(bucket):
    root = resolve_place(bucket)
    for number in range(1003):
        (root / f"{number:04d}").write(b"x")
    assert len(list(root.list_addresses())) == 1003


@pytest.mark.slow
def test_a_server_that_stops_is_an_error_that_names_the_address(tmp_path, monkeypatch):
    (tmp_path / "s3").mkdir()
    with run_s3_server(tmp_path / "s3") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        target = resolve_place("s3://pynomaly/x")
        target.write(b"1")
        server.stop()
        for act in (target.read, target.exists, lambda: target.write(b"2")):
            with pytest.raises(OSError, match=r"cannot be reached.*s3://pynomaly/x"):
                act()


def test_wrong_keys_are_refused_without_naming_them(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-planted-secret")
    with pytest.raises(PermissionError) as caught:
        (resolve_place(bucket) / "x").write(b"1")
    assert "a-planted-secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["ftp://h/x", "s3://", "s3:///key", "https://h/x"])
def test_addresses_that_nothing_serves_are_refused(address):
    with pytest.raises(ConfigError, match="s3://"):
        resolve_place(address)


def test_a_cloud_without_its_extra_names_it(monkeypatch):
    def missing(*_: object) -> None:
        raise ImportError("No module named 'gcsfs'")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(ConfigError, match=r"pynomaly-mlops\[gcs\]"):
        resolve_place("gs://bucket/x")


# Sources


def data(source: str, path: str) -> Data:
    return Data(source=source, path=path, time="time", id="machine", label="anomaly")


@pytest.fixture
def table():
    return make_machines(6)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_reads_the_same_wherever_it_lies(root, table, kind, tmp_path):
    content = table.to_csv(index=False).encode() if kind == "csv" else table.to_parquet(index=False)
    (root / f"t.{kind}").write(content)
    (tmp_path / f"local.{kind}").write_bytes(content)
    there, here = data(kind, str(root / f"t.{kind}")), data(kind, str(tmp_path / f"local.{kind}"))
    pd.testing.assert_frame_equal(read_source(there), read_source(here))
    assert read_span(there) == read_span(here)


def test_partitions_in_a_bucket_are_one_table(root, table):
    for day, part in table.groupby(pd.to_datetime(table["time"], utc=True).dt.strftime("%Y-%m-%d")):
        (root / f"day={day}" / "part.parquet").write(part.to_parquet(index=False))
    (root / "_SUCCESS").write(b"")
    rows_read = read_source(data("parquet", str(root)))
    assert len(rows_read) == len(table)
    assert rows_read["day"].nunique() == 6


def test_a_window_reads_only_its_rows_and_gets_the_same(root, table):
    """Times with an offset and none missing: Arrow leaves the other rows where they are."""
    typed = table.assign(time=pd.to_datetime(table["time"], utc=True))
    (root / "t.parquet").write(typed.to_parquet(index=False))
    (root / "text.parquet").write(table.assign(time=table["time"].astype(str)).to_parquet(index=False))
    first = typed["time"].min().floor("D").to_pydatetime()
    window = Window(first + pd.Timedelta(days=2), first + pd.Timedelta(days=3))
    pushed = read_source(data("parquet", str(root / "t.parquet")), window)
    pd.testing.assert_frame_equal(pushed, read_source(data("parquet", str(root / "text.parquet")), window))
    assert 0 < len(pushed) < len(table)


def test_a_row_without_time_still_goes_with_the_row_before_it(root, table):
    typed = table.assign(time=pd.to_datetime(table["time"], utc=True))
    typed.loc[len(typed) - 1, "time"] = pd.NaT  # the last row of the last day
    (root / "t.parquet").write(typed.to_parquet(index=False))
    first = typed["time"].min().floor("D").to_pydatetime()
    early = read_source(data("parquet", str(root / "t.parquet")), Window(first, first + pd.Timedelta(days=1)))
    assert early["time"].notna().all()
    late = read_source(
        data("parquet", str(root / "t.parquet")),
        Window(first + pd.Timedelta(days=5), first + pd.Timedelta(days=6)),
    )
    assert late["time"].isna().sum() == 1


def test_what_is_wrong_with_a_remote_table_names_its_address(root):
    missing = str(root / "none.csv")
    with pytest.raises(SourceError, match=r"none\.csv"):
        read_source(data("csv", missing))
    with pytest.raises(SourceError, match=r"none\.parquet"):
        read_source(data("parquet", str(root / "none.parquet")))
    (root / "twice.csv").write(b"a,a\n1,2\n")
    with pytest.raises(ColumnError, match=r"twice\.csv"):
        read_source(data("csv", str(root / "twice.csv")))
    (root / "broken.parquet").write(np.arange(10).tobytes())
    with pytest.raises(SourceError, match=r"broken\.parquet"):
        read_source(data("parquet", str(root / "broken.parquet")))
