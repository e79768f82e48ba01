"""Sign in by a token or a provider, sign out, and the colours of the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pynomaly.console.access.middleware import set_session
from pynomaly.console.access.provider import SignInError
from pynomaly.console.access.recognise import SESSION_COOKIE, AccessDeniedError, Doorkeeper
from pynomaly.console.access.security_events import log_event
from pynomaly.console.access.sign_in import DEPARTURE_COOKIE, DEPARTURE_SECONDS, SignInDesk
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


@router.get("/login/provider")
def leave_for_provider(
    request: Request, next_page: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """Send a browser to the provider."""
    console = request.app.state.console
    try:
        place, cookie = _get_desk(console.doorkeeper).send_away(_keep_local(next_page))
    except SignInError as error:
        return _refuse_sign_in(request, error, next_page)
    response = RedirectResponse(place, 303, headers={"Cache-Control": "no-store"})
    # Lax: it must come along when the provider sends the browser back.
    response.set_cookie(
        DEPARTURE_COOKIE,
        cookie,
        max_age=DEPARTURE_SECONDS,
        path="/login",
        httponly=True,
        samesite="lax",
        secure=console.https,
    )
    return response


@router.get("/login/callback")
def return_from_provider(request: Request) -> Response:
    """Open a session for whom the provider sends back, always a new one."""
    console, query = request.app.state.console, request.query_params
    keeper: Doorkeeper = console.doorkeeper
    try:
        claims, next_page = _get_desk(keeper).take_back(request.cookies.get(DEPARTURE_COOKIE, ""), query)
        cookie, lasts_s = keeper.open_sign_in(claims, request.state.address)
    except (SignInError, AccessDeniedError) as error:
        return _refuse_sign_in(request, error, "/")
    # A page, no redirect: our cookies are for our own pages, and a redirect would still be the provider's.
    response = render_page("onward", None, place=_keep_local(next_page), text="You are signed in.")
    set_session(response, cookie, lasts_s, console.https)
    response.delete_cookie(DEPARTURE_COOKIE, path="/login")
    return response


@router.post("/logout")
async def post_logout(request: Request, form: SentForm) -> Response:
    """Close the session of this browser, for good, and offer to close that of the provider."""
    keeper: Doorkeeper = request.app.state.console.doorkeeper
    cookie = request.cookies.get(SESSION_COOKIE, "")
    was_person = await run_in_threadpool(keeper.close_session, cookie)
    if cookie and (actor := request.state.actor):
        log_event("signed_out", actor.identity, address=request.state.address)
    way_out = ""
    if was_person and keeper.desk is not None:
        way_out = await run_in_threadpool(keeper.desk.provider.describe_way_out, "/login")
    response: Response = RedirectResponse("/login", 303)
    if way_out:
        text = "You are signed out here. The provider is asked to sign you out, too."
        response = render_page("onward", None, place=way_out, text=text)
    response.delete_cookie(SESSION_COOKIE)
    return response


def _get_desk(keeper: Doorkeeper) -> SignInDesk:
    if keeper.desk is None:
        raise SignInError(404, "nobody signs in by a provider here")
    return keeper.desk


def _refuse_sign_in(request: Request, error: SignInError | AccessDeniedError, next_page: str) -> Response:
    """Return why nobody was signed in, with the ways to try again."""
    if isinstance(error, SignInError):  # who has no role was named already
        log_event("sign_in_refused", address=request.state.address, reason=str(error))
    response = _render_login(request, next_page, f"{error}.", error.status)
    response.delete_cookie(DEPARTURE_COOKIE, path="/login")
    return response


def _render_login(request: Request, next_page: str, problem: str = "", status: int = 200) -> Response:
    keeper: Doorkeeper = request.app.state.console.doorkeeper
    return render_page(
        "login",
        None,
        status,
        form_proof=keeper.sessions.prove(request.state.browser),
        next=_keep_local(next_page),
        provider=keeper.desk.name if keeper.desk else "",
        problem=problem,
    )


def _keep_local(place: str) -> str:
    """Return an address of this console; any other becomes the first page."""
    is_local = place.startswith("/") and not place.startswith("//") and "\\" not in place
    return place if is_local and place.isprintable() else "/"
