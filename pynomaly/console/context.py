"""What each request is answered with: the pipelines, who asks, and what they may see."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from fastapi import Request

from pynomaly.config import Pipeline
from pynomaly.console.access.actors import Actor, Role
from pynomaly.console.access.recognise import Doorkeeper
from pynomaly.console.access.security_events import log_event
from pynomaly.console.brief_cache import BriefCache
from pynomaly.console.bundles import BundleCache
from pynomaly.console.live.changes import ChangeFeed
from pynomaly.console.own_data.inbox import Inbox
from pynomaly.console.own_data.trainings import Trainings
from pynomaly.console.pipelines import Pipelines
from pynomaly.errors import PynomalyError, UnknownNameError
from pynomaly.records.ledger.database import read_utc_now

T = TypeVar("T")

__all__ = ["Asked", "ConsoleParts", "RoleError", "depend_on_asked", "get_asked"]


class RoleError(PynomalyError):
    """The actor has not the role that an action needs."""


@dataclass
class ConsoleParts:
    """What the application is made of."""

    pipelines: Pipelines
    doorkeeper: Doorkeeper
    changes: ChangeFeed
    inbox: Inbox
    trainings: Trainings
    bundles: BundleCache = field(default_factory=BundleCache)
    cache: BriefCache = field(default_factory=BriefCache)
    links: dict[str, str] = field(default_factory=dict)
    https: bool = False
    clock: Callable[[], datetime] = read_utc_now


@dataclass
class Asked:
    """One request's console and actor."""

    console: ConsoleParts
    actor: Actor
    browser: str
    address: str
    _visible: tuple[Pipeline, ...] | None = field(default=None, repr=False)

    @property
    def pipelines(self) -> Pipelines:
        """The pipelines of the console, also those that the actor may not see."""
        return self.console.pipelines

    @property
    def now(self) -> datetime:
        """The moment, aware."""
        return self.console.clock()

    @property
    def proof(self) -> str:
        """What forms of this browser carry."""
        return self.console.doorkeeper.sessions.prove(self.browser)

    @property
    def visible(self) -> tuple[Pipeline, ...]:
        """The pipelines that the actor may see, by name; read once a request."""
        if self._visible is None:
            every = self.pipelines.list_pipelines()
            if not self.actor.may_everywhere("viewer"):
                every = tuple(item for item in every if self.actor.may("viewer", item.name))
            self._visible = every
        return self._visible

    def read_kept(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return a result that is at most two seconds old, and not from before what the actor changed."""
        return self.console.cache.read(key, compute, reader=self.actor.name)

    def choose(self, names: Sequence[str] = ()) -> tuple[Pipeline, ...]:
        """Return the pipelines of these names, or all, that the actor may see.

        Raises
        ------
        UnknownNameError
            If one of the names is none that the actor may see.
        """
        visible = self.visible
        if not names:
            return visible
        by_name = {item.name: item for item in visible}
        for name in names:
            if name not in by_name:
                raise UnknownNameError(f"no pipeline {name!r}")
        return tuple(by_name[name] for name in dict.fromkeys(names))

    def find(self, name: str, role: Role = "viewer") -> Pipeline:
        """Return a pipeline by its name.

        Raises
        ------
        UnknownNameError
            If there is none that the actor may see.
        RoleError
            If the actor sees it, and has not the role.
        """
        (pipeline,) = self.choose((name,))
        if not self.actor.may(role, name):
            raise self._refuse_role(f"{self.actor.name} is no {role} of {name}", name)
        return pipeline

    def require_admin(self) -> None:
        """Raise RoleError unless the actor is an admin of all pipelines, also of those to come."""
        if not self.actor.may_everywhere("admin"):
            raise self._refuse_role(f"{self.actor.name} is no admin of all pipelines", "*")

    def _refuse_role(self, reason: str, pipeline: str) -> RoleError:
        log_event("role_refused", self.actor.identity, address=self.address, about=pipeline, reason=reason)
        return RoleError(reason)


def get_asked(request: Request) -> Asked:
    """Return who asks; used by each route through ``Depends``."""
    state = request.state
    return Asked(request.app.state.console, state.actor, state.browser, state.address)


async def depend_on_asked(request: Request) -> Asked:
    """Return who asks, on the loop itself: a plain function would cost each request a thread's turn."""
    return get_asked(request)
