"""Sign in by a token, sign out, and the colours of the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pynomaly.console.access.middleware import set_session
from pynomaly.console.access.recognise import SESSION_COOKIE, AccessDeniedError
from pynomaly.console.pages.forms import SentForm
from pynomaly.console.pages.rendering import render_page
from pynomaly.records.palette import declare_colors

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
STATIC = Path(__file__).parents[1] / "static"


@router.get("/palette.css")
def show_palette() -> Response:
    """Return the colours for light, dark and paper."""
    light, dark, paper = (declare_colors(name) for name in ("light", "dark", "paper"))
    css = (
        f":root {{ color-scheme: light; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{\n"
        f"  :root:not([data-theme=light]) {{ color-scheme: dark; {dark} }}\n}}\n"
        f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}\n"
        f"@media print {{ :root, :root[data-theme] {{ {paper} }} }}\n"
    )
    return Response(css, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@router.get("/worker.js")
def show_worker() -> Response:
    """Return the script that keeps pages to be read without a connection; it must lie above them."""
    return FileResponse(
        STATIC / "worker.js", media_type="text/javascript", headers={"Cache-Control": "no-cache"}
    )


@router.get("/login")
def show_login(
    request: Request, next_page: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """Return the form that takes a token."""
    return _render_login(request, next_page)


@router.post("/login")
async def post_login(request: Request, form: SentForm) -> Response:
    """Open a session for a token."""
    console, next_page = request.app.state.console, form.read("next")
    try:
        cookie = await run_in_threadpool(
            console.doorkeeper.open_session, request.state.address, form.read("token")
        )
    except AccessDeniedError as error:
        wait = f" Wait {error.wait_s} s." if error.wait_s else ""
        return _render_login(request, next_page, f"{error}.{wait}", error.status)
    response = RedirectResponse(_keep_local(next_page), 303)
    set_session(response, cookie, console.doorkeeper.sessions.lasts_s, console.https)
    return response


@router.post("/logout")
async def post_logout(form: SentForm) -> Response:
    """Close the session of this browser."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


def _render_login(request: Request, next_page: str, problem: str = "", status: int = 200) -> Response:
    sessions = request.app.state.console.doorkeeper.sessions
    proof = sessions.prove(request.state.browser)
    return render_page("login", None, status, form_proof=proof, next=_keep_local(next_page), problem=problem)


def _keep_local(place: str) -> str:
    """Return an address of this console; any other becomes the first page."""
    is_local = place.startswith("/") and not place.startswith("//") and "\\" not in place
    return place if is_local and place.isprintable() else "/"
