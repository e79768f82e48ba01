"""The page of the fleet, and the page of one pipeline."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from pynomaly.console.api.decisions import read_fleet
from pynomaly.console.api.routing import AskedBy
from pynomaly.console.pages.rendering import render_page, render_part
from pynomaly.console.queries.decisions import page_decisions
from pynomaly.console.queries.fleet import GRAVITIES, list_fleet
from pynomaly.console.queries.pipeline import describe_pipeline
from pynomaly.errors import ConfigError, PynomalyError
from pynomaly.records.ledger import DecisionFilter
from pynomaly.steps.promotion.preview_policy import preview_policy

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
Words = Annotated[str, Query(max_length=200)]


@router.get("/")
def show_fleet(asked: AskedBy, words: Words = "", gravity: Words = "") -> HTMLResponse:
    """Return every pipeline, the gravest first."""
    lines = read_fleet(asked)
    counts = Counter(line.gravity for line in lines)
    part = words.casefold()
    shown = tuple(
        line
        for line in lines
        if gravity in ("", line.gravity) and part in f"{line.name} {line.description}".casefold()
    )
    key = ("fleet lines", gravity, part, *(line.name for line in lines))
    table = asked.read_kept(key, lambda: render_part("fleet_lines", lines=shown, now=asked.now))
    return render_page(
        "fleet",
        asked,
        here="/",
        table=table,
        shown=len(shown),
        total=len(lines),
        counts={level: counts[level] for level in GRAVITIES},
        gravities=GRAVITIES,
        chosen=gravity,
        words=words,
        problems=asked.pipelines.problems if asked.actor.may_everywhere("viewer") else {},
    )


@router.get("/pipelines/{pipeline}")
def show_pipeline(
    asked: AskedBy, pipeline: str, policy: Words = "", days: Annotated[int, Query(ge=1, le=366)] = 60
) -> HTMLResponse:
    """Return one pipeline: its champion, its windows, what another policy would do, its decisions."""
    settings = asked.find(pipeline)
    problem, preview = "", None
    if policy:
        try:
            preview = preview_policy(settings, policy, timedelta(days=days))
        except (ConfigError, PynomalyError) as error:
            problem = str(error)
    return render_page(
        "pipeline",
        asked,
        line=list_fleet(asked.pipelines, [settings], asked.now)[0],
        facts=describe_pipeline(asked.pipelines, settings),
        page=page_decisions(asked.pipelines, [settings], DecisionFilter(), 8),
        policy=policy,
        days=days,
        preview=preview,
        problem=problem,
        link=lambda **_: "",
    )
