"""Stand-ins for services that are not on this machine, built from their documented requests.

Each keeps what it was given as the service would, and refuses what the service documents to refuse.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.receivers import Asked, Reply

TOKEN = "a-token-of-the-service"


def _read(asked: Asked) -> tuple[str, dict[str, list[str]]]:
    parts = urlsplit(asked.path)
    return unquote(parts.path), parse_qs(parts.query)


@dataclass
class Influx:
    """``POST /api/v2/write``: points by measurement, tags and time; a line that cannot be read is refused."""

    points: dict[tuple[str, tuple[tuple[str, str], ...], int], dict[str, Any]] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply:
        path, query = _read(asked)
        if path == "/ping":
            return Reply(204)
        if asked.headers.get("authorization") != f"Token {TOKEN}":
            return Reply(401, {"code": "unauthorized", "message": "unauthorized access"})
        assert (path, query["precision"], query["bucket"]) == ("/api/v2/write", ["ns"], ["fleet"])
        for line in split_lines(asked.body.decode()):
            try:
                identity, fields = parse_line(line)
            except ValueError as error:
                return Reply(400, {"code": "invalid", "message": str(error)})
            self.points.setdefault(identity, {}).update(fields)
        return Reply(204)

    def rows(self) -> dict[str, dict[str, Any]]:
        return {fields["key"]: {**dict(tags), **fields} for (_, tags, _), fields in self.points.items()}


def split_lines(text: str) -> list[str]:
    """Lines end at line breaks outside quotation marks."""
    lines, start, quoted, place = [], 0, False, 0
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        if text[place] == '"':
            quoted = not quoted
        elif text[place] == "\n" and not quoted:
            lines.append(text[start:place])
            start = place + 1
        place += 1
    return [*lines, text[start:]]


def parse_line(line: str) -> tuple[tuple[str, tuple[tuple[str, str], ...], int], dict[str, Any]]:
    """Measurement, tags, time and fields of a line, by the rules of InfluxDB's own reader."""
    head, place = _scan(line, 0, " ")
    body, place = _scan(line, place + 1, " ", quotes=True)
    measurement, *tags = _split_at(head, ",")
    pairs = []
    for tag in tags:
        name, value = _split_at(tag, "=")
        if not value:
            raise ValueError(f"missing tag value: {line}")
        pairs.append((_plain(name), _plain(value)))
    fields = {}
    for item in _split_at(body, ",", quotes=True):
        name, value = item.split("=", 1)
        fields[_plain(name)] = _field(value)
    return (_plain(measurement), tuple(sorted(pairs)), int(line[place + 1 :])), fields


def _scan(text: str, start: int, end: str, quotes: bool = False) -> tuple[str, int]:
    place, quoted = start, False
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        if quotes and text[place] == '"':
            quoted = not quoted
        elif text[place] == end and not quoted:
            return text[start:place], place
        place += 1
    raise ValueError(f"missing {end!r}: {text}")


def _split_at(text: str, mark: str, quotes: bool = False) -> list[str]:
    parts, start = [], 0
    while True:
        try:
            part, place = _scan(text, start, mark, quotes)
        except ValueError:
            return [*parts, text[start:]]
        parts.append(part)
        start = place + 1


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def _field(text: str) -> Any:
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    return int(text[:-1]) if text.endswith("i") else float(text)


@dataclass
class PowerBi:
    """A push dataset: rows are appended; a request of too many rows or an unknown column is refused."""

    columns: dict[str, list[str]]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply:
        path, _ = _read(asked)
        if path == "/my-tenant/oauth2/v2.0/token":
            form = parse_qs(asked.body.decode())
            right = form["client_secret"] == [TOKEN] and form["grant_type"] == ["client_credentials"]
            answer = {"token_type": "Bearer", "expires_in": 3599, "access_token": "granted"}
            return Reply(200, answer) if right else Reply(401, {"error": "invalid_client"})
        if asked.headers.get("authorization") != "Bearer granted":
            return Reply(403, {"error": {"code": "TokenExpired"}})
        prefix = "/v1.0/myorg/groups/my-group/datasets/my-dataset/tables"
        if path == prefix:
            return Reply(200, {"value": [{"name": name} for name in self.columns]})
        table = path.removeprefix(f"{prefix}/").removesuffix("/rows")
        rows = asked.json["rows"]
        if table not in self.columns or len(rows) > 10_000:
            return Reply(404 if table not in self.columns else 413)
        if any(set(row) - {*self.columns[table], "sent"} for row in rows):
            return Reply(400, {"error": {"code": "InvalidColumn"}})
        self.tables.setdefault(table, []).extend(rows)
        return Reply(200)

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["key"]: row for rows in self.tables.values() for row in rows}


@dataclass
class GoogleSheets:
    """A spreadsheet: grids of cells; RAW values stay text, a range outside the grid is refused."""

    grids: dict[str, list[list[Any]]] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply:
        path, query = _read(asked)
        if path == "/token":
            return Reply(200, {"access_token": "granted", "expires_in": 3600, "token_type": "Bearer"})
        if asked.headers.get("authorization") != "Bearer granted":
            return Reply(401, {"error": {"status": "UNAUTHENTICATED"}})
        path = path.removeprefix("/v4/spreadsheets/my-spreadsheet")
        body = asked.json if asked.body else {}
        if not path:
            return Reply(200, {"sheets": [{"properties": {"title": name}} for name in self.grids]})
        if path == ":batchUpdate":
            for request in body["requests"]:
                self.grids[request["addSheet"]["properties"]["title"]] = []
            return Reply(200, {})
        if path == "/values:batchGet":
            assert query["majorDimension"] == ["COLUMNS"]
            return Reply(200, {"valueRanges": [self._column(place) for place in query["ranges"]]})
        if path == "/values:batchUpdate":
            assert body["valueInputOption"] == "RAW"
            for item in body["data"]:
                self._put(item["range"], item["values"])
            return Reply(200, {})
        if path == "/values:batchClear":
            for place in body["ranges"]:
                name, first, _ = self._parse(place)
                self.grids[name][first - 1] = []
            return Reply(200, {})
        if path.endswith(":append"):
            assert (query["valueInputOption"], query["insertDataOption"]) == (["RAW"], ["INSERT_ROWS"])
            name = path.removeprefix("/values/").partition("!")[0]
            self.grids[name] += [list(row) for row in body["values"]]
            return Reply(200, {})
        place = path.removeprefix("/values/")
        if asked.method == "PUT":
            assert query["valueInputOption"] == ["RAW"]
            self._put(place, body["values"])
            return Reply(200, {})
        name, first, _ = self._parse(place)
        rows = [row for row in self.grids[name][first - 1 : first] if row]
        return Reply(200, {"values": rows} if rows else {})

    def _parse(self, place: str) -> tuple[str, int, str]:
        name, _, cells = place.partition("!")
        first, _, last = cells.partition(":")
        number = re.sub(r"\D", "", first)
        return name, int(number), re.sub(r"\d", "", last)

    def _put(self, place: str, values: list[list[Any]]) -> None:
        name, first, _ = self._parse(place)
        grid = self.grids[name]
        while len(grid) < first - 1 + len(values):
            grid.append([])
        for offset, row in enumerate(values):
            grid[first - 1 + offset] = list(row)

    def _column(self, place: str) -> dict[str, Any]:
        name, first, letters = self._parse(place)
        column = 0
        for letter in letters:
            column = column * 26 + ord(letter) - ord("A") + 1
        cells = [row[column - 1] if len(row) >= column else "" for row in self.grids[name][first - 1 :]]
        while cells and cells[-1] == "":
            cells.pop()
        return {"values": [cells]} if cells else {}

    def rows(self) -> dict[str, dict[str, Any]]:
        return {
            row[0]: dict(zip(grid[0], row, strict=True))
            for grid in self.grids.values()
            for row in grid[1:]
            if row
        }


@dataclass
class Smartsheet:
    """Sheets of rows with numbers; more than 500 rows in a request are refused."""

    columns: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    cells: dict[int, dict[int, dict[int, Any]]] = field(default_factory=dict)
    last: int = 1000

    def __call__(self, asked: Asked) -> Reply:
        path, query = _read(asked)
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, {"errorCode": 1002, "message": "Your Access Token is invalid."})
        _, base, _, number, *rest = path.split("/")
        assert base == "2.0"
        sheet = int(number)
        columns, rows = self.columns.setdefault(sheet, [(1, "Primary")]), self.cells.setdefault(sheet, {})
        body = json.loads(asked.body) if asked.body else None
        if rest == ["columns"]:
            if asked.method == "GET":
                return Reply(200, {"data": [{"id": n, "title": t} for n, t in columns]})
            added = [(self._number(), item["title"]) for item in body]
            columns += added
            return Reply(200, {"resultCode": 0, "result": [{"id": n, "title": t} for n, t in added]})
        if rest == ["rows"]:
            if asked.method == "DELETE":
                for name in query["ids"][0].split(","):
                    rows.pop(int(name), None)
                return Reply(200, {"resultCode": 0})
            if len(body) > 500:
                return Reply(400, {"errorCode": 1095})
            for item in body:
                values = {cell["columnId"]: cell["value"] for cell in item["cells"]}
                if asked.method == "PUT":
                    rows[item["id"]].update(values)
                else:
                    rows[self._number()] = values
            return Reply(200, {"resultCode": 0})
        page, size = int(query["page"][0]), int(query["pageSize"][0])
        shown = list(rows.items())[(page - 1) * size : page * size]
        return Reply(
            200,
            {
                "totalRowCount": len(rows),
                "rows": [
                    {
                        "id": row,
                        "cells": [
                            {"columnId": name, **({} if value == "" else {"value": value})}
                            for name, value in values.items()
                        ],
                    }
                    for row, values in shown
                ],
            },
        )

    def _number(self) -> int:
        self.last += 1
        return self.last

    def rows(self) -> dict[str, dict[str, Any]]:
        by_key = {}
        for sheet, rows in self.cells.items():
            titles = dict(self.columns[sheet])
            for values in rows.values():
                row = {titles[name]: value for name, value in values.items()}
                by_key[row["key"]] = row
        return by_key
