"""Rows of a Google spreadsheet: a sheet for each of what it receives, whose first column is the key.

Rows whose key is there are replaced where they stand, the others are appended, so people may sort the sheet
and add columns to the right. Values are written RAW: text that looks like a formula stays text. Of a window
that is scored again, rows that are no longer in it are emptied. Plain REST: see the decision record of sinks.

References
----------
https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets.values
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pynomaly.config.delivery import SheetsSink
from pynomaly.errors import RefusedError
from pynomaly.records.sinks.content.cells import list_records, shorten_texts
from pynomaly.records.sinks.content.columns import COLUMNS
from pynomaly.records.sinks.google_token import GoogleToken
from pynomaly.records.sinks.http import HttpClient
from pynomaly.records.sinks.kind import Part, Receiver, SinkKind

__all__ = ["SINK"]

_SCOPE = "https://www.googleapis.com/auth/spreadsheets"
_LONGEST_TEXT = 50_000


class SheetsReceiver(Receiver):
    """A spreadsheet, reached as a service account with which it is shared."""

    def __init__(self, settings: SheetsSink, secrets: Mapping[str, str]) -> None:
        self._token = GoogleToken(secrets["credentials"], _SCOPE)
        self._client = HttpClient(settings.timeout, waits_for_login=True)
        self._address = f"{settings.address}/v4/spreadsheets/{settings.spreadsheet}"
        self._batch = settings.batch
        self._sheets: set[str] = set()

    def deliver(self, part: Part) -> None:
        """Replace the rows whose keys are there, append the others, and empty those that went."""
        self._require_sheet(part.what)
        names = list(COLUMNS[part.what])
        places = self._read_places(part, names)
        records = [
            ["" if cell is None else cell for cell in shorten_texts(record, _LONGEST_TEXT).values()]
            for record in list_records(part.rows)
        ]
        last = _name_column(len(names))
        known = [
            {"range": f"{part.what}!A{places[row[0]][0]}:{last}{places[row[0]][0]}", "values": [row]}
            for row in records
            if row[0] in places
        ]
        for some in _split(known, self._batch):
            self._ask("POST", "/values:batchUpdate", json={"valueInputOption": "RAW", "data": some})
        for some in _split([row for row in records if row[0] not in places], self._batch):
            options = {"valueInputOption": "RAW", "insertDataOption": "INSERT_ROWS"}
            self._ask("POST", f"/values/{part.what}!A1:append", params=options, json={"values": some})
        if part.revision:
            here = {row[0] for row in records}
            gone = [
                place for key, (place, window) in places.items() if window == part.subject and key not in here
            ]
            ranges = [f"{part.what}!A{place}:{last}{place}" for place in gone]
            for some in _split(ranges, self._batch):
                self._ask("POST", "/values:batchClear", json={"ranges": some})

    def check(self) -> str:
        """Read the names of the sheets."""
        return f"the spreadsheet has {len(self._list_sheets())} sheets"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _require_sheet(self, what: str) -> None:
        """Make the sheet and its heading if they are missing."""
        if what in self._sheets:
            return
        if what not in self._list_sheets():
            self._ask(
                "POST", ":batchUpdate", json={"requests": [{"addSheet": {"properties": {"title": what}}}]}
            )
        names = list(COLUMNS[what])
        place = f"{what}!A1:{_name_column(len(names))}1"
        heading = self._ask("GET", f"/values/{place}").get("values") or [[]]
        if not heading[0]:
            options = {"valueInputOption": "RAW"}
            self._ask("PUT", f"/values/{place}", params=options, json={"values": [names]})
        elif heading[0] != names:
            raise RefusedError(f"the sheet {what!r} has another heading than {', '.join(names)}")
        self._sheets.add(what)

    def _list_sheets(self) -> list[str]:
        content = self._ask("GET", "", params={"fields": "sheets.properties.title"})
        return [str(sheet["properties"]["title"]) for sheet in content.get("sheets", ())]

    def _read_places(self, part: Part, names: list[str]) -> dict[str, tuple[int, str]]:
        """Return by key the number of its row, and its window ("" for that of another pipeline)."""
        wanted = ("key", "pipeline", "window") if part.what == "scores" else ("key",)
        letters = [_name_column(names.index(name) + 1) for name in wanted]
        params = {
            "ranges": [f"{part.what}!{letter}2:{letter}" for letter in letters],
            "majorDimension": "COLUMNS",
            "valueRenderOption": "UNFORMATTED_VALUE",
        }
        ranges = self._ask("GET", "/values:batchGet", params=params)["valueRanges"]
        columns = [(item.get("values") or [[]])[0] for item in ranges]
        places: dict[str, tuple[int, str]] = {}
        for row, key in enumerate(columns[0]):
            own = len(columns) > 1 and _cell_at(columns[1], row) == part.pipeline
            if key != "":
                places[str(key)] = (row + 2, str(_cell_at(columns[2], row)) if own else "")
        return places

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        headers = self._token.authorize()
        answer = self._client.request(method, f"{self._address}{path}", headers=headers, **content)
        return dict(answer.json())


def _cell_at(column: list[Any], row: int) -> Any:
    return column[row] if row < len(column) else ""


def _name_column(number: int) -> str:
    """Return the letters of a column, counted from 1."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _split(items: list[Any], size: int) -> list[list[Any]]:
    return [items[first : first + size] for first in range(0, len(items), size)]


SINK = SinkKind(SheetsReceiver, takes_windows_whole=True)
