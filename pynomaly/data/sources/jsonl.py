"""Objects of JSON, one a line or in one array: ``.jsonl``, ``.ndjson`` and ``.json``, plain or packed.

Nested objects become columns whose names join the keys by dots; a list becomes its JSON text. Blank lines are
left out. Called through ``SOURCES``.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from pynomaly.config import Data
from pynomaly.data.sources import bounded
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.sources.text.cells import build_frame
from pynomaly.data.sources.text.files import join_tables, list_files, open_local, pick_columns
from pynomaly.data.window import Window
from pynomaly.errors import SourceError

__all__ = ["SOURCE", "flatten_record", "parse_record", "read_rows"]

ENDINGS = (".jsonl", ".ndjson", ".json")

_BYTE_ORDER_MARK = codecs.BOM_UTF8
_DEEPEST = 16


def read_rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Read the objects of a file, or of the files of a folder or a glob.

    Parameters
    ----------
    data : Data
        ``encoding``, and the columns that become text.
    path : str
    columns : list of str or None

    Returns
    -------
    DataFrame of shape (n, d), n >= 1
        Columns in the order in which their keys first come; missing where an object lacks the key.

    Raises
    ------
    SourceError
        If a file is missing, in another encoding, or has no object; if a line is no object (the message has
        its number), or it holds more than ``data.limits`` allow.
    ColumnError
        If a name is not printable, or one of `columns` does not exist.
    """
    frame = join_tables(list_files(path, ENDINGS), lambda file: _read_table(data, file), data.limits)
    return pick_columns(frame, path, columns)


def _read_table(data: Data, path: str) -> pd.DataFrame:
    cells: dict[str, list[Any]] = {}
    count = 0
    with open_local(path) as file:
        for place, record in _list_records(file, data):
            row = dict(flatten_record(record, f"{file}: {place}"))
            if new := [name for name in row if name not in cells]:
                bounded.check_names(new, file, data.limits)
                cells.update({name: [None] * count for name in new})
                if len(cells) > data.limits.columns:
                    bounded.check_names(list(cells), file, data.limits)
            for name, column in cells.items():
                column.append(row.get(name))
            count += 1
            bounded.check_size(count, len(cells), file, data.limits)
        if not cells:
            raise SourceError(f"{file} is empty; expected objects of JSON")
    return build_frame(cells, data)


def _list_records(file: Path, data: Data) -> Iterator[tuple[str, Any]]:
    """Yield where each record is, and the record."""
    whole = data.limits.model_copy(update={"line_kib": data.limits.text_mib << 10})
    with bounded.open_text(file, whole, data.encoding) as content:
        is_array = content.peek(64).removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"[")
        if is_array:
            records = parse_record(content.read(), f"{file}")
            yield from ((f"object {number:,}", record) for number, record in enumerate(records, start=1))
    if is_array:
        return
    with bounded.open_text(file, data.limits, data.encoding) as content:
        for number, line in enumerate(content, start=1):
            if line.removeprefix(_BYTE_ORDER_MARK).strip():
                yield f"line {number:,}", parse_record(line, f"{file}: line {number:,}")


def parse_record(text: bytes, where: str) -> Any:
    """Return the value of JSON text; also NaN and Infinity, as Python writes them.

    Raises
    ------
    SourceError
        If it is no JSON; the message begins with `where`.
    """
    text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(text)  # NaN and Infinity, as Python writes them
        except (ValueError, RecursionError):
            raise SourceError(
                f"{where} is no JSON ({error}); expected one object a line, or one array of objects"
            ) from error


def flatten_record(record: Any, where: str, before: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each key; nested ones have the keys above them before a dot.

    Raises
    ------
    SourceError
        If the record is no object, or objects lie more than 16 deep.
    """
    if not isinstance(record, dict):
        raise SourceError(f"{where} is {str(record)[:40]!r}, which is no object with names and values")
    if depth > _DEEPEST:
        raise SourceError(f"{where} has objects more than {_DEEPEST} deep")
    for key, value in record.items():
        if isinstance(value, dict):
            yield from flatten_record(value, where, f"{before}{key}.", depth + 1)
        else:
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
            yield f"{before}{key}", _mend_text(text) if isinstance(text, str) else text


def _mend_text(text: str) -> str:
    """Replace half a character, which an escape can write and no encoding can."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


SOURCE = SourceKind(read_rows, endings=ENDINGS, reads_whole=True)
