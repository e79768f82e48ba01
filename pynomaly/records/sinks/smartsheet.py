"""Rows of Smartsheet: a sheet for each of what it receives, whose rows are found by the column ``key``.

Rows whose key is there are updated where they stand, the others are added at the bottom; of a window that is
scored again, rows that are no longer in it are deleted. Columns that are missing are added to the right.
Plain REST, because the public client sets no time limit on a request: see the decision record of sinks.

Documented limits: 500 rows a request, 500,000 cells and 20,000 rows a sheet, 4,000 characters a cell.

References
----------
https://developers.smartsheet.com/api/smartsheet/openapi/rows
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pynomaly.config.delivery import SmartsheetSink
from pynomaly.records.sinks.content.cells import list_records, shorten_texts
from pynomaly.records.sinks.content.columns import COLUMNS
from pynomaly.records.sinks.http import HttpClient
from pynomaly.records.sinks.kind import Part, Receiver, SinkKind

__all__ = ["SINK"]

_PAGE = 500
_DELETED_AT_ONCE = 200
_LONGEST_TEXT = 4000


class SmartsheetReceiver(Receiver):
    """Sheets of Smartsheet, reached with an access token."""

    def __init__(self, settings: SmartsheetSink, secrets: Mapping[str, str]) -> None:
        self._settings = settings
        self._sheets = {str(name): number for name, number in settings.sheets.items()}
        self._client = HttpClient(
            settings.timeout, {"Authorization": f"Bearer {secrets['token']}"}, waits_for_login=True
        )

    def deliver(self, part: Part) -> None:
        """Update the rows whose keys are there, add the others, and delete those that went."""
        sheet = f"/sheets/{self._sheets[part.what]}"
        columns = self._require_columns(sheet, part.what)
        there = {str(cells.get(columns["key"], "")): (row, cells) for row, cells in self._iterate_rows(sheet)}
        records = list_records(part.rows)
        known = [
            {"id": there[record["key"]][0], "cells": _list_cells(columns, record)}
            for record in records
            if record["key"] in there
        ]
        new = [
            {"toBottom": True, "cells": _list_cells(columns, record)}
            for record in records
            if record["key"] not in there
        ]
        for method, rows in (("PUT", known), ("POST", new)):
            for first in range(0, len(rows), self._settings.batch):
                self._ask(method, f"{sheet}/rows", json=rows[first : first + self._settings.batch])
        if part.revision:
            here = {record["key"] for record in records}
            gone = [
                row
                for key, (row, cells) in there.items()
                if key not in here
                and cells.get(columns["pipeline"]) == part.pipeline
                and cells.get(columns["window"]) == part.subject
            ]
            for first in range(0, len(gone), _DELETED_AT_ONCE):
                ids = ",".join(map(str, gone[first : first + _DELETED_AT_ONCE]))
                self._ask("DELETE", f"{sheet}/rows", params={"ids": ids, "ignoreRowsNotFound": "true"})

    def check(self) -> str:
        """Read the columns of each sheet."""
        counts = [
            len(self._ask("GET", f"/sheets/{number}/columns")["data"]) for number in self._sheets.values()
        ]
        return f"{len(counts)} sheets answer"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _require_columns(self, sheet: str, what: str) -> dict[str, int]:
        """Return the number of each column by its title; those that are missing are added."""
        data = self._ask("GET", f"{sheet}/columns", params={"includeAll": "true"})["data"]
        columns = {str(item["title"]): int(item["id"]) for item in data}
        missing = [name for name in COLUMNS[what] if name not in columns]
        if missing:
            new = [{"title": name, "type": "TEXT_NUMBER", "index": len(columns)} for name in missing]
            added = self._ask("POST", f"{sheet}/columns", json=new)["result"]
            columns |= {str(item["title"]): int(item["id"]) for item in added}
        return columns

    def _iterate_rows(self, sheet: str) -> Iterator[tuple[int, dict[int, Any]]]:
        """Yield the number of each row, and its values by column, over all pages."""
        page, read = 1, 0
        while True:
            content = self._ask("GET", sheet, params={"page": page, "pageSize": _PAGE})
            rows = content.get("rows", [])
            for row in rows:
                yield int(row["id"]), {cell["columnId"]: cell.get("value") for cell in row["cells"]}
            page, read = page + 1, read + len(rows)
            if not rows or read >= int(content.get("totalRowCount", 0)):
                return

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        return dict(self._client.request(method, f"{self._settings.address}{path}", **content).json())


def _list_cells(columns: Mapping[str, int], record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells of a row; an empty text empties a cell, and a value is never read as a formula."""
    return [
        {"columnId": columns[name], "value": "" if value is None else value, "strict": False}
        for name, value in shorten_texts(record, _LONGEST_TEXT).items()
    ]


SINK = SinkKind(SmartsheetReceiver, takes_windows_whole=True)
