"""Routes of alerts: lists, one alert, and the answers to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from pynomaly.console.actions import answer_alert, answer_alerts
from pynomaly.console.api.routing import PROBLEMS, ApiRoute, AskedBy, Cursor, Limit
from pynomaly.console.queries.alerts import count_alerts, list_lanes, page_alerts
from pynomaly.console.queries.series import read_alert_series
from pynomaly.console.queries.surroundings import describe_surroundings
from pynomaly.console.schemas import (
    AlertDetail,
    AlertSeries,
    AlertState,
    AlertSummary,
    AlertSurroundings,
    Answered,
    BulkResult,
    Lane,
    Page,
    Severity,
)
from pynomaly.console.wishes import Acknowledge, Assign, BulkAnswer, Comment, Mute, Resolve
from pynomaly.errors import ConfigError
from pynomaly.records.ledger import AlertFilter, AlertOrder
from pynomaly.steps.alerting.resolve_alerts import find_alert

__all__ = ["AlertWish", "router", "show_surroundings"]

router = APIRouter(tags=["alerts"], route_class=ApiRoute, responses=PROBLEMS)

Names = Annotated[list[str], Query(default_factory=list, description="names; all that you may see without")]
Words = Annotated[str, Query(max_length=200)]
ALERT = "/pipelines/{pipeline}/alerts/{alert}"


class AlertWish:
    """Which alerts a request asks for, by its query."""

    def __init__(
        self,
        pipeline: Names,
        state: Annotated[list[AlertState], Query(default_factory=list)],
        severity: Annotated[list[Severity], Query(default_factory=list)],
        entity: Words = "",
        cause: Annotated[str, Query(max_length=200, description="the column that contributes most")] = "",
        assignee: Words = "",
        words: Annotated[
            str, Query(max_length=200, description="part of the entity, the cause or the name")
        ] = "",
        since: Annotated[datetime | None, Query(description="of the newest row; with an offset")] = None,
        until: datetime | None = None,
        quiet: Annotated[bool, Query(description="also those that no notification was sent for")] = False,
    ) -> None:
        for name, moment in (("since", since), ("until", until)):
            if moment is not None and moment.tzinfo is None:
                raise ConfigError(f"{name} is {moment.isoformat()}; write an offset, as in 2026-01-05T00:00Z")
        self.pipelines = pipeline
        self.filter = AlertFilter(
            states=tuple(state),
            severities=tuple(severity),
            entity=entity,
            cause=cause,
            assignee=assignee,
            words=words,
            since=since,
            until=until,
            quiet=quiet,
        )


Wish = Annotated[AlertWish, Depends()]


@router.get("/alerts", summary="Alerts, the gravest or the newest first")
def list_alerts(
    asked: AskedBy, wish: Wish, order: AlertOrder = "severity", limit: Limit = 50, cursor: Cursor = ""
) -> Page[AlertSummary]:
    """Return a page of alerts."""
    chosen = asked.choose(wish.pipelines)
    return page_alerts(asked.pipelines, chosen, wish.filter, order, limit, cursor)


@router.get("/alerts/counts", summary="Number of alerts by state and severity")
def list_counts(asked: AskedBy, wish: Wish) -> dict[str, dict[str, int]]:
    """Return numbers of alerts."""
    chosen = asked.choose(wish.pipelines)
    key = ("counts", (tuple(item.name for item in chosen), wish.filter))
    return asked.read_kept(key, lambda: count_alerts(asked.pipelines, chosen, wish.filter))


@router.get("/alerts/lanes", summary="Entities with the most alerts, and when these were")
def show_lanes(
    asked: AskedBy,
    wish: Wish,
    by: Literal["day", "hour"] = "day",
    most: Annotated[int, Query(ge=1, le=100)] = 20,
) -> tuple[Lane, ...]:
    """Return alerts by entity and time."""
    return list_lanes(asked.pipelines, asked.choose(wish.pipelines), wish.filter, by, most)


@router.post("/alerts/answers", summary="One answer to several alerts; for an analyst")
def post_answers(asked: AskedBy, bulk: BulkAnswer) -> BulkResult:
    """Answer several alerts."""
    return answer_alerts(asked, bulk)


@router.get(ALERT, summary="Everything on record about an alert; its name may be shortened")
def show_alert(asked: AskedBy, pipeline: str, alert: str) -> AlertDetail:
    """Return one alert."""
    settings = asked.find(pipeline)
    ledger = asked.pipelines.open_ledger(settings.ledger_url)
    return AlertDetail.of_alert(find_alert(ledger, pipeline, alert))


@router.get(f"{ALERT}/series", summary="The rows of its entity around it, and what is usual")
def show_series(asked: AskedBy, pipeline: str, alert: str) -> AlertSeries:
    """Return the rows around an alert."""
    settings = asked.find(pipeline)
    ledger = asked.pipelines.open_ledger(settings.ledger_url)
    return read_alert_series(settings, ledger, find_alert(ledger, pipeline, alert), asked.console.bundles)


@router.get(f"{ALERT}/surroundings", summary="Incidents, planned work and verdicts around it; its runbook")
def show_surroundings(asked: AskedBy, pipeline: str, alert: str) -> AlertSurroundings:
    """Return what was going on around an alert."""
    settings = asked.find(pipeline)
    ledger = asked.pipelines.open_ledger(settings.ledger_url)
    return describe_surroundings(settings, ledger, find_alert(ledger, pipeline, alert))


@router.post(f"{ALERT}/acknowledge", summary="Say that you look at it; for an analyst")
def post_acknowledge(asked: AskedBy, pipeline: str, alert: str, answer: Acknowledge) -> Answered:
    """Acknowledge an alert."""
    return answer_alert(asked, pipeline, alert, answer)


@router.post(f"{ALERT}/resolve", summary="Say how it ended, which labels its rows; for an analyst")
def post_resolve(asked: AskedBy, pipeline: str, alert: str, answer: Resolve) -> Answered:
    """Resolve an alert."""
    return answer_alert(asked, pipeline, alert, answer)


@router.post(f"{ALERT}/assign", summary="Say who is to look at it; for an analyst")
def post_assign(asked: AskedBy, pipeline: str, alert: str, answer: Assign) -> Answered:
    """Assign an alert."""
    return answer_alert(asked, pipeline, alert, answer)


@router.post(f"{ALERT}/mute", summary="Send no notification of its like for a while; for an analyst")
def post_mute(asked: AskedBy, pipeline: str, alert: str, answer: Mute) -> Answered:
    """Mute alerts like this one."""
    return answer_alert(asked, pipeline, alert, answer)


@router.post(f"{ALERT}/comments", summary="Write a remark; for an analyst")
def post_comment(asked: AskedBy, pipeline: str, alert: str, answer: Comment) -> Answered:
    """Comment on an alert."""
    return answer_alert(asked, pipeline, alert, answer)
