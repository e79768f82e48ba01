"""What every place can do, whatever lies behind it."""

from __future__ import annotations

import hashlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["CHUNK", "Entry", "Place"]

CHUNK = 1 << 20
"""Bytes read at once."""


@dataclass(frozen=True)
class Entry:
    """A file as its folder lists it: address, bytes, and when it was written (aware)."""

    address: str
    size: int
    written: datetime


class Place(ABC):
    """A file, or a folder of them, wherever it lies."""

    @abstractmethod
    def __str__(self) -> str: ...

    @abstractmethod
    def __truediv__(self, name: str) -> Place: ...

    @abstractmethod
    def exists(self) -> bool:
        """Whether a file is there."""

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """Its content, piece by piece; FileNotFoundError if nothing is there."""

    @abstractmethod
    def write(self, content: bytes, *, new: bool = False) -> None:
        """Make it hold `content`, whole; with `new`, FileExistsError if something is there already."""

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """All files below it, in order."""

    def under(self) -> Iterator[str]:
        """Addresses of all files below it, in order."""
        for entry in self.entries():
            yield entry.address

    @abstractmethod
    def delete(self) -> None:
        """Remove the file; nothing happens if it is not there."""

    def swept(self, before: datetime) -> tuple[str, ...]:
        """Remove what writers that died before `before` left below it; addresses of what was removed.

        Only where a write leaves anything half done; a bucket's own rules end its unfinished uploads.
        """
        return ()

    @abstractmethod
    def arrow(self) -> tuple[Any, str]:
        """The pyarrow file system it lies in, and its path there: for reading tables piece by piece."""

    def read(self) -> bytes:
        """Its whole content."""
        return b"".join(self.chunks())

    def sha256(self) -> str:
        """SHA-256 of its content, in hex."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def local(self) -> Iterator[Path]:
        """A file of this machine with its content; a copy is gone at the end of the ``with``."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / str(self).rsplit("/", 1)[-1]
            with copy.open("wb") as file:
                for chunk in self.chunks():
                    file.write(chunk)
            yield copy
