"""The console's application: pages, API, and what both pass through. Called by ``pynomaly console``."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from pynomaly.console.access.middleware import MAX_FILE, AccessMiddleware
from pynomaly.console.access.provider import Provider
from pynomaly.console.access.recognise import Doorkeeper
from pynomaly.console.access.sessions import Sessions
from pynomaly.console.access.sign_in import SignInDesk
from pynomaly.console.access.sign_in_settings import SignInSettings
from pynomaly.console.api import access, alerts, decisions, own_data, versions, views
from pynomaly.console.context import ConsoleParts, RoleError
from pynomaly.console.document import describe_api
from pynomaly.console.graph import route as graph_route
from pynomaly.console.live.changes import ChangeFeed
from pynomaly.console.live.handover import Handover
from pynomaly.console.own_data.inbox import Inbox
from pynomaly.console.own_data.trainings import Trainings
from pynomaly.console.pages import access as access_page
from pynomaly.console.pages import alerts as alerts_page
from pynomaly.console.pages import decisions as decisions_page
from pynomaly.console.pages import fleet as fleet_page
from pynomaly.console.pages import own_data as own_data_page
from pynomaly.console.pages import versions as versions_page
from pynomaly.console.pages.errors import show_problem
from pynomaly.console.pipelines import Pipelines
from pynomaly.console.problems import build_problem, describe_error, describe_fields
from pynomaly.errors import PynomalyError, UnknownNameError
from pynomaly.records.ledger import Access

__all__ = ["create_console", "run_console"]

API_MODULES = (access, alerts, decisions, own_data, versions, views)
PAGE_MODULES = (
    fleet_page,
    alerts_page,
    decisions_page,
    access_page,
    own_data_page,
    graph_route,
    versions_page,
)
STATIC = Path(__file__).parent / "static"
_log = logging.getLogger(__name__)


def create_console(
    pipelines: Pipelines,
    secret: str,
    *,
    home: Path,
    train: Sequence[str],
    local: bool = True,
    https: bool = False,
    links: Mapping[str, str] | None = None,
    sign_in: SignInSettings | None = None,
) -> FastAPI:
    """Create the application.

    Parameters
    ----------
    pipelines : Pipelines
        Closed when the application stops.
    secret : str
        Signs what browsers keep.
    home : Path
        Where dropped files lie, and what first trainings print.
    train : sequence of str
        The command that trains a pipeline when the path of its YAML is put behind it.
    local : bool
        Whether whoever asks is the person at this machine.
    https : bool
        Whether browsers reach it by TLS.
    links : mapping of str to str, optional
        Addresses of Prefect's and MLflow's pages.
    sign_in : SignInSettings, optional
        The provider that people sign in at, and their roles.
    """

    def read_access() -> Access:
        """Return the tokens: they lie in the ledger of the first pipeline by name."""
        for first in pipelines.list_pipelines():
            return pipelines.open_ledger(first.ledger_url).access
        raise UnknownNameError("there is no pipeline yet, and so no ledger that tokens lie in")

    sessions, desk = Sessions(secret), None
    if sign_in is not None:
        desk = SignInDesk(sign_in, Provider(sign_in.provider, sign_in.read_secret()), sessions)
    doorkeeper = Doorkeeper(read_access, sessions, local, desk)

    feed = ChangeFeed(pipelines)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        handover = asyncio.create_task(Handover(pipelines, feed).run())
        yield
        handover.cancel()
        with suppress(asyncio.CancelledError):
            await handover
        await feed.close()
        pipelines.close()

    app = FastAPI(
        title="Pynomaly",
        version="1",
        description="Reads and actions of the console: pipelines, alerts, decisions.",
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.console = ConsoleParts(
        pipelines,
        doorkeeper,
        feed,
        Inbox(home / "console" / "files", MAX_FILE),
        Trainings(home / "console" / "trainings", train),
        links=dict(links or {}),
        https=https,
    )
    for module in API_MODULES:
        app.include_router(module.router, prefix="/api/v1")
    for module in PAGE_MODULES:
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(AccessMiddleware, doorkeeper=doorkeeper, https=https)
    _add_error_answers(app)
    app.openapi = partial(describe_api, app)  # type: ignore[method-assign]  # as FastAPI's guide has it

    @app.get("/healthz", include_in_schema=False)
    def answer_health() -> dict[str, object]:
        """Say whether the records can be read."""
        for ledger, _ in pipelines.group_by_ledger(pipelines.list_pipelines()):
            ledger.across.read_position()
        return {"status": "ok", "unreadable": sorted(pipelines.problems)}

    return app


def _add_error_answers(app: FastAPI) -> None:
    @app.exception_handler(RoleError)
    async def answer_role(request: Request, error: RoleError) -> Response:
        return show_problem(request, build_problem(403, str(error)))

    @app.exception_handler(PynomalyError)
    async def answer_error(request: Request, error: PynomalyError) -> Response:
        return show_problem(request, describe_error(error))

    @app.exception_handler(RequestValidationError)
    async def answer_fields(request: Request, error: RequestValidationError) -> Response:
        return show_problem(request, describe_fields(error.errors()))

    @app.exception_handler(HTTPException)
    async def answer_status(request: Request, error: HTTPException) -> Response:
        problem = build_problem(error.status_code, str(error.detail), headers=error.headers or {})
        return show_problem(request, problem)

    @app.exception_handler(Exception)
    async def answer_defect(request: Request, error: Exception) -> Response:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return show_problem(request, build_problem(500, "the console failed; its log says why"))


def run_console(app: FastAPI, host: str, port: int) -> None:
    """Serve until interrupted."""
    import uvicorn

    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        # Proxies whose word about a client's address counts; limits are by that address.
        forwarded_allow_ips=os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"),
        timeout_graceful_shutdown=5,
    )
