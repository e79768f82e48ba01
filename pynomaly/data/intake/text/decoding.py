"""Bytes to text: the encoding of a file, and the lines of it that are looked at.

A long file is not held in memory: its head, pieces at even distances and its end are kept, with the numbers
of their lines. Called by ``sampling``.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pynomaly.config import Limits
from pynomaly.data.intake.findings import Choice
from pynomaly.data.sources import bounded
from pynomaly.errors import SourceError

__all__ = ["Lines", "detect_encoding", "read_lines"]

_HEAD = 4 << 20

_PIECE = 32 << 10

_PIECES = 16

_BLOCK = 1 << 20

_TAIL = 256 << 10

_FEW_LETTERS = 0.2

_UNDEFINED_IN_CP1252 = (0x81, 0x8D, 0x8F, 0x90, 0x9D)


@dataclass(frozen=True)
class Lines:
    """Lines of a text, each with its number (from 1), in the order of the file.

    Attributes
    ----------
    numbers, texts : list
        Without line breaks. Head, pieces and end do not overlap.
    count : int
        Lines of the whole file.
    head : int
        How many of `texts` are the unbroken start of the file.
    """

    numbers: list[int]
    texts: list[str]
    count: int
    head: int

    @property
    def is_whole(self) -> bool:
        """Whether every line of the file is here."""
        return self.head >= self.count


def detect_encoding(file: Path, limits: Limits) -> Choice:
    """Return the encoding of a text file as a choice on ``data.encoding``.

    A byte order mark decides; else NUL bytes at every second place mean UTF-16; else the whole file is tried
    as UTF-8. A file that is neither is cp1252 if few of its letters are not ASCII, and else what
    ``charset-normalizer`` finds the most probable.

    Raises
    ------
    SourceError
        If the file cannot be opened or unpacked, or holds bytes that no text has.
    """
    with bounded.open_bytes(file) as content:
        head = content.read(_BLOCK)
        for mark, name in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"),
                           (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):  # fmt: skip
            if head.startswith(mark):
                return Choice("encoding", name, "the file starts with a byte order mark")
        if (wide := _detect_wide(head)) is not None:
            return Choice("encoding", wide, "every second byte is NUL", "likely")
        wrong = _find_undecodable(head, content)
    if wrong is None:
        return Choice("encoding", "utf-8", "every byte reads as UTF-8")
    return _guess_single_byte(wrong)


def _detect_wide(head: bytes) -> str | None:
    if head.count(b"\0") < len(head) / 4:
        return None
    odd, even = head[1::2].count(0), head[0::2].count(0)
    if max(odd, even) < len(head) / 4:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _find_undecodable(head: bytes, rest: IO[bytes]) -> bytes | None:
    """Return the bytes around the first that are not UTF-8, None if all are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    block = head
    while block:
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            return block
        block = rest.read(_BLOCK)
    return None


def _guess_single_byte(block: bytes) -> Choice:
    letters = sum(chr(byte).isalpha() for byte in block if byte < 0x80)
    high = sum(byte >= 0x80 for byte in block)
    first = next(byte for byte in block if byte >= 0x80)
    why = f"byte 0x{first:02x} is no UTF-8"
    if high <= _FEW_LETTERS * max(letters, 1) + 10:
        name = "latin-1" if any(byte in _UNDEFINED_IN_CP1252 for byte in block) else "cp1252"
        return Choice("encoding", name, f"{why}; few letters are not ASCII", "likely", ("cp1250", "cp437"))
    from charset_normalizer import from_bytes

    best = from_bytes(block[: 256 << 10]).best()
    name = best.encoding if best is not None and _decodes(block, best.encoding) else "latin-1"
    return Choice("encoding", name, f"{why}; this encoding gives the likeliest text", "doubtful", ("cp1252",))


def _decodes(block: bytes, encoding: str) -> bool:
    """Return whether a block, but for a letter that its end cuts, is text in an encoding."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(block)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def read_lines(file: Path, limits: Limits, encoding: str) -> Lines:
    """Return the head, pieces and the end of a text, with the number of each line.

    Raises
    ------
    SourceError
        If the file is empty, too long (``data.limits``), or does not read under `encoding`.
    """
    head, pieces, tail, count = b"", [], b"", 0
    stride, size, ends_with_break = 1, 0, True
    for number, block in enumerate(_read_blocks(file, limits, encoding)):
        size += len(block)
        if len(head) < _HEAD:
            head += block
        elif number % stride == 0:
            pieces.append((count, block[:_PIECE]))
            if len(pieces) > _PIECES:
                pieces, stride = pieces[::2], stride * 2
        tail = (tail + block)[-_TAIL:]
        count += block.count(b"\n")
        ends_with_break = block.endswith(b"\n")
    if not count and ends_with_break:
        raise SourceError(f"{file} is empty; expected a header and rows")
    count += not ends_with_break
    if size == len(head):
        return Lines(list(range(1, count + 1)), _split_lines(head)[:count], count, count)
    return _join_pieces(head, pieces, tail, count, ends_with_break)


def _read_blocks(file: Path, limits: Limits, encoding: str) -> Iterator[bytes]:
    with bounded.open_text(file, limits, encoding) as content:
        block = content.read(_BLOCK).removeprefix(codecs.BOM_UTF8)
        while block:
            yield block
            block = content.read(_BLOCK)


def _join_pieces(
    head: bytes, pieces: list[tuple[int, bytes]], tail: bytes, count: int, ends_with_break: bool
) -> Lines:
    """Cut each piece to whole lines, and number them."""
    texts = _split_lines(head)[:-1]  # the last may be cut
    numbers, head_count = list(range(1, len(texts) + 1)), len(texts)
    for before, piece in pieces:
        lines = _split_lines(piece)[1:-1]
        start = before + 2
        for offset, line in enumerate(lines):
            if start + offset > numbers[-1]:
                numbers.append(start + offset)
                texts.append(line)
    lines = _split_lines(tail)[1:]
    if ends_with_break and lines and not lines[-1]:
        lines = lines[:-1]
    start = count - len(lines) + 1
    for offset, line in enumerate(lines):
        if start + offset > numbers[-1]:
            numbers.append(start + offset)
            texts.append(line)
    return Lines(numbers, texts, count, head_count)


def _split_lines(piece: bytes) -> list[str]:
    return [line.rstrip("\r") for line in piece.decode("utf-8", "replace").split("\n")]
