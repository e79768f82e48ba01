"""What the API answers about dropped files and the trainings that begin with them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from pynomaly.console.schemas import Shown

__all__ = ["FileReading", "FileShown", "PipelineMade", "TrainingShown"]


class FileShown(Shown):
    """A dropped file; it is kept for a week."""

    file: str = Field(description="its id")
    name: str
    size: int = Field(description="bytes")
    dropped: datetime


class FileReading(Shown):
    """How a dropped file is read; `reading` and `yaml` are null where it cannot be."""

    file: FileShown
    problem: str
    reading: dict[str, Any] | None = Field(description="each choice and column with its reason")
    yaml: str | None


class PipelineMade(Shown):
    """A pipeline that was made of a file."""

    pipeline: str
    config: str = Field(description="name of the file of its settings")
    training: bool = Field(description="whether its first training was started")


class TrainingShown(Shown):
    """A training that was started from the console."""

    state: Literal["running", "done", "failed", "unknown"]
    started: datetime
    by: str
    code: int | None = Field(description="exit code of the command")
    steps: tuple[str, ...] = Field(description="that have ended, in their order")
    words: str = Field(description="the end of what it printed")
