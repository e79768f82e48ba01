"""The files of an export, read and told apart; nothing here knows what any of them means.

JSON, JSON lines and delimited text, plain or compressed, within the limits of any source. Called by the
package alone.
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
from pynomaly.data.sources import SOURCES, bounded
from pynomaly.data.sources.arrange import moments
from pynomaly.data.sources.csv import SEPARATORS, existing
from pynomaly.errors import ColumnError, SourceError, WindowError

__all__ = ["Document", "Foreign", "checked", "first_line", "gather", "moment_column", "read_as", "read_table"]

_TEXT = (".json", ".jsonl", ".ndjson", ".out")
_PACKED = (".gz", ".bz2", ".xz", ".zip")
_MOST_FILES = 10_000


class Foreign(BaseModel):
    """A document of another product: fields beyond those named are kept, to be listed as not read."""

    model_config = ConfigDict(extra="allow", frozen=True)


Model = TypeVar("Model", bound=Foreign)


@dataclass(frozen=True)
class Document:
    """One JSON object, or the objects of a file of JSON lines."""

    path: Path
    content: dict[str, Any]
    lines: tuple[dict[str, Any], ...] = ()

    def has(self, *keys: str) -> bool:
        """Whether it has all of `keys` at its top."""
        return all(key in self.content for key in keys)


def gather(paths: Sequence[str | Path]) -> tuple[tuple[Document, ...], tuple[Path, ...]]:
    """Documents and tables among `paths`; a folder stands for the files in it, at any depth.

    Raises
    ------
    SourceError
        If a file is missing, unreadable or of no kind that is known.
    """
    documents, tables = [], []
    for file in _files(paths):
        kind = _kind(file)
        if kind in _TEXT:
            documents.append(_document(file))
        elif kind in (".csv", ".tsv", ".txt", ".parquet"):
            tables.append(file)
        else:
            raise SourceError(f"{file}: neither a document ({', '.join(_TEXT)}) nor a table (.csv, .parquet)")
    return tuple(documents), tuple(tables)


def read_as(kind: type[Model], document: Document) -> Model:
    """A document checked field by field.

    Raises
    ------
    SourceError
        If a field is missing or of another type, named with its place and value.
    """
    return checked(kind, document.content, str(document.path))


def checked(kind: type[Model], content: Any, where: str) -> Model:
    """Like :func:`read_as`, of content from anywhere."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        shown = "" if first["type"] == "missing" else f", got {str(first['input'])[:80]!r}"
        raise SourceError(f"{where}: {place.lstrip('.')}: {first['msg'].lower()}{shown}") from error


def read_table(file: Path, named: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of a table as they lie there, split by whichever mark its header has.

    Raises
    ------
    SourceError
        If it cannot be read.
    ColumnError
        If a name is duplicated, or one of `named` is missing.
    """
    kind = "parquet" if _kind(file) == ".parquet" else "csv"
    settings: dict[str, Any] = {"source": kind, "path": str(file)}
    frame = SOURCES[kind](
        Data.model_validate(settings | {"separator": _separator(file)}), str(file), None, None
    )
    for name in named:
        if name not in frame.columns:
            raise ColumnError(f"{file}: no column {name!r}; it has {list(map(str, frame.columns))[:20]}")
    return frame


def _separator(file: Path) -> str:
    """The mark that splits a text's first line most often; a comma where none does."""
    if _kind(file) == ".parquet":
        return SEPARATORS[0]
    return max(SEPARATORS, key=first_line(file).count)  # the first of equals, so a comma


def first_line(file: Path) -> str:
    """The first line of a text, within the limits of a source."""
    with bounded.text(file, Limits()) as content:
        return content.readline().decode("utf-8-sig", "replace").strip("\r\n")


def moment_column(values: pd.Series[Any], where: str) -> pd.Series[Any]:
    """Times in UTC; naive ones are taken as UTC.

    Raises
    ------
    SourceError
        If one of them is no time.
    """
    try:
        found = moments(values, ZoneInfo("UTC"))
    except WindowError as error:
        raise SourceError(f"{where}: {error}") from error
    if found.isna().any():
        at = int(found.isna().to_numpy().argmax())
        raise SourceError(f"{where}: {str(values.iloc[at])[:80]!r} (entry {at + 1}) is no time")
    return found


def _files(paths: Sequence[str | Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        place = existing(str(path), folder=True)
        inside = [place] if place.is_file() else sorted(item for item in place.rglob("*") if item.is_file())
        found += [item for item in inside if not item.name.startswith(".")]
        if len(found) > _MOST_FILES:
            raise SourceError(f"{place} holds more than {_MOST_FILES:,} files; name the ones of one export")
    if not found:
        raise SourceError(f"{', '.join(map(str, paths))}: no file in it")
    return list(dict.fromkeys(found))


def _kind(file: Path) -> str:
    suffixes = [item.lower() for item in file.suffixes]
    while suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _document(file: Path) -> Document:
    with bounded.text(file, Limits(line_kib=1024 * 1024)) as stream:
        read = stream.read()
    try:
        content = _json(read.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is not UTF-8 text: {error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file} is no JSON: {' '.join(str(error).split())[:200]}") from error
    if isinstance(content, dict):
        return Document(file, content)
    if isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
        return Document(file, {}, tuple(content))
    raise SourceError(f"{file}: expected a JSON object, or one object a line")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as whole:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or whole.msg != "Extra data":
            raise
        return [json.loads(line) for line in lines]
