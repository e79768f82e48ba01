"""Routes of own data: drop a file, read it, make a pipeline of it, train that."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from pynomaly.console.api.routing import PROBLEMS, ApiRoute, AskedBy
from pynomaly.console.context import Asked
from pynomaly.console.own_data.actions import ReadFile, read_dropped_file, write_pipeline
from pynomaly.console.own_data.corrections import Corrections
from pynomaly.console.own_data.inbox import DroppedFile
from pynomaly.console.own_data.shown import FileReading, FileShown, PipelineMade, TrainingShown
from pynomaly.console.own_data.trainings import TrainingRun
from pynomaly.console.wishes import Corrected, NewPipeline
from pynomaly.data.intake import describe_reading
from pynomaly.errors import UnknownNameError

__all__ = ["make_pipeline", "read_file", "router", "start_training"]

router = APIRouter(tags=["own data"], route_class=ApiRoute, responses=PROBLEMS)
_BYTES = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/files", summary="Drop a file; for an admin of all pipelines", status_code=201, openapi_extra=_BYTES
)
async def drop_file(
    asked: AskedBy,
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=200, description="as halls.csv; its ending counts")],
) -> FileShown:
    """Keep the body as a file."""
    asked.require_admin()
    return _show_file(await asked.console.inbox.add_file(name, request.stream()))


@router.get("/files", summary="Dropped files, the newest first; for an admin of all pipelines")
def list_files(asked: AskedBy) -> tuple[FileShown, ...]:
    """Return the dropped files."""
    asked.require_admin()
    return tuple(map(_show_file, asked.console.inbox.list_files()))


@router.post(
    "/files/{file}/reading", summary="How a file is read, and the YAML of it; for an admin of all pipelines"
)
def show_reading(asked: AskedBy, file: str, corrected: Corrected) -> FileReading:
    """Read a file; nothing is written."""
    result = read_file(asked, file, Corrections(corrected.roles, corrected.settings), corrected.name)
    return FileReading(
        file=_show_file(result.file),
        problem=result.problem,
        reading=describe_reading(result.draft.reading) if result.draft else None,
        yaml=result.draft.text if result.draft else None,
    )


@router.post(
    "/files/{file}/pipeline",
    summary="Make a pipeline of a file, and train it; for an admin of all pipelines",
    status_code=201,
)
def post_pipeline(asked: AskedBy, file: str, wish: NewPipeline) -> PipelineMade:
    """Write data and settings, and start the first training."""
    name, config = make_pipeline(asked, file, Corrections(wish.roles, wish.settings), wish.name)
    if wish.train:
        start_training(asked, name)
    return PipelineMade(pipeline=name, config=config, training=wish.train)


@router.get("/pipelines/{pipeline}/training", summary="How the training goes that was started here")
def show_training(asked: AskedBy, pipeline: str) -> TrainingShown:
    """Return the last training that was started from the console."""
    asked.find(pipeline)
    run = asked.console.trainings.find_training(pipeline)
    if run is None:
        raise UnknownNameError(f"no training of {pipeline} was started here")
    return _show_training(run)


@router.post(
    "/pipelines/{pipeline}/training", summary="Start a training; for an admin of it", status_code=202
)
def post_training(asked: AskedBy, pipeline: str) -> TrainingShown:
    """Start a training."""
    return _show_training(start_training(asked, pipeline))


def read_file(asked: Asked, file: str, corrections: Corrections, name: str) -> ReadFile:
    """Return how a dropped file is read; an admin's."""
    asked.require_admin()
    return read_dropped_file(asked.console.inbox.find_file(file), corrections, name, asked.pipelines.folder)


def make_pipeline(asked: Asked, file: str, corrections: Corrections, name: str) -> tuple[str, str]:
    """Make a pipeline of a dropped file, which then leaves the inbox; returns its name and its file's."""
    asked.require_admin()
    dropped = asked.console.inbox.find_file(file)
    config = write_pipeline(dropped, corrections, name, asked.pipelines.folder)
    asked.pipelines.read_again()
    asked.console.inbox.remove_file(dropped)
    return config.stem, config.name


def start_training(asked: Asked, pipeline: str) -> TrainingRun:
    """Start the training of a pipeline; an admin's."""
    asked.find(pipeline, "admin")
    trainings = asked.console.trainings
    trainings.start_training(pipeline, asked.pipelines.find_file(pipeline), asked.actor.name)
    run = trainings.find_training(pipeline)
    assert run is not None, "it was started"
    return run


def _show_file(file: DroppedFile) -> FileShown:
    return FileShown(file=file.id, name=file.name, size=file.size, dropped=file.dropped)


def _show_training(run: TrainingRun) -> TrainingShown:
    return TrainingShown(**vars(run))
