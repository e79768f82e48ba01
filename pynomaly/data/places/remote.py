"""Files of any other cloud, through fsspec and the extra that knows it: the only door to fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from pynomaly.data.places.place import CHUNK, Entry, Place
from pynomaly.errors import ConfigError

__all__ = ["EXTRAS", "Remote"]

EXTRAS = {"gs": "gcs", "gcs": "gcs", "abfs": "azure", "abfss": "azure", "az": "azure", "memory": ""}
"""Scheme of an address to the extra that serves it."""


class Remote(Place):
    """A file of another cloud, through fsspec and the extra that knows it."""

    def __init__(self, address: str) -> None:
        import fsspec

        try:
            self._files, self._path = fsspec.core.url_to_fs(address)
        except ImportError as error:
            extra = EXTRAS[address.partition(":")[0]]
            raise ConfigError(
                f"{address!r} needs an extra: pip install 'pynomaly-mlops[{extra}]' ({error})"
            ) from error

    def __str__(self) -> str:
        return str(self._files.unstrip_protocol(self._path))

    def __truediv__(self, name: str) -> Remote:
        return Remote(f"{self}/{name}")

    def exists(self) -> bool:
        """Whether a file is there."""
        return bool(self._files.isfile(self._path))

    def chunks(self) -> Iterator[bytes]:
        """Its content, piece by piece."""
        with self._files.open(self._path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def write(self, content: bytes, *, new: bool = False) -> None:
        """Make it hold `content`; whether it appears whole is the store's promise (GCS, Azure: yes)."""
        if new and self.exists():
            raise FileExistsError(17, "the file exists already", str(self))
        self._files.pipe_file(self._path, content)

    def entries(self) -> Iterator[Entry]:
        """All files below it, in order."""
        for path, found in sorted(self._files.find(self._path, detail=True).items()):
            written = self._files.modified(path)
            aware = written if written.tzinfo else written.replace(tzinfo=UTC)
            yield Entry(str(self._files.unstrip_protocol(path)), int(found.get("size") or 0), aware)

    def arrow(self) -> tuple[Any, str]:
        """The fsspec file system, wrapped."""
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        return PyFileSystem(FSSpecHandler(self._files)), str(self._path)

    def delete(self) -> None:
        """Remove the file."""
        if self.exists():
            self._files.rm_file(self._path)
