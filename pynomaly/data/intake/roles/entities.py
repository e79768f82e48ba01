"""The column that names whose a row is, and tables with one row for each quantity. Called by ``reading``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pynomaly.config.data import SCORE_COLUMNS
from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import split_name

__all__ = ["find_entity", "find_long_table", "is_identifier_name"]

_ENTITY_WORDS = {
    "machine", "device", "sensor", "station", "location", "host", "hostname", "entity", "unit", "asset",
    "meter", "account", "customer", "user", "symbol", "ticker", "store", "shop", "plant", "node",
    "server", "site", "city", "country", "region", "state", "name", "code", "key", "id", "equipment",
    "engine", "turbine", "pump", "line", "feeder", "instance", "service", "series", "item", "product",
    "sku", "tag", "channel", "vehicle", "robot", "cell", "building", "household", "client", "vm",
    "container", "mote", "well", "truck", "bus", "room", "zone", "house", "card", "merchant", "ip",
    "metric", "variable", "parameter", "kpi", "stock", "inverter", "moteid", "machineid", "deviceid",
    "sensorid", "iso",
}  # fmt: skip

_QUANTITY_WORDS = {
    "variable", "parameter", "metric", "sensor", "tag", "measure", "measurement", "signal", "quantity",
    "item", "channel", "indicator", "attribute", "point", "kpi", "series", "name", "key", "pollutant",
    "property",
}  # fmt: skip

_VALUE_WORDS = {
    "value", "reading", "val", "measurement", "amount", "v", "wert", "valor", "valeur", "result", "obs",
}  # fmt: skip

_ID_WORDS = {
    "id", "ids", "key", "code", "no", "nr", "number", "num", "uuid", "guid", "serial", "postcode",
    "zip", "phone", "imei", "mac", "ip", "url", "email", "hash", "index", "uid", "udi",
}  # fmt: skip

_THINGS = {
    "machine", "device", "sensor", "station", "host", "hostname", "asset", "meter", "account",
    "customer", "user", "store", "node", "server", "equipment", "engine", "turbine", "pump", "feeder",
    "vehicle", "location", "site", "entity", "unit", "series", "symbol", "ticker", "inverter", "robot",
    "household", "building", "well", "truck", "plant", "instance",
}  # fmt: skip

_LEAST_RANK = 0.75
_UNIQUE, _MOSTLY_UNIQUE = 0.98, 0.96
"""Share of rows that are alone with their entity at their time; the others count as duplicates of a row."""

_EVENTS = {
    "error", "event", "type", "category", "class", "status", "thread", "request", "session",
    "transaction", "order", "trip", "message", "log", "alarm", "color", "payment", "level",
}  # fmt: skip


def is_identifier_name(name: str) -> bool:
    """Return whether a name says that its numbers are names of things (`PLANT_ID`, `zip code`)."""
    words = split_name(name)
    joined = "".join(words)
    return bool(words) and (
        words[-1] in _ID_WORDS - {"number", "num", "index"}
        or (len(words) > 1 and words[-1] in ("number", "num") and words[0] not in ("total", "of", "count"))
        or (
            joined.endswith(("id", "code", "uuid"))
            and len(joined) > 2
            and name[-2:] in ("ID", "Id", "id")
            and joined[:-2] in _ENTITY_WORDS
        )
    )


def find_entity(
    profiles: Mapping[str, Profile], times: pd.Series[Any], taken: set[str]
) -> tuple[str | None, str, list[str]]:
    """Return the column that separates rows of the same time, why, and what else could be it.

    It must repeat over time and name each row of a moment differently (98 % of the rows); a name that says
    an id is enough if most rows of a moment differ.
    """
    moments = times.reset_index(drop=True)
    repeated = float(moments.duplicated(keep=False).mean())
    if repeated < 0.02:
        return None, "", []
    candidates: list[tuple[float, str, str]] = []
    for name, profile in profiles.items():
        if (
            name in taken
            or name in SCORE_COLUMNS
            or profile.distinct < 2
            or profile.filled < 0.98 * len(profile.cells)
        ):
            continue
        if profile.is_number and (not profile.is_whole or profile.style != "plain"):
            continue
        if profile.distinct > len(profile.cells) / (4 if is_identifier_name(name) else 10):
            continue
        together = pd.DataFrame({"time": moments, "entity": profile.cells.to_numpy()})
        unique = 1 - float(together.duplicated().mean())
        words = set(split_name(name)) | {"".join(split_name(name))}
        named = bool(words & _ENTITY_WORDS)
        if profile.is_number and not named:
            continue
        gain = (unique - (1 - float(moments.duplicated().mean()))) / max(
            1e-9, float(moments.duplicated().mean())
        )
        strong = is_identifier_name(name) or (named and not profile.is_number)
        if unique >= _UNIQUE or (unique >= _MOSTLY_UNIQUE and is_identifier_name(name) and gain > 0.5):
            why = (
                f"{profile.distinct} values, each {'at most once' if unique == 1 else 'mostly once'} a moment"
            )
            rank = unique + 0.3 * strong + 0.2 * is_identifier_name(name) - 0.01 * profile.is_number
            rank += 0.5 * _names_a_thing(words) - 0.6 * bool(words & _EVENTS)
            if rank > _LEAST_RANK:
                candidates.append((rank, name, why))
    if not candidates:
        return None, "", []
    candidates.sort(key=lambda item: -item[0])
    return candidates[0][1], candidates[0][2], [name for _, name, _ in candidates[1:4]]


def _names_a_thing(words: set[str]) -> bool:
    return bool(words & _THINGS) or any(word.endswith("id") and word[:-2] in _THINGS for word in words)


def find_long_table(
    profiles: Mapping[str, Profile], entity: str | None, taken: set[str]
) -> tuple[str, str] | None:
    """Return the columns of quantity and value of a long table; None if it is none."""
    numbers = [name for name, profile in profiles.items() if profile.is_number and name not in taken]
    if len(numbers) != 1:
        return None
    value = numbers[0]
    if not set(split_name(value)) & _VALUE_WORDS:
        return None
    names = [
        name for name, profile in profiles.items()
        if not profile.is_number and 2 <= profile.distinct <= 200 and name != value
        and (set(split_name(name)) & _QUANTITY_WORDS) and (name not in taken or name == entity)
    ]  # fmt: skip
    return (names[0], value) if names else None
