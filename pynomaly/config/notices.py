"""Settings of notices: who is told what, when, by which channel, and who is told if nobody answers.

Addresses hold secrets, so none is written here: a target names an environment variable or a Prefect block
that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal, get_args
from urllib.parse import quote
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from pynomaly.config.delivery import HttpAddress
from pynomaly.config.settings import Settings
from pynomaly.config.spelling.clock import DAYS, check_hours, parse_clock, read_days
from pynomaly.config.spelling.units import Duration
from pynomaly.errors import list_allowed

__all__ = [
    "EVENTS",
    "SEVERITIES",
    "Console",
    "Digest",
    "Escalation",
    "EscalationStep",
    "Event",
    "Notify",
    "Quiet",
    "Route",
    "Severity",
    "Target",
]

Event = Literal[
    "alert",
    "degraded",
    "critical",
    "promote",
    "refuse",
    "rollback",
    "pending",
    "dead_man",
    "quality_block",
    "guarantee",
    "drill",
    "report",
]
EVENTS: tuple[Event, ...] = get_args(Event)
"""Events that a target can be notified of."""

Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Severities of alerts and of notices, the gravest first."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
ClockTime = Annotated[str, BeforeValidator(parse_clock)]
Hours = Annotated[str, AfterValidator(check_hours)]
Days = Annotated[tuple[str, ...], BeforeValidator(read_days)]


class Digest(Settings):
    """When what came since is told in one message; neither `every` nor `at`: each notice by itself."""

    every: Duration = Field(
        timedelta(0), description="one message so often, counted from midnight; 0s: not by a span"
    )
    at: tuple[ClockTime, ...] = Field((), description="one message at these times of day, like 08:00")
    unless: Severity = Field("critical", description="what is at least so grave is told at once")

    @model_validator(mode="after")
    def _one_way(self) -> Digest:
        if self.every and self.at:
            raise ValueError("digest: give either every or at")
        day = timedelta(days=1)
        if self.every and (self.every < timedelta(minutes=5) or self.every > day or day % self.every):
            raise ValueError("digest.every must divide a day and be at least 5m, like 1h, 4h, 12h or 24h")
        return self

    @property
    def is_set(self) -> bool:
        """Whether notices are collected."""
        return bool(self.every or self.at)


class Quiet(Settings):
    """Hours in which a target is left alone; what comes in them is held back until they end."""

    hours: Hours = Field("", description="like 22:00-07:00; empty with days: the whole of those days")
    days: Days = Field((), description="days on which they begin, like [sat, sun] or [mon-fri]; empty: all")
    unless: Severity = Field("critical", description="what is at least so grave is told at once")

    @model_validator(mode="after")
    def _ends(self) -> Quiet:
        if not self.hours and len(self.days) == len(DAYS):
            raise ValueError("quiet.days names every day and quiet.hours none: they would never end")
        return self

    @property
    def is_set(self) -> bool:
        """Whether there are quiet hours."""
        return bool(self.hours or self.days)


class Target(Settings):
    """A receiver of notifications: an address in an environment variable, or a Prefect block."""

    name: Name = Field(description="its name in the records")
    kind: Literal["apprise", "pagerduty", "slack", "teams"] = Field(
        "apprise", description="apprise: mail, chat, web hooks and more; the others are spoken to directly"
    )
    url_env: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        description="environment variable with an Apprise URL; slack and teams: with the web hook's address; "
        "pagerduty: with the integration key",
    )
    block: str = Field(
        "", pattern=r"^([a-z0-9-]+/[a-z0-9-]+)?$", description="Prefect block, type/name (kind: apprise)"
    )
    address: HttpAddress = Field(
        "https://events.pagerduty.com",
        description="pagerduty: where events go; https://events.eu.pagerduty.com in Europe",
    )
    on: tuple[Event, ...] = Field(EVENTS, min_length=1, description="events to notify of; all by default")
    roles: tuple[Name, ...] = Field((), description="names that rules may give several targets together")
    updates: bool = Field(
        False, description="told too that an alert was acknowledged or is over; pagerduty always is"
    )
    attach: bool = Field(True, description="mail has the pages of a report attached")
    digest: Digest = Digest()
    quiet: Quiet = Quiet()

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, value: object) -> object:
        # In YAML 1.1 an unquoted `on` means true.
        if isinstance(value, dict) and True in value and "on" not in value:
            return {"on" if key is True else key: item for key, item in value.items()}
        return value

    @model_validator(mode="after")
    def _one_address(self) -> Target:
        if bool(self.url_env) == bool(self.block):
            raise ValueError(f"target {self.name!r}: give either url_env or block")
        if self.block and self.kind != "apprise":
            raise ValueError(f"target {self.name!r}: kind {self.kind} needs url_env; a block is for apprise")
        if self.kind != "pagerduty" and "address" in self.model_fields_set:
            raise ValueError(f"target {self.name!r}: address is for kind pagerduty; {self.kind} has url_env")
        if self.kind == "pagerduty" and self.digest.is_set:
            raise ValueError(f"target {self.name!r}: incidents of pagerduty are not collected in a digest")
        return self

    @property
    def wants_updates(self) -> bool:
        """Whether it is told that an alert was acknowledged or is over."""
        return self.updates or self.kind == "pagerduty"


class Route(Settings):
    """A rule: notices that fit everything it names go to `to`; the first rule that fits counts."""

    to: tuple[Name, ...] = Field(description="targets or roles; []: nobody is told")
    kinds: tuple[Event, ...] = Field(EVENTS, min_length=1, description="events it is for; all by default")
    severity: Severity = Field("low", description="only what is at least so grave")
    entity: str = Field("*", min_length=1, description="only of entities like this, such as pump-*")
    hours: Hours = Field("", description="only then, like 08:00-18:00; empty: at all hours")
    days: Days = Field((), description="only on these days, like [mon-fri]; empty: every day")


class EscalationStep(Settings):
    """Who is told when an alert has waited so long for an answer."""

    after: Duration = Field(ge=timedelta(minutes=1), description="since the alert was to be told of")
    to: Name = Field(description="target or role")


class Escalation(Settings):
    """Who is told, in order and each once, while nobody acknowledges an alert."""

    severity: Severity = Field("high", description="only alerts that are at least so grave")
    steps: tuple[EscalationStep, ...] = Field((), description="the next receivers, in order; empty: nobody")

    @field_validator("steps")
    @classmethod
    def _later_and_later(cls, value: tuple[EscalationStep, ...]) -> tuple[EscalationStep, ...]:
        for earlier, later in pairwise(value):
            if later.after <= earlier.after:
                raise ValueError(f"the step to {later.to!r} must come later than the one to {earlier.to!r}")
        return value


class Notify(Settings):
    """Who is notified of which events, and how often at most."""

    targets: tuple[Target, ...] = Field((), description="who is notified; empty: nobody")
    routes: tuple[Route, ...] = Field(
        (), description="rules, the first that fits counts; what fits none goes to every target"
    )
    escalation: Escalation = Escalation()
    expire: Duration = Field(
        timedelta(days=30),
        ge=timedelta(hours=1),
        description="an alert without news for so long is over for its receivers: its incident is resolved",
    )
    timezone: str = Field("", description="zone of hours and days; empty: that of the schedule")
    min_interval: Duration = Field(
        timedelta(0), description="shortest time between two messages of one kind to one target"
    )
    attempts: int = Field(3, ge=1, le=10, description="tries in a row before a message waits for reconcile")

    @field_validator("targets")
    @classmethod
    def _names_differ(cls, value: tuple[Target, ...]) -> tuple[Target, ...]:
        names = [target.name for target in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two targets are called {name!r}")
        for role in {role for target in value for role in target.roles}:
            if role in names:
                raise ValueError(f"the role {role!r} is also the name of a target; rename one of them")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value and value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone; write one like 'UTC' or 'Europe/Berlin'")
        return value

    @model_validator(mode="after")
    def _receivers_exist(self) -> Notify:
        known = {name for target in self.targets for name in (target.name, *target.roles)}
        for place, route in enumerate(self.routes):
            where = f"notify.routes.{place}.to"
            for name in route.to:
                _require_receiver(where, name, known)
            if "kinds" in route.model_fields_set and route.to:
                self._require_listeners(where, route)
        told: set[str] = set()
        for place, step in enumerate(self.escalation.steps):
            _require_receiver(f"notify.escalation.steps.{place}.to", step.to, known)
            for target in self.find_targets((step.to,)):
                if target.name in told:
                    raise ValueError(
                        f"notify.escalation.steps.{place}: {target.name!r} is told twice; each step is to "
                        "somebody else"
                    )
                told.add(target.name)
        return self

    def _require_listeners(self, where: str, route: Route) -> None:
        receivers = self.find_targets(route.to)
        for kind in route.kinds:
            if not any(kind in target.on for target in receivers):
                raise ValueError(f"{where}: none of {', '.join(route.to)} has {kind!r} under on")

    def find_targets(self, names: Collection[str]) -> tuple[Target, ...]:
        """Return the targets of these names and roles, each once, in their own order."""
        return tuple(item for item in self.targets if {item.name, *item.roles} & set(names))


def _require_receiver(where: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ValueError(f"{where}: no target or role {name!r}; {list_allowed(name, sorted(known))}")


_RUNBOOK_NAMES = ("pipeline", "entity", "cause")


class Console(Settings):
    """Where people open the console in their browser."""

    url: Annotated[str, Field(pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$")] = Field(
        "", description="its address, like https://console.example.org; messages link to it; empty: no links"
    )

    runbook: Annotated[str, Field(pattern=r"^(https?://[^\s/?#@{}]+([/?#][^\s]*)?)?$")] = Field(
        "",
        description="address of what to do about an alert, linked from its page; {pipeline}, {entity} and "
        "{cause} are put in; empty: no link",
    )

    @field_validator("runbook")
    @classmethod
    def _check_runbook(cls, text: str) -> str:
        for name in re.findall(r"{(.*?)}", text):
            if name not in _RUNBOOK_NAMES:
                raise ValueError(f"{{{name}}} is not put in; {list_allowed(name, _RUNBOOK_NAMES)}")
        if set("{}") & set(re.sub(r"{(.*?)}", "", text)):
            raise ValueError("a brace stands alone; {entity} is how a name is put in")
        return text

    def link_runbook(self, pipeline: str, entity: str, cause: str) -> str:
        """Return the address of what to do about an alert, or "" where none is named."""
        names = {"pipeline": pipeline, "entity": entity, "cause": cause}
        return self.runbook.format_map({name: quote(text, safe="") for name, text in names.items()})

    def link_alert(self, pipeline: str, alert: str) -> str:
        """Return the address of an alert's page, or "" where no console is named."""
        return f"{self.url.rstrip('/')}/pipelines/{pipeline}/alerts/{alert}" if self.url else ""
