"""Reads a dropped file, writes its pipeline, trains it. Called by pages and API; all of it is an admin's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynomaly.console.own_data.corrections import Corrections
from pynomaly.console.own_data.inbox import DroppedFile
from pynomaly.data.intake import Reading, make_slug, read_table
from pynomaly.errors import ConfigError, PynomalyError
from pynomaly.records.store import write_atomically
from pynomaly.steps.pipeline_draft import PipelineDraft, draft_pipeline

__all__ = ["ReadFile", "read_dropped_file", "write_pipeline"]


@dataclass(frozen=True)
class ReadFile:
    """How a dropped file is read.

    Attributes
    ----------
    file : DroppedFile
    hints : mapping
        Settings under ``data`` that the corrections come to.
    draft : PipelineDraft or None
        None where the file cannot be read so.
    problem : str
        Why it cannot.
    """

    file: DroppedFile
    hints: Mapping[str, Any]
    draft: PipelineDraft | None
    problem: str = ""

    @property
    def reading(self) -> Reading | None:
        """What was decided, and why."""
        return self.draft.reading if self.draft else None


def read_dropped_file(
    file: DroppedFile, corrections: Corrections, name: str, folder: Path | None
) -> ReadFile:
    """Return how a file is read with corrections; a problem with them or with the file is in the result.

    Parameters
    ----------
    name : str
        Of the pipeline; empty: made from the file's.
    folder : Path or None
        Of the settings.
    """
    hints: Mapping[str, Any] = {}
    try:
        corrections.check()
        hints = corrections.build_settings()
        if corrections.roles:
            hints = corrections.build_hints(read_table(file.path, hints))
        draft = draft_pipeline(file.path, hints, name or None, folder or file.path.parent)
    except PynomalyError as error:
        return ReadFile(file, hints, None, str(error).replace(str(file.path), file.name))
    return ReadFile(file, hints, draft)


def _find_ending(path: Path) -> str:
    """Return what tells the kind of a file, as ``.csv`` or ``.csv.gz``."""
    is_packed = path.suffix.lower() in (".gz", ".bz2", ".xz", ".zst", ".zip")
    return f"{Path(path.stem).suffix if is_packed else ''}{path.suffix}"


def write_pipeline(file: DroppedFile, corrections: Corrections, name: str, folder: Path) -> Path:
    """Write the data and the settings of a pipeline; returns the file of its settings.

    The data go to the folder ``data`` beside that of the settings. Nothing is written over.

    Raises
    ------
    ConfigError
        If the file cannot be read so, or a file of that name exists.
    """
    pipeline = name or make_slug(file.name.split(".")[0])
    if make_slug(pipeline) != pipeline:
        raise ConfigError(f"name is {pipeline[:40]!r}; write it as {make_slug(pipeline)!r}")
    data = folder.parent / "data" / f"{pipeline}{_find_ending(file.path)}"
    config = folder / f"{pipeline}.yaml"
    for place in (config, data):
        if place.exists():
            raise ConfigError(f"{place.name} exists in {place.parent.name}; choose another name")
    # Read where it will lie, so that the settings name that place; taken away again if that fails.
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, data)
        hints = corrections.build_settings()
        if corrections.roles:
            hints = corrections.build_hints(read_table(data, hints))
        draft = draft_pipeline(data, hints, pipeline, folder)
        if draft.reading.problems:
            raise ConfigError("; ".join(draft.reading.problems))
        write_atomically(config, draft.text.encode())
    except OSError as error:
        data.unlink(missing_ok=True)
        raise ConfigError(
            f"{os.strerror(error.errno or 0)}: {folder.parent.name} cannot be written"
        ) from error
    except BaseException:
        data.unlink(missing_ok=True)
        raise
    return config
