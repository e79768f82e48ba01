"""Files that people drop: kept for a while in a folder under the home, until a pipeline is made of one."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pynomaly.errors import ConfigError, UnknownNameError

__all__ = ["DroppedFile", "Inbox"]

_KEEP = timedelta(days=7)
_ID = re.compile(r"[0-9a-f]{16}")
_UNSAFE = re.compile(r"[^\w.() -]+")


@dataclass(frozen=True)
class DroppedFile:
    """A file of the inbox.

    Attributes
    ----------
    id : str
        As it stands in addresses.
    path : Path
    """

    id: str
    path: Path

    @property
    def name(self) -> str:
        """Name of the file, as its owner knows it."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    @property
    def dropped(self) -> datetime:
        """When it came, aware."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)


class Inbox:
    """The dropped files in a folder.

    Parameters
    ----------
    folder : Path
        Made when the first file comes.
    max_bytes : int
        Bytes of one file at most.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self.max_bytes = folder, max_bytes

    async def add_file(self, name: str, parts: AsyncIterator[bytes]) -> DroppedFile:
        """Keep a file; those that have lain here for a week are removed.

        Raises
        ------
        ConfigError
            If it has no name, is empty, or has too many bytes; nothing is kept then.
        """
        safe_name = _clean_name(name)
        self.remove_old_files(datetime.now(UTC))
        place = self._folder / secrets.token_hex(8)
        place.mkdir(parents=True, mode=0o700)
        size = 0
        try:
            with (place / safe_name).open("wb") as file:
                async for part in parts:
                    size += len(part)
                    if size > self.max_bytes:
                        raise ConfigError(
                            f"{safe_name} has more than {self.max_bytes >> 20} MB; put it beside the "
                            "settings and run `pynomaly init` there"
                        )
                    file.write(part)
            if not size:
                raise ConfigError(f"{safe_name} is empty")
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return DroppedFile(place.name, place / safe_name)

    def find_file(self, file: str) -> DroppedFile:
        """Return the file of this id.

        Raises
        ------
        UnknownNameError
            If there is none, or no longer.
        """
        if _ID.fullmatch(file) and (place := self._folder / file).is_dir():
            for path in place.iterdir():
                return DroppedFile(file, path)
        raise UnknownNameError(f"no dropped file {file[:40]!r}; files are kept for {_KEEP.days} days")

    def list_files(self) -> tuple[DroppedFile, ...]:
        """Return every file, the newest first."""
        places = [place for place in self._folder.glob("*") if _ID.fullmatch(place.name)]
        files = [DroppedFile(place.name, path) for place in places for path in place.iterdir()]
        return tuple(sorted(files, key=lambda item: item.dropped, reverse=True))

    def remove_file(self, file: DroppedFile) -> None:
        """Forget a file."""
        shutil.rmtree(file.path.parent, ignore_errors=True)

    def remove_old_files(self, now: datetime) -> None:
        """Forget the files that came more than a week before `now`."""
        for file in self.list_files():
            if now - file.dropped > _KEEP:
                self.remove_file(file)


def _clean_name(name: str) -> str:
    """Return a name that is one file's in one folder, with its endings."""
    last = re.split(r"[/\\]", name)[-1].strip()
    safe = _UNSAFE.sub("_", last).strip(". ")[-120:]
    if not safe:
        raise ConfigError(f"{name[:40]!r} is no name of a file")
    return safe
