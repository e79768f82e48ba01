"""Files of this machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pynomaly.data.places.place import CHUNK, Entry, Place

__all__ = ["Folder"]


class Folder(Place):
    """A path of this machine. A write goes to a draft beside it, is flushed to disk, and renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Folder:
        return Folder(self.path / name)

    def exists(self) -> bool:
        """Whether a file is there."""
        return self.path.is_file()

    def chunks(self) -> Iterator[bytes]:
        """Its content, piece by piece."""
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def write(self, content: bytes, *, new: bool = False) -> None:
        """Make it hold `content`, whole, even if the machine stops half way."""
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

    def entries(self) -> Iterator[Entry]:
        """All files below it, in order; drafts and hidden files are none."""
        for path in sorted(self.path.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                with suppress(FileNotFoundError):  # removed while we looked
                    found = path.stat()
                    yield Entry(str(path), found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def delete(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def swept(self, before: datetime) -> tuple[str, ...]:
        """Remove drafts below it that were last written to before `before`."""
        gone = []
        for draft in sorted(self.path.rglob(".*.draft")):
            with suppress(FileNotFoundError):  # it took its name while we looked
                if draft.is_file() and datetime.fromtimestamp(draft.stat().st_mtime, UTC) < before:
                    draft.unlink()
                    gone.append(str(draft))
        return tuple(gone)

    def arrow(self) -> tuple[Any, str]:
        """The local file system, and the absolute path."""
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem(), str(self.path.absolute())

    @contextmanager
    def local(self) -> Iterator[Path]:
        """The file itself."""
        if not self.path.is_file():
            raise FileNotFoundError(2, "no such file", str(self.path))
        yield self.path


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut: it lives in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
