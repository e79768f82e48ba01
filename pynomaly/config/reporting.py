"""Settings of the HTML reports for people."""

from __future__ import annotations

from pydantic import Field, field_validator

from pynomaly.config.settings import Settings
from pynomaly.config.spelling.units import check_cron

__all__ = ["Reports"]


class Reports(Settings):
    """HTML reports for people, and when they are sent."""

    templates: str = Field("", description="folder of Jinja templates that replace ours; empty: none")
    schedule: str = Field("", description="cron of the report that is sent to targets; empty: none")
    windows: int = Field(
        30, ge=1, le=1000, description="windows before the one reported that its timeline shows"
    )

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        return check_cron(value)
