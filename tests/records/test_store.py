from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly.errors import ConfigError, IntegrityError, RecordError
from pynomaly.records.store import Store, hash_file, write_atomically

WEEKS = ("20260105T000000Z--20260112T000000Z", "20260112T000000Z--20260119T000000Z")


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.server)])
def store(request, tmp_path):
    """A store that is used the same wherever it lies."""
    if request.param == "folder":
        return Store(tmp_path / "store")
    return Store(request.getfixturevalue("bucket"))


def frame_of(path) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(path.read()))


def scores(n: int = 3, start: float = 0.0) -> pd.DataFrame:
    times = pd.date_range("2026-01-05", periods=n, freq="h", tz="UTC")
    return pd.DataFrame(
        {"time": times, "score": np.arange(n) + start, "severity": ["none"] * n, "is_anomaly": [False] * n}
    )


def test_nothing_is_created_before_the_first_write(store):
    assert list(store.root.list_addresses()) == []


def test_scores_lie_where_the_layout_says_and_read_back(store):
    path, sha256 = store.write_scores("quickstart", WEEKS[0], scores())
    assert str(path) == f"{store.root}/quickstart/scores/window={WEEKS[0]}/scores.parquet"
    assert sha256 == hash_file(path)
    assert store.has_file(path, sha256)
    assert not store.has_file(path, "0" * 64)
    assert not store.has_file(f"{path}.other", sha256)
    pd.testing.assert_frame_equal(store.read_scores("quickstart", [WEEKS[0]]), scores())


def test_the_same_frame_gives_the_same_bytes_whatever_its_index(store):
    _, first = store.write_scores("quickstart", WEEKS[0], scores())
    _, second = store.write_scores("quickstart", WEEKS[1], scores().set_index(pd.Index([7, 8, 9])))
    _, other = store.write_scores("quickstart", WEEKS[1], scores(start=1.0))
    assert first == second != other


def test_windows_are_read_one_after_the_other_and_checked(store):
    recorded = {window: store.write_scores("quickstart", window, scores())[1] for window in WEEKS}
    assert len(store.read_scores("quickstart", WEEKS, recorded)) == 6
    store.write_scores("quickstart", WEEKS[1], scores(start=1.0))
    with pytest.raises(IntegrityError, match="the ledger recorded"):
        store.read_scores("quickstart", WEEKS, recorded)


def test_what_was_not_scored_is_named(store):
    with pytest.raises(RecordError, match="has not been scored"):
        store.read_scores("quickstart", [WEEKS[0]])
    with pytest.raises(RecordError, match="no window"):
        store.read_scores("quickstart", [])


def test_quarantine_keeps_cells_of_mixed_types_as_text(store):
    rows = pd.DataFrame({"a": pd.Series(["x", 1, None], dtype=object), "rule": ["not_a_number"] * 3})
    path = store.write_quarantine("quickstart", "train-k", rows)
    kept = frame_of(path)
    assert kept["a"].tolist()[:2] == ["x", "1"]
    assert kept["a"].isna().tolist() == [False, False, True]


def test_reference_rows_are_found_by_the_bundle_they_belong_to(store):
    store.write_reference("quickstart", "ab" * 32, scores())
    assert len(store.read_reference("quickstart", "ab" * 32)) == 3
    with pytest.raises(RecordError, match="no reference rows"):
        store.read_reference("quickstart", "cd" * 32)


def test_reports_are_written_whole(store):
    path = store.write_report("quickstart", f"drift-{WEEKS[0]}", "<p>ä</p>")
    assert path.read().decode() == "<p>ä</p>"
    assert store.write_report("quickstart", f"drift-{WEEKS[0]}", b"<p>2</p>").read() == b"<p>2</p>"
    assert list(store.root.list_addresses()) == [str(path)]


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\0b", "x" * 201])
def test_names_that_leave_the_folder_are_refused(store, name):
    with pytest.raises(RecordError, match="cannot name a file"):
        store.write_report("quickstart", name, "")
    with pytest.raises(RecordError, match="cannot name a file"):
        store.write_scores(name, "all", scores())


@pytest.mark.parametrize("address", ["ftp://host/x", "s3:///x", "s3:/bucket/x", "file:///x"])
def test_addresses_that_nothing_serves_are_refused(address):
    with pytest.raises(ConfigError, match="s3://"):
        Store(address)


def test_a_bucket_that_is_gone_is_a_record_error(bucket):
    store = Store("s3://no-such-bucket/x")
    with pytest.raises(RecordError, match=r"cannot write s3://no-such-bucket.*no such bucket"):
        store.write_scores("quickstart", WEEKS[0], scores())


def test_a_write_that_fails_leaves_what_stood_there(tmp_path, monkeypatch):
    target = tmp_path / "file"
    write_atomically(target, b"old")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RecordError, match="No space left"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_hash_of_a_missing_file_is_a_record_error(tmp_path):
    with pytest.raises(RecordError, match="cannot read"):
        hash_file(tmp_path / "missing")


def test_relative_folders_are_fine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, _ = Store("store").write_scores("quickstart", "all", scores())
    assert Path(str(path)).is_file()
