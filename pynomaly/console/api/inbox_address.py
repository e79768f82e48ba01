"""The query of the inbox's address: what its filters are called there, and what they mean.

A saved view is such a query. Called by ``views.py`` and the page of the inbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from pynomaly.config import SEVERITIES
from pynomaly.console.api.alerts import AlertWish
from pynomaly.console.schemas import AlertState
from pynomaly.errors import ConfigError, list_allowed

__all__ = ["INBOX_FIELDS", "INBOX_FILTERS", "INBOX_STATES", "keep_filters", "normalize_query"]
__all__ += ["read_order", "read_wish"]

INBOX_STATES: Mapping[str, tuple[AlertState, ...]] = {
    "waiting": ("open", "acknowledged"),
    "open": ("open",),
    "acknowledged": ("acknowledged",),
    "resolved": ("resolved",),
    "withdrawn": ("withdrawn",),
    "all": (),
}
"""What may stand for ``state``."""
INBOX_FILTERS = ("entity", "cause", "assignee", "words", "since", "until", "quiet")
INBOX_FIELDS = ("pipeline", "state", "severity", "order", *INBOX_FILTERS)
"""Every name in the query, in the order of a saved view."""


def keep_filters(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the filters of a query that are set; other names are left out."""
    values = {name: value for name, value in query if value}
    return {name: values[name] for name in INBOX_FIELDS if name in values}


def normalize_query(text: str) -> str:
    """Return a query as it is saved: its filters in one order.

    Raises
    ------
    ConfigError
        If it has another name, or a value that the inbox does not know.
    """
    pairs = parse_qsl(text.removeprefix("?"), keep_blank_values=True, max_num_fields=50)
    for name, _ in pairs:
        if name not in INBOX_FIELDS:
            raise ConfigError(f"no filter {name[:40]!r}; {list_allowed(name[:40], INBOX_FIELDS)}")
    kept = keep_filters(pairs)
    if kept.get("order", "severity") not in ("severity", "newest"):
        raise ConfigError(f"no order {kept['order'][:40]!r}; one of severity, newest")
    read_wish(kept)
    return urlencode(kept)


def read_order(values: Mapping[str, str]) -> Literal["severity", "newest"]:
    """Return the order that a query asks for."""
    return "newest" if values.get("order") == "newest" else "severity"


def read_wish(values: Mapping[str, str]) -> AlertWish:
    """Return the alerts that a query asks for.

    Raises
    ------
    ConfigError
        If a state, a severity or a time is none.
    """
    state, severity = values.get("state", "waiting"), values.get("severity", "")
    if state not in INBOX_STATES:
        raise ConfigError(f"no state {state[:40]!r}; one of {', '.join(INBOX_STATES)}")
    if severity and severity not in SEVERITIES:
        raise ConfigError(f"no severity {severity[:40]!r}; one of {', '.join(SEVERITIES)}")
    texts = {name: values.get(name, "")[:200] for name in ("entity", "cause", "assignee", "words")}
    return AlertWish(
        pipeline=[values["pipeline"]] if "pipeline" in values else [],
        state=list(INBOX_STATES[state]),
        severity=[severity] if severity else [],
        since=_read_time(values, "since"),
        until=_read_time(values, "until"),
        quiet=values.get("quiet") == "true",
        **texts,
    )


def _read_time(values: Mapping[str, str], name: str) -> datetime | None:
    if name not in values:
        return None
    try:
        moment = datetime.fromisoformat(values[name])
    except ValueError:
        raise ConfigError(f"{name} is {values[name][:40]!r}; write a time like 2026-01-05T00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
