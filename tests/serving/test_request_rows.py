"""A request's rows are read by the settings of the table: counters, times, marks for missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Data, Graph
from pynomaly.data.payments import generate_payments
from pynomaly.data.sources import read_source
from pynomaly.errors import RequestError
from pynomaly.serving.rows import RowSchema, ScoreRequest, build_frame
from pynomaly.serving.times import spell_time, takes_iso_times


def make_meters(days: int) -> pd.DataFrame:
    random = np.random.default_rng(5)
    at = pd.date_range("2026-01-05T00:00Z", periods=days * 24, freq="h")
    meters = [
        pd.DataFrame(
            {"t": at, "m": name, "kwh": np.cumsum(random.random(len(at))), "heat": random.random(len(at))}
        )
        for name in ("a", "b")
    ]
    return pd.concat(meters).sort_values(["t", "m"], ignore_index=True)


@pytest.mark.parametrize("with_series", [False, True])
def test_serving_gives_a_row_the_bits_of_the_batch(tmp_path: Path, with_series: bool) -> None:
    frame = make_meters(3)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    series = {"columns": ["kwh"] if with_series else [], "history": "5h", "rows": 4}
    data = Data(
        source="csv", time="t", counters=["kwh"], path=str(tmp_path / "rows.csv"), id="m", series=series
    )
    whole = read_source(data)
    shape = RowSchema(
        ("kwh", "heat"), (), "t", "m", True, True, series=with_series, counters=("kwh",), time_columns=("t",)
    )
    sent = frame.assign(t=frame["t"].map(lambda moment: moment.isoformat())).to_dict("records")
    order = [3, 0, 2, 1]
    request = ScoreRequest([sent[-4:][place] for place in order], sent[:-4])
    served = build_frame(request, shape, data)
    expected = whole.iloc[-4:].iloc[order].reset_index(drop=True)
    assert served["m"].tolist() == expected["m"].tolist()
    compared = [name for name in expected if name != "m"]
    pd.testing.assert_frame_equal(served[compared], expected[compared], check_exact=True)
    alone = build_frame(ScoreRequest(sent[-1:], []), shape, data)
    assert alone["kwh"].isna().tolist() == [True]


def test_serving_gives_an_edge_the_bits_of_the_batch(tmp_path: Path) -> None:
    frame = generate_payments(10, 20, schemes=1).drop(columns=["fraud", "scheme"])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    graph = Graph(source="payer", target="payee", weight="amount", windows=("1d",), history="4d")
    data = Data(source="csv", time="time", path=str(tmp_path / "rows.csv"), graph=graph)
    whole = read_source(data)
    shape = RowSchema(
        ("amount",), ("channel",), "time", None, True, True, time_columns=("time",), graph=graph
    )
    sent = frame.assign(time=frame["time"].map(lambda moment: moment.isoformat())).to_dict("records")
    served = build_frame(ScoreRequest(sent[-4:], sent[:-4]), shape, data)
    expected = whole.iloc[-4:].reset_index(drop=True)
    names = list(graph.names)
    pd.testing.assert_frame_equal(served[names], expected[names], check_exact=True)
    alone = build_frame(ScoreRequest([{**sent[-1], "payee": None}], sent[:-4]), shape, data)
    assert alone[names].isna().all(axis=None)
    with pytest.raises(RequestError, match=r"\[1\]; text or a number is needed") as refused:
        build_frame(ScoreRequest([{**sent[-1], "payer": [1]}], []), shape, data)
    assert refused.value.place == ("rows", 0, "payer")
    with pytest.raises(RequestError, match="it is missing"):
        build_frame(
            ScoreRequest([{"amount": 1, "channel": "card", "time": sent[0]["time"]}], []), shape, data
        )


def read_rows(rows: list[dict[str, Any]], **options: Any) -> pd.DataFrame:
    data = Data(**{"source": "csv", "path": "x", "time": "t", **options})
    fields = data.time_columns or (str(data.time),)
    shape = RowSchema(("v",), ("k",), data.time, None, False, True, time_columns=fields)
    return build_frame(ScoreRequest([{"v": 1, "k": "x", **row} for row in rows], []), shape, data)


@pytest.mark.parametrize(
    ("row", "options"),
    [
        ({"t": "2026-01-05T10:00:00+00:00"}, {}),
        ({"t": 1767607200}, {"epoch": "s"}),
        ({"t": 1767607200000.0}, {"epoch": "ms"}),
        ({"t": "1767607200"}, {"epoch": "s"}),
        ({"t": "05.01.2026 11:00"}, {"time_format": "%d.%m.%Y %H:%M", "timezone": "Europe/Berlin"}),
        ({"t": 20260105}, {"time_format": "%Y%m%d", "timezone": "Etc/GMT+10"}),
        ({"d": "2026-01-05", "h": "10:00"}, {"time": ["d", "h"], "timezone": "UTC"}),
        ({"d": "5/1/26", "h": 1000}, {"time": ["d", "h"], "time_format": "%d/%m/%y %H%M", "timezone": "UTC"}),
    ],
)
def test_times_are_read_as_the_table_writes_them(row: dict[str, Any], options: dict[str, Any]) -> None:
    frame = read_rows([row], **options)
    assert frame.columns[-1] == ("d h" if "d" in row else "t")
    assert frame.iloc[0, -1] == pd.Timestamp("2026-01-05T10:00Z")


@pytest.mark.parametrize(
    ("row", "options", "field", "reason"),
    [
        ({"t": 5}, {}, "t", "it is 5; a time like 2026"),
        ({"t": True}, {"epoch": "s"}, "t", r"a number \(data.epoch: s\)"),
        ({"t": "soon"}, {"epoch": "s"}, "t", "'soon'"),
        ({"t": "2026-01-05"}, {"time_format": "%d.%m.%Y", "timezone": "UTC"}, "t", "%d.%m.%Y"),
        ({"d": "2026-01-05"}, {"time": ["d", "h"], "timezone": "UTC"}, "h", "it is missing"),
        ({"d": "soon", "h": "x"}, {"time": ["d", "h"], "timezone": "UTC"}, "d", "'soon x'"),
    ],
)
def test_a_wrong_time_names_its_row_and_field(
    row: dict[str, Any], options: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(RequestError, match=reason) as refused:
        read_rows([row], **options)
    assert refused.value.place == ("rows", 0, field)


def test_marks_for_missing_are_missing_in_a_request() -> None:
    moment = {"t": "2026-01-05T10:00:00+00:00"}
    frame = read_rows([{**moment, "v": -9999}, {**moment, "k": "-"}], missing_values=["-9999", "-"])
    assert frame["v"].isna().tolist() == [True, False]
    assert frame["k"].isna().tolist() == [False, True]


def test_a_repeated_hour_follows_the_rows_of_the_history() -> None:
    data = Data(source="csv", path="x", time="t", timezone="Europe/Berlin", counters=["v"], id="m")
    shape = RowSchema(("v",), (), "t", "m", True, True, counters=("v",), time_columns=("t",))
    clock = ["01:00", "02:00", "02:00", "03:00"]
    rows = [{"t": f"2026-10-25 {at}", "v": number, "m": "a"} for number, at in enumerate(clock)]
    served = build_frame(ScoreRequest(rows[2:], rows[:2]), shape, data)
    assert served["t"].tolist() == [pd.Timestamp("2026-10-25T01:00Z"), pd.Timestamp("2026-10-25T02:00Z")]
    assert served["v"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {"t": "2026-01-05 10:00:00+00:00"}),
        ({"epoch": "ms"}, {"t": 1767607200000}),
        ({"epoch": "excel", "timezone": "UTC"}, {"t": 46027 + 10 / 24}),
        ({"time_format": "%d.%m.%Y %H:%M*", "timezone": "Europe/Berlin"}, {"t": "05.01.2026 11:00"}),
        ({"time": ["d", "h"], "timezone": "UTC"}, {"d": "2026-01-05", "h": "10:00:00"}),
    ],
)
def test_the_document_shows_times_that_can_be_sent(options: dict[str, Any], fields: dict[str, Any]) -> None:
    data = Data(**{"source": "csv", "path": "x", "time": "t", **options})
    names = data.time_columns or ("t",)
    example = spell_time(pd.Timestamp("2026-01-05T10:00Z"), names, data)
    assert example == fields
    assert takes_iso_times(names, data) is (not options)
    assert read_rows([example], **options).iloc[0, -1] == pd.Timestamp("2026-01-05T10:00Z")
