"""What every settings block is: frozen, bounded, and closed to keys it does not know."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Settings", "Share"]

Share = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Base of every settings block: frozen, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
