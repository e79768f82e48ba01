"""File storage: a folder on this machine, an S3 bucket, or the store of another cloud.

The address selects the storage: ``/data/x.csv``, ``s3://bucket/x.csv``, and through the extras ``gcs`` and
``azure`` also ``gs://...`` and ``abfs://...``. Endpoint, region and credentials of S3 come from the
environment, as boto3 reads them (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, a profile, a role): no setting
holds a secret.

A write appears whole or not at all. Failures are the builtin ``OSError`` and its subclasses; callers add
what they were doing.

Called by `sources`, `streams`, `steps.monitoring`, `steps.operations`, `records.store`, `records.sinks` and
`records.notices`. May import the wings below `data`.
"""

from __future__ import annotations

import re
from pathlib import Path

from pynomaly.data.places.bucket import Bucket
from pynomaly.data.places.folder import Folder
from pynomaly.data.places.place import ListedFile, Place
from pynomaly.data.places.remote import EXTRAS, Remote
from pynomaly.errors import ConfigError

__all__ = ["Bucket", "Folder", "ListedFile", "Place", "Remote", "is_address", "resolve_place"]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")


def is_address(text: str) -> bool:
    """Whether `text` is an address like ``s3://...``, not a path on this machine."""
    return _SCHEME.match(text) is not None


def resolve_place(address: str | Path) -> Place:
    """Return the place that `address` names; opens nothing.

    Raises
    ------
    ConfigError
        If its scheme is not known, or ``s3://`` names no bucket.
    """
    text = str(address)
    scheme_match = _SCHEME.match(text)
    if scheme_match is None:
        if re.match(r"[a-z][a-z0-9+.-]+:/", text):
            raise ConfigError(f"{text!r} is no address: write two slashes, like s3://bucket/folder")
        return Folder(Path(text))
    scheme = scheme_match.group(1)
    if scheme == "s3":
        return Bucket(text)
    if scheme in EXTRAS:
        return Remote(text)
    raise ConfigError(f"{text!r}: {scheme}:// is not supported; allowed: a folder, s3://, gs://, abfs://")
