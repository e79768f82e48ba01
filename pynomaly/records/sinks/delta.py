"""Delta tables, merged by key. The only module that imports deltalake, the extra `delta`.

One table each for scores, alerts and decisions, in ``<folder>/<what>``. The scores of a window come in one
commit: rows of the window that are no longer among them are deleted in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd

from pynomaly.config.delivery import DeltaSink
from pynomaly.errors import ConfigError, ReceiverError
from pynomaly.records.sinks.content.columns import COLUMNS
from pynomaly.records.sinks.kind import Part, Receiver, SinkKind

__all__ = ["SINK"]

_TRIES = 5


class DeltaReceiver(Receiver):
    """A folder or a bucket of Delta tables."""

    def __init__(self, settings: DeltaSink, secrets: Mapping[str, str]) -> None:
        try:
            import deltalake
        except ImportError as error:
            raise ConfigError(
                f"kind: delta needs an extra: pip install 'pynomaly-mlops[delta]' ({error})"
            ) from None
        self._delta, self._root = deltalake, settings.folder.rstrip("/")

    def deliver(self, part: Part) -> None:
        """Merge the rows of a part in one commit."""
        with self._translate_errors():
            table = self._open_table(part.what)
            rows = _as_arrow(part.what, part.rows)
            merge = table.merge(
                rows,
                "target.key = source.key",
                source_alias="source",
                target_alias="target",
                merge_schema=False,
            )
            merge = merge.when_matched_update_all().when_not_matched_insert_all()
            if part.revision:
                window = (
                    f"target.pipeline = {_quote(part.pipeline)} AND target.window = {_quote(part.subject)}"
                )
                merge = merge.when_not_matched_by_source_delete(window)
            merge.execute()

    def check(self) -> str:
        """Open the tables that are there."""
        with self._translate_errors():
            there = [what for what in COLUMNS if self._delta.DeltaTable.is_deltatable(*self._locate(what))]
            for what in there:
                self._open_table(what)
        return f"{self._root} holds {len(there)} tables"

    def close(self) -> None:
        """Nothing is open."""

    def _open_table(self, what: str) -> Any:
        """Return a table, created if it is missing; ConfigError if it has other columns."""
        address, options = self._locate(what)
        schema = _build_schema(what)
        table = self._delta.DeltaTable.create(
            address, self._delta.Schema.from_arrow(schema), mode="ignore", storage_options=options
        )
        names = [field.name for field in table.schema().fields]
        if names != schema.names:
            raise ConfigError(f"the Delta table {address} has the columns {names}, not {schema.names}")
        return table

    def _locate(self, what: str) -> tuple[str, dict[str, str]]:
        """Return the address of a table, and what its store needs beside the environment."""
        options = {}
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        if self._root.startswith("s3://") and endpoint:
            options = {"aws_endpoint": endpoint, "allow_http": str(endpoint.startswith("http://")).lower()}
        return f"{self._root}/{what}", options

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        from deltalake.exceptions import DeltaError

        try:
            yield
        except (DeltaError, OSError, ValueError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise ReceiverError(f"{self._root}: {text}") from None


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _build_schema(what: str) -> Any:
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "truth": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([pa.field(name, types[kind]) for name, kind in COLUMNS[what].items()])


def _as_arrow(what: str, rows: pd.DataFrame) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(rows, schema=_build_schema(what), preserve_index=False)


SINK = SinkKind(DeltaReceiver, takes_windows_whole=True)
