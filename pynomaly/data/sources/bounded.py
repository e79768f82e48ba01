"""Limits on what is read from a source: column names, columns, cells, and the size of unpacked text.

The limits are ``data.limits``. Text is measured while it is read, so that nothing beyond a limit is held in
memory; tables are measured by the size they declare. Called by the reader of each kind of source.
"""

from __future__ import annotations

import bz2
import codecs
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

__all__ = ["check_names", "check_size", "open_bytes", "open_text"]

_LONGEST_NAME = 500
_BUFFER = 1 << 18
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_FREE_BYTES = 1 << 20  # unpacked bytes below which the ratio is not checked
_UNPACK_ERRORS = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)
_UTF_8 = ("utf-8", "utf-8-sig")
_NULS = re.compile(rb"(?<=\n)\0+|(?<=[,;\t|])\0+(?=[\r\n,;\t|]|\Z)")
"""Matches NUL bytes at the start of a line, and those that fill a whole cell."""
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
def open_text(file: Path, limits: Limits, encoding: str = "utf-8") -> Iterator[io.BufferedReader]:
    """Yield the bytes of a text in UTF-8, unpacked according to its name and measured while they are read.

    A carriage return alone is returned as a line break. NUL bytes that fill a cell or begin a line, as a
    logger that lost power leaves them, are left out.

    Parameters
    ----------
    file : Path
        Plain, or packed: ``.gz``, ``.bz2``, ``.xz``, ``.zst``, ``.zip``.
    limits : Limits
    encoding : str
        Encoding of the text; any but UTF-8 is read as UTF-8 piece by piece.

    Raises
    ------
    SourceError
        While reading: at another NUL byte, at bytes that are not in `encoding` (UTF-8 is left to the caller),
        when a line, the whole text or the unpacking ratio exceeds its limit, or if the archive is broken. A
        ``.zip`` must hold one file, stored or deflated, without a password.
    """
    try:
        with file.open("rb") as packed, _open_unpacked(file, packed) as source:
            if codecs.lookup(encoding).name not in _UTF_8:
                source = _RecodedReader(source, file, encoding)
            yield io.BufferedReader(_MeasuredReader(source, packed, file, limits), _BUFFER)
    except _UNPACK_ERRORS as error:
        raise SourceError(f"{file} cannot be unpacked: {' '.join(str(error).split())}") from error


@contextmanager
def open_bytes(file: Path) -> Iterator[Any]:
    """Yield the bytes of a file, unpacked according to its name and else as they are; they are not measured.

    Raises
    ------
    SourceError
        If the archive is broken, or a ``.zip`` does not hold one file.
    """
    try:
        with file.open("rb") as packed, _open_unpacked(file, packed) as source:
            yield source
    except _UNPACK_ERRORS as error:
        raise SourceError(f"{file} cannot be unpacked: {' '.join(str(error).split())}") from error


@contextmanager
def _open_unpacked(file: Path, packed: IO[bytes]) -> Iterator[Any]:
    ending = file.suffix.lower()
    if ending == ".zip":
        with zipfile.ZipFile(packed) as archive, archive.open(_find_member(file, archive)) as member:
            yield member
        return
    if ending == ".zst":
        import pyarrow as pa

        with pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd") as stream:
            yield stream
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


class _RecodedReader:
    """A text in another encoding, read as UTF-8; half a character at the end of a cut file is left out."""

    def __init__(self, source: IO[bytes], file: Path, encoding: str) -> None:
        self._source, self._file, self._encoding = source, file, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready, self._line, self._has_ended = b"", 1, False

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none at the end."""
        while not self._ready and not self._has_ended:
            piece = self._source.read(size)
            self._has_ended = not piece
            try:
                self._ready = self._decoder.decode(piece).encode()
            except UnicodeError as error:
                if self._has_ended and self._encoding.lower().startswith("utf"):
                    return b""  # a file that was cut within its last character
                raise SourceError(
                    f"{self._file} cannot be read as {self._encoding}, after line {self._line}: {error}; "
                    "data.encoding sets that"
                ) from error
            self._line += self._ready.count(b"\n")
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken


class _MeasuredReader(io.RawIOBase):
    """A reader that measures its bytes and raises at a limit."""

    def __init__(self, source: Any, packed: IO[bytes], file: Path, limits: Limits) -> None:
        self._source, self._packed, self._file, self._limits = source, packed, file, limits
        self._longest = limits.line_kib << 10
        self._total = 0
        self._lines = 0  # line breaks so far
        self._line = 0  # bytes since the last line break
        self._ahead = b""  # the byte after a carriage return at the end of a piece
        self._before = b"\n"  # the last byte that was returned
        self._ends_in_nul = False  # whether NUL bytes, not yet known to fill a cell, followed it

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at most as many bytes as one line may have, so that each too long line is found."""
        piece = self._read_piece(len(buffer))
        while piece and (b"\0" in piece or self._ends_in_nul):
            if piece := self._drop_nuls(piece):
                break
            piece = self._read_piece(len(buffer))
        if not piece:
            return 0
        buffer[: len(piece)] = piece
        self._before = piece[-1:]
        first, last = (_find_break(piece, end) for end in (bytes.find, bytes.rfind))
        if self._line + (len(piece) if first < 0 else first) > self._longest:
            self._stop("has a line of more than", f"{self._limits.line_kib:,} KiB", "line_kib")
        self._line = self._line + len(piece) if last < 0 else len(piece) - last - 1
        self._lines += piece.count(b"\n")
        return len(piece)

    def _read_piece(self, size: int) -> bytes:
        piece: bytes = self._ahead + self._source.read(min(size, self._longest) - len(self._ahead))
        self._ahead = b""
        if b"\r" in piece:
            self._ahead = self._source.read(1) if piece.endswith(b"\r") else b""
            # Some lone carriage returns make pandas' parser use unlimited memory.
            if piece.count(b"\r") > piece.count(b"\r\n"):
                piece = _LONE_RETURN.sub(b"\n", piece + self._ahead)[: len(piece)]
        self._total += len(piece)
        if self._total > self._limits.text_mib << 20:
            self._stop("holds more than", f"{self._limits.text_mib:,} MiB of text", "text_mib")
        if self._total > _FREE_BYTES and self._total > self._limits.ratio * self._packed.tell():
            self._stop("unpacks to more than", f"{self._limits.ratio:,} times its size", "ratio")
        return piece

    def _drop_nuls(self, piece: bytes) -> bytes:
        """Leave out the NUL bytes that fill a cell or begin a line; pandas would end a cell at others."""
        content = self._before + b"\0" * self._ends_in_nul + piece
        self._ends_in_nul = content.endswith(b"\0")
        content = _NULS.sub(b"", content)[1:]
        if (position := content.find(b"\0")) >= 0:
            line = self._lines + content.count(b"\n", 0, position) + 1
            hint = ", or it is UTF-16: set data.encoding to 'utf-16'" if line == 1 else ""
            raise SourceError(
                f"{self._file} holds a NUL byte in line {line:,}: the file is damaged there{hint}"
            )
        return content

    def _stop(self, what: str, limit: str, key: str) -> None:
        raise SourceError(f"{self._file} {what} {limit}; data.limits.{key} sets that")


def _find_break(piece: bytes, find: Any) -> int:
    """Return the position of the first or last line break, -1 without one."""
    positions = [position for position in (find(piece, b"\n"), find(piece, b"\r")) if position >= 0]
    return (min(positions) if find is bytes.find else max(positions)) if positions else -1
