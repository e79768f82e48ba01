"""Find and read the files of an export, without knowledge of any product.

JSON, JSON lines and delimited text, plain or compressed, within the limits of any source. Called only by
this package.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from pynomaly.config import Data, Limits
from pynomaly.data.shape.moments import parse_iso_moments
from pynomaly.data.sources import SOURCES, bounded
from pynomaly.data.sources.csv import SEPARATORS, require_path
from pynomaly.errors import ColumnError, SourceError, WindowError

__all__ = [
    "Document",
    "ForeignDocument",
    "gather_files",
    "parse_content",
    "parse_document",
    "parse_moment_column",
    "read_first_line",
    "read_table",
]

_DOCUMENT_SUFFIXES = (".json", ".jsonl", ".ndjson", ".out")
_PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zip")
_MOST_FILES = 10_000


class ForeignDocument(BaseModel):
    """Base of a product's documents: unknown fields are kept, to be listed as not carried over."""

    model_config = ConfigDict(extra="allow", frozen=True)


Model = TypeVar("Model", bound=ForeignDocument)


@dataclass(frozen=True)
class Document:
    """One JSON object, or the objects of a file of JSON lines."""

    path: Path
    content: dict[str, Any]
    lines: tuple[dict[str, Any], ...] = ()

    def has_keys(self, *keys: str) -> bool:
        """Return whether the top level has all of `keys`."""
        return all(key in self.content for key in keys)


def gather_files(paths: Sequence[str | Path]) -> tuple[tuple[Document, ...], tuple[Path, ...]]:
    """Return the documents and the tables in `paths`; a folder stands for all files below it.

    Raises
    ------
    SourceError
        If a file is missing, unreadable or of an unknown kind.
    """
    documents, tables = [], []
    for file in _list_files(paths):
        kind = _find_kind(file)
        if kind in _DOCUMENT_SUFFIXES:
            documents.append(_read_document(file))
        elif kind in (".csv", ".tsv", ".txt", ".parquet"):
            tables.append(file)
        else:
            raise SourceError(
                f"{file}: neither a document ({', '.join(_DOCUMENT_SUFFIXES)}) nor a table (.csv, .parquet)"
            )
    return tuple(documents), tuple(tables)


def parse_document(kind: type[Model], document: Document) -> Model:
    """Return a document as a validated model of type `kind`.

    Raises
    ------
    SourceError
        If a field is missing or has another type; the message gives its position and value.
    """
    return parse_content(kind, document.content, str(document.path))


def parse_content(kind: type[Model], content: Any, where: str) -> Model:
    """Like :func:`parse_document`, for content from `where`."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        value_text = "" if first["type"] == "missing" else f", got {str(first['input'])[:80]!r}"
        raise SourceError(f"{where}: {place.lstrip('.')}: {first['msg'].lower()}{value_text}") from error


def read_table(file: Path, named: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of a table unchanged; the header shows which separator it has.

    Raises
    ------
    SourceError
        If the table cannot be read.
    ColumnError
        If a name is duplicated, or one of `named` is missing.
    """
    kind = "parquet" if _find_kind(file) == ".parquet" else "csv"
    settings: dict[str, Any] = {"source": kind, "path": str(file)}
    frame = SOURCES[kind].read_rows(
        Data.model_validate(settings | {"separator": _detect_separator(file)}), str(file), None, None
    )
    for name in named:
        if name not in frame.columns:
            raise ColumnError(f"{file}: no column {name!r}; it has {list(map(str, frame.columns))[:20]}")
    return frame


def _detect_separator(file: Path) -> str:
    """Return the separator that is most frequent in a text's first line; a comma if there is none."""
    if _find_kind(file) == ".parquet":
        return SEPARATORS[0]
    return max(SEPARATORS, key=read_first_line(file).count)  # max returns the first of equals: the comma


def read_first_line(file: Path) -> str:
    """Return the first line of a text, within the limits of a source."""
    with bounded.open_text(file, Limits()) as content:
        return content.readline().decode("utf-8-sig", "replace").strip("\r\n")


def parse_moment_column(values: pd.Series[Any], where: str) -> pd.Series[Any]:
    """Return times in UTC; naive times are taken as UTC.

    Raises
    ------
    SourceError
        If one of the values is not a time.
    """
    try:
        times = parse_iso_moments(values, ZoneInfo("UTC"))
    except WindowError as error:
        raise SourceError(f"{where}: {error}") from error
    if times.isna().any():
        position = int(times.isna().to_numpy().argmax())
        raise SourceError(f"{where}: {str(values.iloc[position])[:80]!r} (entry {position + 1}) is no time")
    return times


def _list_files(paths: Sequence[str | Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        place = require_path(str(path), folder=True)
        members = [place] if place.is_file() else sorted(item for item in place.rglob("*") if item.is_file())
        files += [item for item in members if not item.name.startswith(".")]
        if len(files) > _MOST_FILES:
            raise SourceError(f"{place} holds more than {_MOST_FILES:,} files; name the ones of one export")
    if not files:
        raise SourceError(f"{', '.join(map(str, paths))}: no file in it")
    return list(dict.fromkeys(files))


def _find_kind(file: Path) -> str:
    suffixes = [item.lower() for item in file.suffixes]
    while suffixes and suffixes[-1] in _PACKED_SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _read_document(file: Path) -> Document:
    with bounded.open_text(file, Limits(line_kib=1024 * 1024)) as stream:
        raw = stream.read()
    try:
        content = _parse_json(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is not UTF-8 text: {error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file} is no JSON: {' '.join(str(error).split())[:200]}") from error
    if isinstance(content, dict):
        return Document(file, content)
    if isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
        return Document(file, {}, tuple(content))
    raise SourceError(f"{file}: expected a JSON object, or one object a line")


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as whole:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or whole.msg != "Extra data":
            raise
        return [json.loads(line) for line in lines]
