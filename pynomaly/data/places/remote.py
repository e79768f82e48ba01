"""Files of other clouds, through fsspec and an extra. The only module that imports fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from pynomaly.data.places.place import CHUNK, ListedFile, Place
from pynomaly.errors import ConfigError

__all__ = ["EXTRAS", "Remote"]

EXTRAS = {"gs": "gcs", "gcs": "gcs", "abfs": "azure", "abfss": "azure", "az": "azure", "memory": ""}
"""Maps the scheme of an address to the extra that it needs."""


class Remote(Place):
    """A file of another cloud, read and written through fsspec."""

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
        """Whether the file exists."""
        return bool(self._files.isfile(self._path))

    def read_chunks(self) -> Iterator[bytes]:
        """Yield the content in chunks."""
        with self._files.open(self._path, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def write(self, content: bytes, *, new: bool = False) -> None:
        """Write `content`; the store decides whether a write appears whole (GCS and Azure: yes)."""
        if new and self.exists():
            raise FileExistsError(17, "the file exists already", str(self))
        self._files.pipe_file(self._path, content)

    def list_files(self) -> Iterator[ListedFile]:
        """Yield all files below it, sorted by path."""
        for path, details in sorted(self._files.find(self._path, detail=True).items()):
            written = self._files.modified(path)
            aware = written if written.tzinfo else written.replace(tzinfo=UTC)
            yield ListedFile(str(self._files.unstrip_protocol(path)), int(details.get("size") or 0), aware)

    def list_names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names, sorted, of the files directly in it that begin with `prefix`."""
        names = (str(path).rpartition("/")[2] for path in self._files.find(self._path, maxdepth=1))
        yield from sorted(name for name in names if name.startswith(prefix) and not name.startswith("."))

    def open_arrow(self) -> tuple[Any, str]:
        """Return the fsspec file system, wrapped for pyarrow, and the path."""
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        return PyFileSystem(FSSpecHandler(self._files)), str(self._path)

    def delete(self) -> None:
        """Remove the file."""
        if self.exists():
            self._files.rm_file(self._path)
