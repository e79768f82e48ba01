"""Files a pipeline leaves behind: scores, quarantined rows and reports, under a folder or ``s3://`` address.

Called by :mod:`pynomaly.steps`. Every file appears whole or not at all, under a name that says what it
holds, so a step run twice writes the same file twice::

    <root>/<pipeline>/scores/window=<key>/scores.parquet
    <root>/<pipeline>/shadow/v<N>/window=<key>/scores.parquet
    <root>/<pipeline>/quarantine/<name>.parquet
    <root>/<pipeline>/references/<sha256 of the bundle>.parquet
    <root>/<pipeline>/held_out/<sha256 of the bundle>.parquet
    <root>/<pipeline>/reports/<name>.html
    <root>/<pipeline>/facts/<name>.json
    <root>/<pipeline>/removed/<name>.json

The same frame gives the same bytes, so a hash tells whether scores changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.data.places import Entry, Folder, Place, place
from pynomaly.errors import IntegrityError, RecordError
from pynomaly.records.ledger.rows import Keyed, key_of

__all__ = ["Store", "sha256_of", "write_atomically"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def sha256_of(path: str | Path | Place) -> str:
    """SHA-256 of a file, in hex.

    Raises
    ------
    RecordError
        If the file cannot be read.
    """
    with _told(f"read {path}"):
        return _place(path).sha256()


class Store:
    """The folder or address `root`; nothing is created before the first write.

    Raises
    ------
    ConfigError
        If `root` is an address that is not supported.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = place(root)

    def write_scores(self, pipeline: str, window: Keyed | str, frame: pd.DataFrame) -> tuple[Place, str]:
        """Write the scores of a window; returns where, and the SHA-256 of the file.

        Parameters
        ----------
        pipeline : str
        window : Window or str
            The window, its key, or ``"all"``.
        frame : DataFrame of shape (n, k)
            Columns as scored; the index is not kept.
        """
        path = self.scores_path(pipeline, window)
        content = _parquet(frame)
        _write(path, content)
        return path, hashlib.sha256(content).hexdigest()

    def write_shadow(
        self, pipeline: str, version: int, window: Keyed | str, frame: pd.DataFrame
    ) -> tuple[Place, str]:
        """As `write_scores`, for a version that is not champion: beside the scores, never among them."""
        window_name = f"window={_safe(key_of(window))}"
        path = self.root / _safe(pipeline) / "shadow" / f"v{version}" / window_name / "scores.parquet"
        content = _parquet(frame)
        _write(path, content)
        return path, hashlib.sha256(content).hexdigest()

    def scores_path(self, pipeline: str, window: Keyed | str) -> Place:
        """Where the scores of a window lie, whether or not they exist."""
        return self.root / _safe(pipeline) / "scores" / f"window={_safe(key_of(window))}" / "scores.parquet"

    def read_scores(
        self, pipeline: str, windows: Iterable[Keyed | str], expected: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        """Scores of several windows, one after the other, with a fresh index.

        Parameters
        ----------
        pipeline : str
        windows : iterable of Window or str
        expected : mapping, optional
            Window key to the SHA-256 that the ledger recorded; checked before a byte is parsed.

        Raises
        ------
        RecordError
            If a window has no scores, or no window is given.
        IntegrityError
            If a file is not the one that was recorded.
        """
        frames = []
        for window in windows:
            path = self.scores_path(pipeline, window)
            with _told(f"read {path}"):
                try:
                    content = path.read()
                except FileNotFoundError as error:
                    raise RecordError(
                        f"{pipeline}: the window {key_of(window)} has not been scored; no file {path}"
                    ) from error
            found = hashlib.sha256(content).hexdigest()
            recorded = (expected or {}).get(key_of(window), found)
            if found != recorded:
                raise IntegrityError(
                    f"{path} has hash {found[:12]}..., the ledger recorded {recorded[:12]}..."
                )
            frames.append(pd.read_parquet(io.BytesIO(content)))
        if not frames:
            raise RecordError(f"{pipeline}: no window was given to read scores of")
        return pd.concat(frames, ignore_index=True)

    def write_quarantine(self, pipeline: str, name: str, frame: pd.DataFrame) -> Place:
        """Write bad rows with the rule each broke; cells of mixed types are kept as text."""
        mixed = [column for column, dtype in frame.dtypes.items() if pd.api.types.is_object_dtype(dtype)]
        safe = frame.assign(**{str(c): frame[c].map(str, na_action="ignore").astype("str") for c in mixed})
        path = self.root / _safe(pipeline) / "quarantine" / f"{_safe(name)}.parquet"
        _write(path, _parquet(safe))
        return path

    def holds(self, path: str | Path | Place, sha256: str) -> bool:
        """Whether `path` is there and is the file with this hash."""
        with _told(f"read {path}"):
            try:
                return _place(path).sha256() == sha256
            except (FileNotFoundError, IsADirectoryError):
                return False

    def write_reference(self, pipeline: str, sha256: str, frame: pd.DataFrame) -> Place:
        """Keep a sample of the rows a bundle was fitted on, for reports; named by the bundle's hash."""
        path = self._reference_path(pipeline, sha256)
        _write(path, _parquet(frame))
        return path

    def read_reference(self, pipeline: str, sha256: str) -> pd.DataFrame:
        """The sample of rows a bundle was fitted on.

        Raises
        ------
        RecordError
            If none was kept for this bundle.
        """
        path = self._reference_path(pipeline, sha256)
        with _told(f"read {path}"):
            try:
                return pd.read_parquet(io.BytesIO(path.read()))
            except FileNotFoundError as error:
                raise RecordError(
                    f"{pipeline}: no reference rows were kept for bundle {sha256[:12]}...; no file {path}"
                ) from error

    def write_held_out(self, pipeline: str, sha256: str, p_values: npt.NDArray[np.float64]) -> Place:
        """Keep the p-values, array of shape (n,), of real rows that judged a bundle.

        They give its alert rate under any policy.
        """
        path = self._held_out_path(pipeline, sha256)
        _write(path, _parquet(pd.DataFrame({"p_value": p_values})))
        return path

    def read_held_out(self, pipeline: str, sha256: str) -> npt.NDArray[np.float64]:
        """The p-values that `write_held_out` kept.

        Raises
        ------
        RecordError
            If none were kept for this bundle.
        """
        path = self._held_out_path(pipeline, sha256)
        with _told(f"read {path}"):
            try:
                kept = pd.read_parquet(io.BytesIO(path.read()))
            except FileNotFoundError as error:
                raise RecordError(
                    f"{pipeline}: no held-out rows were kept for bundle {sha256[:12]}...; no file {path}"
                ) from error
        return kept["p_value"].to_numpy(dtype=np.float64)

    def copy_evidence(self, pipeline: str, old: str, new: str) -> None:
        """Keep for the bundle `new` what was kept for `old`, whose rows and p-values are the same."""
        for where in (self._reference_path, self._held_out_path):
            source = where(pipeline, old)
            with _told(f"read {source}"), suppress(FileNotFoundError):
                _write(where(pipeline, new), source.read())

    def _held_out_path(self, pipeline: str, sha256: str) -> Place:
        return self.root / _safe(pipeline) / "held_out" / f"{_safe(sha256)}.parquet"

    def _reference_path(self, pipeline: str, sha256: str) -> Place:
        return self.root / _safe(pipeline) / "references" / f"{_safe(sha256)}.parquet"

    def files(self, pipeline: str) -> Iterator[Entry]:
        """Every file of a pipeline, below the folders named above."""
        root = self.root / _safe(pipeline)
        with _told(f"list {root}"):
            yield from root.entries()

    def remove(self, address: str) -> None:
        """Remove a file, and the folder of its window if nothing else lies there."""
        path = _place(address)
        with _told(f"remove {path}"):
            path.delete()
        if isinstance(path, Folder) and path.path.parent.name.startswith("window="):
            with suppress(OSError):
                path.path.parent.rmdir()

    def write_removed(self, pipeline: str, name: str, content: bytes) -> Place:
        """Keep the list of what is about to be removed; returns where."""
        path = self.root / _safe(pipeline) / "removed" / f"{_safe(name)}.json"
        _write(path, content)
        return path

    def write_report(self, pipeline: str, name: str, html: str | bytes) -> Place:
        """Write a page for people; returns where."""
        path = self.root / _safe(pipeline) / "reports" / f"{_safe(name)}.html"
        _write(path, html.encode() if isinstance(html, str) else html)
        return path

    def write_facts(self, pipeline: str, name: str, facts: Mapping[str, Any]) -> Place:
        """Keep what a page is made from, so that it can be made again; returns where."""
        path = self._facts_path(pipeline, name)
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        _write(path, text.encode())
        return path

    def read_facts(self, pipeline: str, name: str) -> dict[str, Any] | None:
        """What `write_facts` kept, or None.

        Raises
        ------
        RecordError
            If the file is not what was written.
        """
        path = self._facts_path(pipeline, name)
        with _told(f"read {path}"):
            try:
                found = json.loads(path.read())
            except FileNotFoundError:
                return None
            except ValueError as error:
                raise RecordError(f"{path} holds no facts of a page: {error}") from error
        if not isinstance(found, dict):
            raise RecordError(f"{path} holds no facts of a page: a {type(found).__name__}")
        return found

    def _facts_path(self, pipeline: str, name: str) -> Place:
        return self.root / _safe(pipeline) / "facts" / f"{_safe(name)}.json"


def _safe(name: str) -> str:
    """Refuse names that would leave the folder or surprise a file system."""
    if not _NAME.fullmatch(name):
        raise RecordError(
            f"{name!r} cannot name a file; allowed: letters, digits, '.', '_', '-', 1 to 200 of them"
        )
    return name


def _parquet(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", version="2.6")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def write_atomically(path: str | Path, content: bytes) -> None:
    """Make `path` hold `content`, whole, even if the machine stops half way.

    Raises
    ------
    RecordError
        If the disk or the bucket refuses; what stood there before still stands.
    """
    _write(place(path), content)


def _write(path: Place, content: bytes) -> None:
    with _told(f"write {path}"):
        path.write(content)


def _place(path: str | Path | Place) -> Place:
    return path if isinstance(path, Place) else place(path)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(f"cannot {what}: {error.strerror or error}") from error
