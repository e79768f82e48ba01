"""Files on this machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pynomaly.data.places.place import CHUNK, ListedFile, Place

__all__ = ["Folder"]


class Folder(Place):
    """A path on this machine. A write goes to a draft in the same folder, is flushed, and is renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Folder:
        return Folder(self.path / name)

    def exists(self) -> bool:
        """Whether the file exists."""
        return self.path.is_file()

    def read_chunks(self) -> Iterator[bytes]:
        """Yield the content in chunks."""
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def write(self, content: bytes, *, new: bool = False) -> None:
        """Write `content`; the file is never half written, even if the machine stops meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(
            prefix=f".{self.path.name}.", suffix=".draft", dir=self.path.parent
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            if new:
                os.link(draft, self.path)  # fails where a rename would replace
            else:
                Path(draft).replace(self.path)
        finally:
            Path(draft).unlink(missing_ok=True)
        _sync_folder(self.path.parent)

    def list_files(self) -> Iterator[ListedFile]:
        """Yield all files below it, sorted by path; drafts and hidden files are left out."""
        for path in sorted(self.path.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                with suppress(FileNotFoundError):  # removed in the meantime
                    status = path.stat()
                    yield ListedFile(str(path), status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def list_names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names, sorted, of the files directly in it that begin with `prefix`."""
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.path) as entries:
            yield from sorted(
                entry.name
                for entry in entries
                if entry.name.startswith(prefix) and not entry.name.startswith(".") and entry.is_file()
            )

    def delete(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def sweep_drafts(self, before: datetime) -> tuple[str, ...]:
        """Remove drafts below it that were last written before `before`; return their paths."""
        removed_paths = []
        for draft in sorted(self.path.rglob(".*.draft")):
            with suppress(FileNotFoundError):  # renamed to its final name in the meantime
                if draft.is_file() and datetime.fromtimestamp(draft.stat().st_mtime, UTC) < before:
                    draft.unlink()
                    removed_paths.append(str(draft))
        return tuple(removed_paths)

    def open_arrow(self) -> tuple[Any, str]:
        """Return the local file system and the absolute path."""
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem(), str(self.path.absolute())

    @contextmanager
    def open_local(self) -> Iterator[Path]:
        """Yield the path of the file itself."""
        if not self.path.is_file():
            raise FileNotFoundError(2, "no such file", str(self.path))
        yield self.path


def _sync_folder(folder: Path) -> None:
    """Flush a folder, so that a rename survives a power cut: the folder holds the names."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
