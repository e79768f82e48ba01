"""Alerts as files that other tools read: each record follows OpenSearch's anomaly result mapping.

Field names, nesting and types are those of ``anomaly-results.json`` (schema version 5) of OpenSearch's
anomaly detection plugin, so that its dashboards read the documents. Facts without a field in the mapping are
under one more field, ``pynomaly``, which the mapping (``dynamic: false``) stores and does not index. Written
as JSON (one document per line), CSV, Parquet or XLSX. Called by :mod:`pynomaly.steps.alerting.export_alerts`.

References
----------
https://docs.opensearch.org/latest/observing-your-data/ad/result-mapping/
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from pynomaly.errors import ConfigError, list_allowed
from pynomaly.judging.alerts.alert import Alert, grade_p_value
from pynomaly.records.sheet import escape_cell, render_workbook

__all__ = [
    "EXPORT_FORMATS",
    "MAPPING",
    "SCHEMA_VERSION",
    "build_anomaly_result",
    "flatten_document",
    "render_documents",
]

SCHEMA_VERSION = 5

_FEATURE_VALUES: dict[str, Any] = {"feature_id": "keyword", "data": "double"}
MAPPING: dict[str, Any] = {
    "detector_id": "keyword",
    "is_anomaly": "boolean",
    "anomaly_score": "double",
    "anomaly_grade": "double",
    "confidence": "double",
    "feature_data": [_FEATURE_VALUES],
    "data_start_time": "date",
    "data_end_time": "date",
    "execution_start_time": "date",
    "execution_end_time": "date",
    "error": "text",
    "entity": [{"name": "keyword", "value": "keyword"}],
    "schema_version": "integer",
    "task_id": "keyword",
    "model_id": "keyword",
    "start_of_anomaly": "boolean",
    "in_high_score_region": "boolean",
    "approx_anomaly_start_time": "date",
    "relevant_attribution": [_FEATURE_VALUES],
    "past_values": [_FEATURE_VALUES],
    "expected_values": [{"likelihood": "double", "value_list": [_FEATURE_VALUES]}],
    "threshold": "double",
}
"""Fields and types of the mapping; a list is a nested field. Without ``user``: no user roles are known."""


def build_anomaly_result(alert: Alert, entity: str | None) -> dict[str, Any]:
    """Return one alert as a document of the mapping.

    Parameters
    ----------
    alert : Alert
    entity : str or None
        Name of the entity column.

    Returns
    -------
    dict
        Times in milliseconds since 1970 (``epoch_millis``). ``anomaly_score``, ``feature_data`` and
        ``expected_values`` (without a ``likelihood``, which nothing here measures) are those of the rarest
        row; ``anomaly_grade`` is
        :func:`~pynomaly.judging.alerts.alert.grade_p_value` of its p-value, ``confidence`` is one minus the
        p-value: the chance that a normal row scores lower. Columns that hold text are only under
        ``pynomaly``, because the mapping's values are numbers.
    """
    numbers = [item for item in alert.carriers if isinstance(item.actual, float)]
    expected = [item for item in numbers if isinstance(item.expected, float)]
    document: dict[str, Any] = {
        "detector_id": alert.pipeline,
        "schema_version": SCHEMA_VERSION,
        "is_anomaly": alert.state != "withdrawn" and alert.ending != "false-alarm",
        "anomaly_score": alert.score,
        "anomaly_grade": grade_p_value(alert.p_value),
        "confidence": 1.0 - alert.p_value,
        "data_start_time": _to_millis(alert.first),
        "data_end_time": _to_millis(alert.last),
        "execution_start_time": _to_millis(alert.opened),
        "execution_end_time": _to_millis(alert.opened),
        "approx_anomaly_start_time": _to_millis(alert.first),
        "model_id": f"{alert.pipeline}_v{alert.version}",
        "task_id": alert.alert,
        "entity": [{"name": entity, "value": alert.entity}] if entity and alert.entity else None,
        "feature_data": [{"feature_id": item.feature, "data": item.actual} for item in numbers],
        "relevant_attribution": [{"feature_id": item.feature, "data": item.share} for item in alert.carriers],
        "expected_values": [
            {"value_list": [{"feature_id": item.feature, "data": item.expected} for item in expected]}
        ]
        if expected
        else None,
        "pynomaly": alert.to_dict() | {"row_keys": len(alert.row_keys)},
    }
    return {name: value for name, value in document.items() if value not in (None, [])}


def flatten_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document as one row: nested fields as ``field.name.column``, ``pynomaly`` lists as JSON."""
    row: dict[str, Any] = {}
    for name, value in document.items():
        if name == "pynomaly":
            for key, field_value in value.items():
                row[f"pynomaly.{key}"] = (
                    json.dumps(field_value) if isinstance(field_value, list | tuple | dict) else field_value
                )
        elif name == "entity":
            row |= {f"entity.{item['name']}": item["value"] for item in value}
        elif name == "expected_values":
            row |= {f"{name}.{item['feature_id']}": item["data"] for item in value[0]["value_list"]}
        elif isinstance(value, list):
            row |= {f"{name}.{item['feature_id']}": item["data"] for item in value}
        else:
            row[name] = value
    return row


def render_documents(documents: Sequence[Mapping[str, Any]], kind: str) -> bytes:
    """Return documents as the bytes of a file.

    Parameters
    ----------
    documents : sequence of mapping
    kind : str
        One of :data:`EXPORT_FORMATS`. JSON keeps the nesting; tables are flat, with one column per feature,
        and times as ISO 8601 in UTC.

    Raises
    ------
    ConfigError
        If `kind` is not one of them.
    """
    if kind not in EXPORT_FORMATS:
        raise ConfigError(f"no format {kind!r}; {list_allowed(kind, EXPORT_FORMATS)}")
    if kind == "json":
        return "".join(json.dumps(item, allow_nan=False) + "\n" for item in documents).encode()
    if kind == "parquet":
        sink = io.BytesIO()
        _build_table(documents).to_parquet(sink, index=False)
        return sink.getvalue()
    table = _build_table(documents)
    safe_table = pd.DataFrame({escape_cell(str(name)): table[name].map(escape_cell) for name in table})
    if kind == "csv":
        # Quoted, because a spreadsheet takes an unquoted carriage return for the end of the row.
        return safe_table.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode()
    return render_workbook(safe_table, "alerts")


def _build_table(documents: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a table of flat rows; the columns of the mapping come first, in its order."""
    rows = [flatten_document(item) for item in documents]
    names = dict.fromkeys(name for row in rows for name in row)
    position_of = {name: place for place, name in enumerate(MAPPING)}
    last = len(position_of)
    sorted_names = sorted(
        names, key=lambda name: (position_of.get(name.split(".")[0], last), list(names).index(name))
    )
    table = pd.DataFrame(rows, columns=sorted_names)
    for name in (name for name, kind in MAPPING.items() if kind == "date" and name in table):
        moments = pd.to_datetime(table[name], unit="ms", utc=True)
        table[name] = moments.dt.strftime("%Y-%m-%dT%H:%M:%S.%f").str[:-3] + "Z"
    return table


def _to_millis(moment: datetime | None) -> int | None:
    return round(moment.timestamp() * 1000) if moment else None


EXPORT_FORMATS = ("csv", "json", "parquet", "xlsx")
"""Formats of a file of alerts, which are also the file name extensions."""
