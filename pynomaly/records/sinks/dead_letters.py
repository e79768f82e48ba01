"""Dead letters: parts that a sink's receiver refused, as files of the store, with the reason.

A file of JSON each, ``<root>/<pipeline>/dead_letters/<name>.json``, which a person can read and
``pynomaly deliver --redeliver`` hands over again.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import orjson
import pandas as pd

from pynomaly.errors import RecordError
from pynomaly.records.sinks.content.cells import list_records
from pynomaly.records.sinks.content.columns import conform_rows
from pynomaly.records.sinks.kind import Part
from pynomaly.records.store import Store, write_atomically

__all__ = ["read_dead_letter", "remove_dead_letter", "write_dead_letter"]


def write_dead_letter(store: Store, sink: str, part: Part, reason: str, at: datetime) -> str:
    """Write a part that was refused; return the path of its file, relative to the store.

    The same part has the same file, however often it is refused.
    """
    digest = hashlib.sha256(f"{sink}/{part.name}/{len(part.rows)}".encode()).hexdigest()[:16]
    place = store.root / part.pipeline / "dead_letters" / f"{sink}-{part.what}-{digest}.json"
    content = {
        "sink": sink,
        "reason": reason,
        "at": at.isoformat(),
        "pipeline": part.pipeline,
        "what": part.what,
        "subject": part.subject,
        "revision": part.revision,
        "first": part.first,
        "total": part.total,
        "rows": list_records(part.rows),
    }
    write_atomically(str(place), orjson.dumps(content, option=orjson.OPT_INDENT_2))
    return store.relative_path(place)


def read_dead_letter(store: Store, path: str) -> Part:
    """Return the part of a dead letter.

    Raises
    ------
    RecordError
        If the file is gone, or is no dead letter.
    """
    place = store.locate_file(path)
    try:
        content: dict[str, Any] = orjson.loads(place.read())
        rows = conform_rows(content["what"], pd.DataFrame(content.pop("rows")))
        names = ("pipeline", "what", "subject", "revision", "first", "total")
        return Part(**{name: content[name] for name in names}, rows=rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{place} is no dead letter that can be read: {type(error).__name__}") from error


def remove_dead_letter(store: Store, path: str) -> None:
    """Remove the file of a dead letter; does nothing if it is gone."""
    store.remove_file(str(store.locate_file(path)))
