"""Small tables as people have them, each with the right reading beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.intake import Reading, read_table, try_reading
from pynomaly.data.intake.draft import list_settings
from pynomaly.data.sources import read_source

ROWS = 240
_CODES = {
    "t": "time", "e": "entity", "l": "label", "x": "truth", "n": "number", "c": "category", "r": "counter",
    "k": "constant", "d": "duplicate", "i": "identifier", "f": "text", "-": "empty",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A table and its right reading.

    `roles` has a letter for each column in the order of the file: t time, e entity, l label, x truth,
    n number, c category, r counter, k constant, d duplicate, i identifier, f free text, - empty.
    """

    name: str
    build: Callable[[], str | bytes]
    roles: str
    file: str = "table.csv"
    encoding: str = "utf-8"
    first: str | None = None
    last: str | None = None
    meanings: dict[str, int | None] | None = None
    settings: dict[str, Any] | None = None
    rows: int = ROWS
    values: dict[str, Sequence[Any]] | None = None
    """First values of columns, as production reads them."""
    quarantined: int = 0

    def __str__(self) -> str:
        return self.name


class Kinds(list[Kind]):
    """A list to which functions that build a table are added by decoration."""

    def __call__(self, roles: str, **right: Any) -> Callable[[Callable[[], str | bytes]], None]:
        def add(build: Callable[[], str | bytes]) -> None:
            self.append(Kind(build.__name__, build, roles.replace(" ", ""), **right))

        return add


def write_kind(kind: Kind, folder: Path) -> Path:
    content = kind.build()
    place = folder / kind.file
    place.write_bytes(content if isinstance(content, bytes) else content.encode(kind.encoding))
    return place


def read_by_settings(reading: Reading) -> tuple[Reading, pd.DataFrame, Pipeline]:
    """Read the whole file as production does, by the settings that the reading gives."""
    tried = try_reading(reading)
    pipeline = Pipeline.model_validate({"name": "kind", **list_settings(tried)})
    return tried, read_source(pipeline.data), pipeline


def check_kind(kind: Kind, folder: Path) -> None:
    reading = read_table(write_kind(kind, folder))
    roles = {column.name: column.role for column in reading.columns}
    assert roles == dict(zip(roles, (_CODES[letter] for letter in kind.roles), strict=True))
    if kind.first is not None:
        assert reading.time is not None
        shown = (reading.time.first[: len(kind.first)], reading.time.last[: len(kind.last or "")])
        assert shown == (kind.first, kind.last or ""), reading.time
    assert reading.data.get("label_values") == kind.meanings
    for key, value in (kind.settings or {}).items():
        assert reading.data.get(key) == value, (key, reading.data)
    tried, frame, pipeline = read_by_settings(reading)
    assert tried.problems == ()
    assert len(frame) == kind.rows
    if pipeline.data.time is not None:
        assert frame[str(pipeline.data.time)].isna().sum() == kind.quarantined
    for column in reading.columns:
        if column.role in ("number", "counter") and not kind.quarantined:
            assert pd.api.types.is_numeric_dtype(frame[column.name]), column
    for name, values in (kind.values or {}).items():
        assert frame[name].tolist()[: len(values)] == list(values)


def list_hours(rows: int = ROWS, start: str = "2023-03-01", step: str = "h") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=rows, freq=step)


def draw(column: int, rows: int = ROWS, mean: float = 50, spread: float = 5, digits: int = 2) -> list[float]:
    values = np.random.default_rng([7, column]).normal(mean, spread, rows)
    return [round(float(value), digits) for value in values]


def pick(
    column: int, words: Sequence[Any], shares: Sequence[float] | None = None, rows: int = ROWS
) -> list[Any]:
    places = np.random.default_rng([11, column]).choice(len(words), rows, p=shares)
    return [words[place] for place in places]


def flags(column: int, share: float = 0.05, rows: int = ROWS) -> list[int]:
    """Flags of 0 and 1; one at least is 1."""
    values = (np.random.default_rng([13, column]).random(rows) < share).astype(int)
    values[rows // 2] = 1
    return [int(value) for value in values]


def write_rows(header: str | None, *columns: Iterable[Any], mark: str = ",", end: str = "\n") -> str:
    """Write columns as lines; numbers and times as they spell themselves."""
    body = [mark.join(map(str, row)) for row in zip(*columns, strict=False)]
    return end.join([*([header] if header is not None else []), *body]) + end
