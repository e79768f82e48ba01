"""Azure Anomaly Detector: requests and results of one series, and multivariate models.

Fields as documented for the REST API v1.1 (Microsoft, Anomaly Detector REST API reference: univariate
``timeseries/entire/detect`` and multivariate ``multivariate/models``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import AliasChoices, Field

from pynomaly.config.spelling.units import spell_duration
from pynomaly.data.migration.converted import ConvertedExport, add_series_settings
from pynomaly.data.migration.exports import (
    Document,
    ForeignDocument,
    parse_document,
    parse_moment_column,
    read_table,
)
from pynomaly.errors import SourceError

__all__ = ["TITLE", "convert_documents", "identify_document"]

TITLE = "Azure Anomaly Detector"

_NO_SENSITIVITY = (
    "alerts come of p-values on held-out rows; alerts.policy and `pynomaly preview` set how many"
)
_GRANULARITIES = {
    "microsecond": timedelta(microseconds=1),
    "secondly": timedelta(seconds=1),
    "minutely": timedelta(minutes=1),
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
}


class _SeriesPoint(ForeignDocument):
    timestamp: str
    value: float | None = None


class _UnivariateRequest(ForeignDocument):
    series: tuple[_SeriesPoint, ...] = Field(min_length=1)
    granularity: str | None = None
    customInterval: int = Field(1, ge=1)


class _UnivariateResult(ForeignDocument):
    isAnomaly: tuple[bool, ...]
    severity: tuple[float, ...] = ()


class _AlignPolicy(ForeignDocument):
    alignMode: str | None = None
    fillNAMethod: str | None = None


class _MultivariateModel(ForeignDocument):
    dataSource: str = Field(validation_alias=AliasChoices("dataSource", "source"))
    startTime: datetime
    endTime: datetime
    slidingWindow: int | None = Field(None, ge=1)
    alignPolicy: _AlignPolicy | None = None
    displayName: str | None = None


class _PointVerdict(ForeignDocument):
    isAnomaly: bool
    score: float | None = None
    severity: float | None = None


class _JudgedPoint(ForeignDocument):
    timestamp: str
    value: _PointVerdict | None = None


class _MultivariateResults(ForeignDocument):
    resultId: str
    results: tuple[_JudgedPoint, ...]


def identify_document(document: Document) -> str | None:
    """Return the kind of a document of this product, from its fields; None if it is of another product."""
    if document.has_keys("series"):
        return "request"
    if document.has_keys("isAnomaly", "expectedValues"):
        return "result"
    if document.has_keys("modelInfo") or (
        document.has_keys("startTime", "endTime") and _has_source(document.content)
    ):
        return "model"
    return "results" if document.has_keys("resultId", "results") else None


def convert_documents(documents: Sequence[Document], tables: Sequence[Path]) -> ConvertedExport:
    """Convert one series (request and result) or a multivariate model (definition, data and result).

    Raises
    ------
    SourceError
        If there are documents of both kinds, one is missing, or two do not belong together.
    """
    by_shape: dict[str, Document] = {}
    for document in documents:
        kind = identify_document(document) or ""
        if kind in by_shape:
            raise SourceError(
                f"{document.path} and {by_shape[kind].path}: two of one kind; convert one series at a time"
            )
        by_shape[kind] = document
    if {"model", "results"} & set(by_shape):
        if {"request", "result"} & set(by_shape):
            raise SourceError(
                f"{documents[0].path}: a series and a multivariate model; convert them one at a time"
            )
        return _convert_multivariate(by_shape, tables)
    return _convert_univariate(by_shape, tables)


def _convert_univariate(by_shape: dict[str, Document], tables: Sequence[Path]) -> ConvertedExport:
    if "request" not in by_shape:
        raise SourceError(f"{by_shape['result'].path}: a result without its request, which holds the series")
    if tables:
        raise SourceError(f"{tables[0]}: a request holds its own series; leave the table out")
    document = by_shape["request"]
    request = parse_document(_UnivariateRequest, document)
    where = f"{document.path}: series"
    times = parse_moment_column(
        pd.Series([point.timestamp for point in request.series]), f"{where}.timestamp"
    )
    outcome = ConvertedExport(TITLE, document.path.stem)
    outcome.table = pd.DataFrame({"timestamp": times, "value": [point.value for point in request.series]})
    outcome.add_setting("data.time", "timestamp", "series.timestamp")
    outcome.add_setting("data.timezone", "UTC", "timestamps without an offset are UTC there")
    outcome.add_setting("data.columns", ["value"], "series.value")
    step = _GRANULARITIES.get(request.granularity or "")
    add_series_settings(
        outcome,
        ["value"],
        "a product for one series judges a point by those before it",
        step=step and step * request.customInterval,
    )
    extra = dict(request.model_extra or {})
    for name in ("sensitivity", "maxAnomalyRatio"):
        if name in extra:
            outcome.leave_out(f"{name}: {extra.pop(name)}", _NO_SENSITIVITY)
    if "period" in extra:
        outcome.leave_out(
            f"period: {extra.pop('period')}", "seasons are seen by features.calendar, and drift's by the week"
        )
    if modes := [
        f"{name}: {extra.pop(name)}" for name in ("imputeMode", "imputeFixedValue") if name in extra
    ]:
        outcome.leave_out(", ".join(modes), "missing values follow features.missing (median by default)")
    outcome.leave_out_unknown(document.path.name, extra)
    if "result" in by_shape:
        _keep_verdicts(outcome, by_shape["result"], times)
    return outcome


def _keep_verdicts(outcome: ConvertedExport, document: Document, times: pd.Series[Any]) -> None:
    result = parse_document(_UnivariateResult, document)
    if len(result.isAnomaly) != len(times):
        raise SourceError(
            f"{document.path}: isAnomaly has {len(result.isAnomaly)} entries, the series {len(times)}: "
            "another series' result"
        )
    verdict_columns: dict[str, Any] = {
        "timestamp": times,
        "is_anomaly": [int(one) for one in result.isAnomaly],
    }
    if len(result.severity) == len(times):
        verdict_columns["severity"] = list(result.severity)
    outcome.before = pd.DataFrame(verdict_columns)


def _convert_multivariate(by_shape: dict[str, Document], tables: Sequence[Path]) -> ConvertedExport:
    if "model" not in by_shape:
        raise SourceError(
            f"{by_shape['results'].path}: results without the model they are of (its definition, as JSON)"
        )
    document = by_shape["model"]
    content = document.content.get("modelInfo", document.content)
    model = parse_document(
        _MultivariateModel, Document(document.path, content) if isinstance(content, dict) else document
    )
    outcome = ConvertedExport(TITLE, model.displayName or document.path.stem)
    outcome.add_setting("data.time", "timestamp", "every variable's timestamp")
    outcome.add_setting("data.timezone", "UTC", "timestamps without an offset are UTC there")
    variables = _join_variables(outcome, model, tables)
    if variables:
        outcome.add_setting("data.columns", variables, "the model's variables")
        step = _measure_step(outcome, tables)
        source = (
            f"slidingWindow: {model.slidingWindow}"
            if model.slidingWindow
            else "slidingWindow, 300 where it is not said"
        )
        add_series_settings(outcome, variables, source, rows=model.slidingWindow or 300, step=step)
    if model.endTime > model.startTime:
        outcome.add_setting("training.start", model.startTime.isoformat(), "startTime")
        length = timedelta(hours=-(-(model.endTime - model.startTime) // timedelta(hours=1)))
        outcome.add_setting(
            "windows.reference", spell_duration(length), "endTime - startTime, in whole hours"
        )
    policy = model.alignPolicy
    if policy and policy.fillNAMethod:
        outcome.leave_out(
            f"alignPolicy.fillNAMethod: {policy.fillNAMethod}",
            "missing values follow features.missing (median by default)",
        )
    bookkeeping = ("status", "errors", "diagnosticsInfo", "dataSchema")
    outcome.leave_out_unknown(document.path.name, model.model_extra, bookkeeping)
    if "diagnosticsInfo" in (model.model_extra or {}):
        outcome.leave_out(
            "diagnosticsInfo", "losses and fill ratios of another model; `pynomaly train` writes its own"
        )
    if "results" in by_shape:
        results = parse_document(_MultivariateResults, by_shape["results"])
        outcome.before = (
            pd.DataFrame(
                {
                    "timestamp": parse_moment_column(
                        pd.Series([row.timestamp for row in results.results], dtype=object),
                        f"{by_shape['results'].path}: results.timestamp",
                    ),
                    "is_anomaly": [
                        None if row.value is None else int(row.value.isAnomaly) for row in results.results
                    ],
                    "score": [row.value and row.value.score for row in results.results],
                    "severity": [row.value and row.value.severity for row in results.results],
                }
            )
            if results.results
            else None
        )
    return outcome


def _join_variables(outcome: ConvertedExport, model: _MultivariateModel, tables: Sequence[Path]) -> list[str]:
    """Use one table of all variables, or join one table per variable by time; return the variables."""
    if not tables:
        outcome.add_setting("data.source", "csv", "the data lie in the product's storage")
        outcome.add_setting("data.path", "", "to be brought here")
        return []
    first = read_table(tables[0], ("timestamp",))
    if len(tables) == 1 and list(first.columns) != ["timestamp", "value"]:
        outcome.file = tables[0]
        return [str(name) for name in first.columns if name != "timestamp"]
    inner = bool(model.alignPolicy and (model.alignPolicy.alignMode or "").lower() == "inner")
    columns: dict[str, pd.Series[Any]] = {}
    for file in tables:
        frame = read_table(file, ("timestamp", "value"))
        times = parse_moment_column(frame["timestamp"], f"{file}: timestamp")
        if times.duplicated().any():
            raise SourceError(f"{file}: {times[times.duplicated()].iloc[0]} occurs more than once")
        if file.stem in columns:
            raise SourceError(f"{file}: a second table of variable {file.stem!r}")
        columns[file.stem] = pd.Series(frame["value"].to_numpy(), index=times.to_numpy())
    joined = pd.concat(columns, axis=1, join="inner" if inner else "outer", sort=True)
    joined.index = pd.DatetimeIndex(joined.index, tz="UTC", name="timestamp")
    if joined.empty:
        raise SourceError(f"{tables[0].parent}: no moment that every variable has (alignMode: Inner)")
    outcome.table = joined.reset_index()
    outcome.carried["the table"] = (
        f"{len(columns)} variables joined by time, alignMode {'Inner' if inner else 'Outer'}"
    )
    return list(columns)


def _measure_step(outcome: ConvertedExport, tables: Sequence[Path]) -> timedelta | None:
    if outcome.table is not None:
        times = outcome.table["timestamp"]
    elif tables:
        times = parse_moment_column(read_table(tables[0])["timestamp"], f"{tables[0]}: timestamp")
    else:
        return None
    steps = times.sort_values().diff().dropna()
    return pd.Timedelta(steps.median()).to_pytimedelta() if len(steps) else None


def _has_source(content: dict[str, Any]) -> bool:
    return "dataSource" in content or "source" in content
