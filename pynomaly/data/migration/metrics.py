"""Amazon Lookout for Metrics: a metric set, as it is created and described.

Fields as documented in the API reference of the service (Amazon Web Services): ``CreateMetricSet`` and
``DescribeMetricSet``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pynomaly.data.migration.converted import Converted, past
from pynomaly.data.migration.exports import Document, Foreign, read_as, read_table
from pynomaly.errors import SourceError

__all__ = ["TITLE", "convert", "shape"]

TITLE = "Amazon Lookout for Metrics"

_WINDOW = {"PT5M": "5m", "PT10M": "10m", "PT1H": "1h", "P1D": "1d"}


class _Metric(Foreign):
    MetricName: str
    AggregationFunction: str = "AVG"


class _Time(Foreign):
    ColumnName: str
    ColumnFormat: str | None = None


class _Table(Foreign):
    TableName: str = Field(pattern=r"^[A-Za-z_][\w.]*$")


class _Bucket(Foreign):
    HistoricalDataPathList: tuple[str, ...] = ()
    TemplatedPathList: tuple[str, ...] = ()
    FileFormatDescriptor: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _Source(Foreign):
    RDSSourceConfig: _Table | None = None
    RedshiftSourceConfig: _Table | None = None
    S3SourceConfig: _Bucket | None = None


class _MetricSet(Foreign):
    MetricSetName: str
    MetricList: tuple[_Metric, ...] = Field(min_length=1)
    TimestampColumn: _Time
    DimensionList: tuple[str, ...] = ()
    MetricSetFrequency: str | None = None
    MetricSetDescription: str | None = None
    MetricSource: _Source = Field(default_factory=lambda: _Source())
    Timezone: str | None = None
    Offset: int | None = None
    DimensionFilterList: tuple[dict[str, Any], ...] = ()


def shape(document: Document) -> str | None:
    """Return the kind of a document of this product, from its fields; None if it is of another product."""
    return "metric set" if document.has("MetricSetName", "MetricList") else None


def convert(documents: Sequence[Document], tables: Sequence[Path]) -> Converted:
    """Convert one metric set, and the table of its rows if it is given.

    Raises
    ------
    SourceError
        If there is more than one metric set or table, or a field has a value the service does not document.
    """
    if len(documents) > 1 or len(tables) > 1:
        surplus = documents[1].path if len(documents) > 1 else tables[1]
        raise SourceError(
            f"{surplus}: one metric set and at most one table make a pipeline; convert them one at a time"
        )
    document = documents[0]
    metric_set = read_as(_MetricSet, document)
    outcome = Converted(TITLE, metric_set.MetricSetName)
    metrics = list(dict.fromkeys(metric.MetricName for metric in metric_set.MetricList))
    time, dimensions = metric_set.TimestampColumn.ColumnName, list(metric_set.DimensionList)
    if metric_set.MetricSetDescription:
        outcome.say("description", metric_set.MetricSetDescription, "MetricSetDescription")
    if tables:
        read_table(tables[0], [time, *metrics, *dimensions])
        outcome.file = tables[0]
    else:
        _source(outcome, metric_set, [time, *dimensions, *metrics])
    outcome.say("data.time", time, "TimestampColumn")
    outcome.say(
        "data.timezone",
        metric_set.Timezone or "UTC",
        "Timezone" if metric_set.Timezone else "no Timezone: UTC",
    )
    _dimensions(outcome, dimensions, metrics)
    past(outcome, metrics, "a metric is judged by what it was before")
    _frequency(outcome, document, metric_set.MetricSetFrequency)
    _leave(outcome, document, metric_set)
    return outcome


def _source(outcome: Converted, metric_set: _MetricSet, columns: list[str]) -> None:
    """Set the source of rows: a query for a database table; other sources must be exported by the user."""
    source = metric_set.MetricSource
    if database := source.RDSSourceConfig or source.RedshiftSourceConfig:
        kind = "RDSSourceConfig" if source.RDSSourceConfig else "RedshiftSourceConfig"
        quoted_columns = ['"' + name.replace('"', '""') + '"' for name in columns]
        window = f"{quoted_columns[0]} >= :start and {quoted_columns[0]} < :end"
        variable = re.sub(r"\W", "_", f"{metric_set.MetricSetName}_DB", flags=re.ASCII).upper()
        outcome.say("data.source", "sql", kind)
        outcome.say(
            "data.connection",
            variable if variable.isidentifier() else f"DB_{variable}",
            "an environment variable that holds the database's URL",
        )
        # Not run here: a person reads it in the YAML; columns are quoted, the table's name matches a pattern.
        query = f"select {', '.join(quoted_columns)} from {database.TableName} where {window}"  # nosec B608  # above
        outcome.say("data.query", query, f"{kind}.TableName")
        why = "addresses and passwords belong into the environment, not into a file"
        outcome.leave(f"{kind}: host, role, secret", why)
        return
    outcome.say("data.source", "csv", "rows to be brought here")
    outcome.say("data.path", "", "to be brought here")
    if bucket := source.S3SourceConfig:
        text = bucket.FileFormatDescriptor.get("CsvFormatDescriptor", {})
        if mark := text.get("Delimiter"):
            outcome.say("data.separator", str(mark), "CsvFormatDescriptor.Delimiter")
        paths = ", ".join((*bucket.HistoricalDataPathList, *bucket.TemplatedPathList))
        why = "a file a moment; bring them into one table (CSV, or a folder of Parquet files)"
        outcome.leave(f"S3SourceConfig: {paths}", why)
    elif source.model_extra:
        why = "export its rows to CSV or Parquet, or name a database by data.connection"
        outcome.leave(f"MetricSource: {', '.join(source.model_extra)}", why)


def _dimensions(outcome: Converted, dimensions: list[str], metrics: list[str]) -> None:
    if len(dimensions) == 1:
        outcome.say("data.id", dimensions[0], "DimensionList: each value a series of its own")
        outcome.say("data.columns", metrics, "MetricList")
        return
    outcome.say("data.columns", [*metrics, *dimensions], "MetricList and DimensionList")
    if dimensions:
        outcome.say("data.categorical", dimensions, "DimensionList")
        outcome.leave(
            f"DimensionList: {', '.join(dimensions)} as series of their own",
            "an entity is one column: make one that joins them, name it data.id, drop them from data.columns",
        )


def _frequency(outcome: Converted, document: Document, frequency: str | None) -> None:
    if frequency is None:
        return
    if frequency not in _WINDOW:
        raise SourceError(
            f"{document.path}: MetricSetFrequency: {frequency!r}; allowed: {', '.join(_WINDOW)}"
        )
    outcome.say("windows.score", _WINDOW[frequency], "MetricSetFrequency")
    outcome.say("windows.monitor", "7d", "a whole number of windows.score")


def _leave(outcome: Converted, document: Document, metric_set: _MetricSet) -> None:
    if sums := [metric.MetricName for metric in metric_set.MetricList if metric.AggregationFunction == "SUM"]:
        outcome.leave(
            f"AggregationFunction SUM of {', '.join(sums)}",
            "rows are scored as they are; sum them in data.query or before",
        )
    if metric_set.TimestampColumn.ColumnFormat:
        outcome.leave(
            f"TimestampColumn.ColumnFormat: {metric_set.TimestampColumn.ColumnFormat}",
            "times are read as ISO 8601 (or as the database's own)",
        )
    if metric_set.Offset:
        outcome.leave(
            f"Offset: {metric_set.Offset} s", "a window is due by schedule.score; let its cron wait as long"
        )
    for entry in metric_set.DimensionFilterList:
        outcome.leave(
            f"DimensionFilterList: {entry.get('Name', entry)}",
            "every row is judged; filter them in data.query or before",
        )
    outcome.leave_unknown(
        document.path.name,
        metric_set.model_extra,
        ("MetricSetArn", "AnomalyDetectorArn", "CreationTime", "LastModificationTime", "Tags"),
    )
