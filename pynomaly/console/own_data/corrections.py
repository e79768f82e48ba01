"""What a person corrects in the reading of a file, as the hints that reading takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.data.intake import Reading
from pynomaly.errors import ConfigError, list_allowed

__all__ = ["CHOSEN_ROLES", "FILE_SETTINGS", "Corrections"]

CHOSEN_ROLES: Mapping[str, str] = {
    "number": "a number",
    "category": "a category",
    "counter": "only rises",
    "time": "the time",
    "entity": "whose row",
    "label": "the label",
    "out": "left out",
}
"""What a person may say a column is."""

FILE_SETTINGS: Mapping[str, str] = {
    "time_format": "How times are written, like %d.%m.%Y %H:%M",
    "epoch": "Unit of times that are numbers: s, ms, us, ns, excel",
    "timezone": "Zone of times without an offset",
    "encoding": "Encoding of the text, like cp1252",
    "separator": "Separator of the columns",
    "decimal": "Decimal mark: . or ,",
    "thousands": "Mark between thousands",
    "sheet": "Sheet of a workbook",
    "skip_rows": "Lines before the header",
    "header": "Whether a line holds the names: true or false",
    "missing_values": "Cells that mean missing, as [-, n/a]",
}
"""Settings under ``data`` that a person may give here, with what they are."""

_PLAIN_TEXT = ("time_format", "encoding", "separator", "decimal", "thousands", "sheet", "epoch", "timezone")
_LEFT_OUT = ("identifier", "text", "empty", "truth")


@dataclass(frozen=True)
class Corrections:
    """What a person says of a file.

    Attributes
    ----------
    roles : mapping of column to role
        Keys of :data:`CHOSEN_ROLES`, for columns that are read wrongly.
    settings : mapping of setting to text
        Of :data:`FILE_SETTINGS`, as typed.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise ConfigError for a role or a setting that is none."""
        for column, role in self.roles.items():
            if role not in CHOSEN_ROLES:
                raise ConfigError(f"{column}: no role {role[:40]!r}; {list_allowed(role, CHOSEN_ROLES)}")
        for name in self.settings:
            if name not in FILE_SETTINGS:
                raise ConfigError(f"no setting {name[:40]!r} here; {list_allowed(name, FILE_SETTINGS)}")
        for role in ("entity", "label"):
            if len(names := [name for name, chosen in self.roles.items() if chosen == role]) > 1:
                raise ConfigError(f"{', '.join(names)} cannot all be {CHOSEN_ROLES[role]}")

    def build_settings(self) -> dict[str, Any]:
        """Return the settings of the file as values.

        Raises
        ------
        ConfigError
            If one is no YAML value.
        """
        values: dict[str, Any] = {}
        for name, text in self.settings.items():
            if name in _PLAIN_TEXT:
                values[name] = "\t" if name == "separator" and text in ("tab", "\\t") else text
                continue
            try:
                values[name] = parse_plain_yaml(text)
            except ValueError as error:
                raise ConfigError(f"{name} is {text[:40]!r}, no value of it: {error}") from error
        return values

    def build_hints(self, reading: Reading) -> dict[str, Any]:
        """Return the hints for reading the file again.

        Parameters
        ----------
        reading : Reading
            How the file is read without the roles.

        Raises
        ------
        ConfigError
            If a column does not exist, or a role or a setting is not allowed.
        """
        self.check()
        names = [column.name for column in reading.columns]
        for name in self.roles:
            if name not in names:
                raise ConfigError(f"no column {name[:40]!r}; {list_allowed(name, names)}")
        hints = self.build_settings()
        chosen = {role: [name for name in names if self.roles.get(name) == role] for role in CHOSEN_ROLES}
        if times := chosen["time"]:
            hints["time"] = times[0] if len(times) == 1 else times
        for role, key in (("entity", "id"), ("label", "label")):
            if chosen[role]:
                hints[key] = chosen[role][0]
        if chosen["out"]:
            hints["ignore"] = chosen["out"]
        was_category = list(reading.data.get("categorical", ()))
        categories = [
            name
            for name in names
            if name in chosen["category"] or (name in was_category and name not in self.roles)
        ]
        if categories != was_category:
            hints["categorical"] = categories
        was_counter = list(reading.data.get("counters", ()))
        counters = [
            name
            for name in names
            if name in chosen["counter"] or (name in was_counter and name not in self.roles)
        ]
        if counters != was_counter:
            hints["counters"] = counters
        before = {column.name: column.role for column in reading.columns}
        if any(before[name] in (*_LEFT_OUT, "entity", "label", "time") for name in chosen["number"]):
            kept = [
                column.name
                for column in reading.columns
                if self.roles.get(column.name) in ("number", "category", "counter")
                or (column.is_feature and column.name not in self.roles)
            ]
            hints["columns"] = kept
        return hints
