"""Amazon Lookout for Equipment: a dataset's schema, its sensors, labels, models and inference results.

Fields as documented in the developer guide and API reference of the service (Amazon Web Services):
``InlineDataSchema``, label data, ``DescribeModel``, ``ListLabels`` and the JSON lines of inference results.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from pynomaly.config.spelling.units import spell_duration
from pynomaly.data.incidents import Incident
from pynomaly.data.migration.converted import ConvertedExport, add_series_settings
from pynomaly.data.migration.exports import (
    Document,
    ForeignDocument,
    parse_content,
    parse_document,
    parse_moment_column,
    read_first_line,
    read_table,
)
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, SourceError

__all__ = ["TITLE", "convert_documents", "identify_document"]

TITLE = "Amazon Lookout for Equipment"

_UPLOAD_RATES = {"PT5M": "5m", "PT10M": "10m", "PT15M": "15m", "PT30M": "30m", "PT1H": "1h"}


class _SensorColumn(ForeignDocument):
    Name: str
    Type: str = "DOUBLE"


class _Component(ForeignDocument):
    ComponentName: str
    Columns: tuple[_SensorColumn, ...] = Field(min_length=2)

    @property
    def time(self) -> str:
        return next((column.Name for column in self.Columns if column.Type == "DATETIME"), "")


class _Schema(ForeignDocument):
    Components: tuple[_Component, ...] = Field(min_length=1)


class _LabeledRange(ForeignDocument):
    start: datetime
    end: datetime


class _ModelMetrics(ForeignDocument):
    labeled_ranges: tuple[_LabeledRange, ...] = ()


class _EquipmentModel(ForeignDocument):
    ModelName: str
    TrainingDataStartTime: datetime | None = None
    TrainingDataEndTime: datetime | None = None
    OffCondition: str | None = None
    DataPreProcessingConfiguration: dict[str, Any] | None = None
    ModelMetrics: Any = None


class _EquipmentLabel(ForeignDocument):
    StartTime: datetime
    EndTime: datetime
    Rating: str = "ANOMALY"
    Equipment: str = ""
    FaultCode: str = ""


class _LabelList(ForeignDocument):
    LabelSummaries: tuple[_EquipmentLabel, ...]


class _Scheduler(ForeignDocument):
    InferenceSchedulerName: str
    DataUploadFrequency: str


class _Prediction(ForeignDocument):
    timestamp: str
    prediction: int = Field(ge=0, le=1)
    prediction_reason: str | None = None
    anomaly_score: float | None = None


def identify_document(document: Document) -> str | None:
    """Return the kind of a document of this product, from its fields; None if it is of another product."""
    if document.lines:
        return "predictions" if {"timestamp", "prediction"} <= document.lines[0].keys() else None
    if document.has_keys("timestamp", "prediction"):
        return "predictions"
    if document.has_keys("InferenceSchedulerName", "DataUploadFrequency"):
        return "scheduler"
    if document.has_keys("LabelSummaries"):
        return "labels"
    if document.has_keys("ModelName") and (
        document.has_keys("DatasetName") or document.has_keys("ModelMetrics")
    ):
        return "model"
    return "schema" if document.has_keys("Components") or _find_schema(document) is not None else None


def convert_documents(documents: Sequence[Document], tables: Sequence[Path]) -> ConvertedExport:
    """Convert a schema with its sensor tables, labels, models, schedulers and results, if given.

    Raises
    ------
    SourceError
        If neither a schema nor a model with a schema is given, or a file does not fit it.
    """
    by_kind: dict[str, list[Document]] = {}
    for document in documents:
        by_kind.setdefault(identify_document(document) or "", []).append(document)
    schemas = [
        item
        for item in (*by_kind.get("schema", ()), *by_kind.get("model", ()))
        if _find_schema(item) is not None
    ]
    if not schemas:
        raise SourceError(f"{documents[0].path}: no schema; add the dataset's (its Components), as JSON")
    schema = parse_content(_Schema, _find_schema(schemas[0]), str(schemas[0].path))
    content = schemas[0].content
    name = content.get("DatasetName") or content.get("ModelName") or schemas[0].path.stem
    outcome = ConvertedExport(TITLE, str(name))
    label_files = [file for file in tables if _is_labels(file)]
    _set_rows(outcome, schema, [file for file in tables if file not in label_files])
    for file in label_files:
        outcome.incidents += _read_label_file(file)
    for document in by_kind.get("labels", ()):
        _add_label_list(outcome, document)
    for document in by_kind.get("model", ()):
        _add_model(outcome, document)
    incident_by_window = {incident.window: incident for incident in sorted(outcome.incidents)}
    # One incident a span, with its name if any source has one.
    outcome.incidents = list(incident_by_window.values())
    for document in by_kind.get("scheduler", ()):
        _add_scheduler(outcome, document)
    if lines := [line for document in by_kind.get("predictions", ()) for line in _parse_lines(document)]:
        outcome.before = _tabulate_predictions(lines)
    return outcome


def _find_schema(document: Document) -> Any:
    """Return a document's schema: its content or the text in ``Schema``, ``InlineDataSchema``; else None."""
    inner = document.content.get("DatasetSchema", document.content)
    text = next(
        (inner[key] for key in ("InlineDataSchema", "Schema") if isinstance(inner, dict) and inner.get(key)),
        None,
    )
    if text is None:
        return document.content if document.has_keys("Components") else None
    return _parse_inner_json(text, f"{document.path}: its schema")


def _parse_inner_json(content: Any, where: str) -> Any:
    """Parse JSON that the service wrote as a text; return other content unchanged."""
    try:
        return json.loads(content) if isinstance(content, str) else content
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where} is no JSON: {error}") from error


def _set_rows(outcome: ConvertedExport, schema: _Schema, tables: Sequence[Path]) -> None:
    for part in schema.Components:
        if not part.time:
            raise SourceError(f"component {part.ComponentName!r} has no column of type DATETIME")
    several = len(schema.Components) > 1
    words: list[str] = []
    numbers: list[str] = []
    for part in schema.Components:
        for column in part.Columns:
            if column.Name != part.time:
                kind = words if column.Type == "CATEGORICAL" else numbers
                kind.append(f"{part.ComponentName}.{column.Name}" if several else column.Name)
    time = schema.Components[0].time
    outcome.add_setting("data.time", time, "the schema's DATETIME")
    outcome.add_setting("data.timezone", "UTC", "times without an offset are UTC there")
    outcome.add_setting("data.columns", [*numbers, *words], "the schema's columns")
    if words:
        outcome.add_setting("data.categorical", words, "the schema's CATEGORICAL")
    add_series_settings(outcome, numbers, "a product for sensors looks at their past")
    if not tables:
        outcome.add_setting("data.source", "csv", "the data lie in the product's bucket")
        outcome.add_setting("data.path", "", "to be brought here")
        return
    if not several and len(tables) == 1:
        read_table(tables[0], [column.Name for column in schema.Components[0].Columns])
        outcome.file = tables[0]
        return
    parts = [_read_component(part, tables, several) for part in schema.Components]
    joined = pd.concat(parts, axis=1, join="outer", sort=True)
    joined.index.name = time
    outcome.table = joined.reset_index()
    outcome.carried["the table"] = f"{len(parts)} component(s) of {len(tables)} file(s), joined by time"


def _read_component(part: _Component, tables: Sequence[Path], several: bool) -> pd.DataFrame:
    """Return the rows of one component: the files with its name (or folder), else those with its columns."""
    names = [column.Name for column in part.Columns]
    own_files = [file for file in tables if part.ComponentName in (file.stem, file.parent.name)]
    frames = []
    for file in own_files or tables:
        try:
            frames.append(read_table(file, names)[names])
        except ColumnError:
            if own_files:
                raise
    if not frames:
        raise SourceError(
            f"component {part.ComponentName!r}: no file of that name or with its columns {names}"
        )
    whole = pd.concat(frames, ignore_index=True)
    times = parse_moment_column(whole[part.time], f"component {part.ComponentName!r}: {part.time}")
    whole = whole.drop(columns=part.time).set_axis(pd.DatetimeIndex(times), axis=0)
    if whole.index.has_duplicates:
        duplicate = whole.index[whole.index.duplicated()][0]
        raise SourceError(f"component {part.ComponentName!r}: {duplicate} occurs more than once")
    return whole.add_prefix(f"{part.ComponentName}.") if several else whole


def _is_labels(file: Path) -> bool:
    """Return whether a file holds label data: no header, each line begins with a start and an end."""
    cells = next(csv.reader([read_first_line(file)]), []) if file.suffix.lower() != ".parquet" else []
    return len(cells) >= 2 and all(_parse_cell(cell) is not None for cell in cells[:2])


def _read_label_file(file: Path) -> list[Incident]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = [row for row in csv.reader(lines) if row]
    incidents = []
    for number, row in enumerate(rows, 1):
        start, end = (_parse_cell(cell) for cell in (*row[:2], "", "")[:2])
        if start is None or end is None:
            raise SourceError(
                f"{file}, line {number}: {','.join(row)[:80]!r} does not open with a start and an end"
            )
        incidents.append(_make_incident(start, end, "", f"{file}, line {number}"))
    return incidents


def _add_label_list(outcome: ConvertedExport, document: Document) -> None:
    labels = parse_document(_LabelList, document).LabelSummaries
    abnormal = [label for label in labels if label.Rating == "ANOMALY"]
    for label in abnormal:
        name = " ".join(filter(None, (label.FaultCode, label.Equipment)))
        outcome.incidents.append(_make_incident(label.StartTime, label.EndTime, name, str(document.path)))
    if rest := len(labels) - len(abnormal):
        outcome.leave_out(
            f"{document.path.name}: {rest} label(s) rated NO_ANOMALY or NEUTRAL",
            "normal is what is not declared",
        )


def _add_model(outcome: ConvertedExport, document: Document) -> None:
    model = parse_document(_EquipmentModel, document)
    if model.TrainingDataStartTime and model.TrainingDataEndTime:
        start, end = _to_aware(model.TrainingDataStartTime), _to_aware(model.TrainingDataEndTime)
        if end > start:
            outcome.add_setting("training.start", start.isoformat(), "TrainingDataStartTime")
            hours = timedelta(hours=-(-(end - start) // timedelta(hours=1)))
            source = "TrainingDataEndTime - TrainingDataStartTime, in whole hours"
            outcome.add_setting("windows.reference", spell_duration(hours), source)
    if model.OffCondition:
        outcome.leave_out(
            f"OffCondition: {model.OffCondition}",
            "leave such rows out where the table is made, or by quality.expectations",
        )
    if rate := (model.DataPreProcessingConfiguration or {}).get("TargetSamplingRate"):
        outcome.leave_out(f"TargetSamplingRate: {rate}", "rows are taken as they are")
    if model.ModelMetrics:
        where = f"{document.path}: ModelMetrics"
        ranges = parse_content(_ModelMetrics, _parse_inner_json(model.ModelMetrics, where), where)
        outcome.incidents += [
            _make_incident(item.start, item.end, "", where) for item in ranges.labeled_ranges
        ]
        if "predicted_ranges" in (ranges.model_extra or {}):
            outcome.leave_out("ModelMetrics.predicted_ranges", "what a product predicted is no label")
    keep = ("DatasetName", "Schema", "ModelArn", "DatasetArn", "Status", "CreatedAt", "LastUpdatedTime")
    outcome.leave_out_unknown(document.path.name, model.model_extra, keep)


def _add_scheduler(outcome: ConvertedExport, document: Document) -> None:
    scheduler = parse_document(_Scheduler, document)
    rate = _UPLOAD_RATES.get(scheduler.DataUploadFrequency)
    if rate is None:
        raise SourceError(
            f"{document.path}: DataUploadFrequency: {scheduler.DataUploadFrequency!r}; "
            f"allowed: {', '.join(_UPLOAD_RATES)}"
        )
    outcome.add_setting("windows.score", rate, "DataUploadFrequency")
    outcome.add_setting("windows.monitor", "7d", "a whole number of windows.score")
    known = ("Status", "ModelName", "ModelArn", "InferenceSchedulerArn")
    outcome.leave_out_unknown(document.path.name, scheduler.model_extra, known)


def _parse_lines(document: Document) -> Iterable[_Prediction]:
    for number, line in enumerate(document.lines or (document.content,), 1):
        yield parse_content(_Prediction, line, f"{document.path}, line {number}")


def _tabulate_predictions(lines: Sequence[_Prediction]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "timestamp": parse_moment_column(
                pd.Series([line.timestamp for line in lines]), "timestamp of the results"
            ),
            "is_anomaly": [line.prediction for line in lines],
            "score": [line.anomaly_score for line in lines],
            "reason": [line.prediction_reason for line in lines],
        }
    )


def _make_incident(start: datetime, end: datetime, name: str, where: str) -> Incident:
    start_time, end_time = _to_aware(start), _to_aware(end)
    if start_time >= end_time:
        raise SourceError(f"{where}: a label must end after its start, got {start_time} to {end_time}")
    return Incident(Window(start_time, end_time), "", name)


def _parse_cell(cell: str) -> datetime | None:
    try:
        time = pd.to_datetime(cell.strip(), format="ISO8601", errors="raise")
    except (ValueError, TypeError):
        return None
    if pd.isna(time) or not any(mark in cell for mark in "-:"):
        return None
    return time.to_pydatetime(warn=False)


def _to_aware(moment: datetime) -> datetime:
    return pd.Timestamp(moment).tz_localize("UTC").to_pydatetime() if moment.tzinfo is None else moment
