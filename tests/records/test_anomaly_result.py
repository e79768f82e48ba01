"""Exported alerts are documents of OpenSearch's anomaly result mapping, and no cell of them is a formula."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from openpyxl import load_workbook

from pynomaly.errors import ConfigError
from pynomaly.judging.alerts.alert import Alert, Carrier
from pynomaly.records.anomaly_result import EXPORT_FORMATS, build_anomaly_result, render_documents
from pynomaly.records.sheet import escape_cell

NOON = datetime(2026, 1, 19, 12, 0, 0, 250_000, tzinfo=UTC)

# Types of anomaly-results.json, schema version 5, in OpenSearch's anomaly detection plugin; `user` left out.
VALUES = {"feature_id": "keyword", "data": "double"}
DOCUMENTED: dict[str, Any] = {
    "detector_id": "keyword",
    "is_anomaly": "boolean",
    "anomaly_score": "double",
    "anomaly_grade": "double",
    "confidence": "double",
    "feature_data": VALUES,
    "data_start_time": "date",
    "data_end_time": "date",
    "execution_start_time": "date",
    "execution_end_time": "date",
    "error": "text",
    "entity": {"name": "keyword", "value": "keyword"},
    "schema_version": "integer",
    "task_id": "keyword",
    "model_id": "keyword",
    "start_of_anomaly": "boolean",
    "in_high_score_region": "boolean",
    "approx_anomaly_start_time": "date",
    "relevant_attribution": VALUES,
    "past_values": VALUES,
    "expected_values": {"likelihood": "double", "value_list": VALUES},
    "threshold": "double",
}
TYPES = {
    "keyword": lambda value: isinstance(value, str) and len(value) < 32_766,
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "double": lambda value: isinstance(value, float | int) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "date": lambda value: isinstance(value, int) and 10**12 < value < 10**13,  # epoch_millis
}


def fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, str):
        return bool(TYPES[kind](value))
    documents = value if isinstance(value, list) else [value]
    return all(name in kind and fits(held, kind[name]) for item in documents for name, held in item.items())


def alert(**more: Any) -> Alert:
    carriers = (
        Carrier("power", 12.5, 4.9, 0.6, 0.0),
        Carrier("state", "=open()", "closed", 0.3, 0.01),
        Carrier("heat", None, 20.0, 0.1, None),
    )
    made = Alert(
        alert="0123456789abcdef",
        pipeline="machines",
        entity="a",
        state="open",
        ending="",
        note="",
        by="",
        quiet="",
        first=NOON,
        last=NOON,
        peak=NOON,
        rows=1,
        windows=("w",),
        version=3,
        score=4.5,
        p_value=0.001,
        severity="high",
        rarity="one a month",
        extrapolated=False,
        category="point",
        reasons=("why",),
        carriers=carriers,
        causes=("power",),
        alike=(),
        opened=NOON,
        row_keys=(("a", NOON.isoformat()),),
    )
    return replace(made, **more)


CASES = [
    alert(),
    alert(carriers=(), causes=()),
    alert(first=None, last=None, peak=None, opened=None, entity=""),
    alert(state="withdrawn"),
]


@pytest.mark.parametrize("case", CASES)
def test_documents_fit_the_mapping(case: Alert) -> None:
    document = json.loads(render_documents([build_anomaly_result(case, "machine")], "json"))
    ours = document.pop("pynomaly")
    assert ours["alert"] == case.alert
    assert set(document) <= set(DOCUMENTED)
    wrong = [name for name, value in document.items() if not fits(value, DOCUMENTED[name])]
    assert not wrong
    needed = {"detector_id", "schema_version", "anomaly_score", "anomaly_grade", "confidence"}
    assert needed <= set(document)


def test_what_they_say() -> None:
    result = build_anomaly_result(alert(), "machine")
    assert result["entity"] == [{"name": "machine", "value": "a"}]
    assert result["feature_data"] == [{"feature_id": "power", "data": 12.5}]
    assert result["expected_values"] == [{"value_list": [{"feature_id": "power", "data": 4.9}]}]
    assert [item["data"] for item in result["relevant_attribution"]] == [0.6, 0.3, 0.1]
    assert result["data_start_time"] == 1_768_824_000_250
    assert result["confidence"] == pytest.approx(0.999)
    assert result["is_anomaly"]
    assert not build_anomaly_result(alert(ending="false-alarm"), "machine")["is_anomaly"]


def read(content: bytes, kind: str) -> pd.DataFrame:
    if kind == "json":
        return pd.DataFrame([json.loads(line) for line in content.decode().splitlines()])
    readers = {"csv": pd.read_csv, "parquet": pd.read_parquet, "xlsx": pd.read_excel}
    return readers[kind](io.BytesIO(content))


@pytest.mark.parametrize("kind", EXPORT_FORMATS)
def test_every_format_holds_every_alert(kind: str) -> None:
    documents = [build_anomaly_result(case, "machine") for case in CASES]
    table = read(render_documents(documents, kind), kind)
    assert len(table) == len(CASES)
    assert set(table["detector_id"]) == {"machines"}
    assert table["anomaly_score"].tolist() == [4.5] * 4
    if kind != "json":
        assert table["feature_data.power"].iloc[0] == 12.5
        assert table["data_start_time"].iloc[0] == "2026-01-19T12:00:00.250Z"
        assert table["entity.machine"].iloc[0] == "a"


@pytest.mark.parametrize("kind", EXPORT_FORMATS)
def test_no_alert_is_an_empty_file_not_an_error(kind: str) -> None:
    assert isinstance(render_documents([], kind), bytes)


EVIL = ["=1+1", "+1+cmd", "-1-A2", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"]


@pytest.mark.parametrize("evil", EVIL)
def test_no_cell_is_a_formula(evil: str) -> None:
    case = alert(entity=evil, note=evil)
    text = render_documents([build_anomaly_result(case, evil)], "csv").decode()
    cells = list(pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False).to_numpy().ravel())
    kept = evil.replace("\r", "\n")
    assert f"'{kept}" in cells
    assert not [cell for cell in cells if cell.startswith(tuple("=+@\t\r")) or cell == evil]
    book = load_workbook(io.BytesIO(render_documents([build_anomaly_result(case, evil)], "xlsx")))
    assert not [cell.value for row in book.active for cell in row if cell.data_type == "f"]


def test_numbers_are_no_formulas() -> None:
    assert escape_cell(-1.5) == -1.5
    assert escape_cell("a=b") == "a=b"
    assert escape_cell("-1.5") == "-1.5"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'xlsx'"):
        render_documents([], "xls")
