"""Files in a folder or a bucket: Parquet for programs, workbooks for people.

The scores of a window are one file, named by the window and replaced whole. Alerts and decisions are one file
a day (Parquet) or a month (workbooks), by the time at which they were written down: new rows are merged into
it by key. One process at a time does so, which holds the lease of the channel::

    <folder>/<pipeline>/scores/<window>.parquet
    <folder>/<pipeline>/alerts/2026-01-05.parquet
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pynomaly.data.places import Place, resolve_place
from pynomaly.errors import ConfigError, ReceiverError, RefusedError
from pynomaly.records.sheet import check_sheet_rows, read_workbook, render_table
from pynomaly.records.sinks.kind import Part, Receiver, SinkKind

__all__ = ["PARQUET", "WORKBOOK"]


@dataclass(frozen=True)
class FileForm:
    """How rows become a file.

    Attributes
    ----------
    ending : str
    period : str
        Format of the time that names a file of alerts or decisions.
    render : callable
        Rows to bytes; ConfigError if there are too many.
    parse : callable
        Bytes to rows.
    """

    ending: str
    period: str
    render: Callable[[pd.DataFrame], bytes]
    parse: Callable[[bytes], pd.DataFrame]


class FolderReceiver(Receiver):
    """A folder or a bucket that holds one file for each window, and one for each period."""

    def __init__(self, folder: str, form: FileForm) -> None:
        self._root, self._form = resolve_place(folder), form

    def deliver(self, part: Part) -> None:
        """Write the file of a window, or merge the rows into the files of their periods."""
        folder = self._root / part.pipeline / part.what
        if part.what == "scores":
            self._write(folder / f"{part.subject}{self._form.ending}", part.rows)
            return
        for period, rows in part.rows.groupby(part.rows["at"].dt.strftime(self._form.period), sort=True):
            self._merge(folder / f"{period}{self._form.ending}", rows)

    def _merge(self, place: Place, rows: pd.DataFrame) -> None:
        with _translate_errors(f"read {place}"):
            try:
                before = self._form.parse(place.read())
            except FileNotFoundError:
                before = rows.iloc[:0]
        if list(before.columns) != list(rows.columns):
            raise RefusedError(f"{place} has other columns than these rows; move it away, and redeliver")
        kept = before[~before["key"].isin(rows["key"])]
        self._write(place, pd.concat([kept, rows], ignore_index=True) if len(kept) else rows)

    def _write(self, place: Place, rows: pd.DataFrame) -> None:
        try:
            content = self._form.render(rows)
        except ConfigError as error:
            raise RefusedError(f"{place}: {error}") from error
        with _translate_errors(f"write {place}"):
            place.write(content)

    def check(self) -> str:
        """List the folder; whether it can be written shows with the first part."""
        with _translate_errors(f"list {self._root}"):
            next(iter(self._root.list_files()), None)
        return f"{self._root} can be listed"

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def _translate_errors(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise (
            error if what.startswith("read") else ReceiverError(f"cannot {what}: {error.strerror}")
        ) from error
    except OSError as error:
        raise ReceiverError(f"cannot {what}: {error.strerror or error}") from error


def _render_workbook(rows: pd.DataFrame) -> bytes:
    check_sheet_rows(len(rows), Path("a month.xlsx"))
    return render_table(rows, ".xlsx")


PARQUET = SinkKind(
    lambda settings, secrets: FolderReceiver(
        settings.folder,
        FileForm(
            ".parquet",
            "%Y-%m-%d",
            lambda rows: render_table(rows, ".parquet"),
            lambda content: pd.read_parquet(io.BytesIO(content)),
        ),
    ),
    takes_windows_whole=True,
)
WORKBOOK = SinkKind(
    lambda settings, secrets: FolderReceiver(
        settings.folder, FileForm(".xlsx", "%Y-%m", _render_workbook, read_workbook)
    ),
    takes_windows_whole=True,
)
