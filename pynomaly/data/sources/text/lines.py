"""The lines of a delimited text before pandas reads them: what precedes the header, the header, comments.

Lines are physical ones, as an editor counts them. Called by the reader of delimited text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from pynomaly.config import Data

__all__ = ["CommentFilter", "find_surplus", "list_row_lines", "read_record", "skip_preamble"]

_BLOCK = 1 << 18
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SEPARATOR_LINE = re.compile(rb'"?sep=(.)"?\r?\n', re.IGNORECASE)
"""Matches the first line by which Excel is told the separator."""


class CommentFilter(io.RawIOBase):
    """A text in which the lines that start with a mark are empty; pandas leaves out empty lines.

    Blanks may precede the mark where the separator is blanks. A line inside a quoted cell counts, too.
    """

    def __init__(self, content: io.BufferedReader, mark: str, separator: str) -> None:
        before = rb"[ \t]*" if separator == "blanks" else b""
        self._pattern = re.compile(rb"^" + before + re.escape(mark.encode()) + rb"[^\n]*", re.MULTILINE)
        self._content, self._ready = content, memoryview(b"")

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read whole lines ahead and return as much of them as fits."""
        while not self._ready:
            piece = self._content.read(_BLOCK)
            if not piece:
                return 0
            if not piece.endswith(b"\n"):
                piece += self._content.readline()
            self._ready = memoryview(self._pattern.sub(b"", piece))
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def skip_preamble(content: io.BufferedReader, data: Data) -> int:
    """Read past a byte order mark, the line ``sep=``, and ``data.skip_rows`` lines; return how many lines."""
    if content.peek(3)[:3] == _BYTE_ORDER_MARK:
        content.read(3)
    lines = 0
    match = _SEPARATOR_LINE.match(content.peek(16)[:16])
    if match and match[1].decode("latin-1") == data.separator:
        lines += bool(content.readline())
    for _ in range(data.skip_rows):
        lines += bool(content.readline())
    return lines


def read_record(content: io.BufferedReader, data: Data) -> tuple[bytes, int]:
    """Read the next record that is not blank, with the lines that its quoted cells continue on.

    Returns
    -------
    record : bytes
        Empty at the end of the text.
    lines : int
        Lines read.

    Raises
    ------
    UnicodeDecodeError
    csv.Error
        If a cell is too long.
    """
    blanks = b" \r\n" if data.separator == "\t" else b" \t\r\n"
    lines = 0
    while line := content.readline():
        lines += 1
        if line.strip(blanks):
            break
    if not line or data.separator == "blanks":
        return line, lines
    record, size = [line], 0

    def list_lines() -> Iterator[str]:
        nonlocal size
        yield line.decode("utf-8")
        while (more := content.readline()) and size < data.limits.line_kib << 10:
            size += len(more)
            record.append(more)
            yield more.decode("utf-8")

    next(csv.reader(list_lines(), delimiter=data.separator, quotechar=data.quote))
    return b"".join(record), lines + len(record) - 1


def find_surplus(content: io.BufferedReader, data: Data, width: int) -> tuple[int, int, int]:
    """Find the cells beyond the header's in a text whose next line is the first row.

    Returns
    -------
    line : int
        First line with such a cell that is not empty, counted from 1 at the next line; 0 if there is none.
    cells : int
        Cells of that row.
    extra : int
        Most such cells of a row before it.
    """
    extra = 0
    text = io.TextIOWrapper(content, encoding="utf-8", errors="replace", newline="")
    for line, cells in _list_rows(text, data):
        surplus = cells[width:]
        if any(cell.strip() for cell in surplus):
            return line, len(cells), extra
        extra = max(extra, len(surplus))
    return 0, 0, extra


def list_row_lines(content: io.BufferedReader, data: Data) -> Iterator[int]:
    """Yield the line that each row starts on, counted from 1 at the next line; blank lines are no rows.

    Raises
    ------
    csv.Error
        If a cell is too long.
    """
    text = io.TextIOWrapper(content, encoding="utf-8", errors="replace", newline="")
    for line, cells in _list_rows(text, data):
        is_blank = len(cells) == 1 and cells[0] != "" and not cells[0].strip(" \t")
        if cells and not is_blank:
            yield line


def _list_rows(text: io.TextIOWrapper, data: Data) -> Iterator[tuple[int, list[str]]]:
    """Yield the line that each row starts on, and its cells."""
    if data.separator == "blanks":
        yield from ((number, line.split()) for number, line in enumerate(text, start=1))
        return
    rows = csv.reader(text, delimiter=data.separator, quotechar=data.quote)
    line = 1
    for cells in rows:
        yield line, cells
        line = rows.line_num + 1
