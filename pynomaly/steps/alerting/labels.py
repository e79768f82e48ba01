"""Adds labels from outside, with their author: from a CSV file or from the rows of a query.

A table of labels has the pipeline's time and entity columns and ``label``: 1, true, anomaly or confirmed, and
0, false, normal or false-alarm. Instead of a time, ``line`` (or ``row``, as a file of scores has it) may name
the row. Times are ISO 8601 or written as in the pipeline's file. ``author`` and ``note`` are optional
columns. Labels are only added; adding the same table twice has no effect. Called by the command line, and for
the labels of an audit.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Data, Pipeline
from pynomaly.data.sources import SOURCES, bounded, infer_source_kind, sql
from pynomaly.errors import ColumnError, ConfigError, SourceError, list_allowed
from pynomaly.records.ledger import Label, Ledger
from pynomaly.steps.alerting.label_rows import (
    LabelMatch,
    add_times_by_line,
    match_labels,
    read_label_times,
)

__all__ = [
    "LabellingResult",
    "add_label_table",
    "add_labels_from_csv",
    "add_labels_from_query",
    "count_labels",
    "parse_truth",
    "read_label_table",
]

_TRUTHS = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "anomaly", "confirmed"), 1),
    **dict.fromkeys(("0", "0.0", "false", "no", "normal", "false-alarm"), 0),
}


@dataclass(frozen=True)
class LabellingResult:
    """Result of adding labels.

    Attributes
    ----------
    rows, new, empty : int
        Rows read, labels added now, and rows with an empty label.
    match : LabelMatch
        How many labels meet a row of the source.
    """

    source: str
    rows: int
    new: int
    empty: int
    match: LabelMatch

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def count_labels(pipeline: Pipeline) -> dict[str, Any]:
    """Count a pipeline's labels by source and author, its anomalies, and the rows with conflicting labels."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        labels = ledger.answers.list_labels(pipeline.name)
    counts: dict[tuple[str, str], int] = {}
    truths_by_row: dict[tuple[str, str], set[int]] = {}
    for label in labels:
        counts[label.source, label.author] = counts.get((label.source, label.author), 0) + 1
        truths_by_row.setdefault((label.entity, label.row), set()).add(label.truth)
    return {
        "pipeline": pipeline.name,
        "labels": len(labels),
        "rows": len(truths_by_row),
        "anomalies": sum(label.truth for label in labels),
        "disputed": sum(len(truths) > 1 for truths in truths_by_row.values()),
        "given": [
            {"source": source, "author": author, "labels": count}
            for (source, author), count in sorted(counts.items())
        ],
    }


def parse_truth(text: object, where: str) -> int | None:
    """Parse a label as 1 or 0; None if it is empty.

    Raises
    ------
    SourceError
        If the text is no known label.
    """
    normalized = "" if text is None or text != text else str(text).strip().lower()
    if not normalized:
        return None
    if normalized not in _TRUTHS:
        raise SourceError(f"{where}: label {text!r} is not allowed; {list_allowed(normalized, _TRUTHS)}")
    return _TRUTHS[normalized]


def read_label_table(path: Path, data: Data) -> pd.DataFrame:
    """Read a table with every cell as text: delimited text, or another kind by the ending of its name.

    Text is UTF-8, or else in the encoding of the pipeline's file; it is separated by commas, or as that file.

    Raises
    ------
    SourceError
        If the file cannot be read, or exceeds one of ``data.limits``.
    """
    name = infer_source_kind(str(path), "csv")
    if name != "csv":
        own = Data(source=name, path=str(path), limits=data.limits)
        frame = SOURCES[name].read_rows(own, str(path), None, None)
        return frame.astype(object).where(frame.notna(), "").map(str)
    for encoding in dict.fromkeys(("utf-8", data.encoding)):
        try:
            return _read_label_text(path, data, encoding)
        except UnicodeDecodeError as error:
            problem: Exception = error
        except (OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            if isinstance(error, SourceError):
                raise
            problem = error
            break
    raise SourceError(f"{path} is no table of labels: {' '.join(str(problem).split())}") from problem


def _read_label_text(path: Path, data: Data, encoding: str) -> pd.DataFrame:
    with bounded.open_text(path, data.limits, encoding) as content:
        first = content.peek(1 << 16).split(b"\n", 1)[0]
        mark = data.separator.encode()
        separator = data.separator if len(mark) == 1 and mark in first and b"," not in first else ","
        return pd.read_csv(content, dtype=str, keep_default_na=False, encoding="utf-8-sig", sep=separator)


def add_labels_from_csv(pipeline: Pipeline, path: Path, author: str) -> LabellingResult:
    """Add the labels of a CSV file; `author` is used for rows that name no author.

    Raises
    ------
    SourceError
        If the file cannot be read, or a label or time is invalid; then nothing is added.
    ColumnError
        If a column is missing.
    """
    return add_label_table(pipeline, read_label_table(path, pipeline.data), "csv", author, str(path))


def add_labels_from_query(pipeline: Pipeline, query: str, connection: str, author: str) -> LabellingResult:
    """Add the labels that a query returns; the environment variable `connection` holds the database URL.

    Raises
    ------
    ConfigError
        If `connection` names no environment variable with a usable URL.
    SourceError, ColumnError
        As :func:`add_labels_from_csv`; also if the database refuses the query.
    """
    if not connection.isidentifier():
        raise ConfigError(f"--connection {connection!r} names no environment variable, like PLANT_DB")
    data = Data(source="sql", connection=connection, query=query)
    return add_label_table(pipeline, sql.read_rows(data, query, None), "sql", author, "the query")


def add_label_table(
    pipeline: Pipeline, table: pd.DataFrame, source: str, author: str, where: str
) -> LabellingResult:
    """Add the labels of a table; the module docstring lists its columns."""
    data = pipeline.data
    if data.time is None:
        raise ConfigError(f"{pipeline.name} has no time column (data.time): a label cannot name its row")
    table = add_times_by_line(table, data, where)
    own_times = read_label_times(table, data)
    times = [] if own_times.notna().all() and len(table) else [data.time]
    required_columns = [name for name in (*times, data.id, "label") if name]
    for name in required_columns:
        if name not in table:
            raise ColumnError(f"{where}: no column {name!r}; {list_allowed(name, list(map(str, table)))}")
    table_bytes = pd.util.hash_pandas_object(table.astype(str), index=False).to_numpy().tobytes()
    content = hashlib.sha256(table_bytes).hexdigest()[:12]
    labels, empty = [], 0
    for number, row in enumerate(table.to_dict("records"), 1):
        place = f"{where}, row {number}"
        truth = parse_truth(row["label"], place)
        if truth is None:
            empty += 1
            continue
        labels.append(
            Label(
                key=f"{source}:{pipeline.name}:{content}:{number}",
                pipeline=pipeline.name,
                entity=str(row[data.id]) if data.id else "",
                row=_parse_row_time(row.get(data.time, ""), own_times.iloc[number - 1], pipeline, place),
                truth=truth,
                source=source,
                author=str(row.get("author") or author),
                note=str(row.get("note") or ""),
            )
        )
    with Ledger.open(pipeline.ledger_url) as ledger:
        new = ledger.answers.add_facts(*labels)
    match = match_labels(data, [(label.entity, label.row) for label in labels])
    return LabellingResult(source, len(table), new, empty, match)


def _parse_row_time(value: object, own: pd.Timestamp, pipeline: Pipeline, where: str) -> str:
    """Return the time in ISO 8601 and UTC, in the form of `alert_rows.build_row_key`.

    `own` is the time as the settings of the pipeline's file read it, NaT where they do not.
    """
    if not pd.isna(own):
        own_text: str = own.to_pydatetime().isoformat()
        return own_text
    try:
        moment = pd.Timestamp(str(value))
    except (ValueError, TypeError) as error:
        raise SourceError(f"{where}: {value!r} is no time: {error}") from error
    if pd.isna(moment):
        raise SourceError(f"{where}: the time is missing")
    if moment.tzinfo is None:
        if pipeline.data.zone is None:
            raise SourceError(f"{where}: {value!r} has no offset; write one, or set data.timezone")
        moment = moment.tz_localize(pipeline.data.zone)
    utc_text: str = moment.tz_convert("UTC").to_pydatetime().isoformat()
    return utc_text
