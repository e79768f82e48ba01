"""The schema of GraphQL: the reads of the API in one request, each with the rights of who asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext
from strawberry.types import Info as StrawberryInfo

from pynomaly.console.api.alerts import AlertWish, show_alert
from pynomaly.console.api.decisions import list_decisions, read_fleet, show_decision, show_promotions
from pynomaly.console.context import Asked
from pynomaly.console.graph.derived_types import derive_type, list_of
from pynomaly.console.graph.query_cost import DEFAULT_LIMIT, MAX_LIMIT
from pynomaly.console.queries.alerts import page_alerts
from pynomaly.console.queries.fleet import list_fleet
from pynomaly.console.queries.pipeline import describe_pipeline
from pynomaly.console.schemas import (
    AlertDetail,
    AlertState,
    AlertSummary,
    DecisionDetail,
    DecisionSummary,
    FleetPipeline,
    Gravity,
    Page,
    PendingPromotion,
    PipelineFacts,
    Severity,
)
from pynomaly.errors import ConfigError, list_allowed
from pynomaly.records.ledger import AlertOrder

__all__ = ["build_schema"]

Info = StrawberryInfo[Asked, None]


class _QuietSchema(strawberry.Schema):
    """A schema whose errors are logged by who answers, not by strawberry."""

    def process_errors(self, errors: list[Any], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing."""


def build_schema() -> strawberry.Schema:
    """Return the schema. Fields have the names of the API; the context of a query is an :class:`Asked`."""
    alert_page = derive_type(Page[AlertSummary], "AlertPage")
    decision_page = derive_type(Page[DecisionSummary], "DecisionPage")
    facts = derive_type(PipelineFacts)
    pipeline = derive_type(
        FleetPipeline,
        "Pipeline",
        {
            "facts": (_read_facts, facts),
            "alerts": (_list_own_alerts, alert_page),
            "decisions": (_list_own_decisions, decision_page),
        },
    )
    answers: dict[str, tuple[Any, Any]] = {
        "pipelines": (_list_pipelines, list_of(pipeline)),
        "pipeline": (_find_pipeline, pipeline),
        "alerts": (_list_alerts, alert_page),
        "alert": (_find_alert, derive_type(AlertDetail)),
        "decisions": (_list_decisions, decision_page),
        "decision": (_find_decision, derive_type(DecisionDetail)),
        "promotions": (_list_promotions, list_of(derive_type(PendingPromotion))),
    }
    query = type(
        "Query",
        (),
        {
            name: strawberry.field(
                resolver=resolver, graphql_type=answer, description=(resolver.__doc__ or "").strip()
            )
            for name, (resolver, answer) in answers.items()
        },
    )
    return _QuietSchema(strawberry.type(query), config=StrawberryConfig(auto_camel_case=False))


def _list_pipelines(
    info: Info, words: str = "", gravity: list[str] | None = None, limit: int = DEFAULT_LIMIT
) -> Any:
    """Pipelines, the gravest first; `words` are part of the name or the description."""
    wanted = _read_words("gravity", gravity, get_args(Gravity))
    lines = [
        line
        for line in read_fleet(info.context)
        if (not wanted or line.gravity in wanted)
        and words.casefold() in f"{line.name} {line.description}".casefold()
    ]
    return lines[: _check_limit(limit)]


def _find_pipeline(info: Info, name: str) -> Any:
    """One pipeline."""
    asked = info.context
    return list_fleet(asked.pipelines, [asked.find(name)], asked.now)[0]


def _list_alerts(
    info: Info,
    pipelines: list[str] | None = None,
    states: list[str] | None = None,
    severities: list[str] | None = None,
    entity: str = "",
    cause: str = "",
    assignee: str = "",
    words: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    quiet: bool = False,
    order: str = "severity",
    limit: int = DEFAULT_LIMIT,
    cursor: str = "",
) -> Any:
    """Alerts, the gravest or the newest first."""
    wish = AlertWish(
        pipelines or [],
        _read_words("states", states, get_args(AlertState)),
        _read_words("severities", severities, get_args(Severity)),
        entity,
        cause,
        assignee,
        words,
        since,
        until,
        quiet,
    )
    asked = info.context
    chosen = asked.choose(wish.pipelines)
    [first] = _read_words("order", [order], get_args(AlertOrder))
    return page_alerts(asked.pipelines, chosen, wish.filter, first, _check_limit(limit), cursor)


def _list_own_alerts(
    info: Info,
    root: strawberry.Parent[Any],
    states: list[str] | None = None,
    severities: list[str] | None = None,
    order: str = "severity",
    limit: int = DEFAULT_LIMIT,
    cursor: str = "",
) -> Any:
    return _list_alerts(info, [root.name], states, severities, order=order, limit=limit, cursor=cursor)


def _find_alert(info: Info, pipeline: str, alert: str) -> Any:
    """Everything on record about an alert; its name may be shortened."""
    return show_alert(info.context, pipeline, alert)


def _list_decisions(
    info: Info,
    pipelines: list[str] | None = None,
    kinds: list[str] | None = None,
    actor: str = "",
    limit: int = DEFAULT_LIMIT,
    cursor: str = "",
) -> Any:
    """Decisions with their reasons, the newest first."""
    return list_decisions(info.context, pipelines or [], kinds or [], actor, _check_limit(limit), cursor)


def _list_own_decisions(
    info: Info,
    root: strawberry.Parent[Any],
    kinds: list[str] | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str = "",
) -> Any:
    return _list_decisions(info, [root.name], kinds, limit=limit, cursor=cursor)


def _find_decision(info: Info, pipeline: str, seq: int) -> Any:
    """One decision with its evidence."""
    return show_decision(info.context, pipeline, seq)


def _list_promotions(info: Info, pipelines: list[str] | None = None) -> Any:
    """Promotions that wait for an approval."""
    return show_promotions(info.context, pipelines or [])


def _read_facts(info: Info, root: strawberry.Parent[Any]) -> Any:
    asked = info.context
    return describe_pipeline(asked.pipelines, asked.find(root.name))


def _check_limit(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise ConfigError(f"limit is {limit}; 1 to {MAX_LIMIT} are allowed")
    return limit


def _read_words(name: str, words: list[str] | None, allowed: Sequence[str]) -> list[Any]:
    """Return words of a fixed choice; that is what makes them of their type."""
    for word in words or ():
        if word not in allowed:
            raise ConfigError(f"{name} has {word[:40]!r}; {list_allowed(word, allowed)}")
    return words or []
