"""Labels that people gave elsewhere: a CSV file, or the rows of a query. Only ever added, with their author.

A table of labels has the pipeline's time and entity columns and ``label``: 1, true, anomaly or confirmed, and
0, false, normal or false-alarm. ``author`` and ``note`` may stand beside it. The same table twice is one.
Called by the command line, and for the labels of an audit.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Data, Limits, Pipeline
from pynomaly.data.sources import bounded, sql
from pynomaly.errors import ColumnError, ConfigError, SourceError, allowed
from pynomaly.records.ledger import Answers, Label, Ledger

__all__ = ["Labelled", "counted", "from_csv", "from_query", "label_table", "read_table", "truth_of"]

_TRUTHS = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "anomaly", "confirmed"), 1),
    **dict.fromkeys(("0", "0.0", "false", "no", "normal", "false-alarm"), 0),
}


@dataclass(frozen=True)
class Labelled:
    """What reading labels came to.

    Attributes
    ----------
    rows, new, empty : int
        Rows read, labels that were not known, and rows without one.
    """

    source: str
    rows: int
    new: int
    empty: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def counted(pipeline: Pipeline) -> dict[str, Any]:
    """Labels of a pipeline by source, author and answer; rows on which authors differ."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        labels = Answers.beside(ledger).labels(pipeline.name)
    given: dict[tuple[str, str], int] = {}
    said: dict[tuple[str, str], set[int]] = {}
    for label in labels:
        given[label.source, label.author] = given.get((label.source, label.author), 0) + 1
        said.setdefault((label.entity, label.row), set()).add(label.truth)
    return {
        "pipeline": pipeline.name,
        "labels": len(labels),
        "rows": len(said),
        "anomalies": sum(label.truth for label in labels),
        "disputed": sum(len(found) > 1 for found in said.values()),
        "given": [
            {"source": source, "author": author, "labels": count}
            for (source, author), count in sorted(given.items())
        ],
    }


def truth_of(text: object, where: str) -> int | None:
    """1 or 0; None where nothing stands.

    Raises
    ------
    SourceError
        If it is neither.
    """
    spelled = "" if text is None or text != text else str(text).strip().lower()
    if not spelled:
        return None
    if spelled not in _TRUTHS:
        raise SourceError(f"{where}: label {text!r} is not allowed; {allowed(spelled, _TRUTHS)}")
    return _TRUTHS[spelled]


def read_table(path: Path, limits: Limits) -> pd.DataFrame:
    """A CSV as text, cell by cell.

    Raises
    ------
    SourceError
        If it cannot be read, or is past one of `limits`.
    """
    try:
        with bounded.text(path, limits) as content:
            return pd.read_csv(content, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except SourceError:
        raise
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SourceError(f"{path} is no table of labels: {' '.join(str(error).split())}") from error


def from_csv(pipeline: Pipeline, path: Path, author: str) -> Labelled:
    """Add the labels of a CSV file; `author` gave those that name nobody.

    Raises
    ------
    SourceError
        If it cannot be read, or a label or a time is none; nothing is added then.
    ColumnError
        If a column is missing.
    """
    return label_table(pipeline, read_table(path, pipeline.data.limits), "csv", author, str(path))


def from_query(pipeline: Pipeline, query: str, connection: str, author: str) -> Labelled:
    """Add the labels that a query gives, over the URL in the environment variable `connection`.

    Raises
    ------
    ConfigError
        If the environment holds no usable URL.
    SourceError, ColumnError
        As :func:`from_csv`; also if the database refuses the query.
    """
    if not connection.isidentifier():
        raise ConfigError(f"--connection {connection!r} names no environment variable, like PLANT_DB")
    data = Data(source="sql", connection=connection, query=query)
    return label_table(pipeline, sql.rows(data, query, None), "sql", author, "the query")


def label_table(pipeline: Pipeline, table: pd.DataFrame, source: str, author: str, where: str) -> Labelled:
    """Add the labels of a table; see this module for its columns."""
    data = pipeline.data
    if data.time is None:
        raise ConfigError(f"{pipeline.name} has no time column (data.time): a label cannot name its row")
    needed = [name for name in (data.time, data.id, "label") if name]
    for name in needed:
        if name not in table:
            raise ColumnError(f"{where}: no column {name!r}; {allowed(name, list(map(str, table)))}")
    stated = pd.util.hash_pandas_object(table.astype(str), index=False).to_numpy().tobytes()
    content = hashlib.sha256(stated).hexdigest()[:12]
    labels, empty = [], 0
    for number, row in enumerate(table.to_dict("records"), 1):
        place = f"{where}, row {number}"
        truth = truth_of(row["label"], place)
        if truth is None:
            empty += 1
            continue
        labels.append(
            Label(
                key=f"{source}:{pipeline.name}:{content}:{number}",
                pipeline=pipeline.name,
                entity=str(row[data.id]) if data.id else "",
                row=_time(row[data.time], pipeline, place),
                truth=truth,
                source=source,
                author=str(row.get("author") or author),
                note=str(row.get("note") or ""),
            )
        )
    with Ledger.open(pipeline.ledger_url) as ledger:
        new = Answers.beside(ledger).add(*labels)
    return Labelled(source, len(table), new, empty)


def _time(value: object, pipeline: Pipeline, where: str) -> str:
    """ISO 8601 in UTC, as :func:`pynomaly.steps.flags.row_key` spells it."""
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
    spelled: str = moment.tz_convert("UTC").to_pydatetime().isoformat()
    return spelled
