"""Seals a folder with one hash of its whole content, and verifies it.

`seal_folder` writes ``bundle.json``, the canonical list of every file with its SHA-256, and returns the
SHA-256 of that list; ``sha256sum bundle.json`` prints the same. `verify_seal` hashes the list before reading
it and every file before anything parses it. It rejects unlisted files, missing files and links, so that only
content covered by the hash is used.

Called by :mod:`pynomaly.model.bundle`. Reads and writes only the given folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pynomaly.errors import IntegrityError, ModelError

__all__ = ["LISTING_NAME", "read_json", "seal_folder", "verify_seal", "write_json"]

LISTING_NAME = "bundle.json"
FORMAT_VERSION = 1  # increased when the file contents change; an unsupported format is rejected with an error


def seal_folder(folder: Path) -> str:
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
    listing = _format_listing(_hash_files(folder))
    (folder / LISTING_NAME).write_bytes(listing)
    return hashlib.sha256(listing).hexdigest()


def verify_seal(folder: Path, sha256: str | None) -> None:
    """Raise IntegrityError unless `folder` is exactly what was sealed.

    Parameters
    ----------
    folder : Path
    sha256 : str or None
        What `seal_folder` returned, stored outside the folder. With None, the folder is checked only against
        its own list, which detects damage but not tampering.

    Raises
    ------
    IntegrityError
        If there is no list, a hash differs, or a file is missing, extra, or not a plain file.
    """
    listing = folder / LISTING_NAME
    if listing.is_symlink() or not listing.is_file():
        raise IntegrityError(f"{folder} is no bundle: it has no plain file {LISTING_NAME!r}")
    content = listing.read_bytes()
    if sha256 is not None and (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise IntegrityError(
            f"{listing} has SHA-256 {digest}, expected {sha256}; the bundle is not the one recorded"
        )
    expected = _parse_listing(listing, content)
    actual = _hash_files(folder)
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


def _format_listing(hashes: dict[str, str]) -> bytes:
    content = {"format": FORMAT_VERSION, "files": hashes}
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode("utf-8")


def _parse_listing(file: Path, content: bytes) -> dict[str, str]:
    """Return the hashes in the list, which must have exactly the format that `seal_folder` writes."""
    try:
        listing = json.loads(content)
        hashes = {str(path): str(digest) for path, digest in listing["files"].items()}
        version = listing["format"]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{file} is not a list of files and hashes: {error!r}") from error
    if version != FORMAT_VERSION:
        raise IntegrityError(
            f"{file} has format {version!r}; allowed: {FORMAT_VERSION}; update pynomaly, or train again"
        )
    if _format_listing(hashes) != content:
        raise IntegrityError(f"{file} holds more than files and hashes, or is written another way")
    return hashes


def _hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under `folder` except the list, by path with forward slashes."""
    hashes: dict[str, str] = {}
    for item in sorted(folder.rglob("*")):
        path = item.relative_to(folder).as_posix()
        if item.is_symlink() or not (item.is_file() or item.is_dir()):
            raise IntegrityError(
                f"{path} in {folder} is a link or a special file; allowed: plain files and folders"
            )
        if item.is_file() and path != LISTING_NAME:
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
