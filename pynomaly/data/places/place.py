"""The interface of every place, and what all implementations share."""

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

__all__ = ["CHUNK", "ListedFile", "Place"]

CHUNK = 1 << 20
"""Bytes read at a time."""


@dataclass(frozen=True)
class ListedFile:
    """A file in a listing: address, size in bytes, and time of the last write (aware)."""

    address: str
    size: int
    written: datetime


class Place(ABC):
    """A file or a folder of files, in any storage."""

    @abstractmethod
    def __str__(self) -> str: ...

    @abstractmethod
    def __truediv__(self, name: str) -> Place: ...

    @abstractmethod
    def exists(self) -> bool:
        """Whether the file exists."""

    @abstractmethod
    def read_chunks(self) -> Iterator[bytes]:
        """Yield the content in chunks; FileNotFoundError if the file does not exist."""

    @abstractmethod
    def write(self, content: bytes, *, new: bool = False) -> None:
        """Write `content` whole; with `new`, FileExistsError if the file exists already."""

    @abstractmethod
    def list_files(self) -> Iterator[ListedFile]:
        """Yield all files below it, sorted by path."""

    def list_addresses(self) -> Iterator[str]:
        """Yield the addresses of all files below it, sorted by path."""
        for entry in self.list_files():
            yield entry.address

    @abstractmethod
    def list_names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names, sorted, of the files directly in it that begin with `prefix`; no file is opened.

        Drafts and hidden files are left out. A folder that does not exist has none.
        """

    @abstractmethod
    def delete(self) -> None:
        """Remove the file; do nothing if it does not exist."""

    def sweep_drafts(self, before: datetime) -> tuple[str, ...]:
        """Remove drafts that dead writers left below it before `before`; return the removed addresses.

        Does nothing unless a write uses drafts; a bucket's own rules end its unfinished uploads.
        """
        return ()

    @abstractmethod
    def open_arrow(self) -> tuple[Any, str]:
        """Return the pyarrow file system and the path in it, to read tables in parts."""

    def read(self) -> bytes:
        """Return the whole content."""
        return b"".join(self.read_chunks())

    def sha256(self) -> str:
        """Return the SHA-256 of the content, in hex."""
        digest = hashlib.sha256()
        for chunk in self.read_chunks():
            digest.update(chunk)
        return digest.hexdigest()

    @contextmanager
    def open_local(self) -> Iterator[Path]:
        """Yield a local file with its content; a copy is removed at the end of the ``with``."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / str(self).rsplit("/", 1)[-1]
            with copy.open("wb") as file:
                for chunk in self.read_chunks():
                    file.write(chunk)
            yield copy
