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

from pynomaly.data.migration.converted import ConvertedExport, add_series_settings
from pynomaly.data.migration.exports import Document, ForeignDocument, parse_document, read_table
from pynomaly.errors import SourceError

__all__ = ["TITLE", "convert_documents", "identify_document"]

TITLE = "Amazon Lookout for Metrics"

_FREQUENCIES = {"PT5M": "5m", "PT10M": "10m", "PT1H": "1h", "P1D": "1d"}


class _Metric(ForeignDocument):
    MetricName: str
    AggregationFunction: str = "AVG"


class _TimestampColumn(ForeignDocument):
    ColumnName: str
    ColumnFormat: str | None = None


class _DatabaseTable(ForeignDocument):
    TableName: str = Field(pattern=r"^[A-Za-z_][\w.]*$")


class _S3Source(ForeignDocument):
    HistoricalDataPathList: tuple[str, ...] = ()
    TemplatedPathList: tuple[str, ...] = ()
    FileFormatDescriptor: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _MetricSource(ForeignDocument):
    RDSSourceConfig: _DatabaseTable | None = None
    RedshiftSourceConfig: _DatabaseTable | None = None
    S3SourceConfig: _S3Source | None = None


class _MetricSet(ForeignDocument):
    MetricSetName: str
    MetricList: tuple[_Metric, ...] = Field(min_length=1)
    TimestampColumn: _TimestampColumn
    DimensionList: tuple[str, ...] = ()
    MetricSetFrequency: str | None = None
    MetricSetDescription: str | None = None
    MetricSource: _MetricSource = Field(default_factory=lambda: _MetricSource())
    Timezone: str | None = None
    Offset: int | None = None
    DimensionFilterList: tuple[dict[str, Any], ...] = ()


def identify_document(document: Document) -> str | None:
    """Return the kind of a document of this product, from its fields; None if it is of another product."""
    return "metric set" if document.has_keys("MetricSetName", "MetricList") else None


def convert_documents(documents: Sequence[Document], tables: Sequence[Path]) -> ConvertedExport:
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
    metric_set = parse_document(_MetricSet, document)
    outcome = ConvertedExport(TITLE, metric_set.MetricSetName)
    metrics = list(dict.fromkeys(metric.MetricName for metric in metric_set.MetricList))
    time, dimensions = metric_set.TimestampColumn.ColumnName, list(metric_set.DimensionList)
    if metric_set.MetricSetDescription:
        outcome.add_setting("description", metric_set.MetricSetDescription, "MetricSetDescription")
    if tables:
        read_table(tables[0], [time, *metrics, *dimensions])
        outcome.file = tables[0]
    else:
        _set_source(outcome, metric_set, [time, *dimensions, *metrics])
    outcome.add_setting("data.time", time, "TimestampColumn")
    outcome.add_setting(
        "data.timezone",
        metric_set.Timezone or "UTC",
        "Timezone" if metric_set.Timezone else "no Timezone: UTC",
    )
    _set_dimensions(outcome, dimensions, metrics)
    add_series_settings(outcome, metrics, "a metric is judged by what it was before")
    _set_frequency(outcome, document, metric_set.MetricSetFrequency)
    _list_left_out(outcome, document, metric_set)
    return outcome


def _set_source(outcome: ConvertedExport, metric_set: _MetricSet, columns: list[str]) -> None:
    """Set the source of rows: a query for a database table; other sources must be exported by the user."""
    source = metric_set.MetricSource
    if database := source.RDSSourceConfig or source.RedshiftSourceConfig:
        kind = "RDSSourceConfig" if source.RDSSourceConfig else "RedshiftSourceConfig"
        quoted_columns = ['"' + name.replace('"', '""') + '"' for name in columns]
        window = f"{quoted_columns[0]} >= :start and {quoted_columns[0]} < :end"
        variable = re.sub(r"\W", "_", f"{metric_set.MetricSetName}_DB", flags=re.ASCII).upper()
        outcome.add_setting("data.source", "sql", kind)
        outcome.add_setting(
            "data.connection",
            variable if variable.isidentifier() else f"DB_{variable}",
            "an environment variable that holds the database's URL",
        )
        # Not run here: a person reads it in the YAML; columns are quoted, the table's name matches a pattern.
        query = f"select {', '.join(quoted_columns)} from {database.TableName} where {window}"  # nosec B608  # above
        outcome.add_setting("data.query", query, f"{kind}.TableName")
        why = "addresses and passwords belong into the environment, not into a file"
        outcome.leave_out(f"{kind}: host, role, secret", why)
        return
    outcome.add_setting("data.source", "csv", "rows to be brought here")
    outcome.add_setting("data.path", "", "to be brought here")
    if bucket := source.S3SourceConfig:
        text = bucket.FileFormatDescriptor.get("CsvFormatDescriptor", {})
        if mark := text.get("Delimiter"):
            outcome.add_setting("data.separator", str(mark), "CsvFormatDescriptor.Delimiter")
        paths = ", ".join((*bucket.HistoricalDataPathList, *bucket.TemplatedPathList))
        why = "a file a moment; bring them into one table (CSV, or a folder of Parquet files)"
        outcome.leave_out(f"S3SourceConfig: {paths}", why)
    elif source.model_extra:
        why = "export its rows to CSV or Parquet, or name a database by data.connection"
        outcome.leave_out(f"MetricSource: {', '.join(source.model_extra)}", why)


def _set_dimensions(outcome: ConvertedExport, dimensions: list[str], metrics: list[str]) -> None:
    if len(dimensions) == 1:
        outcome.add_setting("data.id", dimensions[0], "DimensionList: each value a series of its own")
        outcome.add_setting("data.columns", metrics, "MetricList")
        return
    outcome.add_setting("data.columns", [*metrics, *dimensions], "MetricList and DimensionList")
    if dimensions:
        outcome.add_setting("data.categorical", dimensions, "DimensionList")
        outcome.leave_out(
            f"DimensionList: {', '.join(dimensions)} as series of their own",
            "an entity is one column: make one that joins them, name it data.id, drop them from data.columns",
        )


def _set_frequency(outcome: ConvertedExport, document: Document, frequency: str | None) -> None:
    if frequency is None:
        return
    if frequency not in _FREQUENCIES:
        raise SourceError(
            f"{document.path}: MetricSetFrequency: {frequency!r}; allowed: {', '.join(_FREQUENCIES)}"
        )
    outcome.add_setting("windows.score", _FREQUENCIES[frequency], "MetricSetFrequency")
    outcome.add_setting("windows.monitor", "7d", "a whole number of windows.score")


def _list_left_out(outcome: ConvertedExport, document: Document, metric_set: _MetricSet) -> None:
    if sums := [metric.MetricName for metric in metric_set.MetricList if metric.AggregationFunction == "SUM"]:
        outcome.leave_out(
            f"AggregationFunction SUM of {', '.join(sums)}",
            "rows are scored as they are; sum them in data.query or before",
        )
    if metric_set.TimestampColumn.ColumnFormat:
        outcome.leave_out(
            f"TimestampColumn.ColumnFormat: {metric_set.TimestampColumn.ColumnFormat}",
            "times are read as ISO 8601 (or as the database's own)",
        )
    if metric_set.Offset:
        outcome.leave_out(
            f"Offset: {metric_set.Offset} s", "a window is due by schedule.score; let its cron wait as long"
        )
    for entry in metric_set.DimensionFilterList:
        outcome.leave_out(
            f"DimensionFilterList: {entry.get('Name', entry)}",
            "every row is judged; filter them in data.query or before",
        )
    outcome.leave_out_unknown(
        document.path.name,
        metric_set.model_extra,
        ("MetricSetArn", "AnomalyDetectorArn", "CreationTime", "LastModificationTime", "Tags"),
    )
