"""A sample in one pass: every row equally likely, the same for a seed, whatever batches and row groups."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pynomaly.config import Data
from pynomaly.data.sources import read_source
from pynomaly.data.sources.sample import SPANS, Reservoir, SamplingPass, bound_row_count
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, SourceError, WindowError

START = pd.Timestamp("2026-01-05", tz="UTC")
WINDOW = Window(datetime(2026, 1, 6, tzinfo=UTC), datetime(2026, 1, 9, tzinfo=UTC))


def table(rows: int = 2400) -> pd.DataFrame:
    """Five days in order of time; a label that is known or not, numbers that are missing here and there."""
    place = np.arange(rows)
    return pd.DataFrame(
        {
            "time": START + pd.to_timedelta(place * (5 * 86400 / rows), unit="s"),
            "row": place,
            "gap": np.where(place % 97 == 0, np.nan, place),
            "kind": np.where(place % 3 == 0, "a", "b"),
            "label": np.where(place % 5 == 0, place % 2, np.nan),
        }
    )


@pytest.fixture(params=["parquet", "csv"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def written(folder: Path, frame: pd.DataFrame, groups: int = 500, kind: str = "parquet") -> Data:
    if kind == "csv":
        frame.to_csv(folder / "t.csv", index=False)
        return Data(source="csv", path=str(folder / "t.csv"), time="time", label="label", timezone="UTC")
    frame.to_parquet(folder / "t.parquet", index=False, row_group_size=groups)
    return Data(source="parquet", path=str(folder / "t.parquet"), time="time", label="label")


def sampled(data: Data, window: Window | None = None, *, batch: int = 1000, **how: object) -> pd.DataFrame:
    asked = {"size": 200, "seed": 1, "how": "reservoir"} | how
    sampling = SamplingPass(data, window, batch_rows=batch, **asked)  # type: ignore[arg-type]
    assert sum(len(frame) for frame in sampling.read_batches()) == sampling.seen
    return sampling.frame()


def drawn(rows: int, cuts: list[int], size: int, seed: int) -> list[int]:
    """Places kept of `rows` rows, added in pieces that end at `cuts`."""
    pool, random = Reservoir(size), np.random.default_rng(seed)
    edges = [0, *sorted(cut for cut in cuts if cut < rows), rows]
    for low, high in pairwise(edges):
        places = np.arange(low, high)
        pool.add(pa.table({"row": places}), random.random(high - low), places)
    return sorted(pool.rows()[1].tolist())


@given(
    rows=st.integers(1, 400),
    cuts=st.lists(st.integers(1, 400), max_size=12),
    size=st.integers(1, 80),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_pieces_change_nothing_and_the_smallest_numbers_stay(
    rows: int, cuts: list[int], size: int, seed: int
) -> None:
    smallest = np.argsort(np.random.default_rng(seed).random(rows))[:size]
    assert drawn(rows, cuts, size, seed) == sorted(smallest.tolist())


def test_every_row_and_every_pair_is_equally_likely() -> None:
    rows, size, draws = 12, 4, 3000
    alone: Counter[int] = Counter()
    together: Counter[tuple[int, int]] = Counter()
    for seed in range(draws):
        kept = drawn(rows, [3, 7], size, seed)
        alone.update(kept)
        together.update((a, b) for a in kept for b in kept if a < b)
    share, pair = size / rows, size * (size - 1) / (rows * (rows - 1))
    for counts, chance, of in ((alone, share, 12), (together, pair, 66)):
        assert len(counts) == of
        spread = np.sqrt(draws * chance * (1 - chance))
        assert max(abs(count - draws * chance) for count in counts.values()) < 5 * spread


@pytest.mark.slow
def test_batches_and_row_groups_change_nothing(tmp_path: Path) -> None:
    first = sampled(written(tmp_path, table()), WINDOW, batch=1000)
    for groups, batch in ((2400, 7), (13, 1000), (500, 499)):
        again = sampled(written(tmp_path, table(), groups), WINDOW, batch=batch)
        pd.testing.assert_frame_equal(again, first)


def test_the_seed_decides(tmp_path: Path, kind: str) -> None:
    data = written(tmp_path, table(), kind=kind)
    assert set(sampled(data, seed=1)["row"]) == set(sampled(data, seed=1)["row"])
    assert set(sampled(data, seed=1)["row"]) != set(sampled(data, seed=2)["row"])


@pytest.mark.parametrize("window", [None, WINDOW])
def test_rows_of_the_sample_are_as_reading_gives_them(
    tmp_path: Path, window: Window | None, kind: str
) -> None:
    data = written(tmp_path, table(), kind=kind)
    whole = read_source(data, window)
    assert bound_row_count(data, window) == (len(whole) if kind == "parquet" else 2400)
    pd.testing.assert_frame_equal(sampled(data, window, size=5000), whole)
    part = sampled(data, window)
    assert len(part) == 200
    expected = whole[whole["row"].isin(part["row"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, expected)


def test_a_row_without_a_time_goes_with_the_row_before_it(tmp_path: Path, kind: str) -> None:
    frame = table()
    frame.loc[[700, 701, 2300], "time"] = pd.NaT
    data = written(tmp_path, frame, groups=701, kind=kind)  # the second of them begins a row group
    pd.testing.assert_frame_equal(sampled(data, WINDOW, size=5000), read_source(data, WINDOW))


def test_spans_of_time_share_the_sample_where_rows_crowd(tmp_path: Path) -> None:
    frame = table(6400)
    passed = np.linspace(0, 1, 6400) ** 4  # most rows lie in the first days
    frame["time"] = START + pd.to_timedelta(passed * 5 * 86400, unit="s")
    data = written(tmp_path, frame.sort_values("time"))
    window = Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 10, tzinfo=UTC))  # most of it empty
    sample = sampled(data, window, size=4 * SPANS, how="time")
    span = ((sample["time"] - START) / pd.Timedelta(days=5) * SPANS).astype(int)
    assert set(Counter(span.clip(upper=SPANS - 1)).values()) == {4}
    crowded = sampled(data, window, size=4 * SPANS)
    assert (crowded["time"] < START + pd.Timedelta(days=1)).mean() > 0.5


def test_memory_is_the_sample_not_the_table(tmp_path: Path, kind: str) -> None:
    data, most = written(tmp_path, table(20_000), groups=1000, kind=kind), 0
    sampling = SamplingPass(data, None, size=100, seed=0, how="reservoir", batch_rows=250)
    for batch in sampling.read_batches():
        assert len(batch) <= 250
        most = max(most, sum(table.num_rows for table in sampling._pools[0]._tables))  # type: ignore[union-attr]
    assert most < 200 + 250
    assert (sampling.seen, len(sampling.frame())) == (20_000, 100)


def test_labels_that_were_not_known_yet_are_not_seen(tmp_path: Path, kind: str) -> None:
    data = written(tmp_path, table(), kind=kind)
    as_of = datetime(2026, 1, 7, tzinfo=UTC)
    sampling = SamplingPass(data, None, size=5000, seed=0, how="reservoir", batch_rows=100)
    list(sampling.read_batches())
    pd.testing.assert_frame_equal(sampling.frame(as_of), read_source(data, None, as_of))


def test_an_empty_window_and_a_missing_column_are_said(tmp_path: Path, kind: str) -> None:
    data = written(tmp_path, table(), kind=kind)
    later = Window(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC))
    with pytest.raises(WindowError, match="no row lies in the window"):
        sampled(data, later)
    with pytest.raises(ColumnError, match="lable"):
        sampled(data.model_copy(update={"label": "lable"}))


@pytest.mark.parametrize(
    "change", [{"source": "bundled", "dataset": "fleet"}, {"series": {"columns": ("row",)}}]
)
def test_bundled_tables_and_pasts_are_not_sampled(tmp_path: Path, change: dict[str, object]) -> None:
    data = written(tmp_path, table())
    assert bound_row_count(Data.model_validate(data.model_dump() | change), None) is None


@pytest.mark.slow
@pytest.mark.parametrize("batch", [7, 100, 1000])
def test_parts_of_a_text_change_nothing(tmp_path: Path, batch: int) -> None:
    data = written(tmp_path, table(), kind="csv")
    pd.testing.assert_frame_equal(sampled(data, WINDOW, batch=batch), sampled(data, WINDOW, batch=2400))


CELLS = st.text(alphabet='ab"\n\r,; é7.', min_size=1, max_size=6) | st.integers(-9, 999) | st.floats(-9, 9)


@pytest.mark.slow
@given(
    cells=st.lists(st.tuples(CELLS, st.none() | CELLS, st.integers(0, 9)), min_size=1, max_size=30),
    batch=st.integers(1, 31),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_reads_in_parts_as_it_reads_whole(
    tmp_path: Path, cells: list[tuple[object, ...]], batch: int
) -> None:
    file = tmp_path / "t.csv"
    pd.DataFrame(cells, columns=["a\nb", 'c"d', "e"]).to_csv(file, index=False, encoding="utf-8-sig")
    data = Data(source="csv", path=str(file), ignore=("a\nb",), categorical=('c"d',))
    sample, whole = sampled(data, batch=batch), read_source(data)
    assert list(sample.columns) == list(whole.columns)
    for name in whole:
        assert sample[name].isna().tolist() == whole[name].isna().tolist()
        spelled = [[_cell(cell) for cell in frame[name].dropna()] for frame in (sample, whole)]
        assert spelled[0] == spelled[1]


def _cell(cell: object) -> object:
    try:
        return float(str(cell))
    except ValueError:
        return str(cell)


@pytest.mark.parametrize("packed", ["t.csv", "t.csv.gz"])
def test_lines_of_a_text_are_counted_packed_or_not_ended_or_not(tmp_path: Path, packed: str) -> None:
    table(50).to_csv(tmp_path / packed, index=False)
    data = Data(source="csv", path=str(tmp_path / packed), time="time", timezone="UTC")
    assert bound_row_count(data, None) == 50
    (tmp_path / "u.csv").write_text("a,b\n1,2\n3,4")
    assert bound_row_count(Data(source="csv", path=str(tmp_path / "u.csv")), None) == 2


def test_a_column_that_is_text_in_one_part_alone_is_text_as_it_was_written(tmp_path: Path) -> None:
    lines = ["a,b,c,d", *(f"{i},{i}.5,{bool(i % 2)}," for i in range(20))]
    lines += ["x,y,z,w", *(f"{i},{i}.5,,{i}" for i in range(20, 40))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    data = Data(source="csv", path=str(tmp_path / "t.csv"))
    sample, whole = sampled(data, batch=10), read_source(data)
    for name in whole:
        assert [str(cell) for cell in sample[name].dropna()] == [str(cell) for cell in whole[name].dropna()]
        assert sample[name].isna().tolist() == whole[name].isna().tolist()


@pytest.mark.parametrize("before", range(20, 25))
def test_a_line_that_is_too_wide_is_said_wherever_it_lies_in_a_part(tmp_path: Path, before: int) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * before + "1,2,3\n")
    with pytest.raises(SourceError, match=rf"line {before + 2} has more cells \(3\) than the header"):
        sampled(Data(source="csv", path=str(tmp_path / "t.csv")), batch=5)


def test_categories_of_row_groups_with_other_dictionaries_stay_themselves(tmp_path: Path) -> None:
    schema = pa.schema([("row", pa.int64()), ("kind", pa.dictionary(pa.int32(), pa.string()))])
    with pq.ParquetWriter(tmp_path / "t.parquet", schema) as file:
        for first, names in ((0, ["a", "b"]), (2, ["c", "a"])):
            kind = pa.array(names).dictionary_encode()
            file.write_table(pa.table({"row": [first, first + 1], "kind": kind}, schema=schema))
    data = Data(source="parquet", path=str(tmp_path / "t.parquet"))
    assert sampled(data)["kind"].astype(str).tolist() == ["a", "b", "c", "a"]
