"""What every request passes: headers of safety, a bounded body, who asks, and whether our own page asks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pynomaly.console.access.bounded_exchange import BoundedExchange, Bounds
from pynomaly.console.access.recognise import (
    BROWSER_COOKIE,
    SESSION_COOKIE,
    AccessDeniedError,
    Doorkeeper,
)
from pynomaly.console.access.security_events import log_event
from pynomaly.console.problems import build_problem

__all__ = ["BOUNDS", "MAX_BODY", "MAX_FILE", "AccessMiddleware", "set_session"]

MAX_BODY = 1_000_000
"""Bytes of a request's body."""
MAX_FILE = 256 << 20
"""Bytes of a file that is dropped."""
BOUNDS = Bounds()
"""How long a request may take."""
_MAX_ADDRESS = 32_000  # corrections of a table with a thousand columns are in the address
_MAX_HEADERS = 32_000

_FILE_PATHS = ("/own-data", "/api/v1/files")
_PROGRAM_PATHS = ("/api/", "/graphql")
_OPEN_PATHS = ("/healthz", "/static/", "/login", "/palette.css", "/worker.js", "/api/v1/openapi.json")
_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


_RULES = b"content-security-policy"
"""A page that is no page of this site, as a report, has rules of its own."""


class AccessMiddleware:
    """Wraps the application; puts the actor into ``request.state.actor``.

    Parameters
    ----------
    app : ASGIApp
    doorkeeper : Doorkeeper
    https : bool
        Whether browsers reach the console by TLS, so that cookies and later visits insist on it.
    """

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper, https: bool = False) -> None:
        self._app, self._doorkeeper, self._https = app, doorkeeper, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        browser = request.cookies.get(BROWSER_COOKIE, "")
        fresh_browser = "" if browser else secrets.token_urlsafe(16)
        scope.setdefault("state", {})["browser"] = browser or fresh_browser

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                is_page = not request.url.path.startswith((*_PROGRAM_PATHS, "/static/"))
                browser_name = fresh_browser if is_page else ""  # a program has no forms to be proved
                own_rules = {name for name, _ in message["headers"]} & {_RULES}
                added = [item for item in self._list_headers(browser_name) if item[0] not in own_rules]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        exchange = BoundedExchange(scope, receive, send_with_headers, _find_limit(request), BOUNDS)
        await exchange.run(partial(self._answer, request))

    async def _answer(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._refuse(request, scope)
        await (refusal or self._app)(scope, receive, send)

    async def _refuse(self, request: Request, scope: Scope) -> Response | None:
        """Return the answer to a request that goes no further, or None."""
        path, state = request.url.path, scope["state"]
        if len(scope["path"]) + len(scope["query_string"]) > _MAX_ADDRESS:
            return build_problem(414, f"the address has more than {_MAX_ADDRESS} characters")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _MAX_HEADERS:
            return build_problem(431, f"the headers have more than {_MAX_HEADERS} bytes")
        declared = request.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > _find_limit(request):
            return _too_large(_find_limit(request))
        is_open = path.startswith(_OPEN_PATHS)
        address = request.client.host if request.client else "unknown"
        state["address"] = address
        try:
            actor = await run_in_threadpool(
                self._doorkeeper.recognise, address, request.headers, request.cookies
            )
        except AccessDeniedError as error:
            if is_open and error.status == 401:
                actor = None
            else:
                headers = {"Retry-After": str(error.wait_s)} if error.wait_s else {}
                if error.status == 401:
                    headers["WWW-Authenticate"] = "Bearer"
                return build_problem(error.status, str(error), headers=headers)
        state["actor"] = actor
        if actor is None and not is_open:
            return _ask_who(request)
        if request.method not in _SAFE_METHODS and (actor is None or actor.way != "token"):
            return self._refuse_foreign(request)
        return None

    def _refuse_foreign(self, request: Request) -> Response | None:
        """Return a refusal of what a page of another site made the browser send."""
        headers = request.headers
        origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
        if site not in ("", "same-origin", "none"):
            reason = f"sent from a page of another site (Sec-Fetch-Site: {site[:20]})"
        elif origin and urlsplit(origin).netloc != headers.get("host"):
            reason = f"sent from {origin[:100]}, another site"
        elif request.url.path.startswith(_PROGRAM_PATHS) and not headers.get("content-type", "").startswith(
            kind := "application/octet-stream" if request.url.path in _FILE_PATHS else "application/json"
        ):
            return build_problem(415, f"it takes {kind}")
        elif (
            request.url.path.startswith(_PROGRAM_PATHS)
            and BROWSER_COOKIE in request.cookies
            and not self._doorkeeper.sessions.accepts(
                request.cookies[BROWSER_COOKIE], headers.get("x-pynomaly-proof", "")
            )
        ):
            reason = "a browser's request has no proof of our page (X-Pynomaly-Proof)"
        else:
            return None
        state = request.state
        place = f"{request.method} {request.url.path}"
        who = state.actor.identity if state.actor else None
        log_event("request_refused", who, address=state.address, about=place, reason=reason)
        return build_problem(403, reason)

    def _list_headers(self, browser: str) -> list[tuple[bytes, bytes]]:
        headers = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
        if self._https:
            headers.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
        if browser:
            cookie = f"{BROWSER_COOKIE}={browser}; Path=/; HttpOnly; SameSite=Strict{self.cookie_suffix}"
            headers.append((b"set-cookie", cookie.encode()))
        return headers

    @property
    def cookie_suffix(self) -> str:
        """What follows the attributes of each cookie."""
        return "; Secure" if self._https else ""


def _find_limit(request: Request) -> int:
    """Return how many bytes a request may have; a form around a file has some of its own."""
    is_file = request.method == "POST" and request.url.path in _FILE_PATHS
    return MAX_FILE + MAX_BODY if is_file else MAX_BODY


def _too_large(most: int) -> Response:
    return build_problem(413, f"the body has more than {most} bytes")


def _ask_who(request: Request) -> Response:
    """Return where a person signs in, and for a program what it lacks."""
    if request.url.path.startswith(_PROGRAM_PATHS) or request.method not in _SAFE_METHODS:
        return build_problem(401, "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
    place = quote(str(request.url.path), safe="/")
    response = Response(status_code=303, headers={"Location": f"/login?next={place}"})
    response.delete_cookie(SESSION_COOKIE)
    return response


def set_session(response: Response, cookie: str, lasts_s: int, https: bool) -> None:
    """Give a browser its session."""
    response.set_cookie(
        SESSION_COOKIE, cookie, max_age=lasts_s, httponly=True, samesite="strict", secure=https
    )
