"""Files made to exhaust, escape or deceive: real ones, through the real readers and commands."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pynomaly.config import Data, Limits, load_pipeline
from pynomaly.data.sources import read_source
from pynomaly.data.sources.parts import list_row_groups
from pynomaly.errors import ColumnError, SourceError
from tests.flows.conftest import Answer

ROWS = b"0,0\n" * 400_000
HIDDEN = {"NUL": "he\0at", "escape": "\x1b[2Jheat", "right to left": "he\u202eta", "C1": "he\x9bat"}


def table(file: Path, **limits: int) -> pd.DataFrame:
    source = "parquet" if file.suffix == ".parquet" or file.is_dir() else "csv"
    return read_source(Data(source=source, path=str(file), limits=Limits(**limits)))


def small(path: Path, columns: int) -> Path:
    pq.write_table(pa.table({f"c{i}": [0.0] for i in range(columns)}), path)
    return path


def test_a_parquet_file_of_very_many_columns(tmp_path: Path) -> None:
    file = small(tmp_path / "wide.parquet", 2001)
    with pytest.raises(SourceError, match=r"2,001 columns; data\.limits\.columns allows 2,000"):
        table(file)
    with pytest.raises(SourceError, match="2,001 columns"):
        list_row_groups(str(file), Limits())
    assert table(file, columns=2001).shape == (1, 2001)


def test_a_csv_of_very_many_columns(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    names = [f"c{i}" for i in range(30)]
    file.write_text(",".join(names) + "\n" + ",".join("1" * 30) + "\n")
    with pytest.raises(SourceError, match="30 columns"):
        table(file, columns=29)
    assert table(file, columns=30).shape == (1, 30)


def test_a_query_of_very_many_columns_or_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANT_DB", f"sqlite:///{tmp_path / 'plant.db'}")
    many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000) select i from n"
    wide = f"select {', '.join(f'1 as c{i}' for i in range(5))}"

    def asked(query: str, **limits: int) -> pd.DataFrame:
        return read_source(Data(source="sql", connection="PLANT_DB", query=query, limits=Limits(**limits)))

    with pytest.raises(SourceError, match="5 columns"):
        asked(wide, columns=4)
    with pytest.raises(SourceError, match="3,000 rows of 1 columns"):
        asked(many, cells=2999)
    assert len(asked(many, cells=3000)) == 3000


def test_a_small_parquet_file_that_stands_for_very_many_rows(tmp_path: Path) -> None:
    file = tmp_path / "still.parquet"
    pq.write_table(pa.table({"a": np.zeros(3_000_000)}), file)
    assert file.stat().st_size < 100_000
    with pytest.raises(SourceError, match=r"3,000,000 rows of 1 columns.*data\.limits\.cells"):
        table(file, cells=2_999_999)


def test_a_line_of_two_gigabytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "line.csv"
    with file.open("wb") as out:
        out.write(b"a,b\n1,2\n" + b"x" * (2 << 20))
        out.truncate(2 << 30)  # a hole: no byte of it lies on the disk
    with pytest.raises(SourceError, match=r"line of more than 1,024 KiB; data\.limits\.line_kib"):
        table(file)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("over", [0, 1])
def test_the_longest_line_counts_to_the_byte(tmp_path: Path, end: str, over: int) -> None:
    file = tmp_path / "line.csv"
    file.write_text(end.join(["name", "x" * 10, "y" * (2048 + over), "z", ""]), newline="")
    if over:
        with pytest.raises(SourceError, match="line of more than 2 KiB"):
            table(file, line_kib=2)
    else:
        assert len(table(file, line_kib=2)) == 3


def test_text_longer_than_allowed(tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_bytes(b"a,b\n" + ROWS)
    with pytest.raises(SourceError, match=r"more than 1 MiB of text; data\.limits\.text_mib"):
        table(file, text_mib=1)
    assert len(table(file, text_mib=2)) == 400_000


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("ending", PACKERS)
def test_a_packed_bomb(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"bomb.csv.{ending}"
    file.write_bytes(PACKERS[ending](b"a,b\n" + ROWS * 3))
    assert file.stat().st_size < 20_000
    with pytest.raises(SourceError, match=r"unpacks to more than 200 times.*data\.limits\.ratio"):
        table(file)
    with pytest.raises(SourceError, match="more than 1 MiB of text"):
        table(file, ratio=10**9, text_mib=1)


@pytest.mark.slow
@pytest.mark.parametrize("ending", PACKERS)
def test_honest_packing_is_read(tmp_path: Path, ending: str) -> None:
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(20_000, 4)), columns=list("abcd"))
    rows.to_csv(tmp_path / f"t.csv.{ending}", index=False)
    pd.testing.assert_frame_equal(table(tmp_path / f"t.csv.{ending}"), rows)


def zipped(file: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_up_", "../"), content)
    return file


def test_zip_archives(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="unpacks to more than 200 times"):
        table(zipped(tmp_path / "bomb.zip", a=b"a,b\n" + ROWS * 3))
    with pytest.raises(SourceError, match="holds 2 files"):
        table(zipped(tmp_path / "two.zip", a=b"a,b\n1,2\n", b=b"a,b\n1,2\n"))
    with pytest.raises(SourceError, match="holds 0 files"):
        table(zipped(tmp_path / "none.zip"))
    with pytest.raises(SourceError, match="packed by method 12"):
        table(zipped(tmp_path / "odd.zip", zipfile.ZIP_BZIP2, a=b"a,b\n1,2\n"))
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(SourceError, match="cannot be unpacked"):
        table(tmp_path / "broken.zip")


def test_a_member_with_a_path_is_read_and_never_written(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    file = zipped(folder / "t.zip", **{"_up__up_evil.csv": b"a,b\n1,2\n"})
    assert table(file).shape == (1, 2)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inner", "t.zip"]


@pytest.mark.parametrize("kind", HIDDEN)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_names_that_hide_something(tmp_path: Path, kind: str, ending: str) -> None:
    frame = pd.DataFrame({HIDDEN[kind]: [1.0], "other": [2.0]})
    file = tmp_path / f"t.{ending}"
    frame.to_csv(file, index=False) if ending == "csv" else frame.to_parquet(file)
    with pytest.raises((ColumnError, SourceError), match=r"U\+00|U\+202E|NUL byte") as refused:
        table(file)
    assert str(refused.value).isprintable()


def test_nul_bytes_in_text(tmp_path: Path) -> None:
    """pandas would read 3 where the file says 3, NUL, 9."""
    file = tmp_path / "t.csv"
    file.write_bytes(b"heat,flow\n1,2\n3\x009,4\n")
    with pytest.raises(SourceError, match="holds a NUL byte"):
        table(file)


def test_names_longer_than_a_line_of_a_page(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x" * 501: [1.0]})
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ColumnError, match="501 characters"):
        table(tmp_path / "t.parquet")


def test_letters_of_every_script_are_names(tmp_path: Path) -> None:
    names = ["Größe", "温度", "حرارة", "Temp (°C)\nmean", "می\u200cخواهم", "👩\u200d🔧"]
    pd.DataFrame({name: [1.0] for name in names}).to_parquet(tmp_path / "t.parquet")
    assert list(table(tmp_path / "t.parquet")) == names


FILE_NAMES = ("evil\ntraining: {seed: 7}.csv", "../up.csv", "a\x1b[31m.csv", "$(touch pwned).csv", "-rf.csv")


@pytest.mark.parametrize("name", FILE_NAMES)
def test_a_file_name_writes_no_settings(
    name: str, tmp_path: Path, command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    file = project / name.replace("/", "\u2215") if not name.startswith("../") else project / name
    rows = pd.DataFrame({"at": pd.date_range("2026-01-05", periods=200, freq="h", tz="UTC")})
    rows.assign(heat=np.arange(200.0) % 7, **{'"\n  ignore: [heat] #': np.arange(200) % 5}).to_csv(
        file, index=False
    )
    answer = command("init", file)
    assert answer.code == 0, answer
    written = list((project / "configs").iterdir())
    assert len(written) == 1
    assert written[0].parent.resolve() == (project / "configs").resolve()
    settings = load_pipeline(written[0])
    assert settings.training.seed == 42
    assert Path(settings.data.path or "").resolve() == file.resolve()
    assert "heat" not in settings.data.ignore
    assert not (project / "pwned").exists()


@pytest.mark.parametrize("name", ["../up", "/tmp/up", "s3://other/up", "up\nalerts: {}", "..", "", "Ünï"])
def test_a_pipeline_cannot_be_called_a_path(
    name: str, tmp_path: Path, command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    (project / "t.csv").write_text("a,b\n" + "\n".join(f"{i},{i % 7}" for i in range(200)) + "\n")
    answer = command("init", "t.csv", "--name", name)
    if name == "":
        assert answer.code == 0
        return
    assert answer.code == 2, answer
    assert len(answer.err.strip().splitlines()) == 1
    assert "name" in answer.err
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["t.csv"]
