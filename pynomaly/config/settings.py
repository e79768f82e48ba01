"""The base of every settings block: frozen, and unknown keys are errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import core_schema

from pynomaly.errors import list_allowed

__all__ = ["NameIn", "Settings", "Share", "hide_password", "refuse_password"]

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class NameIn:
    """Marks a text setting that names an entry of `registry`: ``Annotated[str, NameIn(registry)]``.

    The registry is read at each check, so that an entry added later is allowed, too.
    """

    registry: Mapping[str, object]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Return the check of a value."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Return the names as the allowed values, for the page of settings."""
        return {"type": "string", "enum": list(self.registry)}

    def _check(self, value: str) -> str:
        if value not in self.registry:
            raise ValueError(list_allowed(value, self.registry))
        return value


class Settings(BaseModel):
    """Base of every settings block: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_record(self) -> dict[str, Any]:
        """Return the settings as plain values, for a record of what was set at the time."""
        return self.model_dump(mode="json")

    @classmethod
    def of_record(cls, content: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_record` wrote; keys of other editions are left out, new ones have defaults."""
        return cls.model_validate({key: item for key, item in content.items() if key in cls.model_fields})

    def list_changes(self, later: Self) -> tuple[str, ...]:
        """Return what is set otherwise in `later`, each like ``fdr 0.1 (now 0.05)``."""
        before, now = self.to_record(), later.to_record()
        return tuple(f"{key} {before[key]} (now {now[key]})" for key in before if before[key] != now[key])


def hide_password(address: str) -> str:
    """Return `address` without its password, for people and logs.

    >>> hide_password("postgresql://me:secret@db/ledger")
    'postgresql://me:***@db/ledger'
    """
    password = urlsplit(address).password if "://" in address else None
    return address.replace(f":{password}@", ":***@", 1) if password else address


def refuse_password(address: str) -> str:
    """Return `address`; ValueError if it holds a password, for the settings are kept with every model."""
    parts = urlsplit(address)
    keys = {key.lower() for key, text in parse_qsl(parts.query) if text}
    if parts.password or keys & {"password", "passwd", "pwd", "sslpassword"}:
        raise ValueError(
            "an address in this file holds no password, for the file is kept with every model; set "
            "PGPASSWORD, a file ~/.pgpass, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    return address
