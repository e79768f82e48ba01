"""Routes of saved views: the filters of the inbox by name, each person's own."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path

from pynomaly.console.api.inbox_address import normalize_query
from pynomaly.console.api.routing import PROBLEMS, ApiRoute, AskedBy
from pynomaly.console.context import Asked
from pynomaly.console.schemas import ViewShown
from pynomaly.console.wishes import NewView
from pynomaly.errors import ConfigError, UnknownNameError

__all__ = ["delete_view", "list_views", "router", "save_view"]

router = APIRouter(tags=["views"], route_class=ApiRoute, responses=PROBLEMS)

_NAME = r"^[^/\x00-\x1f\x7f]{1,80}$"
ViewName = Annotated[str, Path(pattern=_NAME, description="as you call it; no slash")]


@router.get("/views", summary="Your saved views of the inbox")
def list_views(asked: AskedBy) -> tuple[ViewShown, ...]:
    """Return the views of who asks; none where there is no pipeline yet."""
    if not asked.pipelines.list_pipelines():
        return ()
    views = asked.console.doorkeeper.read_access().views
    return tuple(ViewShown.of_view(item) for item in views.list_views(asked.actor.owner))


@router.put("/views/{name}", summary="Save a view under a name, in place of one of that name")
def put_view(asked: AskedBy, name: ViewName, wish: NewView) -> ViewShown:
    """Save a view."""
    return save_view(asked, name, wish)


@router.delete("/views/{name}", summary="Delete a view; its alerts stay")
def remove_view(asked: AskedBy, name: ViewName) -> tuple[ViewShown, ...]:
    """Delete a view; returns those that are left."""
    delete_view(asked, name)
    return list_views(asked)


def save_view(asked: Asked, name: str, wish: NewView) -> ViewShown:
    """Save a view of who asks.

    Raises
    ------
    ConfigError
        If the name or the query is none, or they have too many.
    """
    if not re.match(_NAME, name):
        raise ConfigError(f"{name[:40]!r} is no name of a view: 1 to 80 characters without a slash")
    views = asked.console.doorkeeper.read_access().views
    return ViewShown.of_view(views.save_view(asked.actor.owner, name, normalize_query(wish.query)))


def delete_view(asked: Asked, name: str) -> None:
    """Delete a view of who asks.

    Raises
    ------
    UnknownNameError
        If they have none of that name.
    """
    if not asked.console.doorkeeper.read_access().views.delete_view(asked.actor.owner, name):
        raise UnknownNameError(f"no view {name!r}; GET /api/v1/views lists yours")
