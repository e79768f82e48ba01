"""Reads the forms of our own pages: each carries the proof that it is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from pydantic import ValidationError

from pynomaly.console.access.security_events import log_event
from pynomaly.console.context import RoleError
from pynomaly.errors import ConfigError

__all__ = ["Form", "SentForm", "describe_invalid"]


@dataclass(frozen=True)
class Form:
    """The fields of a form: text, stripped; several of one name are kept in order."""

    fields: Mapping[str, Sequence[str]]

    def read(self, name: str) -> str:
        """Return the first field of this name, or ""."""
        return next(iter(self.fields.get(name, ())), "")

    def read_all(self, name: str) -> tuple[str, ...]:
        """Return every field of this name."""
        return tuple(self.fields.get(name, ()))


async def _read_form(request: Request) -> Form:
    state = request.state
    form = await request.form(max_files=0, max_fields=2000)
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value.strip())
    sent = Form(fields)
    if not request.app.state.console.doorkeeper.sessions.accepts(state.browser, sent.read("proof")):
        reason = "the form is not from a page of this session; load the page again"
        place = f"{request.method} {request.url.path}"
        who = state.actor.identity if state.actor else None
        log_event("request_refused", who, address=state.address, about=place, reason=reason)
        raise RoleError(reason)
    return sent


SentForm = Annotated[Form, Depends(_read_form)]


def describe_invalid(error: ValidationError) -> ConfigError:
    """Return what is wrong with the fields of a form, as one sentence."""
    parts = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    return ConfigError("; ".join(parts))
