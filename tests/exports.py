"""Small exports of other products, in the formats of their documentation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

HOUR = timedelta(hours=1)
START = datetime(2026, 1, 1)


def list_hours(n: int, shown: str = "%Y-%m-%dT%H:%M:%S.000000") -> list[str]:
    """Returns `n` hours from the start of 2026 on, as text."""
    return [f"{START + i * HOUR:{shown}}" for i in range(n)]


def write_json(path: Path, content: object) -> Path:
    """Write JSON to `path`; a list becomes JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = content if isinstance(content, list) else [content]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return path


def write_csv(path: Path, columns: Mapping[str, list[Any]]) -> Path:
    """Write a CSV file to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n")
    return path


def make_wave(n: int, height: float = 1.0) -> list[float]:
    """Returns a daily wave with deterministic noise."""
    return [round(height * (10 + math.sin(i / 24 * math.tau) + (i * 7919 % 97) / 97), 4) for i in range(n)]


# --- Azure Anomaly Detector


def make_detect_request(n: int = 48, **fields: Any) -> dict[str, Any]:
    """Returns a request to ``timeseries/entire/detect``."""
    series = [
        {"timestamp": t, "value": v}
        for t, v in zip(list_hours(n, "%Y-%m-%dT%H:%M:%SZ"), make_wave(n), strict=True)
    ]
    return {"series": series, "granularity": "hourly", **fields}


def make_detect_result(n: int = 48) -> dict[str, Any]:
    """Returns an answer of ``timeseries/entire/detect``."""
    flags = [i == 30 for i in range(n)]
    return {
        "expectedValues": make_wave(n),
        "isAnomaly": flags,
        "isNegativeAnomaly": [False] * n,
        "isPositiveAnomaly": flags,
        "lowerMargins": [1.0] * n,
        "upperMargins": [1.0] * n,
        "period": 24,
        "severity": [0.4 if flag else 0.0 for flag in flags],
    }


def make_multivariate_model(**fields: Any) -> dict[str, Any]:
    """Returns an answer of ``multivariate/models/{modelId}``."""
    info = {
        "dataSource": "https://store.example/variables",
        "dataSchema": "MultiTable",
        "startTime": "2026-01-01T00:00:00Z",
        "endTime": "2026-01-15T00:00:00Z",
        "displayName": "Line 4",
        "slidingWindow": 28,
        "alignPolicy": {"alignMode": "Outer", "fillNAMethod": "Linear", "paddingValue": 0},
        "status": "READY",
        "errors": [],
        "diagnosticsInfo": {"modelState": {"trainLosses": [0.9, 0.4]}, "variableStates": []},
    }
    return {"modelId": "0a1b", "createdTime": "2026-02-01T00:00:00Z", "modelInfo": info | fields}


def make_batch_result(n: int = 24) -> dict[str, Any]:
    """Returns an answer of ``multivariate/detect-batch/{resultId}``."""
    results = [
        {
            "timestamp": moment,
            "value": {"isAnomaly": i == 5, "severity": 0.3, "score": 0.2, "interpretation": []},
            "errors": [],
        }
        for i, moment in enumerate(list_hours(n, "%Y-%m-%dT%H:%M:%SZ"))
    ]
    return {"resultId": "9f8e", "summary": {"status": "READY"}, "results": results}


# --- Amazon Lookout for Equipment


def make_equipment_schema(**components: list[tuple[str, str]]) -> dict[str, Any]:
    """Returns a dataset's ``InlineDataSchema``; by default of a pump and a motor."""
    parts = components or {
        "pump": [("Timestamp", "DATETIME"), ("flow", "DOUBLE"), ("heat", "DOUBLE")],
        "motor": [("Timestamp", "DATETIME"), ("speed", "DOUBLE"), ("mode", "CATEGORICAL")],
    }
    return {
        "Components": [
            {"ComponentName": name, "Columns": [{"Name": column, "Type": kind} for column, kind in columns]}
            for name, columns in parts.items()
        ]
    }


def write_sensor_tables(folder: Path, n: int = 48) -> tuple[Path, Path]:
    """Write the rows of the two components; the first hour of the pump is missing."""
    times = list_hours(n)
    pump = {"Timestamp": times[1:], "flow": make_wave(n)[1:], "heat": make_wave(n, 5)[1:]}
    motor = {"Timestamp": times, "speed": make_wave(n, 150), "mode": ["ab"[i % 2] for i in range(n)]}
    return write_csv(folder / "pump" / "part1.csv", pump), write_csv(folder / "motor" / "part1.csv", motor)


def make_predictions(n: int = 24) -> list[dict[str, Any]]:
    """Returns inference results, one per hour."""
    return [
        {
            "timestamp": moment,
            "prediction": int(i == 3),
            "prediction_reason": "ANOMALY_DETECTED" if i == 3 else "NO_ANOMALY_DETECTED",
            "anomaly_score": 0.7 if i == 3 else 0.1,
            "diagnostics": [{"name": "pump\\flow", "value": 0.6}, {"name": "pump\\heat", "value": 0.4}],
        }
        for i, moment in enumerate(list_hours(n))
    ]


def write_equipment_export(folder: Path, n: int = 48) -> Path:
    """Write a whole export of Lookout for Equipment: dataset, sensors, labels, results."""
    write_sensor_tables(folder, n)
    write_json(
        folder / "dataset.json", {"DatasetName": "Plant 7", "Schema": json.dumps(make_equipment_schema())}
    )
    (folder / "labels.csv").write_text("2026-01-01T20:00:00.000000,2026-01-01T23:00:00.000000\n")
    write_json(folder / "results.jsonl", make_predictions())
    return folder


# --- Amazon Lookout for Metrics


def make_metric_set(**fields: Any) -> dict[str, Any]:
    """Returns an answer of ``DescribeMetricSet``."""
    return {
        "MetricSetName": "Shop-Orders",
        "MetricSetDescription": "orders of the shop",
        "MetricSetFrequency": "PT1H",
        "MetricList": [
            {"MetricName": "orders", "AggregationFunction": "SUM"},
            {"MetricName": "latency", "AggregationFunction": "AVG"},
        ],
        "DimensionList": ["region"],
        "TimestampColumn": {"ColumnName": "at", "ColumnFormat": "yyyy-MM-dd HH:mm:ss"},
        "Timezone": "Europe/Berlin",
        "Offset": 300,
        "MetricSource": {"RedshiftSourceConfig": {"TableName": "public.orders", "DatabaseHost": "db"}},
        **fields,
    }


# --- Amazon SageMaker Model Monitor


def make_constraints() -> dict[str, Any]:
    """Returns ``constraints.json`` of a baseline."""
    return {
        "version": 0,
        "features": [
            {
                "name": "amount",
                "inferred_type": "Fractional",
                "completeness": 0.98,
                "num_constraints": {"is_non_negative": True},
            },
            {
                "name": "country",
                "inferred_type": "String",
                "completeness": 1.0,
                "string_constraints": {"domains": ["de", "fr"]},
            },
            {"name": "delta", "inferred_type": "Fractional", "num_constraints": {"is_non_negative": False}},
        ],
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 0.9,
            "domain_content_threshold": 0.95,
            "distribution_constraints": {"perform_comparison": "Enabled", "comparison_threshold": 0.1},
        },
    }


def make_statistics() -> dict[str, Any]:
    """Returns ``statistics.json`` of the same baseline."""
    number = {"common": {"num_present": 98, "num_missing": 2}, "mean": 4.0, "std_dev": 1.0}
    return {
        "version": 0,
        "dataset": {"item_count": 100},
        "features": [{"name": "amount", "inferred_type": "Fractional", "numerical_statistics": number}],
    }
