"""Whose hand wrote a line: the identity behind an actor's name, kept in the line itself.

A step takes a name alone, from whoever calls it. The console knows more, and says so around the step: each
decision and each answer that this name writes meanwhile holds the identity under ``signed``. A line without
it was written by a program that asked nobody who it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

__all__ = ["SIGNED", "Identity", "Way", "read_identity", "sign_content", "sign_lines"]

SIGNED = "signed"
"""Key of the identity in a line's evidence or content."""

Way = Literal["local", "token", "session"]
"""How an actor was recognised."""


@dataclass(frozen=True)
class Identity:
    """Who an actor is.

    Attributes
    ----------
    name : str
        As it stands in lines.
    way : {"local", "token", "session"}
        How they were recognised.
    issuer, subject : str
        The provider that vouches for them, and what it calls them for good; empty where none does.
    token : str
        Id of the token that they came by, or "".
    """

    name: str
    way: Way
    issuer: str = ""
    subject: str = ""
    token: str = ""

    @property
    def is_person(self) -> bool:
        """Whether a provider vouches for them."""
        return bool(self.issuer and self.subject)

    def is_same(self, other: Identity) -> bool:
        """Return whether both are one person of one provider; names do not count."""
        return self.is_person and (self.issuer, self.subject) == (other.issuer, other.subject)

    def to_dict(self) -> dict[str, str]:
        """JSON-able; what is empty is left out."""
        return {key: text for key, text in asdict(self).items() if text}

    @classmethod
    def of_dict(cls, content: Mapping[str, Any]) -> Identity:
        """Return what :meth:`to_dict` made; unknown keys are left out."""
        return cls(**{item.name: content[item.name] for item in fields(cls) if item.name in content})


_signer: ContextVar[Identity | None] = ContextVar("pynomaly_signer", default=None)


@contextmanager
def sign_lines(identity: Identity) -> Iterator[None]:
    """Let each line that is written under this name in the ``with`` body hold the identity."""
    token = _signer.set(identity)
    try:
        yield
    finally:
        _signer.reset(token)


def read_identity(name: str) -> Identity | None:
    """Return the identity that signs for this name now; None if nobody was asked."""
    identity = _signer.get()
    return identity if identity is not None and identity.name == name else None


def sign_content(content: Mapping[str, Any], actor: str) -> dict[str, Any]:
    """Return a line's evidence or content with the identity of its actor, if one signs now.

    Whatever stood there under that key does not stay: nobody signs for another.
    """
    identity = read_identity(actor)
    rest = {key: value for key, value in content.items() if key != SIGNED}
    return rest | {SIGNED: identity.to_dict()} if identity else rest
