"""Errors as a page, for a person who asked for a page; a program gets the problem as it is."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from fastapi import Request, Response

from pynomaly.console.context import get_asked
from pynomaly.console.pages.rendering import render_page

__all__ = ["show_problem"]


def show_problem(request: Request, problem: Response) -> Response:
    """Return a problem as a page, where a browser asked for one; its status and headers stay."""
    wants_page = "text/html" in request.headers.get("accept", "")
    if (
        not wants_page
        or request.url.path.startswith(("/api/", "/graphql"))
        or "hx-request" in request.headers
    ):
        return problem
    asked = get_asked(request) if getattr(request.state, "actor", None) else None
    detail = str(orjson.loads(bytes(problem.body))["detail"])
    title = HTTPStatus(problem.status_code).phrase
    page = render_page("error", asked, problem.status_code, title=title, detail=detail)
    for name in ("retry-after", "www-authenticate"):
        if name in problem.headers:
            page.headers[name] = problem.headers[name]
    return page
