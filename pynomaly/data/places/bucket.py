"""Objects in an S3 store. The only module that imports boto3."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from pynomaly.data.places.place import CHUNK, ListedFile, Place
from pynomaly.errors import ConfigError

__all__ = ["Bucket"]

_MULTIPART = 64 << 20


class Bucket(Place):
    """An object of an S3 store, or all objects whose keys begin with its key.

    A write is one PUT (multipart from 64 MiB), which the store makes visible whole. Readers check the content
    against the hashes in the ledger. Checksums that some S3-compatible stores do not know are switched off
    (boto3#4398). Three attempts with back-off; time-outs of 10 s to connect and 60 s to answer.
    """

    def __init__(self, address: str) -> None:
        self.bucket, _, key = address.removeprefix("s3://").partition("/")
        if not self.bucket:
            raise ConfigError(f"{address!r} names no bucket; write s3://bucket/folder")
        self.key = key.rstrip("/")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    def __truediv__(self, name: str) -> Bucket:
        return Bucket(f"{self}/{name}")

    def exists(self) -> bool:
        """Whether an object with this key exists."""
        try:
            with self._translate_errors():
                self._client.head_object(Bucket=self.bucket, Key=self.key)
        except FileNotFoundError:
            return False
        return True

    def read_chunks(self) -> Iterator[bytes]:
        """Yield the content in chunks."""
        with self._translate_errors():
            yield from self._client.get_object(Bucket=self.bucket, Key=self.key)["Body"].iter_chunks(CHUNK)

    def write(self, content: bytes, *, new: bool = False) -> None:
        """Write the object; with `new`, fail with FileExistsError if it exists."""
        only_new = {"IfNoneMatch": "*"} if new else {}
        with self._translate_errors():
            if len(content) < _MULTIPART or new:
                self._client.put_object(Bucket=self.bucket, Key=self.key, Body=content, **only_new)
            else:
                self._client.upload_fileobj(io.BytesIO(content), self.bucket, self.key)

    def list_files(self) -> Iterator[ListedFile]:
        """Yield all objects below this key, over all pages."""
        for item in self._list_objects(self._prefix):
            yield ListedFile(f"s3://{self.bucket}/{item['Key']}", item["Size"], item["LastModified"])

    def list_names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names, sorted, of the objects directly below this key that begin with `prefix`."""
        for item in self._list_objects(f"{self._prefix}{prefix}", Delimiter="/"):
            name = item["Key"][len(self._prefix) :]
            if name and not name.startswith("."):
                yield name

    @property
    def _prefix(self) -> str:
        return f"{self.key}/" if self.key else ""

    def _list_objects(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        """Yield what the store says of each object whose key begins so, over all pages."""
        with self._translate_errors():
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, **options
            ):
                yield from page.get("Contents", ())

    def delete(self) -> None:
        """Delete the object."""
        with self._translate_errors():
            self._client.delete_object(Bucket=self.bucket, Key=self.key)

    def open_arrow(self) -> tuple[Any, str]:
        """Return Arrow's S3 file system, with the endpoint and credentials of boto3, and the path."""
        from pyarrow.fs import S3FileSystem

        endpoint = urlsplit(self._client.meta.endpoint_url)
        with self._translate_errors():
            credentials = self._client._request_signer._credentials
            keys = credentials.get_frozen_credentials() if credentials else None
        return S3FileSystem(
            access_key=keys.access_key if keys else None,
            secret_key=keys.secret_key if keys else None,
            session_token=keys.token if keys else None,
            anonymous=keys is None,
            endpoint_override=endpoint.netloc,
            scheme=endpoint.scheme,
            region=self._client.meta.region_name,
            connect_timeout=10,
            request_timeout=60,
        ), f"{self.bucket}/{self.key}".rstrip("/")

    @property
    def _client(self) -> Any:
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION")
        return _make_client(tuple(os.environ.get(name, "") for name in names))

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Turn boto3's errors into the OSError that a local file would raise."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            code, reason = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if code in ("404", "NoSuchKey", "NotFound"):
                raise FileNotFoundError(2, "no such object", str(self)) from error
            if code == "NoSuchBucket":
                raise FileNotFoundError(2, "no such bucket", str(self)) from error
            if status == 412:
                raise FileExistsError(17, "the object exists already", str(self)) from error
            kind = PermissionError if status in (401, 403) else OSError
            raise kind(5, f"S3 answers {code}: {reason}", str(self)) from error
        except BotoCoreError as error:
            raise OSError(5, f"S3 cannot be reached: {' '.join(str(error).split())}", str(self)) from error


@lru_cache(maxsize=8)
def _make_client(environment: tuple[str, ...]) -> Any:
    """Return one client for each environment; threads may share a boto3 client."""
    import boto3
    from botocore.config import Config

    settings = Config(
        retries={"total_max_attempts": 3, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client("s3", config=settings)
