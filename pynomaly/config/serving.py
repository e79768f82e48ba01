"""Settings of the HTTP server that scores rows."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from pynomaly.config.settings import Settings
from pynomaly.config.spelling.units import Duration

__all__ = ["Serving"]


class Serving(Settings):
    """How the champion scores rows over HTTP."""

    refresh: Duration = Field(
        timedelta(seconds=15), description="how often the registry is asked who is champion"
    )
    max_rows: int = Field(10_000, ge=1, le=1_000_000, description="most rows in one request")
    max_megabytes: float = Field(32.0, gt=0, le=1024, description="largest body of a request")

    record: bool = Field(
        False, description="whether rows are kept and watched like those of a stream (data.source: stream)"
    )

    @field_validator("refresh")
    @classmethod
    def _not_at_once(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            raise ValueError("at least 1s: the registry is asked this often")
        return value
