"""Pages of own data: drop a file, see how it is read and correct that, save it, watch its first training."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from pynomaly.console.api.own_data import make_pipeline, read_file, start_training
from pynomaly.console.api.routing import AskedBy
from pynomaly.console.own_data.corrections import CHOSEN_ROLES, FILE_SETTINGS, Corrections
from pynomaly.console.pages.forms import SentForm, check_proof
from pynomaly.console.pages.rendering import render_page
from pynomaly.console.queries.fleet import list_fleet
from pynomaly.data.intake import ROLES
from pynomaly.errors import ConfigError, PynomalyError

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_PART = 1 << 20
_READ_AS = {
    "number": "number",
    "constant": "number",
    "duplicate": "number",
    "category": "category",
    "counter": "counter",
    "time": "time",
    "entity": "entity",
    "label": "label",
}
"""What a column is read as, in the words that a person chooses from; all else is left out."""


@router.get("/own-data")
def show_drop(asked: AskedBy) -> Response:
    """Return the place where files are dropped."""
    asked.require_admin()
    return _render_drop(asked)


@router.post("/own-data")
async def post_file(asked: AskedBy, request: Request) -> Response:
    """Keep a file that was dropped."""
    asked.require_admin()
    async with request.form(max_files=1, max_fields=5) as form:
        check_proof(request, str(form.get("proof", "")))
        sent = form.get("file")
        try:
            if not isinstance(sent, UploadFile):
                raise ConfigError("no file was chosen")
            file = await asked.console.inbox.add_file(sent.filename or "", _read_parts(sent))
        except ConfigError as error:
            return await run_in_threadpool(_render_drop, asked, str(error), 422)
    return RedirectResponse(f"/own-data/{file.id}", 303)


@router.get("/own-data/{file}")
def show_reading(asked: AskedBy, request: Request, file: str) -> Response:
    """Return how a file is read, with what the address corrects."""
    return _render_reading(asked, file, dict(request.query_params))


@router.get("/own-data/{file}/pipeline.yaml")
def download_yaml(asked: AskedBy, request: Request, file: str) -> Response:
    """Return the YAML of a file as it is read now."""
    values = dict(request.query_params)
    result = read_file(asked, file, _read_corrections(values), values.get("name", ""))
    if result.draft is None:
        raise ConfigError(result.problem)
    headers = {"Content-Disposition": f'attachment; filename="{result.draft.name}.yaml"'}
    return Response(result.draft.text, media_type="application/yaml", headers=headers)


@router.post("/own-data/{file}/pipeline")
def post_pipeline(asked: AskedBy, form: SentForm, file: str) -> Response:
    """Make a pipeline of a file, and start its first training."""
    values = {name: form.read(name) for name in form.fields if name != "proof"}
    try:
        name, _ = make_pipeline(asked, file, _read_corrections(values), values.get("name", ""))
    except ConfigError as error:
        return _render_reading(asked, file, values, str(error), 422)
    with suppress(ConfigError):  # where as many run as may, the page says that none of it does
        start_training(asked, name)
    return RedirectResponse(f"/pipelines/{name}/training", 303)


@router.get("/pipelines/{pipeline}/training")
def show_training(asked: AskedBy, pipeline: str, part: str = "", problem: str = "") -> Response:
    """Return how the training of a pipeline goes."""
    settings = asked.find(pipeline)
    return render_page(
        "training_state" if part else "training",
        asked,
        200,
        line=list_fleet(asked.pipelines, [settings], asked.now)[0],
        run=asked.console.trainings.find_training(pipeline),
        may_train=asked.actor.may("admin", pipeline),
        problem=problem,
    )


@router.post("/pipelines/{pipeline}/training")
def post_training(asked: AskedBy, form: SentForm, pipeline: str) -> Response:
    """Start a training."""
    try:
        start_training(asked, pipeline)
    except ConfigError as error:
        return show_training(asked, pipeline, problem=str(error))
    return RedirectResponse(f"/pipelines/{pipeline}/training", 303)


async def _read_parts(sent: UploadFile) -> AsyncIterator[bytes]:
    while part := await sent.read(_PART):
        yield part


def _read_corrections(values: dict[str, str]) -> Corrections:
    """Return what the fields ``role.COLUMN`` and those of settings correct."""
    roles = {
        name.removeprefix("role."): value
        for name, value in values.items()
        if name.startswith("role.") and value
    }
    return Corrections(roles, {name: values[name] for name in FILE_SETTINGS if values.get(name)})


def _render_drop(asked: AskedBy, problem: str = "", status: int = 200) -> Response:
    try:
        _ = asked.pipelines.folder
    except ConfigError as error:
        problem, status = str(error), 409
    return render_page(
        "own_data", asked, status, here="/own-data", files=asked.console.inbox.list_files(), problem=problem
    )


def _render_reading(
    asked: AskedBy, file: str, values: dict[str, str], problem: str = "", status: int = 200
) -> Response:
    corrections = _read_corrections(values)
    result = read_file(asked, file, corrections, values.get("name", ""))
    plain = result
    if result.draft is None and corrections.roles:  # columns are still to be chosen
        try:
            plain = read_file(asked, file, Corrections({}, corrections.settings), values.get("name", ""))
        except PynomalyError:
            plain = result
    kept = {name: value for name, value in values.items() if value and name != "train"}
    return render_page(
        "reading",
        asked,
        status,
        here="/own-data",
        file=result.file,
        result=result,
        reading=plain.reading,
        problem=problem or result.problem,
        roles=CHOSEN_ROLES,
        read_as=_READ_AS,
        meanings=ROLES,
        given=corrections.settings,
        chosen=corrections.roles,
        settings=FILE_SETTINGS,
        values=kept,
        address=urlencode(kept),
    )
