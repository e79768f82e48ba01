"""Limits on what is read from a source: column names, columns, cells, and the size of unpacked text.

The limits are ``data.limits``. Text is measured while it is read, so that nothing beyond a limit is held in
memory; tables are measured by the size they declare. Called by the reader of each kind of source.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pynomaly.config import Limits
from pynomaly.errors import ColumnError, SourceError

__all__ = ["check_names", "check_size", "open_text"]

_LONGEST_NAME = 500
_BUFFER = 1 << 18
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_FREE_BYTES = 1 << 20  # unpacked bytes below which the ratio is not checked
_UNPACK_ERRORS = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_names(names: Sequence[str], where: object, limits: Limits) -> None:
    """Raise for too many columns, and for names that are too long or not printable.

    Raises
    ------
    SourceError
        If there are more than ``limits.columns``.
    ColumnError
        If a name is longer than 500 characters, or holds a control character other than a tab or a line
        break, a character that changes the direction of text, or a lone surrogate.
    """
    if len(names) > limits.columns:
        raise SourceError(
            f"{where} has {len(names):,} columns; data.limits.columns allows {limits.columns:,}"
        )
    for position, name in enumerate(names):
        if len(name) > _LONGEST_NAME:
            raise ColumnError(
                f"{where}: the name of column {position + 1} has {len(name)} characters ({name[:30]!r}...); "
                f"at most {_LONGEST_NAME} are allowed"
            )
        if wrong := next((mark for mark in name if _is_hidden(mark)), None):
            raise ColumnError(
                f"{where}: the name of column {position + 1}, {name!a}, holds U+{ord(wrong):04X}, "
                "which cannot be seen; rename the column"
            )


def _is_hidden(mark: str) -> bool:
    return mark in _BIDI or (mark not in "\t\n\r" and unicodedata.category(mark) in ("Cc", "Cs"))


def check_size(rows: int, columns: int, where: object, limits: Limits) -> None:
    """Raise if a table has more cells than ``limits.cells``.

    Raises
    ------
    SourceError
        The message gives rows and columns.
    """
    if rows * columns > limits.cells:
        raise SourceError(
            f"{where} gives {rows:,} rows of {columns:,} columns at once; "
            f"data.limits.cells allows {limits.cells:,} cells"
        )


@contextmanager
def open_text(file: Path, limits: Limits) -> Iterator[IO[bytes]]:
    """Yield the bytes of a text file, unpacked according to its name and measured while they are read.

    A carriage return alone is returned as a line break.

    Raises
    ------
    SourceError
        While reading: at a NUL byte, when a line, the whole text or the unpacking ratio exceeds its limit, or
        if the archive is broken. A ``.zip`` must hold one file, stored or deflated, without a password.
    """
    try:
        with file.open("rb") as packed, _open_unpacked(file, packed) as source:
            yield io.BufferedReader(_MeasuredReader(source, packed, file, limits), _BUFFER)
    except _UNPACK_ERRORS as error:
        raise SourceError(f"{file} cannot be unpacked: {' '.join(str(error).split())}") from error


@contextmanager
def _open_unpacked(file: Path, packed: IO[bytes]) -> Iterator[Any]:
    ending = file.suffix.lower()
    if ending == ".zip":
        with zipfile.ZipFile(packed) as archive, archive.open(_find_member(file, archive)) as member:
            yield member
        return
    opener: Any = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File, ".xz": lzma.LZMAFile}.get(ending)
    if opener is None:
        yield packed
        return
    source = opener(fileobj=packed) if opener is gzip.GzipFile else opener(packed)
    with source:
        yield source


def _find_member(file: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [item for item in archive.infolist() if not item.is_dir()]
    if len(members) != 1:
        raise SourceError(f"{file} holds {len(members):,} files; allowed: one")
    if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Python unpacks other methods in pieces of any size.
        raise SourceError(f"{file} is packed by method {members[0].compress_type}; allowed: stored, deflated")
    return members[0]


class _MeasuredReader(io.RawIOBase):
    """A reader that measures its bytes and raises at a limit."""

    def __init__(self, source: IO[bytes], packed: IO[bytes], file: Path, limits: Limits) -> None:
        self._source, self._packed, self._file, self._limits = source, packed, file, limits
        self._longest = limits.line_kib << 10
        self._total = 0
        self._line = 0  # bytes since the last line break
        self._ahead = b""  # the byte after a carriage return at the end of a piece

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at most as many bytes as one line may have, so that each too long line is found."""
        piece = self._ahead + self._source.read(min(len(buffer), self._longest) - len(self._ahead))
        self._ahead = self._source.read(1) if piece.endswith(b"\r") else b""
        if piece.count(b"\r") > piece.count(
            b"\r\n"
        ):  # some lone carriage returns make pandas' parser use unlimited memory
            piece = _LONE_RETURN.sub(b"\n", piece + self._ahead)[: len(piece)]
        buffer[: len(piece)] = piece
        if b"\0" in piece:  # pandas would end the cell there silently
            raise SourceError(f"{self._file} holds a NUL byte: it is no text in UTF-8")
        self._total += len(piece)
        first, last = (_find_break(piece, end) for end in (bytes.find, bytes.rfind))
        if self._line + (len(piece) if first < 0 else first) > self._longest:
            self._stop("has a line of more than", f"{self._limits.line_kib:,} KiB", "line_kib")
        self._line = self._line + len(piece) if last < 0 else len(piece) - last - 1
        if self._total > self._limits.text_mib << 20:
            self._stop("holds more than", f"{self._limits.text_mib:,} MiB of text", "text_mib")
        if self._total > _FREE_BYTES and self._total > self._limits.ratio * self._packed.tell():
            self._stop("unpacks to more than", f"{self._limits.ratio:,} times its size", "ratio")
        return len(piece)

    def _stop(self, what: str, limit: str, key: str) -> None:
        raise SourceError(f"{self._file} {what} {limit}; data.limits.{key} sets that")


def _find_break(piece: bytes, find: Any) -> int:
    """Return the position of the first or last line break, -1 without one."""
    positions = [position for position in (find(piece, b"\n"), find(piece, b"\r")) if position >= 0]
    return (min(positions) if find is bytes.find else max(positions)) if positions else -1
