"""Seals a folder with one hash of its whole content, and verifies it.

`seal` writes ``bundle.json``, the canonical list of every file with its SHA-256, and returns the SHA-256 of
that list; ``sha256sum bundle.json`` prints the same. `verify` hashes the list before reading it and every
file before anything parses it. It rejects unlisted files, missing files and links, so that only content
covered by the hash is used.

Called by :mod:`pynomaly.model.bundle`. Reads and writes only the given folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pynomaly.errors import IntegrityError, ModelError

__all__ = ["LISTING", "read_json", "seal", "verify", "write_json"]

LISTING = "bundle.json"
FORMAT = 1  # increased when the file contents change; an unsupported format is rejected with an error


def seal(folder: Path) -> str:
    """List and hash the files of `folder`.

    Returns
    -------
    str
        SHA-256 (hex) of the list; it depends only on the sorted (path, SHA-256) pairs.

    Raises
    ------
    IntegrityError
        If the folder holds a link or anything else that is not a plain file.
    """
    listing = _canonical(_hashes(folder))
    (folder / LISTING).write_bytes(listing)
    return hashlib.sha256(listing).hexdigest()


def verify(folder: Path, sha256: str | None) -> None:
    """Raise IntegrityError unless `folder` is exactly what was sealed.

    Parameters
    ----------
    folder : Path
    sha256 : str or None
        What `seal` returned, stored outside the folder. With None, the folder is checked only against its own
        list, which detects damage but not tampering.

    Raises
    ------
    IntegrityError
        If there is no list, a hash differs, or a file is missing, extra, or not a plain file.
    """
    listing = folder / LISTING
    if listing.is_symlink() or not listing.is_file():
        raise IntegrityError(f"{folder} is no bundle: it has no plain file {LISTING!r}")
    content = listing.read_bytes()
    if sha256 is not None and (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise IntegrityError(
            f"{listing} has SHA-256 {digest}, expected {sha256}; the bundle is not the one recorded"
        )
    expected = _read(listing, content)
    actual = _hashes(folder)
    problems = [
        *(f"{path} is missing" for path in sorted(expected.keys() - actual.keys())),
        *(f"{path} is not part of the bundle" for path in sorted(actual.keys() - expected.keys())),
        *(
            f"{path} was changed"
            for path in sorted(expected)
            if actual.get(path, expected[path]) != expected[path]
        ),
    ]
    if problems:
        raise IntegrityError(f"{folder} is not what was saved: {'; '.join(problems)}")


def _canonical(hashes: dict[str, str]) -> bytes:
    content = {"format": FORMAT, "files": hashes}
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode("utf-8")


def _read(file: Path, content: bytes) -> dict[str, str]:
    """Return the hashes in the list, which must have exactly the format that `seal` writes."""
    try:
        listing = json.loads(content)
        hashes = {str(path): str(digest) for path, digest in listing["files"].items()}
        version = listing["format"]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{file} is not a list of files and hashes: {error!r}") from error
    if version != FORMAT:
        raise IntegrityError(
            f"{file} has format {version!r}; allowed: {FORMAT}; update pynomaly, or train again"
        )
    if _canonical(hashes) != content:
        raise IntegrityError(f"{file} holds more than files and hashes, or is written another way")
    return hashes


def _hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under `folder` except the list, by path with forward slashes."""
    hashes: dict[str, str] = {}
    for item in sorted(folder.rglob("*")):
        path = item.relative_to(folder).as_posix()
        if item.is_symlink() or not (item.is_file() or item.is_dir()):
            raise IntegrityError(
                f"{path} in {folder} is a link or a special file; allowed: plain files and folders"
            )
        if item.is_file() and path != LISTING:
            with item.open("rb") as file:
                hashes[path] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as JSON; raises ModelError for values that are not plain and finite."""
    try:
        text = json.dumps(content, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{file.name} cannot be written as JSON: {error}; allowed: plain finite values"
        ) from error
    file.write_text(text + "\n", encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """Read what :func:`write_json` wrote."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
