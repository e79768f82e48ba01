"""Files of a pipeline: scores, quarantined rows and reports, in a folder or at an ``s3://`` address.

Called by :mod:`pynomaly.steps`. Every file appears complete or not at all, under a name that follows from its
content, so a step that runs twice writes the same file again::

    <root>/<pipeline>/scores/window=<key>/scores.parquet
    <root>/<pipeline>/shadow/v<N>/window=<key>/scores.parquet
    <root>/<pipeline>/quarantine/<name>.parquet
    <root>/<pipeline>/references/<sha256 of the bundle>.parquet
    <root>/<pipeline>/held_out/<sha256 of the bundle>.parquet
    <root>/<pipeline>/reports/<name>.html
    <root>/<pipeline>/facts|removed|dead_letters/<name>.json

The same frame gives the same bytes, so a hash shows whether scores changed.
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

from pynomaly.data.places import Folder, ListedFile, Place, resolve_place
from pynomaly.errors import IntegrityError, RecordError
from pynomaly.records.ledger.rows import HasKey, window_key

__all__ = ["Store", "hash_file", "write_atomically"]

_KEPT = ("scores", "shadow", "quarantine", "references", "held_out", "reports", "facts")
_FOLDERS = (*_KEPT, "removed", "dead_letters")
_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def hash_file(path: str | Path | Place) -> str:
    """Return the SHA-256 of a file, in hex.

    Raises
    ------
    RecordError
        If the file cannot be read.
    """
    with _translate_errors(f"read {path}"):
        return _as_place(path).sha256()


class Store:
    """The folder or address `root`; nothing is created before the first write.

    Raises
    ------
    ConfigError
        If `root` is an address that is not supported.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = resolve_place(root)

    def write_scores(self, pipeline: str, window: HasKey | str, frame: pd.DataFrame) -> tuple[Place, str]:
        """Write the scores of a window; returns the path and the SHA-256 of the file.

        Parameters
        ----------
        pipeline : str
        window : Window or str
            The window, its key, or ``"all"``.
        frame : DataFrame of shape (n, k)
            Scores and the columns that belong to them; the index is not stored.
        """
        path = self.scores_path(pipeline, window)
        return path, _write_frame(path, frame)

    def write_shadow(
        self, pipeline: str, version: int, window: HasKey | str, frame: pd.DataFrame
    ) -> tuple[Place, str]:
        """Like `write_scores`, for a version that is not the champion; in a folder of its own."""
        window_name = f"window={_check_name(window_key(window))}"
        path = self.root / _check_name(pipeline) / "shadow" / f"v{version}" / window_name / "scores.parquet"
        return path, _write_frame(path, frame)

    def scores_path(self, pipeline: str, window: HasKey | str) -> Place:
        """Return the path of the scores of a window, whether or not they exist."""
        window_name = f"window={_check_name(window_key(window))}"
        return self.root / _check_name(pipeline) / "scores" / window_name / "scores.parquet"

    def read_scores(
        self, pipeline: str, windows: Iterable[HasKey | str], expected: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        """Return the scores of several windows, one after the other, with a new index.

        Parameters
        ----------
        pipeline : str
        windows : iterable of Window or str
        expected : mapping, optional
            SHA-256 in the ledger by window key; checked before the file is parsed.

        Raises
        ------
        RecordError
            If a window has no scores, or no window is given.
        IntegrityError
            If the hash of a file differs from the recorded one.
        """
        frames = []
        for window in windows:
            path = self.scores_path(pipeline, window)
            with _translate_errors(f"read {path}"):
                try:
                    content = path.read()
                except FileNotFoundError as error:
                    raise RecordError(
                        f"{pipeline}: the window {window_key(window)} has not been scored; no file {path}"
                    ) from error
            content_hash = hashlib.sha256(content).hexdigest()
            expected_hash = (expected or {}).get(window_key(window), content_hash)
            if content_hash != expected_hash:
                raise IntegrityError(
                    f"{path} has hash {content_hash[:12]}..., the ledger recorded {expected_hash[:12]}..."
                )
            frames.append(pd.read_parquet(io.BytesIO(content)))
        if not frames:
            raise RecordError(f"{pipeline}: no window was given to read scores of")
        return pd.concat(frames, ignore_index=True)

    def write_quarantine(self, pipeline: str, name: str, frame: pd.DataFrame) -> Place:
        """Write rejected rows with the rule that each broke; columns of mixed types are stored as text."""
        mixed_columns = [
            column for column, dtype in frame.dtypes.items() if pd.api.types.is_object_dtype(dtype)
        ]
        text_frame = frame.assign(
            **{str(c): frame[c].map(str, na_action="ignore").astype("str") for c in mixed_columns}
        )
        path = self.root / _check_name(pipeline) / "quarantine" / f"{_check_name(name)}.parquet"
        _write_frame(path, text_frame)
        return path

    def relative_path(self, path: str | Place) -> str:
        """Return `path`, of a file of this store, as the ledger records it: relative to the root."""
        return str(path).removeprefix(f"{self.root}/")

    def locate_file(self, recorded: str) -> Place:
        """Return where the file is that the ledger recorded as `recorded`.

        Older versions of Pynomaly recorded the whole path or address, at which there is nothing any more (or
        the file of somebody else) after the store was moved or copied. So only the part from the pipeline's
        folder on counts, and it is looked up under this root.
        """
        parts = recorded.split("/")
        starts = [i for i in range(1, len(parts) - 1) if parts[i] in _FOLDERS and parts[i - 1]]
        if not starts:
            return resolve_place(recorded)
        place = self.root
        for part in parts[starts[-1] - 1 :]:
            place = place / part
        return place

    def has_file(self, path: str | Path | Place, sha256: str) -> bool:
        """Return whether `path` exists and has this hash."""
        with _translate_errors(f"read {path}"):
            try:
                return _as_place(path).sha256() == sha256
            except (FileNotFoundError, IsADirectoryError):
                return False

    def write_reference(self, pipeline: str, sha256: str, frame: pd.DataFrame) -> Place:
        """Write a sample of the rows that a bundle was fitted on, for reports; named by the bundle's hash."""
        path = self._reference_path(pipeline, sha256)
        _write_frame(path, frame)
        return path

    def read_reference(self, pipeline: str, sha256: str) -> pd.DataFrame:
        """Return the sample of rows that a bundle was fitted on.

        Raises
        ------
        RecordError
            If no sample was written for this bundle.
        """
        path = self._reference_path(pipeline, sha256)
        with _translate_errors(f"read {path}"):
            try:
                return pd.read_parquet(io.BytesIO(path.read()))
            except FileNotFoundError as error:
                raise RecordError(
                    f"{pipeline}: no reference rows were kept for bundle {sha256[:12]}...; no file {path}"
                ) from error

    def write_held_out(self, pipeline: str, sha256: str, p_values: npt.NDArray[np.float64]) -> Place:
        """Write the p-values, array of shape (n,), of the real held-out rows on which a bundle was evaluated.

        They give its alert rate under any alert policy.
        """
        path = self._held_out_path(pipeline, sha256)
        _write_frame(path, pd.DataFrame({"p_value": p_values}))
        return path

    def read_held_out(self, pipeline: str, sha256: str) -> npt.NDArray[np.float64]:
        """Return the p-values that `write_held_out` wrote.

        Raises
        ------
        RecordError
            If no p-values were written for this bundle.
        """
        path = self._held_out_path(pipeline, sha256)
        with _translate_errors(f"read {path}"):
            try:
                frame = pd.read_parquet(io.BytesIO(path.read()))
            except FileNotFoundError as error:
                raise RecordError(
                    f"{pipeline}: no held-out rows were kept for bundle {sha256[:12]}...; no file {path}"
                ) from error
        return frame["p_value"].to_numpy(dtype=np.float64)

    def copy_evidence(self, pipeline: str, old: str, new: str) -> None:
        """Copy the files of the bundle `old` for the bundle `new`, whose rows and p-values are the same."""
        for where in (self._reference_path, self._held_out_path):
            source = where(pipeline, old)
            with _translate_errors(f"read {source}"), suppress(FileNotFoundError):
                _write_file(where(pipeline, new), source.read())

    def _held_out_path(self, pipeline: str, sha256: str) -> Place:
        return self.root / _check_name(pipeline) / "held_out" / f"{_check_name(sha256)}.parquet"

    def _reference_path(self, pipeline: str, sha256: str) -> Place:
        return self.root / _check_name(pipeline) / "references" / f"{_check_name(sha256)}.parquet"

    def list_files(self, pipeline: str) -> Iterator[ListedFile]:
        """Yield every file of a pipeline, in all folders listed above."""
        root = self.root / _check_name(pipeline)
        with _translate_errors(f"list {root}"):
            yield from root.list_files()

    def remove_file(self, address: str) -> None:
        """Remove a file, and the folder of its window if it is then empty."""
        path = _as_place(address)
        with _translate_errors(f"remove {path}"):
            path.delete()
        if isinstance(path, Folder) and path.path.parent.name.startswith("window="):
            with suppress(OSError):
                path.path.parent.rmdir()

    def write_removed(self, pipeline: str, name: str, content: bytes) -> Place:
        """Write the list of files that are about to be removed; returns its path."""
        path = self._file_path(pipeline, "removed", f"{name}.json")
        _write_file(path, content)
        return path

    def write_report(self, pipeline: str, name: str, html: str | bytes) -> Place:
        """Write a page for people; returns its path."""
        path = self._file_path(pipeline, "reports", f"{name}.html")
        _write_file(path, html.encode() if isinstance(html, str) else html)
        return path

    def read_report(self, pipeline: str, name: str) -> bytes | None:
        """Return the page that `write_report` wrote, or None."""
        return _read_if_there(self._file_path(pipeline, "reports", f"{name}.html"))

    def write_facts(self, pipeline: str, name: str, facts: Mapping[str, Any]) -> Place:
        """Write the facts of a page, so that the page can be made again; returns the path."""
        path = self._file_path(pipeline, "facts", f"{name}.json")
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        _write_file(path, text.encode())
        return path

    def read_facts(self, pipeline: str, name: str) -> dict[str, Any] | None:
        """Return the facts that `write_facts` wrote, or None.

        Raises
        ------
        RecordError
            If the file does not hold facts.
        """
        path = self._file_path(pipeline, "facts", f"{name}.json")
        content = _read_if_there(path)
        try:
            facts = None if content is None else json.loads(content)
        except ValueError as error:
            raise RecordError(f"{path} holds no facts of a page: {error}") from error
        if content is not None and not isinstance(facts, dict):
            raise RecordError(f"{path} holds no facts of a page: a {type(facts).__name__}")
        return facts

    def _file_path(self, pipeline: str, folder: str, name: str) -> Place:
        return self.root / _check_name(pipeline) / folder / _check_name(name)


def _read_if_there(path: Place) -> bytes | None:
    with _translate_errors(f"read {path}"):
        try:
            return path.read()
        except FileNotFoundError:
            return None


def _check_name(name: str) -> str:
    """Return `name`; fail if it could leave the folder or is not portable between file systems."""
    if not _NAME_PATTERN.fullmatch(name):
        raise RecordError(
            f"{name!r} cannot name a file; allowed: letters, digits, '.', '_', '-', 1 to 200 of them"
        )
    return name


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write `content` to `path` completely or not at all, even if the machine stops half way.

    Raises
    ------
    RecordError
        If the disk or the bucket refuses; the previous content is not changed.
    """
    _write_file(resolve_place(path), content)


def _write_frame(path: Place, frame: pd.DataFrame) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink, compression="zstd", version="2.6")
    content = sink.getvalue().to_pybytes()
    _write_file(path, content)
    return hashlib.sha256(content).hexdigest()


def _write_file(path: Place, content: bytes) -> None:
    with _translate_errors(f"write {path}"):
        path.write(content)


def _as_place(path: str | Path | Place) -> Place:
    return path if isinstance(path, Place) else resolve_place(path)


@contextmanager
def _translate_errors(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(f"cannot {what}: {error.strerror or error}") from error
