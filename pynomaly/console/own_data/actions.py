"""Reads a dropped file, writes its pipeline, trains it. Called by pages and API; all of it is an admin's."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pynomaly.console.own_data.corrections import Corrections
from pynomaly.console.own_data.inbox import DroppedFile
from pynomaly.data.intake import Reading, make_slug, read_table
from pynomaly.errors import ConfigError, PynomalyError, RecordError
from pynomaly.records.store import write_atomically
from pynomaly.steps.pipeline_draft import PipelineDraft, draft_pipeline

__all__ = ["ReadFile", "read_dropped_file", "write_pipeline"]

_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")


@dataclass(frozen=True)
class ReadFile:
    """How a dropped file is read.

    Attributes
    ----------
    file : DroppedFile
    draft : PipelineDraft or None
        None where the file cannot be read so.
    problem : str
        Why it cannot.
    """

    file: DroppedFile
    draft: PipelineDraft | None
    problem: str = ""

    @property
    def reading(self) -> Reading | None:
        """What was decided, and why."""
        return self.draft.reading if self.draft else None


def read_dropped_file(file: DroppedFile, corrections: Corrections, name: str, folder: Path) -> ReadFile:
    """Return how a file is read with corrections; a problem with them or with the file is in the result.

    Parameters
    ----------
    name : str
        Of the pipeline; empty: made from the file's.
    folder : Path
        Of the settings.
    """
    try:
        draft = _draft_file(file, corrections, name, folder)
    except PynomalyError as error:
        return ReadFile(file, None, str(error).replace(str(file.path), file.name))
    return ReadFile(file, draft)


def write_pipeline(file: DroppedFile, corrections: Corrections, name: str, folder: Path) -> Path:
    """Write the data and the settings of a pipeline; returns the file of its settings.

    The data go to the folder ``data`` beside that of the settings. Nothing is written over.

    Raises
    ------
    ConfigError
        If the file cannot be read so, cannot train yet, or a file of that name exists.
    """
    draft = _draft_file(file, corrections, name, folder)
    if draft.reading.problems:
        raise ConfigError("; ".join(draft.reading.problems))
    config, data = folder / f"{draft.name}.yaml", _find_destination(file, draft.name, folder)
    for place in (config, data):
        if place.exists():
            raise ConfigError(f"{place.name} exists in {place.parent.name}; choose another name")
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.path, data)
        write_atomically(config, draft.text.encode())
    except (OSError, RecordError) as error:
        with suppress(OSError):  # where not even its folder is one
            data.unlink()
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or type(error).__name__
        raise ConfigError(f"{folder.parent.name} cannot be written: {reason}") from error
    return config


def _draft_file(file: DroppedFile, corrections: Corrections, name: str, folder: Path) -> PipelineDraft:
    """Return the draft of a file, with the place where its data will lie."""
    corrections.check()
    hints = corrections.build_settings()
    if corrections.roles:
        hints = corrections.build_hints(read_table(file.path, hints))
    pipeline = name or make_slug(file.name.split(".")[0])
    if make_slug(pipeline) != pipeline:
        raise ConfigError(f"name is {pipeline[:40]!r}; write it as {make_slug(pipeline)!r}")
    return draft_pipeline(file.path, hints, pipeline, folder, _find_destination(file, pipeline, folder))


def _find_destination(file: DroppedFile, pipeline: str, folder: Path) -> Path:
    """Return where the data of a pipeline lie, with the ending by which a kind of file is known."""
    is_packed = file.path.suffix.lower() in _PACKED
    ending = f"{Path(file.path.stem).suffix if is_packed else ''}{file.path.suffix}"
    return folder.parent / "data" / f"{pipeline}{ending}"
