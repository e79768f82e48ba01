"""Features of edges: what their definitions say, from the past alone, the same however rows come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.config import RELATION_KINDS, Data, Graph
from pynomaly.data.frame import FrameContract
from pynomaly.data.relations import add_relations, edge_past
from pynomaly.data.sources import read_source
from pynomaly.data.streams import edge_history
from pynomaly.data.streams.columns import StreamColumns
from pynomaly.data.streams.history import EntityHistory
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError
from tests.naive import describe_edge

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = 3_600_000_000
GRAPH = Graph(
    source="payer",
    target="payee",
    weight="amount",
    windows=("3h", "12h"),
    history="1d",
    features=RELATION_KINDS,
)
TWO_KINDS = GRAPH.model_copy(update={"bipartite": True})


def make_payments(rows: list[tuple[int | None, str | None, str | None, float]]) -> pd.DataFrame:
    """Return rows of (hours after the start, payer, payee, amount)."""
    hours, payer, payee, amount = zip(*rows, strict=True) if rows else ((), (), (), ())
    moments = [None if hour is None else START + timedelta(hours=hour) for hour in hours]
    return pd.DataFrame(
        {
            "t": pd.Series(moments, dtype="datetime64[us, UTC]"),
            "payer": pd.Series(payer, dtype=object),
            "payee": pd.Series(payee, dtype=object),
            "amount": pd.Series(amount, dtype="float64"),
        }
    )


def draw_payments(count: int, entities: int = 6, seed: int = 0, hours: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    names = [f"a{number}" for number in range(entities)]
    return make_payments(
        sorted(
            (
                int(rng.integers(0, hours)),
                names[rng.integers(entities)],
                names[rng.integers(entities)],
                float(np.round(rng.lognormal(3, 2), 2)),
            )
            for _ in range(count)
        )
    )


def describe(frame: pd.DataFrame, graph: Graph = GRAPH) -> np.ndarray:
    return add_relations(frame, "t", graph)[list(graph.names)].to_numpy()


hours = st.one_of(st.integers(0, 40), st.none())
names = st.sampled_from(["a", "b", "c", "d", None])
amounts = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.just(float("inf")))
payments = st.lists(st.tuples(hours, names, names, amounts), min_size=1, max_size=30)


@given(rows=payments, two_kinds=st.booleans(), cycle_edges=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_features_are_their_definitions(rows, two_kinds, cycle_edges) -> None:
    graph = TWO_KINDS if two_kinds else GRAPH
    edges = [(None if hour is None else hour * HOUR, *rest) for hour, *rest in rows]
    expected = [list(describe_edge(edges, edge, graph, cycle_edges).values()) for edge in edges]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge_past, "CYCLE_EDGES", cycle_edges)
        computed = describe(make_payments(rows), graph)
    np.testing.assert_array_equal(computed, np.array(expected, dtype=float))


@given(rows=payments, seed=st.integers(0, 99), cut=st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_order_and_later_rows_and_strangers_change_no_bit(rows, seed, cut) -> None:
    frame = make_payments(rows)
    whole = describe(frame)
    order = np.random.default_rng(seed).permutation(len(frame))
    np.testing.assert_array_equal(describe(frame.iloc[order]), whole[order])
    early = (frame["t"] <= START + timedelta(hours=cut)).to_numpy()
    np.testing.assert_array_equal(describe(frame[early]), whole[early])
    strangers = frame.replace({"payer": {"a": "x", "b": "y"}, "payee": {"a": "x", "b": "y"}})
    joined = pd.concat([frame, strangers[strangers[["payer", "payee"]].isin(["x", "y"]).all(axis=1)]])
    np.testing.assert_array_equal(describe(joined)[: len(frame)], whole)


def test_older_rows_than_the_history_change_no_bit() -> None:
    frame = draw_payments(400)
    whole = describe(frame)
    for hour in (5, 20):
        late = (frame["t"] >= START + timedelta(hours=hour)).to_numpy()
        due = (frame["t"] >= START + timedelta(hours=hour) + GRAPH.history).to_numpy()
        np.testing.assert_array_equal(describe(frame[late])[due[late]], whole[due])


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_edges_of_a_stream_get_the_bits_of_a_file(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_history, "_FIRST_EDGES", 16)  # so that it grows and forgets
    rows = draw_payments(120, seed=3)
    data = Data(source="stream", path="-", time="t", graph=GRAPH)
    live = EntityHistory(data, StreamColumns({"payer": "text", "payee": "text", "amount": "number"}))
    parts = []
    for first in range(0, len(rows), batch):
        part = rows.iloc[first : first + batch].reset_index(drop=True)
        parts.append(live.take(part, np.arange(len(part))).frame)
    streamed = pd.concat(parts)[list(GRAPH.names)].to_numpy()
    np.testing.assert_array_equal(streamed, describe(rows))
    again = EntityHistory(data, StreamColumns({"payer": "text", "payee": "text", "amount": "number"}))
    again.remember(rows.iloc[:80])
    rest = again.take(rows.iloc[80:].reset_index(drop=True), np.arange(40)).frame
    np.testing.assert_array_equal(rest[list(GRAPH.names)].to_numpy(), describe(rows)[80:])


def test_edges_join_the_rows_that_wait_and_their_series() -> None:
    rows = draw_payments(200, seed=4).drop_duplicates(["t", "payer"]).reset_index(drop=True)
    series = {"columns": ["amount"], "rows": 3, "history": "1d", "past": 4, "delay": "2h"}
    settings_ = {
        "source": "stream",
        "path": "-",
        "time": "t",
        "id": "payer",
        "graph": GRAPH,
        "series": series,
    }
    live = EntityHistory(Data.model_validate(settings_), StreamColumns({"payee": "text", "amount": "number"}))
    described, tags = [], []
    for first in range(0, len(rows), 20):
        part = rows.iloc[first : first + 20].reset_index(drop=True)
        ready = live.take(part, np.arange(first, first + len(part)))
        described.append(ready.frame)
        tags += ready.tags.tolist()
    assert 0 < live.waiting < 20
    streamed = pd.concat(described)
    assert "amount:level" in streamed
    np.testing.assert_array_equal(streamed[list(GRAPH.names)].to_numpy(), describe(rows)[tags])


@pytest.mark.parametrize("start", [24, 40])
def test_a_window_is_read_with_the_edges_before_it(tmp_path, start: int) -> None:
    file = tmp_path / "payments.csv"
    rows = draw_payments(300)
    rows.sample(frac=1, random_state=1).to_csv(file, index=False)
    data = Data(source="csv", path=str(file), time="t", graph=GRAPH)
    window = Window(START + timedelta(hours=start), START + timedelta(hours=start + 6))
    part, everything = read_source(data, window), read_source(data)
    inside = everything[(everything["t"] >= window.start) & (everything["t"] < window.end)]
    assert len(part) > 10
    pd.testing.assert_frame_equal(part, inside.reset_index(drop=True))
    contract = FrameContract.infer(part, data)
    assert contract.numeric == ("amount", *GRAPH.names)  # the ends themselves are no features
    assert FrameContract.infer(part, data.model_copy(update={"columns": ("amount",)})) == contract
    with pytest.raises(ColumnError, match=r"'payee' cannot be a feature: it is an end of data\.graph"):
        FrameContract.infer(part, data.model_copy(update={"categorical": ("payee",)}))


def test_what_a_person_reads() -> None:
    frame = make_payments(
        [
            (0, "ann", "mule", 100.0),
            (1, "bob", "mule", 200.0),
            (2, "mule", "boss", 290.0),
            (3, "boss", "ann", 280.0),
            (4, "ann", "mule", 10.0),
            (5, "eve", "eve", 5.0),
            (6, "eve", "eve", 5.0),
        ]
    )
    rows = add_relations(frame, "t", GRAPH)
    passed = rows.iloc[2]
    assert passed["payer:fan_in_12h"] == 2
    assert passed["payer:flow_in_12h"] == 300
    assert passed["payer:passed_12h"] == pytest.approx(290 / 300)
    assert passed["payer-payee:first"] == 1
    assert passed["payee:sends_12h"] == 0
    ring = rows.iloc[4]
    assert ring["payer-payee:first"] == 0
    assert ring["payer-payee:since"] == 4
    assert ring["payer-payee:closes_12h"] == 1  # ann -> mule, mule -> boss, boss -> ann
    assert ring["payer:times_usual"] == pytest.approx(0.1)
    loop = rows.iloc[6]
    assert (loop["payer:sends_12h"], loop["payer:receives_12h"], loop["payer-payee:returns_12h"]) == (1, 1, 1)


def test_missing_ends_and_times_are_nobodys_past() -> None:
    frame = make_payments(
        [(0, "a", "b", 1.0), (1, None, "b", 1.0), (None, "a", "b", 1.0), (2, "a", "b", 1.0)]
    )
    features = describe(frame)
    assert np.isnan(features[[1, 2]]).all()
    assert add_relations(frame, "t", GRAPH)["payer-payee:repeats_12h"].iloc[3] == 1
    only = describe(frame.iloc[[1]])
    assert np.isnan(only).all()
    assert len(describe(frame.iloc[:0])) == 0


def test_ids_of_unlike_types_are_one_entity_where_they_are_written_alike() -> None:
    frame = make_payments([(0, 7, "b", 1.0), (1, 7.0, "b", 1.0), (2, "7", "b", 1.0), (3, "07", "b", 1.0)])
    mixed = add_relations(frame, "t", GRAPH)
    assert mixed["payer-payee:repeats_12h"].tolist() == [0, 1, 2, 0]
    whole = frame.iloc[:2].assign(payer=pd.Series([7, 7], dtype="int64"))
    assert add_relations(whole, "t", GRAPH)["payer-payee:repeats_12h"].tolist() == [0, 1]
    truth = make_payments([(0, True, "b", 1.0), (1, 1, "b", 1.0)])
    assert add_relations(truth, "t", GRAPH)["payer-payee:first"].tolist() == [1, 1]


def test_two_kinds_of_entities_keep_equal_ids_apart() -> None:
    frame = make_payments([(0, "7", "8", 1.0), (1, "8", "7", 1.0)])
    rows = add_relations(frame, "t", TWO_KINDS)
    assert rows["payee:since"].tolist() == [24, 24]
    assert not any("returns" in name for name in TWO_KINDS.names)
    assert "payee:fan_in_3h" in TWO_KINDS.names
    assert "payer:fan_out_3h" in TWO_KINDS.names
    assert "payer:flow_in_3h" not in TWO_KINDS.names


def test_a_hub_costs_no_more_than_others_and_flows_stay_exact() -> None:
    count = 60_000
    rng = np.random.default_rng(0)
    hub = pd.DataFrame(
        {
            "t": pd.Series(pd.Timestamp(START) + pd.to_timedelta(np.arange(count), unit="s")).dt.as_unit(
                "us"
            ),
            "payer": "hub",
            "payee": [f"a{number}" for number in rng.integers(0, count, count)],
            "amount": 0.1,
        }
    )
    rows = add_relations(hub, "t", GRAPH)
    last = rows.iloc[-1]
    assert last["payer:sends_12h"] == 12 * 3600
    in_window = hub["payee"].iloc[-1 - 12 * 3600 : -1]
    assert last["payer:fan_out_12h"] == in_window.nunique()
    unit = round(0.1 * 2**20) / 2**20
    assert last["payer:flow_out_12h"] == 12 * 3600 * unit


def test_weights_beyond_all_bounds_add_up_without_overflow() -> None:
    frame = make_payments(
        [(0, "a", "b", 1e300), (1, "a", "b", 1e300), (2, "a", "b", -1e300), (3, "a", "b", 1.0)]
    )
    flows = add_relations(frame, "t", GRAPH)["payer:flow_out_12h"]
    assert flows.tolist() == [0, 2.0**42, 2.0**43, 2.0**42]


def test_names_that_are_taken_or_unknown_are_refused() -> None:
    frame = draw_payments(5)
    with pytest.raises(ColumnError, match="payer-payee:first"):
        add_relations(frame.assign(**{"payer-payee:first": 1.0}), "t", GRAPH)
    with pytest.raises(ColumnError, match="payer"):
        add_relations(frame.drop(columns="payer"), "t", GRAPH)


def test_edges_without_end_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_history, "MAX_EDGES", 200)
    monkeypatch.setattr(edge_history, "_FIRST_EDGES", 16)
    live = edge_history.EdgeHistory(Data(source="stream", path="-", time="t", graph=GRAPH))
    rows = draw_payments(1000, entities=500, seed=5, hours=20)
    for first in range(0, len(rows), 10):
        live.remember(rows.iloc[first : first + 10])
        assert live.edges <= 420  # what is kept, and as much room for the next
    newest = rows.iloc[[-1]].assign(t=rows["t"].iloc[-1] + timedelta(hours=1))
    assert live.describe(newest)["payer-payee:repeats_12h"].iloc[0] >= 1
