"""The base of every settings block: frozen, and unknown keys are errors."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Settings", "Share", "hide_password"]

Share = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Base of every settings block: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def hide_password(address: str) -> str:
    """Return `address` without its password, for people and logs.

    >>> hide_password("postgresql://me:secret@db/ledger")
    'postgresql://me:***@db/ledger'
    """
    password = urlsplit(address).password if "://" in address else None
    return address.replace(f":{password}@", ":***@", 1) if password else address
