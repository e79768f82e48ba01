"""Actors and their roles. Pure.

A role includes those before it: a viewer reads, an analyst answers alerts, an approver decides about models,
an admin gives access. Roles are granted by pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Literal

from pynomaly.errors import ConfigError, list_allowed
from pynomaly.records.ledger import Identity, Way

__all__ = ["ROLES", "Actor", "Grant", "Role", "parse_role"]

Role = Literal["viewer", "analyst", "approver", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "analyst", "approver", "admin")


@dataclass(frozen=True)
class Grant:
    """A role for some pipelines: names with ``*`` for any characters."""

    role: Role
    pipelines: tuple[str, ...] = ("*",)

    def covers(self, pipeline: str) -> bool:
        """Return whether it is for this pipeline."""
        return any(fnmatchcase(pipeline, pattern) for pattern in self.pipelines)


@dataclass(frozen=True)
class Actor:
    """Who asks.

    Attributes
    ----------
    grants : tuple of Grant
    identity : Identity
        Who they are, as lines that they write say.
    """

    grants: tuple[Grant, ...]
    identity: Identity

    @property
    def name(self) -> str:
        """As it stands in the ledger's lines."""
        return self.identity.name

    @property
    def way(self) -> Way:
        """How they were recognised."""
        return self.identity.way

    @property
    def key(self) -> str:
        """Tells them from every other actor, also of the same name."""
        identity = self.identity
        who = f"{identity.issuer} {identity.subject}" if identity.is_person else identity.name
        return f"{identity.way}:{who}"

    @property
    def owner(self) -> str:
        """Names, in records of what a person keeps for themselves, whoever it is by whatever way.

        A person whom a provider vouches for is that person; others are whom their name says.
        """
        identity = self.identity
        who = ("person", identity.issuer, identity.subject) if identity.is_person else ("name", identity.name)
        return sha256("\n".join(who).encode()).hexdigest()

    def may(self, role: Role, pipeline: str) -> bool:
        """Return whether the actor has at least this role for a pipeline."""
        return any(
            ROLES.index(grant.role) >= ROLES.index(role) and grant.covers(pipeline) for grant in self.grants
        )

    def may_everywhere(self, role: Role) -> bool:
        """Return whether the actor has at least this role for all pipelines, also those to come."""
        return any(
            ROLES.index(grant.role) >= ROLES.index(role) and "*" in grant.pipelines for grant in self.grants
        )


def parse_role(text: str) -> Role:
    """Return the role of this name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    for role in ROLES:
        if text == role:
            return role
    raise ConfigError(f"no role {text!r}; {list_allowed(text, ROLES)}")
