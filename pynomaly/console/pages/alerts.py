"""The inbox of alerts and the page of one alert, with the forms that answer them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from pynomaly.config import SEVERITIES
from pynomaly.console.actions import Answer, answer_alert, answer_alerts
from pynomaly.console.api.alerts import show_surroundings
from pynomaly.console.api.inbox_address import keep_filters, read_order, read_wish
from pynomaly.console.api.routing import AskedBy
from pynomaly.console.api.views import delete_view, list_views, save_view
from pynomaly.console.context import Asked
from pynomaly.console.pages.forms import Form, SentForm, describe_invalid
from pynomaly.console.pages.lanes import draw_lanes, find_first_bin
from pynomaly.console.pages.rendering import render_page
from pynomaly.console.queries.alerts import count_alerts, find_newest_time, list_lanes, page_alerts
from pynomaly.console.schemas import AlertDetail, Answered
from pynomaly.console.wishes import (
    Acknowledge,
    AlertName,
    Assign,
    BulkAnswer,
    Comment,
    Mute,
    NewView,
    Resolve,
)
from pynomaly.errors import ConfigError, PynomalyError
from pynomaly.records.ledger import AlertFilter
from pynomaly.steps.alerting.resolve_alerts import find_alert

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=400)]


@router.get("/alerts")
def show_alerts(asked: AskedBy, request: Request, cursor: Text = "", part: Text = "") -> Response:
    """Return the inbox; ``part=lines`` returns the next lines alone."""
    return _render_alerts(asked, request.query_params.multi_items(), cursor, part)


@router.post("/alerts/answers")
def post_answers(asked: AskedBy, request: Request, form: SentForm) -> Response:
    """Answer the chosen alerts, and return the list as it is now."""
    back = tuple(keep_filters(parse_qsl(form.read("back")[:4000])).items())
    try:
        names = [item.partition("/") for item in form.read_all("chosen")]
        if not names:
            raise ConfigError("no alert is chosen; choose some by their boxes")
        answer = _read_answer(form)
        wish = BulkAnswer(
            alerts=tuple(AlertName(pipeline=pipeline, alert=alert) for pipeline, _, alert in names),
            acknowledge=answer if isinstance(answer, Acknowledge) else None,
            resolve=answer if isinstance(answer, Resolve) else None,
        )
        outcome = answer_alerts(asked, wish)
        summary = {
            "answered": outcome.answered,
            "labelled": sum(item.labelled for item in outcome.answered),
            "failed": outcome.failed,
        }
    except ValidationError as error:
        summary = {"answered": (), "labelled": 0, "failed": {"form": str(describe_invalid(error))}}
    except PynomalyError as error:
        summary = {"answered": (), "labelled": 0, "failed": {"form": str(error)}}
    if "hx-request" not in request.headers and not summary["failed"]:
        return RedirectResponse(f"/alerts?{urlencode(back)}", 303)
    part = "results" if "hx-request" in request.headers else ""
    return _render_alerts(asked, back, "", part, summary)


@router.post("/alerts/views")
def post_view(asked: AskedBy, form: SentForm) -> Response:
    """Save the filters of the address under a name, or delete those of a name; then the inbox again."""
    query, name = form.read("query")[:4000], form.read("name")
    try:
        if form.read("action") == "delete":
            delete_view(asked, name)
        else:
            save_view(asked, name, NewView(query=query))
    except (ValidationError, PynomalyError) as error:
        text = str(describe_invalid(error) if isinstance(error, ValidationError) else error)
        return _render_alerts(asked, parse_qsl(query), "", "", view_problem=text)
    return RedirectResponse(f"/alerts?{urlencode(keep_filters(parse_qsl(query)))}", 303)


@router.get("/pipelines/{pipeline}/alerts/{alert}")
def show_alert(asked: AskedBy, pipeline: str, alert: str) -> Response:
    """Return the page of one alert."""
    settings = asked.find(pipeline)
    ledger = asked.pipelines.open_ledger(settings.ledger_url)
    return _render_alert(asked, AlertDetail.of_alert(find_alert(ledger, pipeline, alert)), "alert")


@router.post("/pipelines/{pipeline}/alerts/{alert}/answer")
def post_answer(asked: AskedBy, request: Request, pipeline: str, alert: str, form: SentForm) -> Response:
    """Answer one alert, and return what it changed."""
    settings = asked.find(pipeline)
    template = "alert_state" if "hx-request" in request.headers else "alert"
    try:
        answered = answer_alert(asked, pipeline, alert, _read_answer(form))
    except (ValidationError, PynomalyError) as error:
        text = str(describe_invalid(error) if isinstance(error, ValidationError) else error)
        ledger = asked.pipelines.open_ledger(settings.ledger_url)
        detail = AlertDetail.of_alert(find_alert(ledger, pipeline, alert))
        return _render_alert(asked, detail, template, problem=text)
    return _render_alert(asked, answered.alert, template, effect=_describe_effect(answered))


def _render_alert(
    asked: Asked, alert: AlertDetail, template: str, effect: str = "", problem: str = ""
) -> Response:
    around = show_surroundings(asked, alert.pipeline, alert.alert) if template == "alert" else None
    return render_page(
        template,
        asked,
        here="/alerts",
        alert=alert,
        around=around,
        effect=effect,
        problem=problem,
        may_answer=asked.actor.may("analyst", alert.pipeline),
    )


def _describe_effect(answered: Answered) -> str:
    if not answered.new:
        return "The same was on record already; nothing changed."
    if answered.labelled:
        kind = "anomalies" if answered.alert.ending == "confirmed" else "normal"
        rows = f"{answered.labelled} row{'s' if answered.labelled > 1 else ''}"
        return f"Recorded. {rows} labelled as {kind}: the next training learns from them."
    return "Recorded."


def _read_answer(form: Form) -> Answer:
    """Return the answer that the button of a form means.

    Raises
    ------
    ConfigError
        If there is no such button.
    ValidationError
        If a field is wrong.
    """
    note = form.read("note")
    match form.read("answer"):
        case "acknowledge":
            return Acknowledge(note=note)
        case "confirmed":
            return Resolve(ending="confirmed", note=note)
        case "false-alarm":
            return Resolve(ending="false-alarm", note=note)
        case "comment":
            return Comment(text=note)
        case "assign":
            return Assign(to=form.read("to"))
        case "mute":
            return Mute.model_validate({"hours": form.read("hours"), "note": note})
    raise ConfigError(f"no answer {form.read('answer')[:40]!r}")


def _render_alerts(
    asked: Asked,
    query: Sequence[tuple[str, str]],
    cursor: str,
    part: str,
    outcome: dict[str, Any] | None = None,
    view_problem: str = "",
) -> Response:
    values = keep_filters(query)
    order, wish = read_order(values), read_wish(values)
    chosen = asked.choose(wish.pipelines)
    page = page_alerts(asked.pipelines, chosen, wish.filter, order, 50, cursor)
    kept = {name: value for name, value in values.items() if name != "order"}
    link = _make_link(kept | ({"order": order} if order != "severity" else {}))
    if part == "lines":
        return render_page("alert_lines", asked, page=page, link=link)
    key = (tuple(item.name for item in chosen), wish.filter)
    counts = asked.read_kept(("counts", key), lambda: count_alerts(asked.pipelines, chosen, wish.filter))
    by_severity = {level: sum(item.get(level, 0) for item in counts.values()) for level in SEVERITIES}
    lanes = asked.read_kept(("lanes", key, link()), lambda: _build_lanes(asked, chosen, wish.filter, link))
    return render_page(
        "alert_results" if part == "results" else "alerts",
        asked,
        here="/alerts",
        page=page,
        wish=wish,
        state=values.get("state", "waiting"),
        order=order,
        names=[item.name for item in asked.choose()],
        severities=SEVERITIES,
        by_severity=by_severity,
        narrowed=bool(kept),
        link=link,
        back=urlencode(values),
        views=list_views(asked),
        view_problem=view_problem,
        outcome=outcome,
        **lanes,
    )


def _make_link(kept: dict[str, str]) -> Callable[..., str]:
    def link(**changes: str) -> str:
        """Return the address of the list with other filters; an empty one is left out."""
        values = {name: value for name, value in (kept | changes).items() if value}
        return f"/alerts?{urlencode(values)}"

    return link


def _build_lanes(
    asked: Asked, chosen: Sequence[Any], wanted: AlertFilter, link: Callable[..., str]
) -> dict[str, Any]:
    """Return the swimlanes of what is listed: days, or hours where a span of two days is chosen."""
    timed = [item for item in chosen if item.data.time is not None]
    newest = wanted.until or (find_newest_time(asked.pipelines, timed) if timed else None)
    if newest is None or not timed:
        return {"lanes": (), "bins": (), "lanes_by": "day"}
    span = newest - wanted.since if wanted.since else timedelta(days=30)
    by: Literal["day", "hour"] = "hour" if span <= timedelta(days=2) else "day"
    shown = replace(wanted, since=find_first_bin(by, newest))
    return draw_lanes(list_lanes(asked.pipelines, timed, shown, by, 12), by, newest, link)
